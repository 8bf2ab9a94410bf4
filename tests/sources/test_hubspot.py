"""HubSpot: each change of an object exactly once, from the list of all and from searches that give only so much.

No account can be had here: `hubspotting.HubSpot` stands in, made from the documentation, and HubSpot's own client is
driven against it too.
"""

from __future__ import annotations

import time

import pytest

from desks import busy, cut, served
from hubspotting import HubSpot
from pulling import Puller, exactly_once_through_kills, fetch, records, sessions
from trackway.errors import ConfigError, SourceError
from trackway.flow.calling import Patience
from trackway.model.secret import Secret
from trackway.plan.config import component

NOW = int(time.time())
HOUR = 3600


@pytest.fixture(autouse=True)
def rests(monkeypatch):
    """How long the server is left alone, without waiting for it."""
    noted = []
    monkeypatch.setattr("trackway.sources.hubspot.EVERY", 0.0)
    monkeypatch.setattr(Patience, "rest", lambda self, seconds: noted.append(seconds))
    return noted


@pytest.fixture
def desk():
    with served(HubSpot(cap=300)) as desk:
        yield desk


def options(desk, **others):
    return {
        "type": "hubspot", "address": desk.address, "token": "$HUBSPOT", "object": "contacts", "follow": False,
        "every": "100ms", "overlap": "30s", **others,
    }  # fmt: skip


@pytest.fixture
def objects(tmp_path, monkeypatch):
    monkeypatch.setenv("HUBSPOT", "pat-1")
    return lambda desk, **others: Puller(tmp_path, **options(desk, **others))


@pytest.fixture
def reader():
    with sessions(options, token=Secret("pat-1")) as opening:
        yield opening


def fill(desk, objects, begin=1):
    for n in range(begin, begin + objects):
        desk.put(n, NOW - 900 * HOUR + n * 60, n=str(n), email=f"u{n % 9}@example.com")


def test_all_objects_are_read_and_then_each_change(desk, objects):
    fill(desk, 450)
    desk.put(7, NOW - HOUR, lifecyclestage="customer", hs_email_optout="true", n="7.5")
    pulled = objects(desk, event="Contact Changed")
    pulled.pull()
    assert pulled.bins() == {"received": 450, "stored": 450}
    assert pulled.rows(
        "select event, user_id, email, n, hs_email_optout as out, lifecyclestage as stage, epoch_ms(time) as t "
        "from events where user_id = '7'"
    ) == [{
        "event": "Contact Changed", "user_id": "7", "email": "u7@example.com", "n": 7.5, "out": True,
        "stage": "customer", "t": (NOW - HOUR) * 1000,
    }]  # fmt: skip
    desk.put(7, time.time(), lifecyclestage="evangelist")
    desk.put(1000, time.time(), email="new@example.com")
    time.sleep(0.01)
    desk.asked.clear()
    pulled.pull()
    assert pulled.bins()["stored"] == 452
    assert not any(asked.method == "GET" and asked.path.endswith("/objects/contacts") for asked in desk.asked)
    assert pulled.rows("select lifecyclestage as stage from events where user_id = '7' order by time desc limit 1") == [
        {"stage": "evangelist"}
    ]


def test_a_list_goes_on_where_it_was_and_what_changed_meanwhile_is_found(desk, reader):
    fill(desk, 450)
    first = reader(desk)
    page = first.more(100).payloads
    desk.put(3, time.time(), n="-3")
    desk.asked.clear()
    rest = fetch(reader(desk, dict(page[-1].cursors)))
    assert records(page) == 100
    assert records(rest) == 351
    assert sum(b'"n":-3' in payload.body for payload in rest) == 1


def test_more_changes_than_a_search_gives_are_all_found_also_those_of_one_moment(desk, reader):
    fill(desk, 450)
    for n in range(2000, 2350):
        desk.put(n, NOW - 5 * HOUR, n=str(n))
    fill(desk, 100, 3000)
    assert records(fetch(reader(desk, start="2000-01-01", fields=["n", "email"]))) == 900
    assert all(asked.told.get("limit", 0) <= 200 and "after" not in asked.told for asked in desk.asked if asked.body)


def test_an_object_that_changes_while_pages_are_read_takes_no_other_with_it(desk, reader):
    fill(desk, 250)
    session = reader(desk, start="2000-01-01")
    read = []
    while sum(payload.records for payload in read) < 100:
        read += session.more(100).payloads
    desk.put(5, time.time(), n="-5")
    read += fetch(session)
    assert records(read) == 251


TEN = {"status": "error", "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}


@pytest.mark.parametrize("start", ["earliest", "2000-01-01"])
@pytest.mark.parametrize("fault", [
    busy("/contacts", 503), busy("/search", 429, Retry_After="0"), busy("/batch/read", 429, TEN),
    cut("/batch/read", 900), cut("/search", 300), busy("/properties/contacts", 502),
])  # fmt: skip
def test_what_breaks_off_is_fetched_again(desk, reader, fault, start):
    fill(desk, 250)
    desk.faults.append(fault)
    assert records(fetch(reader(desk, start=start))) == 250


@pytest.mark.parametrize(("policy", "seconds"), [("SECONDLY", 1.0), ("TEN_SECONDLY_ROLLING", 10.0), ("DAILY", 300.0)])
def test_a_limit_is_waited_out_for_as_long_as_it_needs(desk, reader, rests, policy, seconds):
    fill(desk, 9)
    desk.faults.append(busy("/contacts", 429, {**TEN, "policyName": policy}))
    assert records(fetch(reader(desk))) == 9
    assert rests[0] == seconds


def test_no_more_than_five_searches_are_made_in_a_second(monkeypatch, reader):
    monkeypatch.setattr("trackway.sources.hubspot.EVERY", 0.2)
    with served(HubSpot(rate=5)) as desk:
        for n in range(250):
            desk.put(n + 1, int(time.time()) - 1800 + n)
        for fields in [], ["n"]:
            desk.asked.clear()
            assert records(fetch(reader(desk, start="35m", fields=fields))) == 250
        assert not desk.refused


def test_a_trial_shows_one_object_and_tells_what_is_wrong(desk, objects):
    fill(desk, 3)
    connected, listed, looked = objects(desk).proofs()
    assert connected["text"] == f"HubSpot at {desk.address}"
    assert listed["text"] == "contacts: 3 objects with 8 properties"
    assert looked["columns"]["user_id"] == "1"
    whole = {**options(desk), "token": Secret("pat-1")}
    for others, said in (
        ({"token": Secret("x")}, "does not let us in"),
        ({"object": "contracts"}, "there is no object contracts"),
        ({"fields": ["emial"]}, "have no property emial"),
    ):
        with pytest.raises(SourceError, match=said):
            list(component("sources", {**whole, **others}, "sources.o").prove("orders"))
    for others in {"token": "plain"}, {"start": "long ago"}, {"object": "../x"}, {"fields": ["a b"]}:
        with pytest.raises(ConfigError):
            component("sources", {**whole, **others}, "sources.o")


@pytest.mark.long
def test_exactly_once_through_kills_of_the_flow_and_limits(tmp_path, monkeypatch):
    monkeypatch.setenv("HUBSPOT", "pat-1")
    with served(HubSpot()) as desk:
        fill(desk, 1)
        desk.objects.clear()
        puller = Puller(tmp_path, **options(desk, follow=True))

        def produce(n):
            desk.put(n + 1, time.time(), n=str(n))
            time.sleep(0.004)

        def disturb():
            desk.faults.extend([cut("/search", 300), busy("/batch/read", 503, Retry_After="1")])

        exactly_once_through_kills(puller, produce, total=1_500, kills=5, disturb=disturb, resent=True)


# ── the desk is what HubSpot's own client expects ───────────────────────────────────────────────────


def test_the_client_of_hubspot_lists_searches_and_reads_at_the_same_desk(desk):
    hubspot = pytest.importorskip("hubspot")
    objects = pytest.importorskip("hubspot.crm.objects")
    fill(desk, 120)
    client = hubspot.Client.create(access_token="pat-1")
    client.config["host"] = desk.address
    first = client.crm.objects.basic_api.get_page("contacts", limit=100)
    rest = client.crm.objects.basic_api.get_page("contacts", limit=100, after=first.paging.next.after)
    assert len(first.results) + len(rest.results) == 120
    since = objects.Filter(property_name="lastmodifieddate", operator="GTE", value=str((NOW - 899 * HOUR) * 1000))
    asked = objects.PublicObjectSearchRequest(
        filter_groups=[objects.FilterGroup(filters=[since])], sorts=["lastmodifieddate"], properties=["n"], limit=5
    )
    asked.sorts = [{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}]
    found = client.crm.objects.search_api.do_search("contacts", asked)
    assert found.total == 61
    assert found.results[0].properties["n"] == "60"
    inputs = [objects.SimplePublicObjectId(id="7")]
    told = objects.BatchReadInputSimplePublicObjectId(properties=["n"], properties_with_history=[], inputs=inputs)
    [one] = client.crm.objects.batch_api.read("contacts", told).results
    assert one.properties["n"] == "7"
    assert "email" in {one.name for one in client.crm.properties.core_api.get_all("contacts").results}

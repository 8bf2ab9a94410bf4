"""Marketo: each activity and each change of a lead exactly once, through exports that wait, fail and break off.

No subscription can be had here: `marketing.Marketo` stands in, made from the documentation, and marketorestpython is
driven against it too.
"""

from __future__ import annotations

import time

import pytest

from desks import Said, busy, cut, served
from marketing import Marketo, stamp
from pulling import Puller, fetch, records, sessions
from trackway.errors import ConfigError, SourceError
from trackway.flow.calling import Patience
from trackway.model.secret import Secret
from trackway.plan.config import component

NOW = int(time.time())
HOUR, DAY = 3600, 86_400


@pytest.fixture(autouse=True)
def rests(monkeypatch):
    """How long the server is left alone, without waiting for it."""
    noted = []
    for name, value in (("EVERY", 0.0), ("PART", 2000)):
        monkeypatch.setattr(f"trackway.sources.marketo.{name}", value)
    monkeypatch.setattr(Patience, "rest", lambda self, seconds: noted.append(seconds))
    return noted


@pytest.fixture
def desk():
    with served(Marketo()) as desk:
        yield desk


def options(desk, **others):
    return {
        "type": "marketo", "address": desk.address, "client_id": "app", "client_secret": "$MARKETO", "follow": False,
        "every": "100ms", "overlap": "30s", "object": "activities", "start": "90d", **others,
    }  # fmt: skip


@pytest.fixture
def exports(tmp_path, monkeypatch):
    monkeypatch.setenv("MARKETO", "s3cret")
    return lambda desk, **others: Puller(tmp_path, **options(desk, **others))


@pytest.fixture
def reader():
    with sessions(options, client_secret=Secret("s3cret")) as opening:
        yield opening


def fill(desk, activities):
    for n in range(activities):
        desk.act(NOW - 80 * DAY + n * HOUR, n % 9, 1 + n % 2, n=n)


def test_activities_are_stored_once_by_the_name_of_their_type(desk, exports):
    fill(desk, 600)
    pulled = exports(desk)
    pulled.pull()
    desk.act(time.time() - 5, 7, 2, Form="demo")
    pulled.pull()
    assert pulled.bins()["stored"] == 601
    assert "refused" not in pulled.bins()
    assert pulled.rows(
        'select event, user_id, "activityTypeId" as kind, "attributes.n" as n, epoch_ms(time) as t '
        "from events where event_id = '8'"
    ) == [{
        "event": "Fill Out Form", "user_id": "7", "kind": 2.0, "n": 7.0, "t": (NOW - 80 * DAY + 7 * HOUR) * 1000,
    }]  # fmt: skip
    spans = [asked.told["filter"]["createdAt"] for asked in desk.asked if asked.path.endswith("/create.json")]
    assert all("." not in one["startAt"] for one in spans)


def test_every_change_of_a_lead_is_an_event_also_one_that_its_time_does_not_tell(desk, exports):
    for n in range(1, 200):
        desk.lead(n, NOW - 50 * DAY + n * HOUR, email=f"u{n}@example.com", leadScore=n, unsubscribed="false")
    pulled = exports(desk, object="leads", event="Lead Changed")
    pulled.pull()
    desk.lead(7, time.time() - 5, leadScore=99, updatedAt=desk.leads[7]["updatedAt"])
    pulled.pull()
    pulled.pull()
    assert pulled.bins()["stored"] == 200
    assert pulled.rows('select "leadScore" as score, email, unsubscribed, event from events where user_id = \'7\' '
                       "order by score") == [
        {"score": score, "email": "u7@example.com", "unsubscribed": False, "event": "Lead Changed"}
        for score in (7.0, 99.0)
    ]  # fmt: skip


def failed(asked, said):
    if not asked.path.endswith("/status.json"):
        return None
    return Said(200, {"success": True, "result": [{"exportId": "x", "status": "Failed", "errorMsg": "oops"}]})


def garbled(asked, said):
    return said._replace(body=b"x" + said.text[1:]) if said.status == 206 and len(said.text) > 900 else None


def told(path, code, said):
    return busy(path, 200, {"requestId": "1", "success": False, "errors": [{"code": code, "message": said}]})


@pytest.mark.parametrize("fault", [
    told("/enqueue.json", "1029", "Too many jobs in queue"),
    told("/create.json", "1029", "Export daily quota exceeded"),
    told("/status.json", "606", "Max rate limit exceeded"), told("/status.json", "602", "Access token expired"),
    told("/create.json", "607", "Daily quota reached"), busy("/file.json", 503), busy("/token", 502),
    busy("/status.json", 404), cut("/file.json", 900), failed, garbled,
])  # fmt: skip
def test_what_fails_or_breaks_off_is_fetched_again(desk, reader, fault):
    fill(desk, 300)
    desk.faults.append(fault)
    assert records(fetch(reader(desk))) == 300
    assert not desk.faults
    assert sum(asked.path.endswith("/file.json") for asked in desk.asked) > 4


@pytest.mark.parametrize(
    ("said", "seconds"), [("Too many jobs in queue", 60.0), ("Export daily quota exceeded", 600.0)]
)
def test_a_full_queue_and_a_day_that_is_used_up_are_waited_for(desk, reader, rests, said, seconds):
    fill(desk, 9)
    desk.faults.append(told("/enqueue.json", "1029", said))
    assert records(fetch(reader(desk))) == 9
    assert rests[0] == seconds
    assert all(job["status"] == "Completed" for job in desk.jobs.values())


def test_a_file_that_breaks_off_goes_on_where_it_was(desk, reader):
    fill(desk, 300)
    desk.faults.append(cut("/file.json", 1500))
    assert records(fetch(reader(desk))) == 300
    parts = [(asked.path, asked.headers["range"]) for asked in desk.asked if asked.path.endswith("/file.json")]
    assert len(parts) == len(set(parts)) + 1


def test_a_session_goes_on_after_the_last_slice_that_was_kept(desk, reader):
    fill(desk, 300)
    cursors, found = {}, []
    for steps in (30, 50, 40):
        session = reader(desk, cursors)
        for payload in (payload for _ in range(steps) for payload in session.fetch(100, 0.01).payloads):
            found.append(payload.body)
            cursors |= payload.cursors
        session.close()
    found += [payload.body for payload in fetch(reader(desk, cursors))]
    lines = b"\n".join(found).splitlines()
    assert len({line.partition(b'"event_id":"')[2].partition(b'"')[0] for line in lines}) == 300
    assert len(lines) < 900


def test_a_token_that_expires_is_asked_for_anew_and_one_that_is_not_good_is_an_error(reader):
    with served(Marketo(tokens=9)) as desk:
        fill(desk, 300)
        assert records(fetch(reader(desk))) == 300
        assert sum(asked.path.endswith("/token") for asked in desk.asked) > 3
        assert not any("access_token" in asked.query for asked in desk.asked)
    with served(Marketo(tokens=0)) as desk, pytest.raises(SourceError, match="does not take its token"):
        fetch(reader(desk))


def test_an_export_that_is_not_waited_for_is_cancelled(reader):
    with served(Marketo(polls=10**6)) as desk:
        fill(desk, 9)
        session = reader(desk)
        for _ in range(5):
            session.more(100)
        session.close()
        assert [job["status"] for job in desk.jobs.values()] == ["Cancelled"]


def test_a_slice_whose_file_is_too_large_is_halved(desk, reader, monkeypatch):
    monkeypatch.setattr("trackway.sources.marketo.LARGEST", 5_000)
    fill(desk, 300)
    assert records(fetch(reader(desk))) == 300


def test_a_trial_makes_no_export_and_tells_what_is_wrong(desk, exports):
    connected, listed, looked = exports(desk, activity_types=[2]).proofs()
    assert connected["text"] == f"Marketo at {desk.address}"
    assert listed["text"] == "activities: 2 types"
    assert "none is made here" in looked["text"]
    assert not desk.jobs
    whole = {**options(desk), "client_secret": Secret("s3cret")}
    for others, said in (
        ({"client_secret": Secret("x")}, "does not let us in"),
        ({"activity_types": [77]}, "no type of activities 77"),
        ({"object": "leads", "fields": ["emial"]}, "have no field emial"),
    ):
        with pytest.raises(SourceError, match=said):
            list(component("sources", {**whole, **others}, "sources.o").prove("orders"))
    for others in (
        {"client_secret": "plain"}, {"start": "long ago"}, {"object": "lists"}, {"fields": ["email"]},
        {"object": "leads", "activity_types": [1]},
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            component("sources", {**whole, **others}, "sources.o")


# ── the desk is what the published client expects ───────────────────────────────────────────────────


def test_marketorestpython_makes_an_export_at_the_same_desk(desk):
    marketo = pytest.importorskip("marketorestpython.client")
    fill(desk, 30)
    client = marketo.MarketoClient("123-ABC-456", "app", "s3cret")
    client.host = desk.address
    assert {one["name"] for one in client.get_activity_types()} == {"Visit Webpage", "Fill Out Form"}
    span = {"startAt": stamp(NOW - 81 * DAY), "endAt": stamp(NOW - 79 * DAY)}
    job = client.create_activities_export_job(filters={"createdAt": span})[0]["exportId"]
    client.enqueue_activities_export_job(job)
    while client.get_activities_export_job_status(job)[0]["status"] != "Completed":
        pass
    text = client.get_activities_export_job_file(job).decode()
    assert text.startswith("marketoGUID,leadId,activityDate")
    assert text.count("\n") == 26

"""Salesforce: each change of a row exactly once, through jobs that fail, tokens that expire and results that break off.

No organisation can be had here: `salesforcing.Salesforce` stands in, made from the documentation, and simple-salesforce
is driven against it too.
"""

from __future__ import annotations

import re
import time

import pytest

from collecting import self_signed
from desks import Said, busy, cut, served
from pulling import Puller, exactly_once_through_kills, fetch, records, sessions
from salesforcing import Salesforce
from trackway.errors import ConfigError, SourceError
from trackway.flow.calling import Patience
from trackway.model.secret import Secret
from trackway.model.time import MICROS, instant
from trackway.plan.config import component

NOW = int(time.time())
HOUR, YEAR = 3600, 365 * 86_400


@pytest.fixture(autouse=True)
def rests(monkeypatch):
    """How long the server is left alone, without waiting for it."""
    noted = []
    monkeypatch.setattr(Patience, "rest", lambda self, seconds: noted.append(seconds))
    return noted


@pytest.fixture
def desk():
    with served(Salesforce()) as desk:
        yield desk


def options(desk, **others):
    return {
        "type": "salesforce", "address": desk.address, "client_id": "app", "client_secret": "$SALESFORCE",
        "object": "Lead", "follow": False, "every": "100ms", "overlap": "30s", **others,
    }  # fmt: skip


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.setenv("SALESFORCE", "s3cret")
    return lambda desk, **others: Puller(tmp_path, **options(desk, **others))


@pytest.fixture
def reader():
    with sessions(options, client_secret=Secret("s3cret")) as opening:
        yield opening


def fill(desk, rows):
    for n in range(rows):
        desk.put(f"00Q{n:04}", NOW - 3 * YEAR + n * HOUR, n=f"{n}.0", Email=f"u{n % 9}@example.com")


def test_every_change_of_a_row_is_an_event_with_its_kinds_and_no_row_is_taken_twice(desk, rows):
    fill(desk, 300)
    desk.put("00Q0007", NOW - 2 * YEAR, Status="Won", HasOptedOut="true", Description='said "no",\nthen yes')
    desk.put("00Q9999", NOW - 9, Name="gone", IsDeleted="true")
    pulled = rows(desk, event="Lead Changed")
    pulled.pull()
    desk.put("00Q0007", NOW - 2 * YEAR + 1, Status="Lost")
    pulled.pull()
    desk.put("00Q0007", time.time() - 20, Status="Back", Email="")
    pulled.pull()
    assert pulled.bins()["stored"] == 301
    assert "refused" not in pulled.bins()
    assert pulled.rows(
        'select event, user_id, event_id, n, "HasOptedOut" as out, "Status" as status, "Description" as said,'
        " epoch_ms(time) as t from events where user_id = '00Q0007' order by time limit 1"
    ) == [{
        "event": "Lead Changed", "user_id": "00Q0007", "n": 7.0, "out": True, "status": "Won",
        "said": 'said "no",\nthen yes', "t": (NOW - 2 * YEAR) * 1000,
        "event_id": "00Q0007@" + time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(NOW - 2 * YEAR)),
    }]  # fmt: skip
    assert pulled.rows('select "Status" as status, "Email" as email from events where user_id = \'00Q0007\' '
                       "order by time desc limit 1") == [{"status": "Back", "email": None}]  # fmt: skip
    assert not desk.jobs


def test_deleted_rows_and_chosen_fields_are_read_when_wanted(desk, reader):
    fill(desk, 3)
    desk.put("00Q9999", NOW - 9, IsDeleted="true", Status="Won")
    found = fetch(reader(desk, deleted=True, fields=["IsDeleted", "Status"], where="Status = 'Won'"))
    assert records(found) == 1
    assert b'"IsDeleted":true' in found[0].body
    assert b"Email" not in found[0].body


def test_a_second_is_read_when_it_is_over_since_a_row_may_change_again_in_it(desk, reader):
    session = reader(desk)
    for n in range(3):
        desk.put(f"00Q{n}", time.time() - 1)
        fetch(session)
        time.sleep(0.1)
    ends = [(re.findall(r"< (\S+)", query)[-1], made) for query, made in desk.queries]
    assert ends
    assert all(instant(end) <= int(made) * MICROS for end, made in ends)


def failed(asked, said):
    return Said(200, {**said.body, "state": "Failed", "errorMessage": "QUERY_TIMEOUT"}) if in_job(asked) else None


def in_job(asked):
    return asked.method == "GET" and "/jobs/query/750" in asked.path


def short_of_rows(asked, said):
    body = said.text.rstrip(b"\n").rpartition(b"\n")[0] + b"\n"
    return said._replace(body=body) if asked.path.endswith("/results") and said.text.count(b"\n") > 9 else None


def expired(asked, said):
    return Said(401, [{"errorCode": "INVALID_SESSION_ID", "message": "expired"}]) if in_job(asked) else None


LIMIT = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]


@pytest.mark.parametrize("fault", [
    busy("/jobs/query", 503), busy("/results", 429, Retry_After="0"), cut("/results", 3000), cut("/jobs/query", 5),
    busy("/results", 404, [{"errorCode": "NOT_FOUND", "message": "gone"}]), busy("/results", 403, LIMIT),
    busy("/token", 503), failed, short_of_rows, expired,
])  # fmt: skip
def test_what_breaks_off_is_fetched_again(desk, reader, fault):
    fill(desk, 500)
    desk.faults.append(fault)
    assert records(fetch(reader(desk), most=200)) == 500
    assert not desk.faults
    assert all(job["asked"] == 0 for job in desk.jobs.values())  # one of which we were never told


@pytest.mark.parametrize("path", ["/jobs/query", "/results"])
def test_when_a_day_is_used_up_salesforce_is_left_alone_for_minutes(desk, reader, rests, path):
    fill(desk, 9)
    desk.faults.append(busy(path, 403, LIMIT))
    assert records(fetch(reader(desk))) == 9
    assert rests.count(300.0) == 1


def test_a_result_is_paged_and_a_page_that_is_too_large_asked_for_in_parts(desk, reader):
    fill(desk, 700)
    session = reader(desk, start="2000-01-01")
    ask = session.caller.ask
    session.caller.ask = lambda method, path, **told: ask(method, path, **{"most": 20_000, **told})
    assert records(fetch(session, most=10_000)) == 700
    sizes = {asked.query["maxRecords"] for asked in desk.asked if asked.path.endswith("/results")}
    assert sizes > {"10000"}


def test_a_token_that_expires_is_asked_for_anew_and_one_that_is_not_good_is_an_error(reader):
    with served(Salesforce(tokens=7)) as desk:
        fill(desk, 300)
        assert records(fetch(reader(desk))) == 300
        assert sum(asked.path.endswith("/token") for asked in desk.asked) > 3
        assert not any("s3cret" in str(asked.query) for asked in desk.asked)
    with served(Salesforce(tokens=0)) as desk, pytest.raises(SourceError, match="does not let us in"):
        fetch(reader(desk))


def test_what_cannot_be_read_is_refused_and_the_rest_goes_through(desk, rows):
    fill(desk, 20)
    desk.put("00Q8888", NOW - YEAR, Name="\udcff")

    def ragged(asked, said):
        if not asked.path.endswith("/results") or said.text.count(b"\n") < 5:
            return None
        more = {"Sforce-NumberOfRecords": str(int(said.headers["Sforce-NumberOfRecords"]) + 1)}
        return said._replace(body=said.text + b'"a","b"\n', headers={**said.headers, **more})

    desk.faults.append(ragged)
    pulled = rows(desk)
    pulled.pull()
    assert pulled.bins() == {"received": 22, "stored": 20, "refused": 2}


def test_a_trial_shows_one_row_and_tells_what_is_wrong(desk, rows):
    fill(desk, 3)
    connected, listed, looked = rows(desk).proofs()
    assert connected["text"] == f"Salesforce at {desk.address}, API 62.0"
    assert listed["text"] == "Lead: there are rows, of which 9 fields are read"
    assert looked["columns"]["user_id"] == "00Q0000"
    assert not desk.jobs
    whole = {**options(desk), "client_secret": Secret("s3cret")}
    for others, said in (
        ({"client_secret": Secret("x")}, "gives no token: invalid client credentials"),
        ({"object": "Leed"}, "there is no object Leed"),
        ({"fields": ["Stauts"]}, "has no field Stauts"),
        ({"time": "Name"}, "is no time"),
        ({"where": "n is odd"}, "unexpected token"),
    ):
        with pytest.raises(SourceError, match=said):
            list(component("sources", {**whole, **others}, "sources.o").prove("orders"))
    for others in (
        {"token": Secret("x")}, {"client_secret": "plain"}, {"start": "long ago"}, {"object": "Lead WHERE"},
        {"fields": ["Id FROM User"]}, {"version": "v62"},
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            component("sources", {**whole, **others}, "sources.o")


@pytest.mark.long
def test_exactly_once_through_kills_of_the_flow_and_forgotten_jobs(tmp_path, monkeypatch):
    monkeypatch.setenv("SALESFORCE", "s3cret")
    with served(Salesforce(tokens=200)) as desk:
        puller = Puller(tmp_path, **options(desk, follow=True))

        def produce(n):
            desk.put(f"00Q{n:05}", time.time(), n=f"{n}.0")
            time.sleep(0.004)

        def disturb():
            desk.jobs.clear()
            desk.faults.extend([cut("/results", 300), busy("/jobs/query", 503, Retry_After="1")])

        exactly_once_through_kills(puller, produce, total=1_500, kills=5, disturb=disturb, resent=True)


# ── the desk is what the client of others expects ───────────────────────────────────────────────────


def test_simple_salesforce_reads_the_same_rows_from_the_same_desk_over_tls(tmp_path, reader):
    simple, requests = pytest.importorskip("simple_salesforce"), pytest.importorskip("requests")
    certificate = self_signed(tmp_path)
    with served(Salesforce(), (certificate, tmp_path / "key.pem")) as desk:
        fill(desk, 120)
        assert records(fetch(reader(desk, ca=str(certificate)))) == 120
        with requests.Session() as session:
            session.verify, session.trust_env = str(certificate), False
            told = {"grant_type": "client_credentials"}
            token = session.post(f"{desk.address}/services/oauth2/token", told, auth=("app", "s3cret")).json()
            org = simple.Salesforce(
                session_id=token["access_token"], instance_url=desk.address, session=session, version="62.0"
            )
            assert "Email" in {field["name"] for field in org.Lead.describe()["fields"]}
            assert org.query("SELECT COUNT() FROM Lead")["totalSize"] == 120
            pages = list(org.bulk2.Lead.query("SELECT Id, Email FROM Lead", max_records=50, wait=0.01))
            assert sum(page.count("@example.com") for page in pages) == 120
            assert len(pages) == 3
            with pytest.raises(simple.exceptions.SalesforceMalformedRequest):
                next(org.bulk2.Lead.query("SELECT Id, Address FROM Lead", wait=0.01))

"""Sumo Logic: every message exactly once, through jobs that are paused, cancelled, throttled and broken off.

No server can be had here: `sumo.Sumo` stands in, and the SDK that Sumo Logic publishes is driven against it too.
"""

from __future__ import annotations

import json
import time

import pytest

from desks import Said, busy, cut, served
from pulling import Puller, exactly_once_through_kills, fetch, records, sessions
from sumo import Sumo
from trackway.errors import SourceError
from trackway.model.secret import Secret
from trackway.plan.config import component

NOW = time.time()
HOUR = 3600


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("trackway.sources.sumologic.EVERY", 0.0)
    monkeypatch.setattr("trackway.sources.sumologic.POLL", 0.02)


@pytest.fixture
def desk():
    with served(Sumo()) as desk:
        yield desk


def options(desk, **others):
    return {
        "type": "sumologic", "address": desk.address, "access_id": "id", "access_key": "$SUMO", "start": "6h",
        "follow": False, "every": "100ms", "overlap": "30s", **others,
    }  # fmt: skip


@pytest.fixture
def messages(tmp_path, monkeypatch):
    monkeypatch.setenv("SUMO", "key")
    return lambda desk, **others: Puller(tmp_path, **options(desk, **others))


@pytest.fixture
def reader():
    with sessions(options, access_key=Secret("key")) as opening:
        yield opening


def fill(desk, messages):
    for n in range(messages):
        desk.put(json.dumps({"user_id": f"u{n % 9}", "n": n}), time=NOW - 5 * HOUR + n * 10)


def test_messages_are_stored_once_and_what_cannot_be_read_is_refused(desk, messages):
    fill(desk, 700)
    desk.put("no object, and no actor", time=NOW - 60)
    desk.put('{"user_id": "x", "name": "\ud83d"}', time=NOW - 50)
    pulled = messages(desk, event="Called")
    pulled.pull()
    pulled.pull()
    assert pulled.bins() == {"received": 702, "stored": 700, "refused": 2}
    [row] = pulled.rows("select event, user_id, sourceCategory as place, epoch_ms(time) as t from events where n = 7")
    assert row == {"event": "Called", "user_id": "u7", "place": "prod/web", "t": round((NOW - 5 * HOUR + 70) * 1000)}
    assert not desk.jobs


def test_more_than_a_job_gives_is_read_in_halves(reader):
    with served(Sumo(most=40, gathers=0)) as desk:
        fill(desk, 200)
        assert records(fetch(reader(desk))) == 200
        assert not desk.jobs


def test_a_second_with_more_than_a_job_gives_is_told(reader):
    with served(Sumo(most=40)) as desk:
        for n in range(60):
            desk.put(f"{n}", time=NOW - 60)
        with pytest.raises(SourceError, match="in a second"):
            fetch(reader(desk))


def test_a_message_received_late_is_found_however_old_it_is(desk, reader):
    session = reader(desk)
    assert fetch(session) == []
    desk.put("{}", time=NOW - 999 * HOUR, received=time.time() - 1)
    time.sleep(0.12)
    assert records(fetch(session)) == 1


@pytest.mark.parametrize("fault", [
    busy("/search/jobs", 429), busy("/search/jobs", 503, Retry_After="0"), cut("/messages"), cut("/search/jobs", 5),
    busy("/messages", 404, {"code": "jobid.invalid"}), busy("/J1", 404), busy("/J1", 200, {"state": "CANCELLED"}),
])  # fmt: skip
def test_a_job_that_is_throttled_cancelled_or_broken_off_is_run_again(desk, reader, fault):
    fill(desk, 500)
    desk.faults.append(fault)
    assert records(fetch(reader(desk))) == 500
    assert not desk.faults


def test_no_more_than_four_requests_are_made_in_a_second(monkeypatch, reader):
    monkeypatch.setattr("trackway.sources.sumologic.EVERY", 0.26)
    with served(Sumo(rate=4, gathers=3)) as desk:
        desk.put("{}", time=time.time() - 60)
        assert records(fetch(reader(desk, start="5m"))) == 1
        assert sum(asked.path.endswith("jobs") for asked in desk.asked) == 1


def test_a_trial_shows_one_message_and_tells_what_is_wrong(desk, messages):
    fill(desk, 3)
    connected, listed, looked = messages(desk).proofs()
    assert connected["text"] == f"Sumo Logic at {desk.address}"
    assert "searched for" in listed["text"]
    assert looked["columns"]["user_id"] == "u0"
    moved = Said(301, b"", {"Location": "https://api.eu.sumologic.com/api/v1/search/jobs"})
    for others, said in (
        ({"access_id": "x"}, "does not let us in"),
        ({"query": "("}, "Unable to parse"),
        ({}, "elsewhere: 301"),
    ):
        desk.faults.extend([] if others else [lambda asked, said: moved])
        with pytest.raises(SourceError, match=said):
            list(
                component("sources", {**options(desk), "access_key": Secret("key"), **others}, "sources.o").prove(
                    "orders"
                )
            )


@pytest.mark.long
def test_exactly_once_through_kills_of_the_flow_and_cancelled_jobs(tmp_path, monkeypatch):
    monkeypatch.setenv("SUMO", "key")
    with served(Sumo()) as desk:
        puller = Puller(tmp_path, **options(desk, follow=True, start="1h"))

        def produce(n):
            desk.put(json.dumps({"user_id": f"u{n % 9}", "n": n}), time=time.time() - n % 50, received=time.time())
            time.sleep(0.002)

        def disturb():
            desk.jobs.clear()
            desk.faults.extend([cut("/messages", 3000), busy("/search/jobs", 429, Retry_After="1")])

        exactly_once_through_kills(puller, produce, total=3_000, kills=5, disturb=disturb, resent=True)


# ── the desk is what the published client expects ───────────────────────────────────────────────────


def test_the_sdk_of_sumo_logic_runs_a_job_on_the_same_desk(desk, tmp_path):
    sumologic = pytest.importorskip("sumologic")
    fill(desk, 30)
    client = sumologic.SumoLogic("id", "key", endpoint=f"{desk.address}/api", cookieFile=str(tmp_path / "cookies"))
    job = client.search_job("*", round((NOW - 6 * HOUR) * 1000), round(NOW * 1000), byReceiptTime=True)
    while client.search_job_status(job)["state"] != "DONE GATHERING RESULTS":
        pass
    assert len(client.search_job_messages(job, limit=100)["messages"]) == 30
    client.delete_search_job(job)
    assert not desk.jobs
    client.session.close()

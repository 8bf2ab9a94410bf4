"""Loggly: every event exactly once, through searches that are forgotten, throttled and broken off.

No server can be had here, and Loggly publishes no client that reads: `iterating.Loggly` stands in.
"""

from __future__ import annotations

import time

import pytest

from desks import busy, cut, served
from iterating import Loggly
from pulling import Puller, exactly_once_through_kills, fetch, records, sessions
from trackway.errors import SourceError
from trackway.model.secret import Secret
from trackway.plan.config import component

NOW = time.time()
HOUR = 3600


@pytest.fixture
def desk():
    with served(Loggly()) as desk:
        yield desk


def options(desk, **others):
    return {
        "type": "loggly", "address": desk.address, "token": "$LOGGLY", "start": "6h", "follow": False, "every": "100ms",
        "overlap": "2m", **others,
    }  # fmt: skip


@pytest.fixture
def events(tmp_path, monkeypatch):
    monkeypatch.setenv("LOGGLY", "t0k3n")
    return lambda desk, **others: Puller(tmp_path, **options(desk, **others))


@pytest.fixture
def reader():
    with sessions(options, token=Secret("t0k3n")) as opening:
        yield opening


def fill(desk, events):
    for n in range(events):
        desk.put(time=NOW - 5 * HOUR + n * 10, user_id=f"u{n % 9}", n=n)


def test_events_are_stored_once_and_what_cannot_be_read_is_refused(desk, events):
    fill(desk, 1200)
    desk.put(time=NOW - 60, raw="no object, and no actor")
    desk.put(time=NOW - 60, user_id="x", name="\ud83d")
    pulled = events(desk)
    pulled.pull()
    pulled.pull()
    bins = pulled.bins()
    assert bins["stored"] == 1200
    assert bins["refused"] in (2, 4)  # what cannot be read has no id to be known again by
    assert pulled.rows("select event, user_id, epoch_ms(time) as t from events where n = 7") == [
        {"event": "orders", "user_id": "u7", "t": round((NOW - 5 * HOUR + 70) * 1000)}
    ]


def test_an_event_that_comes_late_is_found_within_the_overlap(desk, reader):
    fill(desk, 60)
    session = reader(desk)
    assert records(fetch(session)) == 60
    desk.put(time=time.time() - 100, n=-1)
    desk.put(time=time.time() - 200, n=-2)
    time.sleep(0.12)
    (late,) = fetch(session)
    assert b'"n":-1' in late.body
    assert records([late]) == 1


@pytest.mark.parametrize("fault", [
    busy("/iterate", 503), busy("/iterate", 429, Retry_After="0"), cut("/iterate", 5000),
    lambda asked, said: busy("", 404)(asked, said) if "next" in asked.query else None,
])  # fmt: skip
def test_a_search_that_is_forgotten_throttled_or_broken_off_is_run_again(desk, reader, fault):
    fill(desk, 500)
    desk.faults.append(fault)
    assert records(fetch(reader(desk))) == 500
    assert not desk.faults


def test_the_next_page_is_asked_of_our_address_whatever_it_says(desk, reader):
    fill(desk, 500)
    assert records(fetch(reader(desk))) == 500
    assert any("next" in asked.query for asked in desk.asked)


def test_a_trial_shows_one_event_and_tells_what_is_wrong(desk, events):
    fill(desk, 3)
    desk.put(time=time.time() - 60, raw="x")
    connected, listed, looked = events(desk).proofs()
    assert connected["text"] == f"Loggly at {desk.address}"
    assert listed["text"] == "*: 1 events in the last ten minutes"
    assert looked["columns"]["user_id"] == "u0"
    with pytest.raises(SourceError, match="does not let us in: 401"):
        list(component("sources", {**options(desk), "token": Secret("wrong")}, "sources.o").prove("orders"))


@pytest.mark.long
def test_exactly_once_through_kills_of_the_flow_and_forgotten_searches(tmp_path, monkeypatch):
    monkeypatch.setenv("LOGGLY", "t0k3n")
    with served(Loggly()) as desk:
        puller = Puller(tmp_path, **options(desk, follow=True, start="1h"))

        def produce(n):
            desk.put(time=time.time() - n % 50, user_id=f"u{n % 9}", n=n)
            time.sleep(0.002)

        def disturb():
            desk.searches.clear()
            desk.faults.extend([cut("/iterate", 3000), busy("/iterate", 503, Retry_After="1")])

        exactly_once_through_kills(puller, produce, total=3_000, kills=5, disturb=disturb, resent=True)

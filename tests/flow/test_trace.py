"""A trace tells the way of one event verb by verb, whatever became of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from houses import House
from trackway.flow.trace import Line, trace
from trackway.plan.component import Transform
from trackway.plan.config import component

Make = Callable[..., House]


def told(one: House, event_id: str) -> dict[str, Line]:
    return {line.verb: line for line in trace(event_id, one.journal, one.lake, one.plan)}


@pytest.fixture
def traced(house: Make) -> House:
    """Four events through two transforms: one stored, one dropped, one refused, one a copy of the first."""
    lower = component("transforms", {"type": "set", "values": {"plan": "lower(plan)"}}, "lower")
    tests = component("transforms", {"type": "drop_events", "where": "plan = 'test'"}, "tests")
    assert isinstance(lower, Transform)
    assert isinstance(tests, Transform)
    one = house(transforms={"lower": lower, "tests": tests})
    stored = {"event": "Signed Up", "event_id": "e1", "anonymous_id": "phone", "plan": "PRO"}
    one.receive(stored, {**stored, "event_id": "e2", "plan": "Test"}, {"event": "Signed Up", "event_id": "e3"})
    one.receive(stored, {"event": "Logged In", "event_id": "e4", "anonymous_id": "phone", "user_id": "ann"})
    one.run()
    return one


def test_a_stored_event_is_told_from_arrival_to_the_ledger(traced: House) -> None:
    verbs = [line.verb for line in trace("e1", traced.journal, traced.lake, traced.plan)]
    assert list(dict.fromkeys(verbs)) == [
        "arrived", "kept", "read", "shaped", "checked", "given", "stored", "sorted", "counted",
    ]  # fmt: skip
    lines = trace("e1", traced.journal, traced.lake, traced.plan)
    assert lines[0].values | {"block": 1, "row": 0, "source": "web"} == lines[0].values
    assert '"plan": "PRO"' in lines[1].text
    assert any("plan PRO → pro" in line.text for line in lines)
    assert "actor ann from phone" in told(traced, "e1")["given"].text
    stored = told(traced, "e1")["stored"]
    assert stored.values["version"] == 1
    assert stored.values["file"] in traced.lake.files()


def test_a_dropped_a_refused_and_a_repeated_event_are_told_as_far_as_they_came(traced: House) -> None:
    assert told(traced, "1:1")["counted"].text == "as dropped by tests"
    refused = told(traced, "e3")
    assert refused["counted"].text == "as refused by check"
    assert "no_actor" in refused["checked"].text
    assert told(traced, "2:0")["counted"].text == "as duplicate of the event received as 1:0"


def test_a_waiting_event_is_told_as_pending(traced: House) -> None:
    traced.receive({"event": "A", "user_id": "u"})
    assert told(traced, "3:0")["counted"].values == {"bin": "pending"}


def test_nothing_is_told_of_what_never_came(traced: House) -> None:
    assert told(traced, "nobody") == {}
    assert told(traced, "99:0") == {}
    assert told(traced, "1:77") == {}


def test_it_says_so_when_the_raw_bytes_are_gone(traced: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traced.journal, "get", lambda _seq: None)
    lines = told(traced, "e1")
    assert "not in the journal" in lines["kept"].text
    assert lines["stored"].values["version"] == 1


def test_copies_of_one_payload_are_told_apart(house: Make) -> None:
    one = house()
    line = {"event": "A", "user_id": "u", "time": "2026-09-20T10:00:00Z"}
    one.receive(line, line)
    one.run()
    for event in one.events("event_id", "block", "row"):
        lines = told(one, event["event_id"])
        assert lines["arrived"].values["row"] == event["row"]
        assert lines["counted"].values["bin"] == "stored"
        assert told(one, f"1:{event['row']}")["counted"].values["bin"] == "stored"

"""drop_events, identify, dedupe, time."""

import hashlib
from datetime import UTC, datetime

import pytest

from trackway.errors import ConfigError
from trackway.plan.config import component


def test_drop_events_drops_those_for_which_where_holds(run):
    done = run(
        {"type": "drop_events", "where": "path = '/health'"}, [{"path": "/health"}, {"path": "/"}, {"path": None}]
    )
    assert done.stay == [{"path": "/"}, {}]
    assert len(done.left("dropped")) == 1


def test_drop_events_unless_keeps_only_those_for_which_it_holds(run):
    done = run({"type": "drop_events", "unless": "status < 400"}, [{"status": 200}, {"status": 500}, {"status": None}])
    assert done.stay == [{"status": 200}]
    assert len(done.left("dropped")) == 2


def test_drop_events_by_a_column_nobody_has_drops_nothing(run):
    assert run({"type": "drop_events", "where": "nothing = 1"}, [{"x": "y"}]).left("dropped") == []


def test_drop_events_without_a_condition_is_an_error():
    with pytest.raises(ConfigError, match="needs where or unless"):
        component("transforms", {"type": "drop_events"}, "t")


def test_identify_takes_the_first_column_with_a_value(run):
    options = {"type": "identify", "user_id": ["account.id", "email"], "anonymous_id": ["cookie"]}
    done = run(options, [
        {"account.id": 7.0, "email": "a@x", "cookie": "c1"},
        {"account.id": None, "email": " b@x ", "cookie": ""},
        {"account.id": None, "email": None, "cookie": "c2", "user_id": "u", "anonymous_id": "a"},
    ])  # fmt: skip
    ids = [(event.get("user_id"), event.get("anonymous_id")) for event in done.stay]
    assert ids == [("7", "c1"), ("b@x", None), ("u", "c2")]


def test_identify_hashes_columns_when_there_is_no_id(run):
    done = run({"type": "identify", "hash": ["ip", "agent"]}, [
        {"ip": "1.2.3.4", "agent": "curl"}, {"ip": "1.2.3.4", "agent": None}, {"ip": None, "agent": None},
        {"ip": "1.2.3.4", "agent": "curl", "user_id": "u"},
    ])  # fmt: skip
    expected = hashlib.md5(b"1.2.3.4 curl").hexdigest()[:16]
    other = hashlib.md5(b"1.2.3.4 -").hexdigest()[:16]
    assert [event.get("anonymous_id") for event in done.stay] == [expected, other, None, None]


def test_dedupe_gives_copies_one_event_id(run):
    events = [
        {"event_id": "1", "order": "o1", "shop": "a"}, {"event_id": "2", "order": "o1", "shop": "a"},
        {"event_id": "3", "order": "o1", "shop": None}, {"event_id": "4", "order": None, "shop": None},
    ]  # fmt: skip
    ids = [event["event_id"] for event in run({"type": "dedupe", "by": ["order", "shop"]}, events).stay]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert ids[3] == "4"


def test_dedupe_does_not_mix_up_values_of_neighbouring_columns(run):
    events = [{"a": "x", "b": "yz"}, {"a": "xy", "b": "z"}, {"a": 'x","y', "b": "z"}, {"a": "x", "b": 'y","z'}]
    ids = [event["event_id"] for event in run({"type": "dedupe", "by": ["a", "b"]}, events).stay]
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("options", "value", "expected"),
    [
        ({}, "2015-05-17T10:05:03Z", datetime(2015, 5, 17, 10, 5, 3)),
        ({}, "2015-05-17 10:05:03.25", datetime(2015, 5, 17, 10, 5, 3, 250_000)),
        ({}, "2015-05-17 10:05:03 UTC", datetime(2015, 5, 17, 10, 5, 3)),
        ({}, "2015-05-17T10:05:03-0330", datetime(2015, 5, 17, 13, 35, 3)),
        ({"timezone": "Europe/Berlin"}, "2015-12-17 10:05", datetime(2015, 12, 17, 9, 5)),
        ({"timezone": "Europe/Berlin"}, "2015-12-17 10:05+00", datetime(2015, 12, 17, 10, 5)),
        ({}, "2015-05-17", datetime(2015, 5, 17)),
        ({}, 1431857103.5, datetime(2015, 5, 17, 10, 5, 3, 500_000)),
        ({}, "1431857103000", datetime(2015, 5, 17, 10, 5, 3)),
        ({}, "1431857103000000", datetime(2015, 5, 17, 10, 5, 3)),
        ({"unit": "s"}, "99999999999", datetime(5138, 11, 16, 9, 46, 39)),
        ({"formats": ["%d.%m.%Y %H:%M"]}, "17.05.2015 10:05", datetime(2015, 5, 17, 10, 5)),
        ({"formats": ["%d.%m.%Y", "%d/%b/%Y:%H:%M:%S %z"]}, "17/May/2015:10:05:03 +0200",
         datetime(2015, 5, 17, 8, 5, 3)),
    ],
)  # fmt: skip
def test_time_reads_what_people_write(run, options, value, expected):
    done = run({"type": "time", "column": "at", **options}, [{"at": value}])
    assert [event["time"] for event in done.stay] == [expected.replace(tzinfo=UTC)]


@pytest.mark.parametrize("value", ["soon", "infinity", "epoch", "2015-02-30", "17.05.2015", "1e400"])
def test_time_refuses_what_is_no_time(run, value):
    done = run({"type": "time", "column": "at"}, [{"at": value}])
    assert [(e["reason"], e["why"]) for e in done.left("refused")] == [("no_time", f"cannot read the time: {value}")]


def test_an_event_without_a_value_keeps_its_time(run):
    known = datetime(2020, 1, 1, tzinfo=UTC)
    done = run({"type": "time", "column": "at"}, [{"at": None, "time": known}, {"at": " ", "time": known}])
    assert [event["time"] for event in done.stay] == [known, known]


def test_time_can_fall_back_on_the_time_of_arrival(run):
    options = {"type": "time", "column": "at", "otherwise": "received"}
    assert "time" not in run(options, [{"at": "soon"}]).stay[0]

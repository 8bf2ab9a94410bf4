"""rename, cast, set, drop_columns, extract."""

from datetime import UTC, datetime

import pytest

from trackway.errors import ConfigError
from trackway.plan.config import component


def test_rename_moves_a_column(run):
    done = run({"type": "rename", "columns": {"userId": "user_id", "plan": "tier"}}, [{"userId": 7.0, "plan": "pro"}])
    assert done.stay == [{"user_id": "7", "tier": "pro"}]
    assert "plan" not in done.kinds


def test_rename_fills_the_gaps_of_an_existing_column(run):
    events = [{"mail": "a@x", "email": "b@x"}, {"mail": None, "email": "c@x"}]
    done = run({"type": "rename", "columns": {"mail": "email"}}, events)
    assert [event["email"] for event in done.stay] == ["a@x", "c@x"]


def test_rename_can_swap(run):
    done = run({"type": "rename", "columns": {"a": "b", "b": "a"}}, [{"a": "1", "b": "2"}])
    assert done.stay == [{"a": "2", "b": "1"}]


def test_rename_to_time_reads_the_time(run):
    done = run({"type": "rename", "columns": {"when": "time"}}, [{"when": "2015-05-17T10:05:03+02:00"}])
    assert done.stay == [{"time": datetime(2015, 5, 17, 8, 5, 3, tzinfo=UTC)}]


@pytest.mark.parametrize("name", ["source", "received_at", "block", "actor"])
def test_no_transform_writes_what_is_ours(name):
    with pytest.raises(ConfigError, match=f"'{name}' cannot be set"):
        component("transforms", {"type": "rename", "columns": {"x": name}}, "t")
    with pytest.raises(ConfigError, match=f"'{name}' cannot be set"):
        component("transforms", {"type": "set", "values": {name: "1"}}, "t")


def test_cast_to_number_keeps_what_does_not_fit_in_more(run):
    done = run({"type": "cast", "columns": {"amount": "number"}}, [{"amount": "1.5"}, {"amount": "much"}])
    assert done.kinds["amount"] == "number"
    assert done.stay == [{"amount": 1.5}, {"more": '{"amount":"much"}'}]


def test_cast_can_refuse(run):
    options = {"type": "cast", "columns": {"amount": "number"}, "otherwise": "refuse"}
    done = run(options, [{"amount": "2"}, {"amount": "much"}])
    assert done.stay == [{"amount": 2.0}]
    assert [(e["reason"], e["why"]) for e in done.left("refused")] == [("contract", "amount is not a number: much")]


@pytest.mark.parametrize(
    ("text", "whole"),
    [("12", 12), (" 12 ", 12), ("9007199254740993", 9007199254740993), ("12.0", 12), ("12.5", None), ("x", None)],
)
def test_cast_to_integer_never_rounds(run, text, whole):
    assert run({"type": "cast", "columns": {"n": "integer"}}, [{"n": text}]).stay[0].get("n") == whole


def test_cast_of_a_whole_number_to_text_has_no_fraction(run):
    done = run({"type": "cast", "columns": {"zip": "string"}}, [{"zip": 10115.0}, {"zip": 1.5}])
    assert [event["zip"] for event in done.stay] == ["10115", "1.5"]


def test_cast_to_time_reads_local_times_in_the_zone(run):
    options = {"type": "cast", "columns": {"at": "time"}, "timezone": "Europe/Berlin"}
    done = run(options, [{"at": "2015-05-17 10:05"}, {"at": "2015-05-17T10:05:00Z"}, {"at": "1431857103"}])
    assert [event["at"].isoformat() for event in done.stay] == [
        "2015-05-17T08:05:00+00:00", "2015-05-17T10:05:00+00:00", "2015-05-17T10:05:03+00:00",
    ]  # fmt: skip


def test_set_computes_from_the_columns_before_the_step(run):
    options = {"type": "set", "values": {"total": "price * count", "price": "0", "event": "'Paid'", "none": "missing"}}
    done = run(options, [{"event": "Buy", "price": 2.5, "count": 4.0}])
    assert done.stay == [{"event": "Paid", "price": 0.0, "count": 4.0, "total": 10.0}]
    assert {name: done.kinds[name] for name in ("total", "price", "event")} == {
        "total": "number", "price": "number", "event": "string",
    }  # fmt: skip


def test_set_only_where_the_condition_holds(run):
    options = {"type": "set", "where": "plan is null", "values": {"plan": "'free'"}}
    assert [e["plan"] for e in run(options, [{"plan": "pro"}, {"plan": None}]).stay] == ["pro", "free"]


def test_set_of_time_reads_text(run):
    done = run({"type": "set", "values": {"time": "day || 'T00:00:00Z'"}}, [{"day": "2020-02-29"}])
    assert done.stay[0]["time"] == datetime(2020, 2, 29, tzinfo=UTC)


def test_drop_columns_by_name_and_pattern(run):
    options = {"type": "drop_columns", "columns": ["utm_*", "properties.password", "anonymous_id"]}
    done = run(options, [{"utm_source": "x", "utm_id": "y", "password": "p", "plan": "pro", "anonymous_id": "a"}])
    assert done.stay == [{"plan": "pro"}]
    assert not {"utm_source", "utm_id", "password"} & set(done.kinds)


def test_columns_that_every_event_has_cannot_be_dropped():
    with pytest.raises(ConfigError, match="'event' cannot be dropped"):
        component("transforms", {"type": "drop_columns", "columns": ["event"]}, "t")


def test_extract_makes_a_column_of_every_named_group(run):
    options = {"type": "extract", "column": "path", "pattern": "^/(?P<section>[a-z]+)(/(?P<slug>[^/]+))?"}
    done = run(options, [{"path": "/blog/hello"}, {"path": "/blog"}, {"path": "-"}])
    assert done.stay == [
        {"path": "/blog/hello", "section": "blog", "slug": "hello"}, {"path": "/blog", "section": "blog"},
        {"path": "-"},
    ]  # fmt: skip


def test_extract_leaves_what_it_does_not_find(run):
    options = {"type": "extract", "column": "path", "pattern": "/(?P<section>[a-z]+)"}
    done = run(options, [{"path": "/1", "section": "old"}, {"path": "/new", "section": "old"}])
    assert [event["section"] for event in done.stay] == ["old", "new"]


@pytest.mark.parametrize(
    ("pattern", "complaint"), [("(", "cannot read"), ("a+", "no named group"), ("(?=x)(?P<y>x)", "cannot read")]
)
def test_extract_says_what_is_wrong_with_a_pattern(pattern, complaint):
    with pytest.raises(ConfigError, match=complaint):
        component("transforms", {"type": "extract", "column": "x", "pattern": pattern}, "t")

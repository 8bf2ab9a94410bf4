"""flatten and explode."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from applying import Runner
from trackway.errors import ConfigError
from trackway.plan.config import component

LEAVES = {"s": st.text(max_size=5), "n": st.floats(allow_nan=False, allow_infinity=False, width=32), "b": st.booleans()}
"""Members whose name begins with these letters hold such values, so that a column has one kind."""
OBJECTS = st.recursive(
    st.fixed_dictionaries({}, optional={f"{kind}{n}": values for kind, values in LEAVES.items() for n in "12"}),
    lambda inner: st.fixed_dictionaries(
        {}, optional={"o1": inner, "o2": inner, "s3": LEAVES["s"], "n3": LEAVES["n"], "l1": st.lists(st.booleans())}
    ),
    max_leaves=12,
)  # fmt: skip


def leaves(value: dict[str, Any], before: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """What a plain loop finds in an object: path -> value."""
    found: dict[tuple[str, ...], Any] = {}
    for name, inner in value.items():
        found |= leaves(inner, (*before, name)) if isinstance(inner, dict) else {(*before, name): inner}
    return found


def plain(event: dict[str, Any]) -> dict[str, Any]:
    """An event with its JSON columns read."""
    return {
        name: json.loads(value) if name.rpartition(".")[2] in {"l1", "more"} and isinstance(value, str) else value
        for name, value in event.items()
    }


@settings(max_examples=60, deadline=None)
@given(objects=st.lists(OBJECTS, min_size=1, max_size=5), depth=st.integers(1, 4))
def test_flatten_finds_what_a_plain_loop_finds(objects, depth):
    run = Runner()
    events = [{"payload": json.dumps(one)} for one in objects]
    done = run({"type": "flatten", "columns": ["payload"], "depth": depth}, events)
    expected = []
    for one in objects:
        found = leaves(one)
        event = {f"payload.{'.'.join(path)}": value for path, value in found.items() if len(path) <= depth}
        deep = {f"payload.{'.'.join(path)}": value for path, value in found.items() if len(path) > depth}
        expected.append(event | ({"more": deep} if deep else {}))
    assert [plain(event) for event in done.stay] == expected
    run.connection.close()


def test_flatten_names_columns_by_the_pattern(run):
    options = {"type": "flatten", "columns": ["msg"], "name": "{path}", "separator": "_", "lists": "number"}
    done = run(options, [{"msg": '{"time": 1, "a": {"b": [{"sku": "x"}, "y"]}}'}, {"msg": "[7]"}, {"msg": "plain"}])
    assert done.stay == [{"properties.time": 1.0, "a_b_0_sku": "x", "a_b_1": "y"}, {"0": 7.0}, {"msg": "plain"}]


def test_flatten_fills_gaps_and_keeps_what_clashes_in_more(run):
    events = [{"p": '{"a": "new"}', "p.a": "old"}, {"p": '{"a": "new"}', "p.a": None}, {"p": '{"A": 1}', "p.a": None}]
    assert run({"type": "flatten", "columns": ["p"]}, events).stay == [
        {"p.a": "old", "more": '{"p.a": "new"}'}, {"p.a": "new"}, {"p.a": "1"},
    ]  # fmt: skip


def test_flatten_touches_only_events_for_which_where_holds(run):
    options = {"type": "flatten", "columns": ["p"], "where": "event = 'A'", "keep": True}
    done = run(options, [{"event": "A", "p": '{"a": 1}'}, {"event": "B", "p": '{"a": 1}'}])
    assert done.stay == [{"event": "A", "p": '{"a": 1}', "p.a": 1.0}, {"event": "B", "p": '{"a": 1}'}]


@pytest.mark.parametrize("name", ["x", "{path}{path}", "{path}.{who}"])
def test_flatten_wants_a_pattern_with_the_path_in_it(name):
    with pytest.raises(ConfigError, match=r"the name holds \{path\} once"):
        component("transforms", {"type": "flatten", "columns": ["p"], "name": name}, "t")


ITEMS = st.none() | st.booleans() | st.text(max_size=4) | st.integers(-9, 9) | OBJECTS


@settings(max_examples=60, deadline=None)
@given(lists=st.lists(st.none() | st.lists(OBJECTS, max_size=4), min_size=1, max_size=5))
def test_explode_makes_what_a_plain_loop_makes(lists):
    run = Runner()
    events = [
        {"event_id": f"e{n}", "event": "Order", "products": None if items is None else json.dumps(items)}
        for n, items in enumerate(lists)
    ]
    done = run({"type": "explode", "column": "products", "into": "product", "place": "nr"}, events)
    expected = []
    for number, items in enumerate(lists):
        event = {"event_id": f"e{number}", "event": "Order"}
        for place, item in enumerate(items or []):
            own = {"event_id": f"e{number}#{place}"} if place else {}
            found = {f"product.{'.'.join(path)}": value for path, value in leaves(item).items()}
            expected.append(event | own | found | {"nr": place + 1.0})
        if not items:
            expected.append(event if items is None else event | {"products": "[]"})
    assert [plain(event) for event in done.stay] == expected
    assert done.made == sum(max(len(items or []) - 1, 0) for items in lists)
    run.connection.close()


def test_explode_reads_items_of_any_kind(run):
    items = '[1, "x", null, [2], {"a": true}, "\\ud800"] '
    done = run({"type": "explode", "column": "l"}, [{"event_id": "e", "l": items}, {"event_id": "f", "l": "[1] [2]"}])
    assert [{name: value for name, value in event.items() if name != "event_id"} for event in done.stay] == [
        {"l": "1"}, {"l": "x"}, {}, {"l": "[2]"}, {"l.a": True}, {"l": '"\\ud800"'}, {"l": "[1] [2]"},
    ]  # fmt: skip


def test_explode_refuses_a_list_that_is_too_long(run):
    done = run(
        {"type": "explode", "column": "l", "into": "x", "most": 2}, [{"l": "[1,2,3]"}, {"event_id": "e", "l": "[1,2]"}]
    )
    assert [(event["reason"], event["why"]) for event in done.left("refused")] == [
        ("too_large", "a list of 3 items in 'l'")
    ]
    assert [event["x"] for event in done.stay] == [1.0, 2.0]

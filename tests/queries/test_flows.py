"""Flows: stretches of an actor's events that match a pattern, as columns; three ways, and as stories."""

import oracle_derived as naive
import oracle_patterns
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journeys import CONDITIONS, HOURS, MINUTE, QUICK, THOROUGH, answers, commits, facts, optional

from people import people
from trackway.errors import ConfigError, TrackwayError
from trackway.model.time import iso
from trackway.plan.config import check

UNITS = {"2m": 2 * MINUTE, "1h": HOURS, "5d": 120 * HOURS}
LET = {"a": "event = 'A'", "b": "event = 'B'", "x": "x = 1 or event = 'C'"}

letter = st.sampled_from(
    [("letter", "a"), ("letter", "b"), ("letter", "x"), ("any",), ("not", ["b"]), ("not", ["a", "x"])]
)
gap = ("repeat", ("any",), 0, None)


@st.composite
def trees(draw):
    """Two or three parts, with or without others between, whole or within a time."""
    parts = [draw(letter)]
    for _ in range(draw(st.integers(0, 2))):
        parts += [gap] if draw(st.booleans()) else []
        parts.append(draw(st.one_of(letter, letter.map(lambda one: ("repeat", one, 1, None)),
                                    st.tuples(letter, letter).map(lambda two: ("choice", list(two))))))  # fmt: skip
    tree = ("series", parts) if len(parts) > 1 else parts[0]
    within = draw(st.sampled_from([None, "2m", "1h", "5d"]))
    return tree if within is None else ("timed", tree, within)


flows = st.fixed_dictionaries({
    "tree": trees(), "match": st.sampled_from(["shortest", "longest"]), "where": optional,
    "timeout": st.sampled_from([None, "2m", "1h", "5d"]),
    "by": st.lists(st.sampled_from(["f.number", "f.position", "f.events", "f.seconds", "f.entry", "f.exit", "f.start",
                                    "m", "l", "o"]), min_size=1, max_size=2, unique=True),
    "measure": st.sampled_from(["events", "actors"]),
})  # fmt: skip


def written(tree):
    """A limit of the whole stands at its end, without parentheses."""
    return (
        f"{oracle_patterns.written(tree[1])} within {tree[2]}" if tree[0] == "timed" else oracle_patterns.written(tree)
    )


def used(tree):
    return {name for name in LET if f"'{name}'" in repr(tree)}


def number(events, drawn):
    """Write the columns of flows into the events."""
    tests = {name: CONDITIONS[text] for name, text in LET.items()}
    where = CONDITIONS[drawn["where"] or "true"]
    for event in events:
        event.update(
            dict.fromkeys(("number", "position", "events", "seconds", "entry", "exit", "start", "m", "l", "o"))
        )
    for actor in {event["actor"] for event in events}:
        line = naive.in_order([event for event in events if event["actor"] == actor and where(event)])
        timeout = None if drawn["timeout"] is None else UNITS[drawn["timeout"]]
        count = 0
        for piece in oracle_patterns.pieces(line, timeout):
            for begin, end in oracle_patterns.matches(piece, drawn["tree"], drawn["match"] == "longest", tests, UNITS):
                count += 1
                name(piece[begin : end + 1], count)


def name(flow, count):
    """The columns of one flow."""
    for position, event in enumerate(flow, start=1):
        event |= {
            "number": count, "position": position, "events": len(flow), "entry": flow[0]["event"],
            "exit": flow[-1]["event"], "start": flow[0]["time"],
            "seconds": (flow[-1]["time"] - flow[0]["time"]) / 1_000_000,
            "m": naive.measured("sum", "x", flow),
            "l": naive.measured("last", "country", [e for e in flow if e["event"] == "A"]),
            "o": "long" if len(flow) > 2 else "short",
        }  # fmt: skip


def agree(parts, known, drawn):
    flow = {name: drawn[name] for name in ("match", "where", "timeout")}
    question = {
        "type": "trend", "every": None, "top": None, "by": drawn["by"], "measure": drawn["measure"],
        "flows": {"f": flow | {"pattern": written(drawn["tree"]), "let": {n: LET[n] for n in used(drawn["tree"])}}},
        "expressions": {
            "m": {"measure": "sum(x)", "flow": "f"},
            "l": {"measure": "last(country)", "flow": "f", "where": "event = 'A'", "scope": "flow"},
            "o": {"value": "case when f.events > 2 then 'long' when f.events > 0 then 'short' end", "scope": "flow"},
        },
    }  # fmt: skip
    found, events = answers(parts, known, question)
    number(events, drawn)
    short = [column.removeprefix("f.") for column in drawn["by"]]
    keyed = [(tuple(shown(event[column]) for column in short), event["actor"]) for event in events]
    expected = {}
    for key, _ in set(keyed) if drawn["measure"] == "actors" else keyed:
        expected[key] = expected.get(key, 0) + 1
    assert {tuple(row[column] for column in drawn["by"]): row["value"] for row in found.rows} == expected


def shown(value):
    """A value as an answer shows it; instants are recognised by their size."""
    return iso(int(value), "UTC") if isinstance(value, int | float) and abs(value) > 1e14 else value


@pytest.mark.long
def test_flows_mean_the_same_to_columns_reference_and_oracle():
    QUICK(given(commits(), facts, flows)(agree))()


@pytest.mark.long
def test_flows_mean_the_same_to_columns_reference_and_oracle_at_length():
    THOROUGH(given(commits(), facts, flows)(agree))()


# ── stories ─────────────────────────────────────────────────────────────────────────────────────────

SHOP = people(
    ann=[("Cart", "0m"), ("Help", "1m"), ("Paid", "5m", {"amount": 30}), ("Paid", "9m", {"amount": 5}),
         ("Cart", "2d"), ("Paid", "3d", {"amount": 12})],
    bob=[("Cart", "0m"), ("Cart", "2m"), ("Paid", "4m", {"amount": 8})],
    cid=[("Help", "0m"), ("Cart", "1m")],
)  # fmt: skip
CHECKOUT = {"checkout": {"pattern": "'Cart' .. 'Paid'"}}


def trend(by, **options):
    return {"type": "trend", "every": None, "by": by, "top": None, **options}


def values(answer, *by):
    return {tuple(row[name] for name in by): row["value"] for row in answer.rows}


def test_a_flow_reaches_from_the_first_event_of_its_match_to_the_last(asked):
    """Of bob's two carts the flow begins at the later one; what follows a match, and cid's cart, is in none."""
    answer = asked(SHOP, trend(["actor", "checkout.number"], flows=CHECKOUT))
    assert values(answer, "actor", "checkout.number") == {
        ("ann", 1): 3, ("ann", 2): 2, ("ann", None): 1, ("bob", 1): 2, ("bob", None): 1, ("cid", None): 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ("id", ["ann/1", "ann/2", "bob/1"]), ("seconds", [300, 86_400, 120]), ("events", [3, 2, 2]),
        ("entry", ["Cart"] * 3), ("exit", ["Paid"] * 3),
    ],
)  # fmt: skip
def test_flows_have_what_sessions_have(asked, part, found):
    by = ["actor", "checkout.number", f"checkout.{part}"]
    rows = values(asked(SHOP, trend(by, flows=CHECKOUT, where="checkout.position = 1")), *by)
    assert [key[2] for key in sorted(rows)] == found


def test_a_flow_is_measured_and_told_apart_by_what_is_measured(asked):
    names = {
        "paid": {"measure": "sum(amount)", "flow": "checkout"},
        "helped": {"measure": "count", "flow": "checkout", "where": "event = 'Help'"},
        "kind": {"value": "case when helped > 0 then 'with help' else 'alone' end", "scope": "flow"},
    }
    question = trend(["kind", "paid"], flows=CHECKOUT, expressions=names, where="checkout.position = 1")
    found = values(asked(SHOP, question), "kind", "paid")
    assert found == {("with help", 30): 1, ("alone", 12): 1, ("alone", 8): 1}


def test_flows_sessions_cohorts_and_other_flows_are_made_of_each_other(asked):
    """Fast checkouts are those within the visit in which they began, of people who have two in all."""
    question = trend(
        ["fast.number"],
        sessions={"visit": {"timeout": "1h"}},
        flows={**CHECKOUT, "fast": {
            "pattern": "Begin more*", "match": "longest", "where": "checkout.number is not null and visit.number = 1",
            "let": {"Begin": "checkout.position = 1", "more": "checkout.position > 1"},
        }},
        cohorts={"often": {"did": "checkout.number = 2"}}, where="cohort.often",
    )  # fmt: skip
    assert values(asked(SHOP, question), "fast.number") == {(1,): 3, (None,): 3}


def test_a_funnel_is_asked_of_what_happens_in_flows_alone(asked):
    funnel = {"type": "funnel", "steps": ["event = 'Cart'", "event = 'Help'", "event = 'Paid'"]}
    inside = asked(SHOP, {**funnel, "where": "checkout.number = 1", "flows": CHECKOUT, "by": "checkout.events"})
    assert [(row["checkout.events"], row["actors"]) for row in inside.rows if row["step"] == 3] == [(2, 0), (3, 1)]


def test_a_name_of_the_question_stands_for_a_flow_whatever_it_was_in_the_file(asked, tmp_path):
    naming = check({"sessions": {"checkout": {"timeout": "1m"}}}, tmp_path).naming
    question = trend(["checkout.number"], flows=CHECKOUT)
    assert asked(SHOP, question, naming=naming).rows == asked([], question).rows
    named = check({"flows": CHECKOUT}, tmp_path).naming
    assert asked([], trend(["checkout.number"]), naming=named).rows == asked([], question).rows


def test_nobody_has_a_flow_that_never_is(asked):
    never = {"checkout": {"pattern": "'Help' 'Help'"}}
    answer = asked(SHOP, trend(["checkout.number", "checkout.seconds", "checkout.entry"], flows=never))
    assert [row["value"] for row in answer.rows] == [11]
    assert {row["checkout.entry"] for row in answer.rows} == {None}


@pytest.mark.parametrize(
    ("tables", "name", "says"),
    [
        ({"expressions": {"m": {"measure": "count", "flow": "chekout"}}}, "m", "no flows named 'chekout'"),
        ({"flows": {"f": {"pattern": "'A'", "where": "colour = 'red'"}}}, "f.number", "unknown column 'colour'"),
        ({"flows": {"f": {"pattern": "'A'", "where": "f.number = 1"}}}, "f.number", "f.number → f.number"),
        ({"sessions": {"f": {}}, "flows": {"f": {"pattern": "'A'"}}}, "f.number", "there are sessions of this name"),
        ({"flows": {"f": {"pattern": "'A'"}}, "expressions": {"f.id": {"value": "1"}}}, "f.id", "column of the flow"),
        ({"flows": {"cohort": {"pattern": "'A'"}}}, "cohort.number", "'cohort.' begins"),
        ({"flows": {"f": {"pattern": "'A'"}}, "expressions": {"e": {"value": "f.position", "scope": "flow"}}}, "e",
         "its scope is event, not flow"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_where_it_stands(asked, tables, name, says):
    with pytest.raises(TrackwayError, match=says):
        asked(SHOP, trend([name], **tables))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"flows": {"f": {}}}, "pattern"),
        ({"flows": {"f": {"pattern": "A ("}}}, "expected a letter"),
        ({"flows": {"f": {"pattern": "A"}}}, "unknown name 'A'"),
        ({"flows": {"f": {"pattern": "'A'*"}}}, "without any event"),
        ({"expressions": {"m": {"measure": "count", "flow": "f", "session": "s"}}}, "either a session or a flow"),
        ({"expressions": {"m": {"measure": "count", "scope": "flow"}}}, "flow = 'NAME'"),
        ({"expressions": {"m": {"measure": "count", "flow": "f", "scope": "session"}}}, "session = 'NAME'"),
        ({"expressions": {"m": {"measure": "count", "flow": "f", "scope": "actor"}}}, "its scope is flow, not actor"),
        ({"expressions": {"m": {"value": "x", "flow": "f"}}}, "goes with a measure"),
    ],
)  # fmt: skip
def test_a_file_with_such_flows_does_not_load(table, says, tmp_path):
    with pytest.raises(ConfigError) as caught:
        check(table, tmp_path)
    assert says in str(caught.value)

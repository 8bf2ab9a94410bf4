"""What docs/reference/semantics.md promises of patterns: worked stories, and the questions that are special cases."""

import re

import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journeys import HOURS, MINUTE, QUICK, answers

from people import MONDAY, event, people
from trackway.errors import ConditionError
from trackway.plan.config import component


def matched(answer):
    return [(one["actor"], one["times"], one["first_seconds"]) for one in answer.totals["list"]]


def test_letters_stand_side_by_side_and_two_dots_skip(asked):
    story = people(ann=[("A", "0m"), ("X", "1m"), ("B", "2m")], bob=[("A", "0m"), ("B", "5m")])
    question = {"type": "patterns", "listed": 9}
    assert matched(asked(story, question | {"pattern": "'A' 'B'"})) == [("bob", 1, 300.0)]
    assert matched(asked([], question | {"pattern": "'A' .. 'B'"})) == [("ann", 1, 120.0), ("bob", 1, 300.0)]
    only = question | {"pattern": "'A' 'B'", "where": "event <> 'X'"}
    assert matched(asked([], only)) == [("ann", 1, 120.0), ("bob", 1, 300.0)]


def test_without_something_between_within_a_time(asked):
    story = people(
        ann=[("A", "0m"), ("B", "30m")],
        bob=[("A", "0m"), ("X", "1m"), ("B", "30m")],
        eve=[("A", "0m"), ("B", "2h")],
        kim=[("A", "0m"), ("X", "1m"), ("A", "2m"), ("Y", "3m"), ("B", "62m")],
    )
    question = {"type": "patterns", "pattern": "A (not X)* B within 1h", "listed": 9}
    let = {name: f"event = '{name}'" for name in "AXB"}
    answer = asked(story, question | {"let": let})
    assert matched(answer) == [("ann", 1, 1800.0), ("kim", 1, 3600.0)]
    assert answer.totals["actors"] == 4
    assert answer.totals["rate"] == 0.5


def test_the_shortest_match_ends_first_and_begins_last_the_longest_begins_first_and_ends_last(asked):
    story = people(ann=[("A", "0m"), ("A", "10m"), ("B", "15m"), ("B", "40m")])
    question = {"type": "patterns", "pattern": "'A' .. 'B'", "listed": 1}
    assert matched(asked(story, question)) == [("ann", 1, 300.0)]
    assert matched(asked([], question | {"match": "longest"})) == [("ann", 1, 2400.0)]


def test_streaks_are_longest_matches(asked):
    story = people(ann=[(name, f"{i}m") for i, name in enumerate("EEEXEEXE")])
    answer = asked(story, {"type": "patterns", "pattern": "'E'{2,}", "match": "longest"})
    assert answer.totals["matches"] == 2
    assert answer.rows[0]["median_seconds"] == 90.0


def test_a_group_has_a_time_of_its_own(asked):
    story = people(
        ann=[("A", "0m"), ("B", "1m"), ("C", "10d")],
        bob=[("A", "0m"), ("B", "10m"), ("C", "11m")],
        eve=[("A", "0m"), ("B", "3m"), ("C", "20d")],
    )
    question = {"type": "patterns", "pattern": "('A' 'B' within 5m) .. 'C' within 14d", "listed": 9}
    assert [one[0] for one in matched(asked(story, question))] == ["ann"]


def test_the_first_and_the_last_event_of_all_and_of_each_session(asked):
    story = people(ann=[("A", "0m"), ("B", "1m"), ("A", "3h")], bob=[("B", "0m"), ("A", "1m")])
    question = {"type": "patterns", "pattern": "^ 'A' .. $", "match": "longest", "listed": 9}
    assert matched(asked(story, question)) == [("ann", 1, 10_800.0)]
    assert matched(asked([], question | {"timeout": "30m"})) == [("ann", 2, 60.0)]
    bounced = asked([], question | {"pattern": "^ any $", "timeout": "30m"})
    assert matched(bounced) == [("ann", 1, 0.0)]


def test_sessions_are_patterns(asked):
    """Cut by a pause, by a first event, and by a last one."""
    story = people(
        ann=[(name, f"{minute}m") for name, minute in zip("SabSEcd", (0, 5, 50, 60, 70, 80, 81), strict=True)]
    )
    question = {"type": "patterns", "match": "longest"}
    count = {
        "by pause": asked(story, question | {"pattern": "^ any+ $", "timeout": "30m"}).totals["matches"],
        "by start": asked([], question | {"pattern": "'S' (not 'S')*"}).totals["matches"],
        "by end": asked([], question | {"pattern": "(not 'E')* 'E'"}).totals["matches"],
    }
    assert count == {"by pause": 2, "by start": 2, "by end": 1}


def test_groups_are_those_of_the_first_match_and_add_up(asked):
    story = people(
        ann=[("A", "0m", {"plan": "free"}), ("A", "1h", {"plan": "pro"})],
        bob=[("A", "0m", {"plan": "pro"})], eve=[("A", "0m", {"plan": None})], kim=[("X", "0m", {"plan": "pro"})],
    )  # fmt: skip
    answer = asked(story, {"type": "patterns", "pattern": "'A'", "by": "plan", "top": 2})
    assert [(row["plan"], row["actors"], row["matches"]) for row in answer.rows] == [
        ("free", 1, 2), ("pro", 1, 1), ("other", 1, 1)
    ]  # fmt: skip
    assert answer.notes == ["1 smaller group is 'other'."]
    assert (answer.totals["actors"], answer.totals["matched"], answer.totals["matches"]) == (4, 3, 4)


def test_nothing_is_found_and_nobody_is_there(asked):
    question = {"type": "patterns", "pattern": "'A'", "listed": 3}
    answer = asked(people(ann=[("X", "0m")]), question)
    assert answer.rows == [{"actors": 0, "share": None, "matches": 0, "per_actor": None, "median_seconds": None}]
    assert (answer.totals["rate"], answer.totals["list"], answer.totals["seconds"]) == (0.0, [], {})
    assert asked([], question | {"where": "event = 'Y'"}).totals["rate"] is None
    assert asked([], question | {"by": "event"}).rows == []


def test_two_letters_may_fit_one_event_and_one_event_is_one_letter(asked):
    story = people(ann=[("A", "0m", {"n": 1})], bob=[("A", "0m", {"n": 1}), ("A", "1m", {"n": 1})])
    question = {"type": "patterns", "pattern": "P Q", "let": {"P": "event = 'A'", "Q": "n = 1"}, "listed": 9}
    assert [one[0] for one in matched(asked(story, question))] == ["bob"]


def test_fifteen_letters_on_two_columns_and_a_bot(asked):
    let = {f"l{i}": f"n = {i} and event = 'A'" for i in range(15)}
    story = people(bot=[("A", f"{i}s", {"n": i % 15}) for i in range(3_000)])
    series = " ".join(let)
    assert asked(story, {"type": "patterns", "pattern": series, "let": let}).totals["matches"] == 200


# ── special cases ───────────────────────────────────────────────────────────────────────────────────


@st.composite
def apart(draw):
    """Journeys without ties: a funnel takes events of one instant in the order of its steps, a pattern does not."""
    minutes = draw(st.lists(st.integers(0, 60 * 40), min_size=1, max_size=14, unique=True))
    return [
        event(
            draw(st.sampled_from(["ann", "bob"])), draw(st.sampled_from("ABCX")), MONDAY + m * MINUTE, {}, f"e{i}"
        )
        for i, m in enumerate(minutes)
    ]  # fmt: skip


@pytest.mark.long
def test_a_funnel_and_its_pattern_give_the_same_actors_and_times():
    def check(events):
        pattern = {"type": "patterns", "pattern": "'A' .. 'B' .. 'C' within 1d", "listed": 9}
        found, _ = answers([events], [], pattern)
        steps = [lambda e, name=name: e["event"] == name for name in "ABC"]
        funnel = {
            journey[0]["actor"]: (chain[-1]["time"] - chain[0]["time"]) / 1_000_000
            for journey in oracle.by_actor(events).values()
            if len(chain := oracle.chain_of(journey, steps, 24 * HOURS)) == 3
        }
        assert {one["actor"]: one["first_seconds"] for one in found.totals["list"]} == funnel
        question = {"type": "funnel", "within": "1d", "steps": [f"event = '{name}'" for name in "ABC"]}
        assert answers([events], [], question)[0].totals["converted"] == found.totals["matched"]

    QUICK(given(apart())(check))()


@pytest.mark.long
def test_a_strict_funnel_and_an_exclusion_are_patterns():
    def check(events):
        in_order = [sorted(journey, key=lambda e: e["time"]) for journey in oracle.by_actor(events).values()]
        lines = ["".join(e["event"] for e in journey) for journey in in_order]
        strict = sum("ABC" in line for line in lines)
        found, _ = answers([events], [], {"type": "patterns", "pattern": "'A' 'B' 'C'"})
        assert found.totals["matched"] == strict
        without = sum(re.search("A[^X]*B", line) is not None for line in lines)
        found, _ = answers([events], [], {"type": "patterns", "pattern": "'A' (not 'X')* 'B'"})
        assert found.totals["matched"] == without

    QUICK(given(apart())(check))()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pattern": "A ("}, "pattern: expected a letter"),
        ({"pattern": "A"}, "unknown name 'A'"),
        ({"pattern": "'A'", "let": {"B": "true"}}, "does not use 'B'"),
        ({"pattern": "'A'*"}, "without any event"),
        ({"pattern": "'A'", "listed": -1}, "listed"),
        ({}, "pattern"),
    ],
)
def test_a_wrong_option_says_so(options, message):
    with pytest.raises(Exception, match=message.replace("(", "\\(")):
        component("queries", {"type": "patterns"} | options, "q")


def test_a_wrong_column_names_the_nearest(asked):
    question = {"type": "patterns", "pattern": "P", "let": {"P": "plam = 'x'"}}
    with pytest.raises(ConditionError, match="unknown column 'plam'") as caught:
        asked(people(ann=[("A", "0m", {"plan": "pro"})]), question)
    assert "plan" in caught.value.hint

"""Lifecycle and stickiness: what they mean, and law 5 for every pair of options."""

import oracle_activity as oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journeys import CONDITIONS, QUICK, THOROUGH, answers, commits, facts, optional

from people import people
from trackway.errors import ConditionError, QuestionError
from trackway.model.time import instant
from trackway.plan.config import component

WHAT = ("active", "new", "returning", "resurrected", "dormant")


def column(answer, name):
    return [row[name] for row in answer.rows]


# ── lifecycle ───────────────────────────────────────────────────────────────────────────────────────


def days(*numbers):
    """An event `A` at noon of each of these days of January 2026 (from the 5th on)."""
    return [("A", f"{24 * (number - 5) + 12}h") for number in numbers]


def test_the_lifecycle_example_of_posthog(asked):
    """The people and the numbers of its test_lifecycle_trend (2020 there); dormant is negative there."""
    story = people(p1=days(7, 8, 9, 11, 13, 15), p2=days(5, 8), p3=days(8), p4=days(11))
    answer = asked(story, {"type": "lifecycle", "every": "1d", "from": "2026-01-08", "to": "2026-01-16"})
    assert column(answer, "new") == [1, 0, 0, 1, 0, 0, 0, 0]
    assert column(answer, "returning") == [1, 1, 0, 0, 0, 0, 0, 0]
    assert column(answer, "resurrected") == [1, 0, 0, 1, 0, 1, 0, 1]
    assert column(answer, "dormant") == [0, 2, 1, 0, 2, 0, 1, 0]
    assert answer.totals == {"actors": 4, "new": 2}


def test_who_is_new_is_decided_by_all_history_even_under_a_condition(asked):
    story = people(ann=[("B", "0m"), ("A", "1d"), ("A", "9d")], bob=[("A", "9d")])
    answer = asked(story, {"type": "lifecycle", "when": "event = 'A'", "every": "1d", "from": "2026-01-14"})
    assert [tuple(row[name] for name in WHAT) for row in answer.rows] == [(2, 1, 0, 1, 0)]


def test_intervals_are_whole_even_when_the_range_cuts_them(asked):
    story = people(ann=[("A", "1h"), ("A", "20h")])
    answer = asked(story, {"type": "lifecycle", "every": "1d", "from": "2026-01-05 12:00", "to": "2026-01-05 13:00"})
    assert [(row["time"], row["active"], row["new"]) for row in answer.rows] == [("2026-01-05T00:00:00Z", 1, 1)]


def test_a_day_of_23_hours_is_a_day(asked):
    story = people(ann=[("A", "1990h"), ("A", "1991h"), ("A", "2014h")], bob=[("A", "2013h"), ("A", "2038h")])
    answer = asked(
        story, {"type": "lifecycle", "every": "1d", "from": "2026-03-29", "to": "2026-03-31"}, zone="Europe/Berlin"
    )
    assert column(answer, "time") == ["2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"]
    assert [(row["new"], row["returning"], row["dormant"]) for row in answer.rows] == [(1, 1, 0), (0, 1, 1)]


def test_groups_of_a_lifecycle_add_up(asked):
    story = people(
        ann=[("A", "0m", {"plan": "free"}), ("A", "1d", {"plan": "pro"})],
        bob=[("A", "1d", {"plan": "pro"})],
        eve=[("A", "1d", {"plan": "ü"}), ("A", "2d", {"plan": "ü"})],
    )
    question = {"type": "lifecycle", "every": "1d"}
    whole, cut = (asked(story, question), asked([], question | {"by": "plan", "top": 1}))
    assert {row["plan"] for row in cut.rows} == {"free", "other"}
    for name in WHAT:
        both = [sum(row[name] for row in cut.rows if row["time"] == time) for time in column(whole, "time")]
        assert both == column(whole, name)
    assert cut.notes[0] == "2 smaller groups are together 'other'."


def test_ten_thousand_groups_are_counted_or_refused(asked):
    story = [event for n in range(10_000) for event in people(**{f"u{n}": [("A", f"{n % 50}h", {"plan": f"p{n}"})]})]
    answer = asked(story, {"type": "lifecycle", "every": "7d", "by": "plan", "top": None})
    assert sum(column(answer, "new")) == answer.totals["new"] == 10_000
    with pytest.raises(QuestionError, match="groups in"):
        asked([], {"type": "lifecycle", "every": "1m", "by": "plan", "top": None})


# ── stickiness ──────────────────────────────────────────────────────────────────────────────────────


def test_stickiness_counts_days_of_a_week_exactly_and_at_least(asked):
    story = people(
        ann=days(5, 6, 7, 12), bob=[*days(5), ("A", "13h"), ("A", "14h")], eve=days(9, 11), zed=[("A", "0m"), *days(19)]
    )
    answer = asked(story, {"type": "stickiness"})
    first = [row for row in answer.rows if row["time"] == "2026-01-05T00:00:00Z"]
    assert [(row["active_intervals"], row["actors"], row["at_least"]) for row in first] == [
        (1, 2, 4),
        (2, 1, 2),
        (3, 1, 1),
    ]
    assert [row["at_least_share"] for row in first] == [1.0, 0.5, 0.25]
    assert [row["complete"] for row in answer.rows] == [True, True, True, True, False]
    assert answer.totals["mean"] == (2 * 1 + 2 + 3 + 1) / 5


def test_a_whole_range_is_one_window(asked):
    story = people(ann=days(7, 8, 20), bob=days(8))
    answer = asked(story, {"type": "stickiness", "window": None})
    assert [(row["active_intervals"], row["actors"], row["complete"]) for row in answer.rows] == [
        (1, 1, True), (2, 0, True), (3, 1, True)
    ]  # fmt: skip


def test_the_ratio_is_daily_over_weekly_actors(asked):
    story = people(ann=days(5, 6, 7, 8, 9, 10, 11, 12), bob=days(5), eve=days(11), zed=days(13))
    answer = asked(story, {"type": "stickiness", "show": "ratio", "window": "7d"})
    assert column(answer, "active") == [2, 1, 1, 1, 1, 1, 2, 1, 1]
    assert column(answer, "lately") == [2, 2, 2, 2, 2, 2, 3, 2, 3]
    assert column(answer, "complete") == [False] * 6 + [True, True, False]
    assert answer.rows[6]["ratio"] == 2 / 3


def test_a_trailing_window_looks_back_before_the_range(asked):
    story = people(ann=days(5), bob=days(9), zed=days(30))
    answer = asked(story, {"type": "stickiness", "show": "ratio", "from": "2026-01-09", "to": "2026-01-10"})
    assert [(row["active"], row["lately"], row["ratio"]) for row in answer.rows] == [(1, 2, 0.5)]


def test_nothing_that_matches_has_no_rows(asked):
    story = people(ann=days(5))
    for question in ({"type": "lifecycle"}, {"type": "stickiness"}, {"type": "stickiness", "show": "ratio"}):
        for extra in ({}, {"by": "event"}):
            answer = asked(story, question | {"when": "event = 'Z'"} | extra)
            assert (answer.rows, answer.totals["actors"]) == ([], 0)
            story = []


def test_without_events_there_are_no_rows(asked):
    assert asked([], {"type": "lifecycle"}).rows == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": "1d"}, "holds no two intervals"),
        ({"show": "ratio", "window": None}, "needs a window"),
        ({"show": "ratio", "every": "7d", "window": "1mo"}, "no whole number of intervals"),
        ({"by": ["a", "b", "c", "d"]}, "by"),
    ],
)
def test_contradictory_windows_are_refused(options, message):
    with pytest.raises(Exception, match=message):
        component("queries", {"type": "stickiness"} | options, "q")


def test_an_unknown_column_is_suggested(asked):
    for type_ in ("lifecycle", "stickiness"):
        with pytest.raises(ConditionError) as caught:
            asked(people(ann=[("A", "0m", {"plan": "pro"})]), {"type": type_, "by": "plam"})
        assert caught.value.hint == "did you mean 'plan'?"


# ── law 5 ───────────────────────────────────────────────────────────────────────────────────────────

moment = st.sampled_from([None, "2026-01-05", "2026-01-07 13:30", "2026-01-14"])
shared = {
    "when": optional, "where": optional, "from": moment, "to": st.sampled_from([None, "2026-01-15", "2026-02-10"]),
    "by": st.sampled_from([[], ["country"], ["x"]]), "top": st.sampled_from([1, 10, None]),
}  # fmt: skip
lifecycles = st.fixed_dictionaries(
    {"type": st.just("lifecycle"), "every": st.sampled_from(["1d", "7d", "1mo"]), **shared}
)
histograms = st.fixed_dictionaries(
    {
        "type": st.just("stickiness"), "every": st.sampled_from(["1d", "3d"]),
        "window": st.sampled_from(["7d", "1mo", None]), **shared,
    }
)  # fmt: skip
ratios = st.fixed_dictionaries(
    {
        "type": st.just("stickiness"), "show": st.just("ratio"), "every": st.sampled_from(["1d", "7d"]),
        "window": st.sampled_from(["14d", "28d"]), **shared,
    }
)  # fmt: skip
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo"])


def check(parts, known, question, zone):
    answer, events = answers(parts, known, question, zone=zone)
    both = [CONDITIONS[question[name] or "true"] for name in ("when", "where")]
    if zone != "UTC" and any("12:00" in (question[name] or "") for name in ("when", "where")):
        return
    ends = tuple(None if question[name] is None else instant(question[name], zone) for name in ("from", "to"))
    arguments = (zone, ends, question["by"][0] if question["by"] else None, question["top"])
    every, matches = question["every"], lambda e: all(test(e) for test in both)
    if question["type"] == "lifecycle":
        rows, actors = oracle.lifecycle(events, matches, every, *arguments)
        totals = {"actors": actors, "new": sum(row["new"] for row in rows)}
    elif question.get("show"):
        trailing = int(question["window"][:-1]) // int(every[:-1])
        rows, totals = oracle.ratio(events, matches, every, trailing, *arguments)
    else:
        rows, totals = oracle.stickiness(events, matches, every, question["window"], *arguments)
    assert answer.rows == rows
    assert answer.totals == totals


QUESTIONS = pytest.mark.parametrize("questions", [lifecycles, histograms, ratios], ids=["lifecycle", "often", "ratio"])


@QUESTIONS
def test_fold_reference_and_oracle_agree_on_activity(questions):
    QUICK(given(commits(), facts, questions, zones)(check))()


@pytest.mark.long
@QUESTIONS
def test_fold_reference_and_oracle_agree_on_activity_at_length(questions):
    THOROUGH(given(commits(), facts, questions, zones)(check))()

"""What docs/reference/semantics.md promises, by stories small enough to check by hand."""

import pytest

from people import MONDAY, people
from trackway.errors import ConditionError, QuestionError
from trackway.plan.config import component

A_B_C = [{"name": name, "when": f"event = '{name}'"} for name in "ABC"]


def reached(answer):
    return [row["actors"] for row in answer.rows]


# ── funnel ──────────────────────────────────────────────────────────────────────────────────────────


def test_any_chain_counts_not_only_the_one_from_the_first_entry(asked):
    story = people(ann=[("A", "0m"), ("A", "3d"), ("B", "3d"), ("C", "4d")])
    assert reached(asked(story, {"type": "funnel", "steps": A_B_C, "within": "1d"})) == [1, 1, 1]


def test_the_window_includes_its_end(asked):
    story = people(ann=[("A", "0m"), ("B", "1h")], bob=[("A", "0m"), ("B", "61m")])
    assert reached(asked(story, {"type": "funnel", "steps": A_B_C[:2], "within": "1h"})) == [2, 1]


def test_events_at_one_instant_never_break_a_chain(asked):
    story = people(ann=[("C", "0m"), ("B", "0m"), ("A", "0m")])
    assert reached(asked(story, {"type": "funnel", "steps": A_B_C})) == [1, 1, 1]


def test_one_event_is_one_step_even_if_it_matches_two(asked):
    story = people(ann=[("A", "0m")], bob=[("A", "0m"), ("A", "5m")])
    twice = {"type": "funnel", "steps": ["event = 'A'", "event = 'A'"]}
    assert reached(asked(story, twice)) == [2, 1]


def test_a_group_is_the_value_at_the_first_touch_and_groups_add_up(asked):
    story = people(
        ann=[("A", "0m", {"plan": "free"}), ("B", "1h", {"plan": "pro"})],
        bob=[("A", "0m", {"plan": None})],
        eve=[("A", "0m", {"plan": "pro"}), ("A", "1h", {"plan": "free"}), ("B", "2h", {"plan": "pro"})],
    )
    answer = asked(story, {"type": "funnel", "steps": A_B_C[:2], "by": "plan"})
    assert [(row["plan"], row["step"], row["actors"]) for row in answer.rows] == [
        ("free", 1, 1), ("free", 2, 1), ("pro", 1, 1), ("pro", 2, 1), (None, 1, 1), (None, 2, 0)
    ]  # fmt: skip
    assert answer.totals["actors"] == 3


def test_a_group_is_looked_up_in_the_range_and_where_only(asked):
    story = people(ann=[("A", "0m", {"plan": "free"}), ("A", "2d", {"plan": "pro"}), ("A", "3d", {"plan": None})])
    question = {"type": "funnel", "steps": A_B_C[:1], "by": "plan"}
    assert [row["plan"] for row in asked(story, question | {"from": "2026-01-06"}).rows] == ["pro"]


def test_one_who_may_still_go_on_is_one_actor(asked):
    answer = asked(people(ann=[("A", "0m")]), {"type": "funnel", "steps": A_B_C})
    assert answer.notes == ["1 actor who stopped began less than 14d before the end and may still go on."]


def test_times_to_convert_add_up_with_the_steps(asked):
    story = people(
        ann=[("A", "0m"), ("B", "10m"), ("C", "30m")],
        bob=[("A", "0m"), ("B", "20m"), ("C", "90m")],
        eve=[("A", "0m"), ("B", "30m")],
    )
    answer = asked(story, {"type": "funnel", "steps": A_B_C})
    assert [row["median_seconds"] for row in answer.rows] == [None, 1200.0, 3600.0]
    assert [row["step_median_seconds"] for row in answer.rows] == [None, 1200.0, 2700.0]
    assert [row["step_rate"] for row in answer.rows] == [None, 1.0, 2 / 3]
    assert answer.totals["seconds"]["p50"] == answer.rows[2]["median_seconds"]
    assert sum(bar["actors"] for bar in answer.totals["histogram"]) == answer.rows[2]["actors"]
    assert answer.totals["open"] == 1


def test_the_whole_chain_lies_in_the_range(asked):
    story = people(ann=[("A", "0m"), ("B", "2d")], bob=[("A", "1d"), ("B", "30h")])
    question = {"type": "funnel", "steps": A_B_C[:2], "from": "2026-01-05", "to": "2026-01-07"}
    assert reached(asked(story, question)) == [2, 1]


def test_nobody_at_the_first_step_is_no_rate(asked):
    assert [row["rate"] for row in asked(people(ann=[("X", "0m")]), {"type": "funnel", "steps": A_B_C}).rows] == [
        None
    ] * 3


# ── trend ───────────────────────────────────────────────────────────────────────────────────────────


def test_intervals_without_events_are_zero(asked):
    story = people(ann=[("A", "0m"), ("A", "49h")])
    answer = asked(story, {"type": "trend"})
    assert [(row["time"], row["value"]) for row in answer.rows] == [
        ("2026-01-05T00:00:00Z", 1), ("2026-01-06T00:00:00Z", 0), ("2026-01-07T00:00:00Z", 1)
    ]  # fmt: skip


def test_an_open_range_reaches_from_the_first_to_the_last_event_that_matches(asked):
    story = people(ann=[("X", "0m"), ("A", "4400d"), ("A", "106500h"), ("X", "4500d")])
    hourly = {"type": "trend", "where": "event = 'A'", "every": "1h"}
    answer = asked(story, hourly)
    assert len(answer.rows) == 106_500 - 4_400 * 24 + 1
    assert [row["value"] for row in (answer.rows[0], answer.rows[1], answer.rows[-1])] == [1, 0, 1]
    assert asked([], hourly | {"every": None}).rows == [{"time": answer.rows[0]["time"], "value": 2}]


def test_a_given_end_of_the_range_stays_and_the_open_one_is_the_last_match(asked):
    story = people(ann=[("A", "2d"), ("A", "5d"), ("X", "9d")])
    days = asked(story, {"type": "trend", "where": "event = 'A'", "from": "2026-01-06"}).rows
    assert [row["value"] for row in days] == [0, 1, 0, 0, 1]
    assert asked([], {"type": "trend", "where": "event = 'A'", "from": "2026-01-12"}).rows == []


@pytest.mark.parametrize("top", [1, None])
def test_hourly_groups_far_apart_from_other_events_are_counted(asked, top):
    story = people(ann=[("X", "0m"), ("A", "4400d", {"plan": "pro"}), ("A", "4401d", {"plan": None})])
    question = {"type": "trend", "where": "event = 'A'", "every": "1h", "by": ["plan"], "top": top}
    assert [row["value"] for row in asked(story, question).rows] == [1, 1]


def test_days_follow_the_time_zone(asked):
    story = people(ann=[("A", "22h"), ("A", "23h")])
    answer = asked(story, {"type": "trend"}, zone="Europe/Berlin")
    assert [(row["time"], row["value"]) for row in answer.rows] == [
        ("2026-01-05T00:00:00+01:00", 1), ("2026-01-06T00:00:00+01:00", 1)
    ]  # fmt: skip


def test_small_groups_are_other_and_actors_say_that_they_do_not_add_up(asked):
    story = people(**{f"u{n}": [("A", "0m", {"x": min(n, 4) * 1.5}), ("A", "1m", {"x": None})] for n in range(6)})
    answer = asked(story, {"type": "trend", "measure": "actors", "by": ["x"], "top": 2})
    assert [(row["x"], row["value"]) for row in answer.rows] == [(None, 6), ("other", 4), (6, 2)]
    assert answer.totals == {"value": 6}
    assert answer.notes == [
        "4 smaller groups are together 'other'.",
        "An actor counts in every interval and group they appear in; there are 6 in all.",
    ]


def test_two_columns_make_one_group(asked):
    story = people(
        ann=[("A", "0m", {"x": 1, "y": "p"}), ("A", "1m", {"x": 1, "y": "q"}), ("B", "2m", {"x": 1, "y": "p"})]
    )
    answer = asked(story, {"type": "trend", "by": ["x", "properties.y"], "every": None})
    assert [(row["x"], row["y"], row["value"]) for row in answer.rows] == [(1, "p", 2), (1, "q", 1)]


def test_times_before_now_count_from_now(asked):
    story = people(ann=[("A", "0m"), ("A", "10d")])
    now = MONDAY + 11 * 86_400_000_000
    answer = asked(story, {"type": "trend", "from": "-2d", "every": None}, now=now)
    assert (answer.rows[0]["value"], answer.rows[0]["time"]) == (1, "2026-01-14T00:00:00Z")


# ── retention ───────────────────────────────────────────────────────────────────────────────────────


def test_returns_count_by_calendar_week_and_periods_that_are_not_over_say_so(asked):
    story = people(
        ann=[("S", "6d"), ("L", "7d"), ("L", "15d")],
        bob=[("L", "1d"), ("S", "1d"), ("L", "8d")],
        eve=[("L", "0m"), ("S", "2d")],
    )
    question = {"type": "retention", "start": "event = 'S'", "return": "event = 'L'", "periods": 4}
    answer = asked(story, question)
    assert [(row["period"], row["returned"], row["complete"]) for row in answer.rows] == [
        (0, 1, True), (1, 2, True), (2, 1, False)
    ]  # fmt: skip
    assert {(row["cohort"], row["actors"]) for row in answer.rows} == {("2026-01-05T00:00:00Z", 3)}
    assert answer.totals["periods"][1] == {"period": 1, "actors": 3, "returned": 2, "rate": 2 / 3}


def test_cohorts_begin_where_the_starts_are(asked):
    story = people(ann=[("X", "0m"), ("S", "4400d"), ("L", "105601h"), ("L", "105602h"), ("X", "8800d")])
    question = {"type": "retention", "start": "event = 'S'", "return": "event = 'L'", "every": "1h", "periods": 2}
    assert [(row["period"], row["returned"]) for row in asked(story, question).rows] == [(0, 0), (1, 1)]
    assert asked([], question | {"start": "event = 'Z'"}).rows == []


def test_an_event_that_is_both_counts_as_return(asked):
    answer = asked(people(ann=[("S", "0m")]), {"type": "retention", "start": "event = 'S'", "return": "event = 'S'"})
    assert answer.rows[0]["returned"] == 1


# ── what cannot be asked ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("question", "error", "message", "hint"),
    [
        ({"type": "trend", "by": ["plam"]}, ConditionError, "unknown column 'plam'", "did you mean 'plan'?"),
        ({"type": "trend", "where": "plan > 5"}, ConditionError, "cannot be answered", "values of one kind"),
        (
            {"type": "trend", "every": "1ms", "from": "2020-01-01"},
            QuestionError,
            "more than 100,000 intervals",
            "longer",
        ),
        ({"type": "trend", "from": "2026-02-01", "to": "2026-01-01"}, QuestionError, "ends at", ""),
    ],
)
def test_what_cannot_be_asked_says_why(asked, question, error, message, hint):
    with pytest.raises(error) as caught:
        asked(people(ann=[("A", "0m", {"plan": "pro"})]), question)
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ({"by": ["a", "b", "c", "d"]}, "by"),
        ({"from": "soon"}, "from"),
        ({"every": "1 fortnight"}, "every"),
        ({"mesure": 1}, "mesure"),
    ],
)
def test_a_wrong_option_names_its_path(option, path):
    with pytest.raises(Exception, match=path):
        component("queries", {"type": "trend"} | option, "q")

"""Retention with all its options: what they mean, and law 5 for every pair of them."""

import re

import numpy as np
import oracle_retention as oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journeys import CONDITIONS, QUICK, THOROUGH, answers, commits, condition, facts, optional

from people import people
from trackway.errors import ConditionError, QuestionError
from trackway.plan.config import component
from trackway.store.columns.survival import curve

BACK = {"type": "retention", "start": "event = 'S'", "return": "event = 'L'", "every": "1d"}


def returned(answer, cohort=None):
    return [row["returned"] for row in answer.rows if cohort in (None, row["cohort"])]


def story():
    """Ann comes every day for three days, Bob on day 2 only, Eve on days 0 and 5, Zed only starts."""
    return people(
        ann=[("S", "1h"), ("L", "2h"), ("L", "25h"), ("L", "49h")], bob=[("S", "1h"), ("L", "50h")],
        eve=[("S", "1h"), ("L", "3h"), ("L", "121h")], zed=[("S", "1h"), ("X", "30d")],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("on", [2, 1, 2, 0, 0, 1]), ("on_or_after", [3, 3, 3, 1, 1, 1]), ("on_or_before", [2, 2, 3, 3, 3, 3]),
        ("streak", [2, 1, 1, 0, 0, 0]),
    ],
)  # fmt: skip
def test_modes_say_who_counts_as_returned(asked, mode, expected):
    assert returned(asked(story(), BACK | {"mode": mode, "periods": 6})) == expected


def test_a_start_that_is_a_return_begins_the_streak(asked):
    """As Mixpanel has it: "if the birth event and retention event are the same, the birth event will count"."""
    days = people(ann=[("S", "0m"), ("S", "1d"), ("S", "2d"), ("S", "4d"), ("X", "9d")])
    question = BACK | {"return": "event = 'S'", "mode": "streak", "periods": 5}
    assert returned(asked(days, question)) == [1, 1, 1, 0, 0]


def test_rolling_windows_begin_at_the_start_and_calendar_days_at_midnight(asked):
    """Mixpanel's example: Monday 8 pm, then Tuesday 6 am is day 1 of the calendar, but day 0 of a rolling window."""
    days = people(ann=[("S", "20h"), ("L", "30h")], zed=[("X", "9d")])
    assert returned(asked(days, BACK | {"periods": 2})) == [0, 1]
    rolling = asked([], BACK | {"periods": 2, "windows": "rolling"})
    assert returned(rolling) == [1, 0]
    assert [row["observed"] for row in rolling.rows] == [1, 1]


def test_a_rolling_day_has_24_hours_where_the_calendar_has_23(asked):
    """The clocks of Berlin go forward on 29 March 2026 at 1:00 UTC, 83 days and an hour after the first Monday."""
    days = people(ann=[("S", "1991h"), ("L", "2014h")], zed=[("X", "90d")])
    assert returned(asked(days, BACK | {"periods": 2}), "2026-03-29T00:00:00Z") == []
    assert returned(asked([], BACK | {"periods": 2}, zone="Europe/Berlin")) == [0, 1]
    assert returned(asked([], BACK | {"periods": 2, "windows": "rolling"}, zone="Europe/Berlin")) == [1, 0]


def test_brackets_are_the_days_of_mobile_games(asked):
    """Day 0, days 1 to 3, 4 to 7, 8 to 14, 15 to 30, which Mixpanel's documentation calls the industry's standard."""
    days = people(
        ann=[("S", "0m"), ("L", "3d"), ("L", "4d")], bob=[("S", "0m"), ("L", "14d")], eve=[("S", "0m"), ("L", "15d")],
        zed=[("S", "0m"), ("L", "31d"), ("X", "60d")],
    )  # fmt: skip
    answer = asked(days, BACK | {"brackets": [3, 7, 14, 30]})
    assert [(row["from"], row["to"], row["returned"]) for row in answer.rows] == [
        (0, 0, 0), (1, 3, 1), (4, 7, 1), (8, 14, 1), (15, 30, 1)
    ]  # fmt: skip
    assert answer.totals["periods"][1] == {
        "period": 1, "from": 1, "to": 3, "actors": 4, "returned": 1, "rate": 0.25
    }  # fmt: skip


def test_a_rolling_period_says_how_many_could_be_watched(asked):
    days = people(ann=[("S", "0m"), ("L", "25h")], bob=[("S", "23h")], zed=[("X", "50h")])
    answer = asked(days, BACK | {"windows": "rolling", "periods": 3})
    assert [(row["observed"], row["complete"]) for row in answer.rows] == [(2, True), (1, False), (0, False)]
    assert answer.notes == ["Periods that are not over yet can still grow; totals leave them out."]


def test_the_value_of_returns_is_summed_exactly_and_averaged(asked):
    money = people(
        ann=[("S", "0m"), *(("L", "1d", {"paid": 0.1}) for _ in range(10))],
        bob=[("S", "0m"), ("L", "1d", {"paid": None})],
        eve=[("S", "0m"), ("L", "2d", {"paid": -0.25})],
        zed=[("X", "9d")],
    )  # fmt: skip
    row = asked(money, BACK | {"value": "paid", "periods": 3}).rows[1]
    assert {key: row[key] for key in row if key.startswith("value")} == {
        "value": 1.0, "values": 10, "value_average": 0.1, "value_per_returned": 0.5, "value_per_actor": 1 / 3
    }  # fmt: skip
    lifetime = asked([], BACK | {"value": "paid", "periods": 3, "mode": "on_or_before"})
    assert [row["value"] for row in lifetime.rows] == [0.0, 1.0, 0.75]
    assert [row["value_per_returned"] for row in lifetime.rows] == [None, 0.5, 0.25]


def test_values_of_any_size_add_up_in_any_order(asked):
    huge = [1e16, 1.0, -1e16, 2.0**-40]
    money = people(ann=[("S", "0m"), *(("L", f"{n}m", {"paid": paid}) for n, paid in enumerate(huge))])
    assert asked(money, BACK | {"value": "paid", "periods": 1}).rows[0]["value"] == 1.0 + 2.0**-40


def test_groups_of_a_retention_add_up(asked):
    plans = people(
        ann=[("S", "0m", {"plan": "ü"}), ("L", "1d", {"plan": "x"})], bob=[("S", "0m", {"plan": None}), ("L", "1d")],
        eve=[("S", "1d", {"plan": "ü"}), ("S", "2d", {"plan": "x"})], zed=[("X", "9d")],
    )  # fmt: skip
    answer = asked(plans, BACK | {"by": "plan", "periods": 2})
    assert [(row["plan"], row["actors"], row["returned"]) for row in answer.rows if row["period"] == 1] == [
        ("ü", 1, 1), ("ü", 1, 0), (None, 1, 1)
    ]  # fmt: skip
    assert sum(group["actors"] for group in answer.totals["groups"]) == answer.totals["actors"] == 3
    assert answer.totals["groups"][0]["periods"][1]["rate"] == 0.5


# ── survival ────────────────────────────────────────────────────────────────────────────────────────


def test_the_curve_of_freireichs_leukemia_patients():
    """Weeks in remission under 6-MP, censored ones with `+` (Freireich et al., Blood 21, 1963), in every textbook."""
    weeks = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
    times = [(int(text.strip("+")), "+" not in text) for text in re.split(" ", weeks)]
    durations, watched = np.unique([time for time, _ in times], return_counts=True)
    left = np.array([sum(gone for time, gone in times if time == duration) for duration in durations])
    found = curve(durations, left, watched, [5, 6, 7, 10, 13, 16, 22, 23, 35])
    assert [round(point["survival"], 3) for point in found["curve"]] == [
        1.0, 0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448, 0.448
    ]  # fmt: skip
    assert [point["at_risk"] for point in found["curve"]] == [21, 21, 17, 15, 12, 11, 7, 6, 1]
    assert (found["left"], found["median_seconds"]) == (9, 23 / 1e6)
    at_10 = found["curve"][3]
    assert (round(at_10["low"], 3), round(at_10["high"], 3)) == (0.503, 0.889)


def test_who_has_left_is_known_only_after_the_lapse(asked):
    days = people(
        ann=[("S", "0m"), ("L", "2d")], bob=[("S", "0m"), ("L", "3d"), ("L", "29d")], eve=[("S", "10d")],
        zed=[("S", "25d"), ("X", "30d")],
    )  # fmt: skip
    found = asked(days, BACK | {"lapse": "7d", "periods": 3}).totals["survival"]
    assert (found["actors"], found["left"]) == (3, 2)
    assert [(point["seconds"] / 86_400, point["at_risk"]) for point in found["curve"]] == [
        (0, 3),
        (1, 2),
        (2, 2),
        (3, 1),
    ]
    assert [point["survival"] for point in found["curve"]] == pytest.approx([2 / 3, 2 / 3, 1 / 3, 1 / 3])
    assert found["median_seconds"] == 2 * 86_400


def test_nobody_watched_long_enough_has_no_curve(asked):
    found = asked(people(ann=[("S", "0m")]), BACK | {"lapse": "7d"}).totals["survival"]
    assert found == {"actors": 0, "left": 0, "median_seconds": None, "curve": []}


# ── what cannot be asked ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"brackets": [1, 3], "periods": 4}, "contradict"), ({"brackets": [3, 3]}, "ascend"),
        ({"brackets": [0, 3]}, "ascend"), ({"brackets": []}, "brackets"), ({"brackets": [1, 10**9]}, "at most"),
        ({"mode": "sometimes"}, "mode"), ({"lapse": "soon"}, "lapse"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(options, message):
    with pytest.raises(Exception, match=message):
        component("queries", BACK | options, "q")


def test_a_value_must_be_a_number(asked):
    with pytest.raises(QuestionError) as caught:
        asked(people(ann=[("S", "0m", {"plan": "pro"})]), BACK | {"value": "plan"})
    assert (caught.value.path, caught.value.message) == ("value", "'plan' holds no numbers but is of kind string")
    with pytest.raises(ConditionError) as unknown:
        asked([], BACK | {"value": "plam"})
    assert unknown.value.hint == "did you mean 'plan'?"


def test_ten_thousand_groups_are_counted(asked):
    many = [event for n in range(10_000) for event in people(**{f"u{n}": [("S", "0m", {"plan": f"p{n}"})]})]
    answer = asked(many, BACK | {"by": "plan", "top": 3})
    assert [row["actors"] for row in answer.rows] == [1, 1, 1, 9_997]
    assert answer.notes[0] == "9,997 smaller groups are together 'other'."


def test_without_starts_there_are_no_rows(asked):
    answer = asked(people(ann=[("L", "0m", {"x": 1})]), BACK | {"by": "event", "value": "x", "lapse": "7d"})
    assert (answer.rows, answer.totals["actors"], answer.totals["groups"]) == ([], 0, [])


# ── law 5 ───────────────────────────────────────────────────────────────────────────────────────────

questions = st.fixed_dictionaries(
    {
        "type": st.just("retention"), "start": condition, "return": condition, "where": optional,
        "mode": st.sampled_from(["on", "on_or_after", "on_or_before", "streak"]),
        "windows": st.sampled_from(["calendar", "rolling"]), "every": st.sampled_from(["1d", "7d", "1mo"]),
        "value": st.sampled_from([None, "x"]), "lapse": st.sampled_from([None, "1d", "7d"]),
        "by": st.sampled_from([[], ["country"], ["x"]]), "top": st.sampled_from([1, 10, None]),
    },
    optional={"brackets": st.sampled_from([[1], [1, 3, 7], [2, 9]])},
)  # fmt: skip
zones = st.sampled_from(["UTC", "Europe/Berlin"])


def approximate(found):
    """The products and roots of a survival curve, in which fractions are not exact."""
    return {
        **found, "curve": [
            {key: pytest.approx(value) if key in ("survival", "low", "high") else value for key, value in point.items()}
            for point in found["curve"]
        ],
    }  # fmt: skip


def check(parts, known, question, zone):
    answer, events = answers(parts, known, question, zone=zone)
    if zone != "UTC" and any("12:00" in (question[name] or "") for name in ("start", "return", "where")):
        return
    where = CONDITIONS[question["where"] or "true"]
    start, back = (lambda e, c=CONDITIONS[question[name]]: c(e) and where(e) for name in ("start", "return"))
    rows, totals = oracle.retention(events, start, back, question, zone)
    for part in [totals, *totals.get("groups", [])] if question["lapse"] else []:
        part["survival"] = approximate(part["survival"])
    assert answer.rows == rows
    assert answer.totals == totals


def test_fold_reference_and_oracle_agree_on_retention():
    QUICK(given(commits(), facts, questions, zones)(check))()


@pytest.mark.long
def test_fold_reference_and_oracle_agree_on_retention_at_length():
    THOROUGH(given(commits(), facts, questions, zones)(check))()

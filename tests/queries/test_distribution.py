"""Distributions by example: what is counted, how bins are chosen, and what is told of wrong questions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from crowds import crowd
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from people import MONDAY, event, people, store
from trackway.errors import ConditionError, ConfigError, MeasureError, QuestionError
from trackway.model.individual import Individual
from trackway.plan.config import component
from trackway.store.columns import individual
from trackway.store.columns.ask import ask
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake

BOUGHT = "event = 'Bought'"
SHOP = people(
    ann=[("Bought", "0m", {"amount": 10, "country": "de"}), ("Bought", "1d", {"amount": 30}), ("Read", "2d")],
    bob=[("Read", "0m", {"country": "de"}), ("Bought", "1d", {"amount": 5, "country": "fr"})],
    cat=[("Read", "1h", {"country": "fr"}), ("Read", "2h"), ("Read", "26h")],
    dan=[("Bought", "3h", {"country": "de"})],
)


def bars(answer, *names):
    return [tuple(row[name] for name in ("low", "high", "actors", *names)) for row in answer.rows]


def distribution(**options):
    return {"type": "distribution", **options}


def of(*numbers):
    """A story in which each of some actors has one number."""
    return [event(f"a{n}", "E", MONDAY + n, {"x": float(number)}, f"e{n}") for n, number in enumerate(numbers)]


# ── what is counted ─────────────────────────────────────────────────────────────────────────────────


def test_events_of_each_actor_are_counted_one_number_a_bar_when_there_are_few(asked):
    answer = asked(SHOP, distribution())
    assert bars(answer, "share", "cumulative_share") == [
        (1, 2, 1, 0.25, 0.25), (2, 3, 1, 0.25, 0.5), (3, 4, 2, 0.5, 1.0),
    ]  # fmt: skip
    assert answer.totals == {
        "actors": 4, "without": 0, "sum": 9, "mean": 2.25, "min": 1, "max": 3,
        "quantiles": {"p5": 1, "p10": 1, "p25": 1, "p50": 2.5, "p75": 3, "p90": 3, "p95": 3, "p99": 3},
        "top_1_share": 3 / 9, "top_10_share": 3 / 9, "whole": True,
    }  # fmt: skip


def test_who_has_no_such_event_is_left_out_or_counts_as_nothing(asked):
    assert bars(asked(SHOP, distribution(where=BOUGHT))) == [(1, 2, 2), (2, 3, 1)]
    assert bars(asked([], distribution(where=BOUGHT, zeros=True))) == [(0, 1, 1), (1, 2, 2), (2, 3, 1)]


def test_among_says_who_is_asked_at_all(asked):
    asks = {"where": BOUGHT, "among": "event = 'Read'"}
    some = asked(SHOP, distribution(**asks))
    assert (bars(some), some.totals["without"]) == ([(1, 2, 1), (2, 3, 1)], 1)
    every = asked([], distribution(**asks, zeros=True))
    assert (bars(every), every.totals["without"]) == ([(0, 1, 1), (1, 2, 1), (2, 3, 1)], 0)


def test_an_actor_without_a_number_counts_0_of_a_sum_and_is_missing_from_an_average(asked):
    summed = asked(SHOP, distribution(measure="sum(amount)", where=BOUGHT, edges=[0, 1, 10, 50]))
    assert (bars(summed), summed.totals["without"]) == ([(0, 1, 1), (1, 10, 1), (10, 50, 1)], 0)
    average = asked([], distribution(measure="average(amount)", where=BOUGHT, edges=[0, 1, 10, 50]))
    assert (bars(average), average.totals["without"]) == ([(0, 1, 0), (1, 10, 1), (10, 50, 1)], 1)
    assert "sum" not in average.totals


@pytest.mark.parametrize(
    ("measure", "ann"),
    [("sum(amount)", 40), ("average(amount)", 20), ("min(amount)", 10), ("max(amount)", 30), ("median(amount)", 20),
     ("p90(amount)", 30), ("first(amount)", 10), ("last(amount)", 30), ("distinct(event)", 2), ("active_days", 3),
     ("active_weeks", 1), ("active_months", 1), ("events", 3)],
)  # fmt: skip
def test_any_measure_of_an_actor(asked_people, measure, ann):
    who = asked_people(SHOP, distribution(measure=measure, where="actor = 'ann'"), "")
    assert who.rows == [{"actor": "ann", "value": ann}]


def test_the_group_of_an_actor_is_that_of_the_first_event_that_says_they_are_asked(asked):
    answer = asked(SHOP, distribution(where=BOUGHT, by="country"))
    assert bars(answer, "country") == [(1, 2, 1, "de"), (2, 3, 1, "de"), (1, 2, 1, "fr"), (2, 3, 0, "fr")]
    answer = asked([], distribution(where=BOUGHT, by="country", zeros=True, top=1))
    assert bars(answer, "country") == [
        (0, 1, 0, "de"), (1, 2, 2, "de"), (2, 3, 1, "de"), (0, 1, 1, "other"), (1, 2, 0, "other"), (2, 3, 0, "other"),
    ]  # fmt: skip
    assert [(one["country"], one["actors"], one["mean"]) for one in answer.totals["groups"]] == [
        ("de", 3, 4 / 3), ("other", 1, 0),
    ]  # fmt: skip
    assert answer.notes == ["1 smaller group is 'other'."]


def test_days_are_those_of_the_calendar_also_when_clocks_change(asked):
    saturday = 82 * 24 * 60
    story = people(ann=[("A", f"{saturday + 60 * hours + 30}m") for hours in (22, 24 + 21, 24 + 22)])
    for zone, days in (("UTC", 2), ("Europe/Berlin", 3), ("America/New_York", 2)):
        assert asked(story, distribution(measure="active_days"), zone=zone).totals["max"] == days
        story = []


def test_the_actors_of_a_bin_are_listed_largest_first(asked_people):
    who = asked_people(SHOP, distribution(measure="sum(amount)", edges=[0, 20, 50]), "low=0")
    assert who.rows == [
        {"actor": "bob", "value": 5}, {"actor": "cat", "value": 0}, {"actor": "dan", "value": 0},
    ]  # fmt: skip
    who = asked_people([], distribution(measure="sum(amount)", edges=[0, 20, 50]), "low=0, limit=1")
    assert who.notes == ["The largest 1 of 3 rows are shown."]
    with pytest.raises(QuestionError, match="the answer has no row with low = '7'"):
        asked_people([], distribution(), "low=7")


def test_a_named_expression_of_actors_is_measured_as_a_column(asked):
    spent = {"expressions": {"spent": {"scope": "actor", "measure": "sum(amount)", "where": BOUGHT}}}
    answer = asked(SHOP, distribution(measure="last(spent)", edges=[0, 1, 20, 50], **spent))
    assert bars(answer) == [(0, 1, 2), (1, 20, 1), (20, 50, 1)]


def test_how_much_of_all_the_largest_hold(asked):
    answer = asked(of(*[1] * 99, 101), distribution(measure="sum(x)"))
    assert (answer.totals["top_1_share"], answer.totals["top_10_share"]) == (0.505, 0.55)
    for numbers in ([-1, 2], [0, 0]):
        assert asked(of(*numbers), distribution(measure="sum(x)")).totals["top_1_share"] is None


# ── bins ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("numbers", "options", "found"),
    [
        ([1, 3], {}, [(1, 2, 1), (2, 3, 0), (3, 4, 1)]),
        ([3, 95], {"most": 5}, [(0, 20, 1), (20, 40, 0), (40, 60, 0), (60, 80, 0), (80, 100, 1)]),
        ([0.1, 0.3], {"most": 3}, [(0.1, 0.2, 1), (0.2, 0.3, 0), (0.3, 0.4, 1)]),
        ([-4, 4], {"most": 2}, [(-5, 0, 1), (0, 5, 1)]),
        ([7], {}, [(7, 8, 1)]),
        ([0.25], {}, [(0.2, 0.3, 1)]),
        ([0.3], {"width": 0.1}, [(0.3, 0.4, 1)]),
        ([5, 26], {"width": 10}, [(0, 10, 1), (10, 20, 0), (20, 30, 1)]),
        ([-1, 0, 4, 5], {"edges": [0, 5]}, [(None, 0, 1), (0, 5, 2), (5, None, 1)]),
        ([1, 4], {"edges": "0, 2,5, 9"}, [(0, 2, 1), (2, 5, 1), (5, 9, 0)]),
        ([0, 3, 60], {"bins": "log"}, [(0, 2, 1), (2, 5, 1), (5, 10, 0), (10, 20, 0), (20, 50, 0), (50, 100, 1)]),
        ([-2, 3, 900], {"bins": "log", "most": 3}, [(None, 1, 1), (1, 10, 1), (10, 100, 0), (100, 1000, 1)]),
        ([1, 1e6], {"bins": "log", "most": 4}, [(1, 100, 1), (100, 10_000, 0), (10_000, 1_000_000, 0),
                                                (1_000_000, 100_000_000, 1)]),
        ([-3, 0], {"bins": "log"}, [(-3, 0, 2)]),
        ([1, 2, 3, 4, 5], {"bins": "quantiles", "most": 2}, [(1, 3, 2), (3, 5, 3)]),
        ([1, 1, 1, 9], {"bins": "quantiles", "most": 4}, [(1, 9, 3), (9, 9, 1)]),
    ],
)  # fmt: skip
def test_bins_are_such_as_people_would_choose(asked, numbers, options, found):
    assert bars(asked(of(*numbers), distribution(measure="sum(x)", **options))) == found


def test_a_few_actors_far_out_are_in_an_open_bin_so_that_the_others_can_be_told_apart(asked):
    answer = asked(of(*range(1, 11), *range(1, 11), *[5] * 180, 5_000_000), distribution(measure="sum(x)"))
    assert bars(answer)[-2:] == [(10, 11, 2), (11, None, 1)]
    assert len(answer.rows) == 11
    assert answer.totals["max"] == 5_000_000


def test_sums_are_exact_whatever_the_order(asked):
    story = people(ann=[("E", f"{n}m", {"x": x}) for n, x in enumerate([1e16, 1.0, -1e16, 0.1])])
    answer = asked(story, distribution(measure="sum(x)"))
    assert answer.totals["sum"] == 1.1


def test_what_is_no_finite_number_is_left_out(asked):
    numbers = [float("nan"), float("inf"), -float("inf"), None, 2.0]
    story = people(ann=[("E", f"{n}m", {"x": x}) for n, x in enumerate(reversed(numbers))],
                   bob=[("E", "0m", {"x": float("nan")})])  # fmt: skip
    for measure in ("min(x)", "max(x)", "average(x)", "median(x)", "first(x)", "last(x)"):
        answer = asked(story, distribution(measure=measure))
        assert (answer.totals["actors"], answer.totals["without"], answer.totals["max"]) == (1, 1, 2)
    story = people(ann=[("E", "0m", {"x": 1.7e308}), ("E", "1m", {"x": 1.7e308})], bob=[("E", "0m", {"x": 1.0})])
    answer = asked(story, distribution(measure="sum(x)"))
    assert (answer.totals["actors"], answer.totals["without"]) == (1, 1)


def test_true_is_1_and_false_0(asked):
    story = people(ann=[("E", "0m", {"x": True}), ("E", "1m", {"x": True})], bob=[("E", "0m", {"x": False})])
    assert bars(asked(story, distribution(measure="sum(x)"))) == [(0, 1, 1), (1, 2, 0), (2, 3, 1)]


# ── bad input ───────────────────────────────────────────────────────────────────────────────────────


def test_nobody_is_no_rows_and_defined_totals(asked):
    answer = asked(SHOP, distribution(where="event = 'Sold'", by="country"))
    assert answer.rows == []
    assert answer.totals == {
        "actors": 0, "without": 0, "sum": 0, "mean": None, "min": None, "max": None, "quantiles": {},
        "top_1_share": None, "top_10_share": None, "whole": True, "groups": [],
    }  # fmt: skip
    answer = asked([], distribution(measure="max(amount)", where="event = 'Read'"))
    assert (answer.rows, answer.totals["actors"], answer.totals["without"]) == ([], 0, 3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"width": 5, "edges": [1, 2]}, "bins are chosen by width and edges: leave out all but one"),
        ({"bins": "log", "width": 5}, "bins are chosen by bins and width"),
        ({"edges": [1, 2], "most": 5}, "edges say how many bins there are: leave out most"),
        ({"width": 2, "most": 5}, "a width says how many bins there are: leave out most"),
        ({"edges": "1, x"}, "valid number"),
        ({"edges": [1]}, "edges must be two or more ascending numbers, not"),
        ({"edges": [2, 1]}, "edges must be two or more ascending numbers, not"),
        ({"edges": [1, 1]}, "edges must be two or more ascending numbers, not"),
        ({"edges": [1, float("inf")]}, "finite number"),
        ({"width": 0}, "greater than 0"),
        ({"width": float("nan")}, "finite number"),
        ({"most": 1}, "greater than or equal to 2"),
        ({"bins": "thick"}, "'auto', 'log' or 'quantiles'"),
        ({"measure": "average(amount)", "zeros": True}, "of no events is missing, not 0"),
        ({"measure": "actors"}, "every actor is one actor"),
        ({"measure": "active_day"}, "unknown measure 'active_day'"),
        ({"measure": "p0(amount)"}, "no value has nothing below"),
        ({"measure": "median of sum(amount) per actor"}, "is one number for all actors"),
        ({"by": ["a", "b", "c", "d"]}, "at most 3 items"),
    ],
)
def test_contradictions_are_told(options, said):
    with pytest.raises((ConfigError, ValidationError, MeasureError, ConditionError, QuestionError)) as wrong:
        component("queries", distribution(**options), "q")
    assert said in str(wrong.value)


def test_wrong_columns_are_told_with_a_suggestion(asked):
    with pytest.raises(ConditionError, match="amuont") as wrong:
        asked(SHOP, distribution(measure="sum(amuont)"))
    assert "amount" in wrong.value.hint
    with pytest.raises(QuestionError, match="'country' is text, not a number") as wrong:
        asked([], distribution(measure="max(country)"))
    assert (wrong.value.path, "distinct(country)" in wrong.value.hint) == ("measure", True)
    with pytest.raises(QuestionError, match="'time' is a time"):
        asked([], distribution(measure="min(time)"))
    with pytest.raises(QuestionError, match=r"a width of 0.001 makes more than 1,000 bins") as wrong:
        asked(of(*range(99)), distribution(measure="sum(x)", width=0.001))
    assert (wrong.value.path, wrong.value.hint) == ("width", "choose a wider one, such as 1")


def test_a_measure_is_suggested():
    with pytest.raises(MeasureError) as wrong:
        Individual("active_dys")
    assert "active_days" in wrong.value.hint
    with pytest.raises(MeasureError) as wrong:
        Individual("median of sum(amount) per actor")
    assert "'sum(amount)' is one for each" in wrong.value.hint


def test_ten_thousand_groups_and_any_letters(tmp_path):
    story = [event(f"ä{n}", "Ü b", MONDAY + n, {"shop": f"店 {n}", "x": n % 7}, f"e{n}") for n in range(10_000)]
    columns = Columns(tmp_path / "columns", store(Lake(tmp_path / "lake"), story))
    query = component("queries", distribution(measure="sum(x)", by="shop", top=None), "q")
    folded, reference = (ask(query, columns, engine=engine) for engine in ("columns", "sql"))
    assert len(folded.rows) == 70_000
    assert (folded.rows, folded.totals) == (reference.rows, reference.totals)


def test_actors_of_a_sample_are_counted_up_and_figures_have_intervals():
    query = component("queries", distribution(width=5), "q")
    exact, sampled = (ask(query, crowd(seed=7), now=0, sample=sample) for sample in (None, "25%"))
    assert abs(sum(row["actors"] for row in sampled.rows) - exact.totals["actors"]) < 1
    assert all(row["intervals"]["actors"][0] <= row["actors"] for row in sampled.rows)
    low, high = sampled.totals["intervals"]["mean"]
    assert low <= exact.totals["mean"] <= high


def test_days_are_counted_also_in_runs_of_different_widths(tmp_path):
    """What is worked out of each run is held as long as it is read."""
    years = [event(f"a{n % 7}", "E", MONDAY - n * 86_400_000_000, {}, f"y{n}") for n in range(0, 2_000, 19)]
    today = [event(f"a{n % 7}", "E", MONDAY + n * 60_000_000, {}, f"t{n}") for n in range(500)]
    lake = Lake(tmp_path / "lake")
    columns = Columns(tmp_path / "columns", lake)
    for part in (years, today):
        store(lake, part)
        columns.view()
    for measure in ("active_days", "active_months"):
        query = component("queries", distribution(measure=measure, by="event"), "q")
        for zone in ("UTC", "Asia/Kathmandu"):
            folded, reference = (ask(query, columns, engine=engine, zone=zone) for engine in ("columns", "sql"))
            assert (folded.rows, folded.totals) == (reference.rows, reference.totals)


LIKE = st.floats(-1e6, 1e6).map(lambda x: round(x, 2)) | st.integers(-(1 << 40), 1 << 40).map(lambda x: x / 1024)


@given(st.lists(LIKE | st.just(float("nan")), min_size=1, max_size=60), st.integers(1, 1 << 30))
def test_numbers_cut_in_two_whole_halves_are_the_same_numbers(values, rows):
    found = individual.halves(np.array(values), rows)
    if found is None:
        return
    for value, (above, below, known) in zip(values, found.table.tolist(), strict=True):
        exact = Fraction(above) * Fraction(found.high) + Fraction(below) * Fraction(found.low)
        assert exact == (0 if math.isnan(value) else Fraction(value))
        assert known == (not math.isnan(value))
        assert max(abs(above), abs(below)) * rows < 1 << 63


def test_numbers_too_unlike_to_be_cut_in_two_are_added_one_by_one():
    assert individual.halves(np.array([1e300, 1e-300]), 1) is None
    assert individual.halves(np.array([5e-324]), 1) is None
    assert individual.halves(np.array([0.01, 1e5]), 1 << 20) is not None

"""What docs/reference/semantics.md promises of trends, by stories small enough to check by hand."""

import math

import pytest

from people import MONDAY, event, people, store
from trackway.errors import ConditionError, ConfigError, QuestionError
from trackway.plan import config
from trackway.plan.config import component
from trackway.store.columns.ask import ENGINES, ask
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake

DAY = 86_400_000_000


def trend(**options):
    return {"type": "trend"} | {"from" if name == "from_" else name: value for name, value in options.items()}


def values(answer, key="value"):
    return [row[key] for row in answer.rows]


def prices(*numbers, **more):
    return [("Paid", f"{place}m", {"amount": number, **more}) for place, number in enumerate(numbers)]


# ── measures of events ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("sum(amount)", 15), ("average(amount)", 3.75), ("min(amount)", 1), ("max(amount)", 8),
        ("median(amount)", 3), ("p50(amount)", 3), ("p75(amount)", 4), ("p76(amount)", 8), ("p100(amount)", 8),
        ("p0.1(amount)", 1), ("first(amount)", 1), ("last(amount)", 8), ("distinct(amount)", 4), ("per_actor", 2.5),
        ("sum(amount) per actor", 7.5), ("median of sum(amount) per actor", 7.5), ("p90 of events per actor", 4),
        ("min of max(amount) per actor", 8), ("max of average(amount) per actor", 3.75),
    ],
)  # fmt: skip
def test_every_measure_of_one_two_four_and_eight(asked, measure, value):
    """Ann pays 1, 2, 4 and 8, and once nothing that is known; Bob has an event without a number."""
    story = people(ann=prices(1, 2, 4, 8), bob=prices(None))
    if measure == "median of sum(amount) per actor":
        value = (15 + 0) / 2
    assert values(asked(story, trend(measure=measure, every=None))) == [value]


def test_a_sum_is_exact_in_every_order(asked):
    """Ten times 0.1 is 1 (and 0.9999999999999999 when added one after the other); large and small do not lose."""
    story = people(ann=prices(*[0.1] * 10), bob=[("Big", "1d", {"amount": n}) for n in (1e16, 1.0, -1e16)])
    assert values(asked(story, trend(measure="sum(amount)"))) == [1, 1]
    assert values(asked([], trend(measure="average(amount)"))) == [0.1, 1 / 3]


def test_a_sum_too_large_is_null_and_what_is_no_number_is_left_out(asked):
    story = people(ann=prices(1e308, 1e308, math.inf, math.nan), bob=prices(5e-324))
    assert values(asked(story, trend(measure="sum(amount)"))) == [None]
    assert values(asked([], trend(measure="sum(amount) per actor"))) == [5e-324]
    assert values(asked([], trend(measure="min(amount)"))) == [5e-324]


def test_true_is_one_and_a_time_has_a_first_and_a_last(asked):
    story = people(ann=[("A", "0m", {"paid": True}), ("A", "1m", {"paid": False}), ("A", "2m", {"paid": True})])
    assert values(asked(story, trend(measure="average(paid)"))) == [2 / 3]
    assert values(asked([], trend(measure="first(event)"))) == ["A"]
    assert values(asked([], trend(measure="max(received_at)"))) == ["2026-01-05T00:02:00Z"]


def test_first_is_by_time_then_tie_over_all_actors(asked):
    ties = [event(name, "A", MONDAY, {"plan": name}, name) for name in ("ann", "bob", "eve")]
    first = min(ties, key=lambda e: e["tie"])["plan"]
    last = max(ties, key=lambda e: e["tie"])["plan"]
    assert values(asked(ties, trend(measure="first(plan)"))) == [first]
    assert values(asked([], trend(measure="last(plan)"))) == [last]


def test_intervals_without_events_hold_nothing(asked):
    story = people(ann=[("A", "0m", {"x": 1, "plan": "Ü"}), ("A", "49h", {"x": None, "plan": None})])
    for measure, expected in {"sum(x)": [1, 0, 0], "average(x)": [1, None, None], "last(plan)": ["Ü", None, None],
                              "distinct(plan)": [1, 0, 0], "per_actor": [1, None, 1]}.items():  # fmt: skip
        assert values(asked([] if measure != "sum(x)" else story, trend(measure=measure))) == expected


# ── several ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_ratio_of_measures_each_with_its_own_condition(asked):
    story = people(
        ann=[("Visit", "0m"), ("Signed Up", "1h"), ("Visit", "1d")], bob=[("Visit", "0m")], eve=[("Signed Up", "2d")]
    )
    rate = trend(
        measures=[
            {"name": "signups", "measure": "actors", "where": "event = 'Signed Up'"},
            {"name": "visitors", "measure": "actors", "where": "event = 'Visit'"},
        ],
        formula="100 * signups / visitors",
    )
    answer = asked(story, rate)
    assert [(r["value"], r["signups"], r["visitors"]) for r in answer.rows] == [(50, 1, 2), (0, 0, 1), (None, 1, 0)]
    assert answer.totals == {"value": 100, "signups": 2, "visitors": 2}
    assert values(asked([], {k: v for k, v in rate.items() if k != "formula"})) == [1, 0, 1]


def test_groups_of_averages_are_ranked_by_events(asked):
    story = people(ann=[*prices(1, 2, 3, plan="often"), *prices(99, plan="once"), *prices(7, 8, plan="twice")])
    answer = asked(story, trend(measure="average(amount)", by="plan", top=2, every=None))
    assert [(row["plan"], row["value"]) for row in answer.rows] == [("other", 99), ("twice", 7.5), ("often", 2)]
    biggest = asked([], trend(measure="sum(amount)", by="plan", top=1, every=None))
    assert [(row["plan"], row["value"]) for row in biggest.rows] == [("once", 99), ("other", 21)]


def test_two_columns_with_the_largest_and_all_others(asked):
    story = people(
        ann=[*prices(1, 2, plan="a", land="ü"), *prices(5, plan="b", land="ü"), *prices(3, plan=None, land="日本")]
    )
    answer = asked(story, trend(measure="max(amount)", by=["plan", "land"], top=1, every=None))
    assert [(row["plan"], row["land"], row["value"]) for row in answer.rows] == [("other", "other", 5), ("a", "ü", 2)]
    assert answer.notes == ["2 smaller groups are together 'other'."]


# ── windows ─────────────────────────────────────────────────────────────────────────────────────────


def test_actors_of_a_trailing_window_are_distinct_and_it_looks_back_before_the_range(asked):
    story = people(ann=[("A", "0m"), ("A", "1d"), ("A", "2d")], bob=[("A", "1d")], eve=[("A", "3d")])
    rolling = trend(measure="actors", rolling="3d", from_="2026-01-06")
    assert values(asked(story, rolling)) == [2, 2, 3]
    assert values(asked([], rolling | {"measure": "events"})) == [3, 4, 4]
    assert asked([], rolling).totals == {"value": 3}


def test_cumulative_actors_are_those_seen_so_far(asked):
    story = people(ann=[("A", "0m"), ("A", "1d")], bob=[("A", "1d")], eve=[("A", "3d"), ("A", "4d")])
    assert values(asked(story, trend(measure="actors", cumulative=True))) == [1, 2, 2, 3, 3]
    assert values(asked([], trend(measure="per_actor", cumulative=True))) == [1, 1.5, 1.5, 4 / 3, 5 / 3]


def test_a_trailing_median_is_of_all_numbers_of_the_window(asked):
    story = people(ann=[("A", f"{day}d", {"x": x}) for day, x in enumerate([1, 100, 2, 3])])
    assert values(asked(story, trend(measure="median(x)", rolling="3d"))) == [1, 50.5, 2, 3]


# ── compare ─────────────────────────────────────────────────────────────────────────────────────────


def test_each_day_is_beside_the_same_day_a_week_before(asked):
    story = people(ann=[("A", "0m"), ("A", "7d"), ("A", "7d"), ("A", "8d")])
    answer = asked(story, trend(compare="7d", from_="2026-01-12", to="2026-01-14"))
    assert [(r["value"], r["before"], r["change"]) for r in answer.rows] == [(2, 1, 1), (1, 0, None)]
    assert answer.totals == {"value": 3, "before": 1, "change": 2}
    assert "Compared with 2026-01-05 to 2026-01-07, interval by interval." in answer.notes


def test_the_previous_period_is_as_long_and_ends_where_the_range_begins(asked):
    story = people(ann=[("A", "0m"), ("A", "2d"), ("A", "3d"), ("A", "5d")])
    answer = asked(story, trend(compare="previous period", from_="2026-01-08", to="2026-01-11"))
    assert [(r["value"], r["before"]) for r in answer.rows] == [(1, 1), (0, 0), (1, 1)]


def test_a_group_that_is_gone_shows_what_it_was(asked):
    story = people(ann=[("A", "0m", {"plan": "gone"}), ("A", "1d", {"plan": "new"})])
    answer = asked(story, trend(by="plan", compare="1d", from_="2026-01-06", to="2026-01-07"))
    assert [(r["plan"], r["value"], r["before"], r["change"]) for r in answer.rows] == [
        ("new", 1, 0, None), ("gone", 0, 1, -1)
    ]  # fmt: skip


def test_days_are_compared_by_the_calendar_across_the_change_of_clocks(asked):
    """In Berlin the clocks went forward on 2026-03-29: half past ten UTC is the evening before that, midnight after."""
    late = 90 * 60_000_000
    story = [event("ann", "A", MONDAY + days * DAY - late, {}, str(days)) for days in (77, 84)]
    answer = asked(story, trend(compare="7d", from_="2026-03-29", to="2026-03-31"), zone="Europe/Berlin")
    assert [(r["time"], r["value"], r["before"]) for r in answer.rows] == [
        ("2026-03-29T00:00:00+01:00", 0, 1), ("2026-03-30T00:00:00+02:00", 1, 0)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("day", "befores"),
    [("2026-03-30", [1, 1, None, 1, 1]), ("2026-10-26", [1, 1, 2, 1, 1])],
    ids=["an hour skipped", "an hour twice"],
)
def test_hours_are_compared_by_the_local_time(asked, day, befores):
    """On the day before, two o'clock did not come, or came twice."""
    start = {"2026-03-30": 83, "2026-10-26": 293}[day] * DAY + MONDAY
    story = [event("ann", "A", start + hour * 3_600_000_000, {}, str(hour)) for hour in range(-30, 30)]
    answer = asked(
        story, trend(every="1h", compare="1d", from_=f"{day} 00:00", to=f"{day} 05:00"), zone="Europe/Berlin"
    )
    assert values(answer) == [1] * 5
    assert values(answer, "before") == befores


def test_a_day_the_month_before_does_not_have_is_not_compared(asked):
    story = [event("ann", "A", MONDAY + day * DAY, {}, str(day)) for day in range(85)]
    answer = asked(story, trend(compare="1mo", from_="2026-03-27", to="2026-03-31"))
    assert [(row["time"][8:10], row["before"]) for row in answer.rows] == [
        ("27", 1),
        ("28", 1),
        ("29", None),
        ("30", None),
    ]


# ── what cannot be asked ────────────────────────────────────────────────────────────────────────────

AB = [{"name": "a"}, {"name": "b"}]


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"measure": "evnts"}, "unknown measure 'evnts'", "did you mean 'events'?"),
        ({"measure": "summ(x)"}, "unknown function 'summ'", "did you mean 'sum'?"),
        ({"measure": "sum()"}, "sum() of which column?", "sum(amount)"),
        ({"measure": "p0(x)"}, "no value has", "min(column)"),
        ({"measure": "actors per actor"}, "always 1", "events per actor"),
        ({"measure": "mean of events per actor"}, "unknown statistic 'mean'", "did you mean"),
        ({"measures": AB, "formula": "a / c"}, "unknown measure 'c'", "there are: a, b"),
        ({"measures": AB, "formula": "sum(a)"}, "cannot be used in a formula", "+ - * /"),
        ({"measures": AB, "formula": "a +"}, "cannot read 'a +'", "of the names of measures"),
        ({"formula": "a / b"}, "unknown measure 'a'", ""),
        ({"measures": [{"name": "a"}, {"name": "a"}]}, "the name 'a' is taken", "a name of its own"),
        ({"measures": [{"name": "time"}]}, "the name 'time' is taken", ""),
        ({"measures": [{"name": "two words"}]}, "pattern", ""),
        ({"measures": AB, "measure": "actors"}, "one measure and several", "leave out measure"),
        ({"rolling": "7d", "cumulative": True}, "rolling and cumulative", "leave out"),
        ({"rolling": "36h"}, "a window of 36h", "whole intervals"),
        ({"rolling": "1mo"}, "a window of 1mo", "whole intervals"),
        ({"rolling": "7d", "every": None}, "does not go with the whole range", ""),
        ({"compare": "last week"}, "expected one such as '7d'", ""),
    ],
)
def test_options_that_contradict_say_why(asked, options, message, hint):
    with pytest.raises(ConfigError) as caught:
        asked(people(ann=[("A", "0m", {"x": 1})]), trend(**options))
    assert message in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("options", "error", "message", "hint"),
    [
        ({"measure": "sum(plan)"}, QuestionError, "'plan' is text", "distinct(plan)"),
        ({"measures": [{"name": "plan"}], "by": ["plan"]}, QuestionError, "have a 'plan' of their own", "another name"),
        ({"by": ["time"]}, QuestionError, "have a 'time' of their own", "another name"),
        ({"measure": "median(time)"}, QuestionError, "'time' is a time", "first(time)"),
        ({"measure": "sum(amuont)"}, ConditionError, "unknown column 'amuont'", "did you mean 'amount'?"),
        ({"compare": "2027-01-01", "from": "2026-01-05"}, QuestionError, "2027-01-01 is not before", "earlier"),
        ({"measure": "sum(amount) per actor", "every": "1ms", "to": "2027-01-01"}, QuestionError, "100,000", "longer"),
    ],
)
def test_what_the_events_cannot_answer_says_why(asked, options, error, message, hint):
    with pytest.raises(error) as caught:
        asked(people(ann=[("A", "0m", {"plan": "pro", "amount": 1})]), trend(**options))
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("measure", ["average(x)", "median(x)", "first(name)", "distinct(x)", "sum(x) per actor"])
def test_ten_thousand_groups(asked, measure):
    story = [event(f"u{n}", "A", MONDAY + n, {"name": f"ü{n:05}", "x": n}, str(n)) for n in range(10_000)]
    answer = asked(story, trend(measure=measure, by="name", top=2))
    assert [row["name"] for row in answer.rows if row["name"] != "other"] in (
        ["ü00000", "ü00001"],
        ["ü00001", "ü00000"],
    )
    assert answer.notes == ["9,998 smaller groups are together 'other'."]


@pytest.mark.parametrize("options", [{"where": "event = 'Z'"}, {"from": "2030-01-01"}, {"to": "2020-01-01"}])
def test_nothing_matches(asked, options):
    story = people(ann=[("A", "0m", {"x": 1})])
    for measure in ("events", "sum(x)", "median(x)", "last(x)", "distinct(x)", "median of sum(x) per actor"):
        answer = asked(story, trend(measure=measure, compare="1d", **options))
        story = []
        assert answer.rows == []
        assert answer.totals["value"] in (0, None)


# ── annotations ─────────────────────────────────────────────────────────────────────────────────────


def test_what_happened_is_told_beside_the_days_it_happened_on(tmp_path):
    written = {
        "annotations": {
            "late": {"time": "2026-01-09", "text": "After all of it"},
            "prices": {"time": "2026-01-06 14:00", "text": "Prices up ✓"},
            "launch": {"time": "2026-01-05", "text": "Launch"},
        }
    }
    naming = config.check(written, tmp_path).naming
    columns = Columns(tmp_path / "columns", store(Lake(tmp_path / "lake"), people(ann=[("A", "0m"), ("A", "2d")])))
    for engine in ENGINES:
        answer = ask(component("queries", trend(), "q"), columns, engine=engine, naming=naming, zone="Europe/Berlin")
        assert answer.totals == {
            "value": 2,
            "annotations": [
                {"time": "2026-01-05T00:00:00+01:00", "text": "Launch"},
                {"time": "2026-01-06T14:00:00+01:00", "text": "Prices up ✓"},
            ],
        }


def test_an_annotation_without_a_time_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"annotations\.x\.time"):
        config.check({"annotations": {"x": {"time": "soon", "text": "?"}}}, tmp_path)

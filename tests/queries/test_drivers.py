"""What lifts or sinks a funnel: stories, published tables, and the naive loops."""

import math
import re

import oracle_drivers
import pytest
from crowd import DAY, MINUTE, TESTS, Crowd

from people import people
from trackway.errors import ConfigError, QuestionError
from trackway.model.contingency import Table
from trackway.model.inference import corrected
from trackway.plan.config import component

A_B = {"type": "drivers", "steps": ["event = 'A'", "event = 'B'"], "least": 1}
FIRST = {"event = 'A'": 0, "x": 1}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    return Crowd(tmp_path_factory.mktemp("crowd"), 3, 150)


def told(answer, kind):
    return {row["value"]: (row["actors"], row["converted"], row["without_actors"], row["without_converted"])
            for row in answer.rows if row["kind"] == kind}  # fmt: skip


# ── stories ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_value_counts_as_it_was_at_the_first_touch(asked):
    story = people(
        ann=[("A", "0m", {"plan": "free"}), ("B", "1h", {"plan": "pro"})],
        bob=[("A", "0m", {"plan": "pro"}), ("A", "1d", {"plan": "free"})],
        eve=[("A", "0m", {"plan": None}), ("B", "1h", {"plan": "free"})],
    )
    answer = asked(story, A_B)
    assert told(answer, "property") == {"free": (1, 1, 2, 1), "pro": (1, 0, 2, 2), None: (1, 1, 2, 1)}
    assert {k: answer.totals[k] for k in ("actors", "converted", "tests")} == {"actors": 3, "converted": 2, "tests": 3}


def test_events_count_after_entry_and_before_conversion_only(asked):
    story = people(
        ann=[("Early", "0m"), ("A", "1m"), ("Demo", "2m"), ("B", "3m"), ("Late", "4m")],
        bob=[("A", "1m"), ("Late", "2d"), ("Demo", "15d")],
        eve=[("A", "1m"), ("X", "1m")],
        zed=[("X", "20d")],
    )
    assert told(asked(story, A_B), "event") == {"Demo": (1, 1, 2, 0), "Late": (1, 0, 2, 1)}


def test_steps_themselves_are_no_drivers_but_the_same_name_elsewhere_is(asked):
    steps = ["event = 'page' and path = '/'", "event = 'page' and path = '/b'"]
    story = people(
        ann=[("page", "0m", {"path": "/"}), ("page", "1m", {"path": "/x"}), ("page", "2m", {"path": "/b"})],
        bob=[("page", "0m", {"path": "/"}), ("page", "1m", {"path": "/"})],
    )
    assert told(asked(story, A_B | {"steps": steps, "properties": []}), "event") == {"page": (1, 1, 1, 0)}


def test_after_equal_time_those_who_convert_soon_are_compared_no_more(asked):
    story = people(
        ann=[("A", "0m"), ("B", "5m")],
        bob=[("A", "0m"), ("Demo", "9m"), ("B", "1h")],
        eve=[("A", "0m"), ("Demo", "2h")],
    )
    whole, later = asked(story, A_B), asked([], A_B | {"landmark": "10m"})
    assert told(whole, "event") == {"Demo": (2, 1, 1, 1)}
    assert told(later, "event") == {"Demo": (1, 1, 1, 0)}
    assert (len(whole.notes), later.notes) == (1, [])
    assert later.totals["actors"] == 3


def test_what_few_have_is_left_out(asked):
    story = people(**{f"u{n}": [("A", "0m", {"x": n // 4}), *([("B", "1m")] if n % 3 else [])] for n in range(9)})
    assert sorted(told(asked(story, A_B | {"least": 4}), "property")) == [0, 1]
    assert asked([], A_B | {"least": 9}).rows == []


def test_columns_and_events_can_be_named(asked):
    story = people(
        ann=[("A", "0m", {"x": 1, "y": "ü"}), ("Ü b", "1m"), ("B", "2m")], bob=[("A", "0m", {"x": 2, "y": "ü"})]
    )
    answer = asked(story, A_B | {"properties": "properties.x", "events": ["Ü b"]})
    assert [(row["kind"], row["name"], row["value"]) for row in answer.rows] == [
        ("event", "event", "Ü b"), ("property", "x", 1), ("property", "x", 2)
    ]  # fmt: skip


def test_names_there_are_not_are_refused(asked):
    story = people(ann=[("A", "0m", {"plan": "pro"}), ("Demo", "1m"), ("B", "1h")])
    with pytest.raises(QuestionError, match="there is no event 'Demi'") as raised:
        asked(story, A_B | {"events": "Demi"})
    assert (raised.value.path, raised.value.hint) == ("events", "did you mean 'Demo'?")
    with pytest.raises(Exception, match="plam"):
        asked([], A_B | {"properties": ["plam"]})


def test_nobody_entered(asked):
    answer = asked(people(ann=[("X", "0m")]), A_B)
    assert (answer.rows, answer.totals["actors"], answer.totals["rate"]) == ([], 0, None)


def test_one_step_is_no_funnel_to_drop_out_of():
    with pytest.raises(ConfigError, match="at least 2"):
        component("queries", A_B | {"steps": ["true"]}, "question")


def test_what_cannot_be_divided_is_null(asked):
    story = people(ann=[("A", "0m", {"x": 1}), ("B", "1m")], bob=[("A", "0m", {"x": 2})])
    rows = asked(story, A_B | {"events": []}).rows
    assert [(row["value"], row["rate"], row["lift"], row["odds_ratio"]) for row in rows] == [
        (1, 1.0, None, None), (2, 0.0, 0.0, 0.0)
    ]  # fmt: skip


# ── tests of two shares ─────────────────────────────────────────────────────────────────────────────


def test_fishers_tea_tasting():
    """R. A. Fisher, The Design of Experiments (1935): 3 of 4 cups right has, two-sided, p = 34/70."""
    assert math.isclose(Table(4, 3, 4, 1).p, 34 / 70, rel_tol=1e-12)
    assert math.isclose(Table(4, 4, 4, 0).p, 2 / 70, rel_tol=1e-12)


def test_the_physicians_health_study():
    """Aspirin and heart attacks (NEJM 321, 1989): 104 of 11,037 against 189 of 11,034; odds ratio 0.546."""
    trial = Table(11_037, 104, 11_034, 189)
    assert round(trial.odds_ratio, 3) == 0.546
    assert round(trial.lift, 2) == 0.55
    assert 1e-7 < trial.p < 1e-6


def test_tables_agree_with_their_definitions():
    for having, done, lacking, other in [
        (9, 1, 30, 29),
        (5, 5, 5, 0),
        (200, 20, 300, 60),
        (3, 0, 1_000, 7),
        (1, 1, 1, 0),
    ]:
        exact = oracle_drivers.p_value(having, done, lacking, other)
        assert math.isclose(Table(having, done, lacking, other).p, exact, rel_tol=1e-9)


def test_fifteen_p_values_of_benjamini_and_hochberg():
    """Their own example (1995, table 1): at 5 % four of fifteen hypotheses are rejected."""
    values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
              0.7590, 1.0]  # fmt: skip
    assert sum(value < 0.05 for value in corrected(values, "bh")) == 4
    assert corrected(values, "bh") == pytest.approx(oracle_drivers.corrected(values))


# ── against the naive loops ─────────────────────────────────────────────────────────────────────────

OPTIONS = [
    {}, {"where": "event <> 'C'"}, {"from": "2026-01-05T00:02", "to": "2026-01-06"}, {"landmark": "2m"},
    {"within": "2m"},
    {"steps": ["event in ('A', 'B')", "x = 1 or event = 'Ü x'", "event = 'C'"]}, {"least": 12},
    {"steps": ["event = 'A'", "event = 'A'"], "landmark": "1d"}, {"properties": ["event", "x"], "within": "2d"},
]  # fmt: skip
PAIRS = [one | other for place, one in enumerate(OPTIONS) for other in OPTIONS[place:]]


@pytest.mark.parametrize(
    "more", [*PAIRS[::3], *(pytest.param(pair, marks=pytest.mark.long) for pair in PAIRS)], ids=str
)
def test_tables_are_those_of_the_naive_loops(crowd, more):
    question = {"type": "drivers", "steps": ["event = 'A'", "event = 'B'"], "least": 1, "top": None} | more
    answer = crowd.ask(question)
    length = {"2m": 2 * MINUTE, "2d": 2 * DAY, "1d": DAY, "14d": 14 * DAY, None: None}
    monday = 1_767_571_200_000_000
    begin, end = (monday + 2 * MINUTE, monday + DAY) if "from" in question else (-math.inf, math.inf)
    found, whole = oracle_drivers.drivers(
        crowd.events, [TESTS[step] for step in question["steps"]], length[question.get("within", "14d")],
        TESTS[question.get("where", "true")], properties=question.get("properties", ["x", "y"]),
        least=question["least"], landmark=length[question.get("landmark")], start=begin, end=end,
    )  # fmt: skip
    assert (answer.totals["actors"], answer.totals["converted"]) == whole
    rows = {(row["kind"], row["name"], row["value"]): row for row in answer.rows}
    assert set(rows) == set(found)
    values = {key: oracle_drivers.p_value(*table) for key, table in found.items()}
    rates = dict(zip(values, oracle_drivers.corrected(list(values.values())), strict=True))
    for key, (having, done, lacking, other) in found.items():
        row = rows[key]
        assert (row["actors"], row["converted"], row["without_actors"], row["without_converted"]) == (
            having, done, lacking, other
        )  # fmt: skip
        assert row["p_value"] == pytest.approx(values[key], rel=1e-9)
        assert row["p_corrected"] == pytest.approx(rates[key], rel=1e-9)
        assert row["significant"] == (row["p_corrected"] < 0.05)
        assert row["lift"] == (None if not other else pytest.approx((done / having) / (other / lacking)))


def test_the_strongest_come_first_and_the_rest_is_told(crowd):
    whole, some = crowd.ask(A_B | {"top": None}), crowd.ask(A_B | {"top": 2})
    assert some.rows == whole.rows[:2]
    assert some.notes[-1] == f"{len(whole.rows) - 2} weaker drivers are not shown."
    flags = [row["significant"] for row in whole.rows]
    assert flags == sorted(flags, reverse=True)


def test_totals_are_those_of_the_funnel(crowd):
    funnel = crowd.ask({"type": "funnel", "steps": A_B["steps"]}).totals
    assert {k: crowd.ask(A_B).totals[k] for k in ("actors", "converted", "rate")} == {
        k: funnel[k] for k in ("actors", "converted", "rate")
    }


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("name=y", "names several rows"), ("name=nowhere", "the answer has no row with name = 'nowhere'"),
        ("having", "having what?"), ("step=1", "have no 'step'"),
        ("kind=event,name=event,value=Z", "the answer has no row"),
    ],
)  # fmt: skip
def test_a_cell_that_names_no_row_or_several_is_refused(crowd, cell, says):
    with pytest.raises(QuestionError, match=re.escape(says)):
        crowd.ask(A_B | {"properties": ["y"]}, cell=cell)

"""Law 5 for every option of a distribution: fold, reference SQL and naive oracle agree, on random journeys."""

import random

import numpy as np
import pytest
from crowd import TESTS, Crowd
from hypothesis import given
from hypothesis import strategies as st
from journeys import CONDITIONS, QUICK, THOROUGH, answers, commits, facts, optional
from oracle_distribution import boundaries, distribution, lines

from trackway.plan.config import component
from trackway.store.columns.bins import Bins
from trackway.store.columns.figures import Ordered
from trackway.store.columns.figures import lines as counted

MEASURES = [
    "events", "active_days", "active_weeks", "active_months", "sum(x)", "average(x)", "min(x)", "max(x)", "median(x)",
    "p90(x)", "p25(x)", "first(x)", "last(x)", "distinct(country)", "distinct(x)",
]  # fmt: skip
ADDS = ("events", "active", "sum", "distinct")
AMOUNTS = [None, 0.0, 0.1, 0.3, -2.5, 7.0, 12.0, 1e6, 1e-9, 1e16]
BINNED = [
    {}, {}, {"most": 2}, {"most": 5}, {"bins": "log"}, {"bins": "log", "most": 3}, {"bins": "quantiles"},
    {"bins": "quantiles", "most": 3}, {"edges": [0.5, 1.5]}, {"edges": [-1.0, 2.0, 3.0]}, {"edges": [0, 1, 2, 100]},
    {"width": 1e15}, {"width": 3e14},
]  # fmt: skip


@st.composite
def distributions(draw):
    """Any options together."""
    measure = draw(st.sampled_from(MEASURES))
    return {
        "type": "distribution", "measure": measure, "where": draw(optional), "among": draw(optional),
        "zeros": measure.startswith(ADDS) and draw(st.booleans()),
        "by": draw(st.sampled_from([[], [], ["country"], ["x"], ["country", "event"]])),
        "top": draw(st.sampled_from([1, 2, 10, None])),
        "from": draw(st.sampled_from([None, None, "2026-01-05 00:01:00", "2026-01-07"])),
        "to": draw(st.sampled_from([None, None, "2026-01-09 10:00:00", "2026-01-20"])),
        **draw(st.sampled_from(BINNED)),
    }  # fmt: skip


@st.composite
def journeys(draw):
    """Journeys whose numbers are of all sorts."""
    parts = draw(commits())
    for event in [event for part in parts for event in part][1:]:
        event["x"] = draw(st.sampled_from([event["x"], event["x"], *AMOUNTS]))
    return parts


def check(parts, known, question):
    found, events = answers(parts, known, question)
    rows, totals, _ = distribution(events, question, CONDITIONS)
    assert found.rows == rows
    assert found.totals == totals


@pytest.mark.long
def test_fold_reference_and_oracle_agree_on_any_distribution():
    QUICK(given(journeys(), facts, distributions())(check))()


@pytest.mark.long
def test_fold_reference_and_oracle_agree_on_any_distribution_at_length():
    THOROUGH(given(journeys(), facts, distributions())(check))()


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    return Crowd(tmp_path_factory.mktemp("crowd"), seed=11, actors=40)


@pytest.mark.parametrize("number", range(30))
def test_of_a_crowd_every_bin_has_the_actors_it_counts(crowd, number):
    chance = random.Random(number)
    measure = chance.choice([name.replace("country", "y") for name in MEASURES])
    question = {
        "type": "distribution", "measure": measure, "where": chance.choice([None, *TESTS]),
        "among": chance.choice([None, None, *TESTS]), "zeros": measure.startswith(ADDS) and chance.random() < 0.4,
        "by": chance.choice([[], ["y"], ["y", "event"]]), "top": chance.choice([1, 3, None]),
        **chance.choice([*BINNED, {"width": 0.7}]),
    }  # fmt: skip
    rows, totals, numbers = distribution(crowd.events, question, TESTS)
    answer = crowd.ask(question)
    assert (answer.rows, answer.totals) == (rows, totals)
    whole = crowd.ask(question, cell={})
    assert {row["actor"]: row["value"] for row in whole.rows} == {actor: value for actor, (_, value) in numbers.items()}
    assert [row["value"] for row in whole.rows] == sorted((row["value"] for row in whole.rows), reverse=True)
    for row in chance.sample(rows, min(3, len(rows))):
        cell = {name: value for name, value in row.items() if name not in {"actors", "share", "cumulative_share"}}
        behind = crowd.ask(question, cell=cell)
        assert behind.totals["actors"] == len(behind.rows) == row["actors"]
        assert all(numbers[one["actor"]][1] == one["value"] for one in behind.rows)


SIZES = st.floats(-1e15, 1e15) | st.integers(-50, 50).map(float) | st.integers(1, 10**12).map(float) | st.floats(0, 1)


@given(st.lists(SIZES, max_size=300), st.sampled_from([*BINNED, {"width": 0.1}, {"width": 2.5}]))
def test_bins_of_any_numbers_are_those_of_the_oracle_and_hold_them_all(numbers, how):
    query = component("queries", {"type": "distribution", **how}, "question")
    ordered = sorted(number if abs(number) > 1e-25 else 0.0 for number in numbers)
    if how.get("width", 1e15) < 1e14 and ordered and ordered[-1] - ordered[0] > 50:
        return
    group = Ordered.of(np.array(ordered))
    bins = query._binning.bins(group.values, whole=group.whole)
    assert ([] if bins is None else bins.ends) == boundaries(ordered, how)
    if bins is not None:
        assert counted(group.counts(bins)[0], bins) == lines(ordered, bins.ends)
        assert sum(group.counts(bins)[0]) == len(ordered)
        assert len(bins.ends) <= how.get("most", 20) + 2 or "edges" in how or "width" in how


def test_the_first_and_last_bin_may_be_open():
    assert Bins(None, (1.0, 2.0), None).ends == [(None, 1.0), (1.0, 2.0), (2.0, None)]

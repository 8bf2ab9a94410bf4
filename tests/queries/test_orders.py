"""Order-robust funnels: the fewest and the most over all orders that the precision of times allows."""

import random
from itertools import product

import numpy as np
import oracle_orders
import pytest
from crowd import DAY, MINUTE, TESTS, Crowd

from people import people
from trackway.errors import ConfigError
from trackway.plan.config import component
from trackway.store.columns.folds import orders as fold

STEPS = ["event = 'A'", "event = 'B'", "event = 'C'"]
A_B_C = {"type": "funnel", "steps": STEPS, "robust": True}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    return Crowd(tmp_path_factory.mktemp("crowd"), 5, 60, most=4, owners={"a3": "a4"})


def low_high(answer):
    return [(row["low_actors"], row["actors"], row["high_actors"]) for row in answer.rows]


# ── stories ─────────────────────────────────────────────────────────────────────────────────────────


def test_equal_times_may_be_either_way_round(asked):
    answer = asked(people(ann=[("A", "0m"), ("B", "0m")], bob=[("A", "0m"), ("B", "1m")]), A_B_C)
    assert low_high(answer) == [(2, 2, 2), (1, 2, 2), (0, 0, 0)]
    assert {k: answer.totals[k] for k in ("low_converted", "converted", "high_converted", "tied")} == {
        "low_converted": 0, "converted": 0, "high_converted": 0, "tied": 1
    }  # fmt: skip


def test_four_rows_in_one_second_convert_or_not(asked):
    """rybbit #1133: whole-second stamps and a strict comparison gave 0 % where the truth was 100 %."""
    story = people(ann=[("A", "0m"), ("B", "0m"), ("C", "0m"), ("D", "0m")])
    steps = ["event = 'A'", "event = 'B'", "event = 'C'", "event = 'D'"]
    answer = asked(story, {"type": "funnel", "steps": steps, "robust": True})
    assert (answer.totals["low_rate"], answer.totals["rate"], answer.totals["high_rate"]) == (0.0, 1.0, 1.0)


def test_a_clock_that_is_late_by_less_than_its_precision_hides_a_conversion(asked):
    story = people(ann=[("B", "0m"), ("A", "15s")], bob=[("B", "0m"), ("A", "32s")])
    assert low_high(asked(story, A_B_C | {"precision": "30s"}))[1] == (0, 0, 1)
    assert low_high(asked(story, A_B_C | {"precision": "33s"}))[1] == (0, 0, 2)


def test_precision_ends_just_before_the_next_stamp(asked):
    story = people(ann=[("A", "0m"), ("B", "1s")], bob=[("B", "0m"), ("A", "1s")])
    assert low_high(asked(story, A_B_C | {"precision": "1s"}))[1] == (1, 1, 1)
    assert low_high(asked(story, A_B_C | {"precision": "1001ms"}))[1] == (0, 1, 2)


def test_one_event_is_one_step_in_every_order(asked):
    story = people(ann=[("A", "0m")], bob=[("A", "0m"), ("A", "0m")])
    twice = {"type": "funnel", "steps": ["event = 'A'", "event = 'A'"], "robust": True}
    assert low_high(asked(story, twice)) == [(2, 2, 2), (1, 1, 1)]


def test_the_window_is_measured_between_the_stated_times(asked):
    story = people(ann=[("A", "0m"), ("B", "1h")])
    assert low_high(asked(story, A_B_C | {"within": "1h", "precision": "5m"}))[1] == (1, 1, 1)


def test_each_source_states_its_own_precision(asked):
    story = people(ann=[("B", "0m"), ("A", "1s")])
    assert low_high(asked(story, A_B_C))[1] == (0, 0, 0)
    assert low_high(asked(story, A_B_C, precisions={"web": 2_000_000, "crm": 1}))[1] == (0, 0, 1)
    assert low_high(asked(story, A_B_C | {"precision": "1ms"}, precisions={"web": 2_000_000}))[1] == (0, 0, 0)


def test_nobody_is_no_rate(asked):
    totals = asked(people(ann=[("X", "0m")]), A_B_C).totals
    assert (totals["low_rate"], totals["high_converted"], totals["tied"]) == (None, 0, 0)


@pytest.mark.parametrize(
    "more", [{"order": "any"}, {"count": "entries"}, {"hold": "x"}, {"exclude": ["true"]}, {"within": "1 session"}]
)
def test_only_plain_funnels_are_tried_in_every_order(more):
    with pytest.raises(ConfigError, match="orders are tried for plain funnels only"):
        component("queries", A_B_C | more, "question")


def test_sources_have_a_precision():
    source = component("sources", {"type": "file", "codec": "csv", "paths": [], "precision": "1s"}, "web")
    assert source.precision.micros == 1_000_000


# ── against every order ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("within", ["2m", "1d", "14d"])
@pytest.mark.parametrize("precision", [None, "1m", "3m"])
def test_bounds_are_those_of_all_orders(crowd, within, precision):
    length = {"2m": 2 * MINUTE, "1d": DAY, "14d": 14 * DAY}[within]
    fuzz = {None: 0, "1m": MINUTE, "3m": 3 * MINUTE}[precision]
    for steps in (STEPS, ["event in ('A', 'B')", "x = 1 or event = 'Ü x'", "event = 'B'"], ["true", "true"]):
        question = {"type": "funnel", "steps": steps, "within": within, "robust": True, "precision": precision}
        answer = crowd.ask(question)
        tests = [TESTS[step] for step in steps]
        naive = [oracle_orders.bounds(mine, tests, length, lambda _: fuzz) for mine in crowd.journeys().values()]
        found = [pair for pair in naive if pair is not None]
        for k, row in enumerate(answer.rows):
            assert row["low_actors"] == sum(low > k for low, _ in found)
            assert row["high_actors"] == sum(high > k for _, high in found)
            assert row["low_actors"] <= row["actors"] <= row["high_actors"]
        assert answer.totals["tied"] == sum(low < high for low, high in found)


def test_bounds_of_groups_and_intervals_add_up(crowd):
    question = A_B_C | {"precision": "2m", "within": "3d"}
    whole = crowd.ask(question).rows
    for more in ({"by": "y"}, {"by": ["x", "y"], "top": 2}, {"every": "1d"}, {"every": "7d", "by": "y", "top": 1}):
        rows = crowd.ask(question | more).rows
        for total, key in product(whole, ("low_actors", "actors", "high_actors")):
            assert sum(row[key] for row in rows if row["step"] == total["step"]) == total[key]


def kernel(events, steps, within):
    """The fold on one journey: (time, bits, precision) by time."""
    events = sorted(events)
    time, mask, fuzz = (np.array(column, np.int64) for column in zip(*events, strict=True))
    none = np.zeros(len(events), np.int64)
    line = fold.Line(time, time + fuzz, none.copy(), mask.astype(np.uint16), none.copy())
    depth = fold.settled(line, len(events), within, np.empty(steps, np.int64))
    return (depth, depth, True) if depth else fold.both(line, len(events), within, steps)


def tried(seed, count):
    """The fold against all orders on journeys of few events, in which windows, spans and steps interlock."""
    chance = random.Random(seed)
    for _ in range(count):
        steps, size, span = chance.choice([1, 2, 3, 3, 4]), chance.randint(1, 6), chance.choice([2, 6, 12])
        within, fuzz = chance.choice([1, 3, 6, 100]), chance.choice([[1], [3], [1, 3], [2, 5], [1, 2, 4]])
        masks = list(range(1, 1 << steps)) if chance.random() < 0.5 else [1 << k for k in range(steps)]
        events = [(chance.randint(0, span), chance.choice(masks), chance.choice(fuzz)) for _ in range(size)]
        tests = [lambda e, k=k: bool(e["mask"] >> k & 1) for k in range(steps)]
        journey = [{"time": time, "mask": mask, "fuzz": fuzz} for time, mask, fuzz in events]
        naive = oracle_orders.bounds(journey, tests, within, lambda e: e["fuzz"])
        if naive is not None:
            assert kernel(events, steps, within) == (*naive, True), (events, steps, within)


def test_the_search_finds_the_best_and_the_worst_order():
    tried(1, 300)


@pytest.mark.long
def test_the_search_finds_the_best_and_the_worst_order_at_length():
    tried(2, 10_000)


def test_thousands_of_events_at_one_time_are_bounded_and_say_so_when_they_are_too_many():
    alike = [(0, 1 << k % 3, 86_400) for k in range(3_000)]
    assert kernel(alike, 3, 10) == (1, 3, True)
    chance = random.Random(3)
    tangled = [(chance.randint(0, 300), chance.randint(1, 15), chance.choice([50, 90, 200])) for _ in range(400)]
    low, high, _ = kernel(tangled, 4, 40)
    assert 1 <= low <= high <= 4

"""Agreement with ClickHouse's `windowFunnel` (by chDB) on random journeys, where its definition is ours.

Where it is not, docs/reference/semantics.md has a table; each of its lines has a test here.
"""

import random

import pytest

from people import MONDAY, event, people, store
from trackway.plan.config import component
from trackway.store.columns.ask import ask
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake

chdb = pytest.importorskip("chdb", reason="chDB is in the extra `bench`")
MINUTE = 60_000_000


def journeys(seed, *, apart):
    """Journeys of four letters; with `apart`, no two events of one actor at one instant."""
    chance = random.Random(seed)
    events = []
    for actor in range(150):
        count = chance.randint(1, 12)
        minutes = chance.sample(range(30), count) if apart else [chance.randrange(12) for _ in range(count)]
        for place, minute in enumerate(sorted(minutes)):
            events.append(event(f"a{actor}", chance.choice("ABCD"), MONDAY + minute * MINUTE, {}, f"{actor}-{place}"))
    return events


def levels(events, conditions, within, *modes):
    """How many actors reach each step, as ClickHouse says."""
    rows = ", ".join(f"('{e['actor']}', '{e['event']}', {(e['time'] - MONDAY) // MINUTE})" for e in events)
    parameters = ", ".join([str(within), *(f"'{mode}'" for mode in modes)])
    text = f"""select actor, windowFunnel({parameters})(toUInt32(minute), {", ".join(conditions)}) from
      values('actor String, event String, minute UInt32', {rows}) group by actor"""
    found = [int(line.rpartition(",")[2]) for line in str(chdb.query(text, "CSV")).splitlines()]
    return [sum(level > k for level in found) for k in range(len(conditions))]


@pytest.fixture
def reached(tmp_path):
    def count(events, conditions, within, **options):
        columns = Columns(tmp_path / "columns", store(Lake(tmp_path / "lake"), events))
        question = {"type": "funnel", "steps": list(conditions), "within": f"{within}m", **options}
        return [row["actors"] for row in ask(component("queries", question, "question"), columns).rows]

    return count


A_B_C = ("event = 'A'", "event = 'B'", "event = 'C'")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("within", [3, 10, 60])
def test_distinct_conditions_agree_at_distinct_times(reached, seed, within):
    events = journeys(seed, apart=True)
    assert reached(events, A_B_C, within) == levels(events, A_B_C, within)


@pytest.mark.parametrize("seed", range(3))
def test_distinct_conditions_agree_at_equal_times(reached, seed):
    events = journeys(seed, apart=False)
    assert reached(events, A_B_C, 5) == levels(events, A_B_C, 5)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_condition_twice_agrees_with_strict_increase_at_distinct_times(reached, seed):
    events = journeys(seed, apart=True)
    twice = ("event = 'A'", "event = 'B'", "event = 'A'")
    assert reached(events, twice, 10) == levels(events, twice, 10, "strict_increase")


def test_two_conditions_one_event_is_one_step_here(reached):
    events, twice = people(ann=[("A", "0m")]), ("event = 'A'", "event in ('A', 'B')")
    assert (reached(events, twice, 10), levels(events, twice, 10)) == ([1, 0], [1, 1])
    assert levels(events, twice, 10, "strict_once") == [1, 0]


def test_equal_times_are_a_conversion_here_and_not_with_strict_increase(reached):
    events = people(ann=[("B", "0m"), ("A", "0m")])
    assert (reached(events, A_B_C[:2], 10), levels(events, A_B_C[:2], 10, "strict_increase")) == ([1, 1], [1, 0])


def test_strict_order_gives_up_at_the_first_interruption_and_lets_repeated_steps_pass(reached):
    """Ours looks for any chain with nothing between: A B of A C A B, and no A B C in A B A C."""
    for journey, ours, theirs in (("ACAB", [1, 1, 0], [1, 0, 0]), ("ABAC", [1, 1, 0], [1, 1, 1])):
        events = people(**{f"of_{journey}": [(letter, f"{k}m") for k, letter in enumerate(journey)]})
        assert levels(events, A_B_C, 10, "strict_order") == theirs
        assert reached(events, A_B_C, 10, order="strict", where=f"actor = 'of_{journey}'") == ours


def test_strict_deduplication_is_an_exclusion(reached):
    """A B C B D stops at C: no second B between the second step and the last."""
    events, chain = people(ann=[(letter, f"{k}m") for k, letter in enumerate("ABCBD")]), (*A_B_C, "event = 'D'")
    assert levels(events, chain, 10, "strict_deduplication") == [1, 1, 1, 0]
    assert reached(events, chain, 10, exclude=[{"when": "event = 'B'", "after": 2}]) == [1, 1, 1, 0]

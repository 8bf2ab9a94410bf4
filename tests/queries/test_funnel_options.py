"""Law 5 for every option of the funnel and every pair of them: fold, reference SQL and oracle give one answer."""

import json
import random
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journeys import LENGTH
from oracle_funnel import Oracle

from people import MONDAY, event, identify, store
from trackway.errors import ConfigError
from trackway.plan.config import component
from trackway.store.columns.ask import ask
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake

MINUTE = 60_000_000
TESTS = {
    "true": lambda _: True,
    "event = 'A'": lambda e: e["event"] == "A",
    "event = 'B'": lambda e: e["event"] == "B",
    "event = 'C'": lambda e: e["event"] == "C",
    "event in ('A', 'B')": lambda e: e["event"] in ("A", "B"),
    "event = 'Ü x' or x = 1": lambda e: e["event"] == "Ü x" or e["x"] == 1,
    "x = 2": lambda e: e["x"] == 2,
    "event <> 'B'": lambda e: e["event"] != "B",
    "x is not null or y = 'p'": lambda e: e["x"] is not None or e["y"] == "p",
}
WITHIN = {"2m": 2 * MINUTE, "4m": 4 * MINUTE, "14d": 14 * 24 * 60 * MINUTE, "1 session": 1, "2 sessions": 2}
FROM, TO = MONDAY + 2 * MINUTE, MONDAY + 15 * MINUTE


def journeys(seed, actors):
    """Events of some actors, many at one instant, some long after the others; in two commits, both with late ones."""
    chance = random.Random(seed)
    events = []
    for actor in range(actors):
        for place in range(chance.randint(0, 9)):
            minute = chance.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 20, 20 * chance.randint(1, 3)])
            name = chance.choice(["A", "A", "B", "B", "C", "Ü x"])
            values = {"x": chance.choice([None, 1, 1, 2]), "y": chance.choice([None, "p", "q", "q"])}
            events.append(event(f"a{actor}", name, MONDAY + minute * MINUTE, values, f"e{actor}-{place}"))
    chance.shuffle(events)
    return events[: len(events) // 2], events[len(events) // 2 :]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Columns of 120 actors, some of whom are one; and their events."""
    folder = tmp_path_factory.mktemp("crowd")
    parts = journeys(7, 120)
    lake = store(Lake(folder / "lake"), *parts)
    owners = {"a3": "a4", "a10": "a11", "a12": "a11"}
    identify(lake, [(id_, owner, "0m") for id_, owner in owners.items()])
    events = [{**item, "actor": owners.get(item["actor"], item["actor"])} for part in parts for item in part]
    return Columns(folder / "columns", lake), events


def asked(columns, question):
    """The answer both engines give."""
    query = component("queries", question, "question")
    folded, reference = (ask(query, columns, engine=engine) for engine in ("columns", "sql"))
    for name in ("rows", "totals", "notes"):
        assert json.dumps(getattr(folded, name)) == json.dumps(getattr(reference, name)), question
    return folded


def check(columns, events, question):
    """Compare with the oracle; what is refused is tested by name elsewhere."""
    try:
        folded = asked(columns, question)
    except ConfigError:
        return
    events = [dict(item) for item in events]
    start, stop = (FROM, TO) if "from" in question else (0, 1 << 62)
    oracle = Oracle(question, TESTS, WITHIN[question.get("within", "14d")], 3 * MINUTE, start, stop)
    units = oracle.table(events)
    names = question.get("by") or []
    groups = {key for unit in units for key in unit["groups"]} if names else {()}
    shown = {tuple(row[name] for name in names) for row in folded.rows}
    assert shown == groups, question
    for group in groups:
        mine = [
            {k: v for k, v in row.items() if k != "name" and k not in names}
            for row in folded.rows
            if tuple(row[name] for name in names) == group
        ]
        assert mine == oracle.rows([unit for unit in units if not names or group in unit["groups"]]), question
    counted = folded.totals.get(question.get("count", "actors"))
    assert (counted, folded.totals["actors"]) == (len(units), len({unit["actor"] for unit in units}))


OPTIONS = {
    "order": ["strict", "any"],
    "anchored": [1, 2],
    "optional": [1, 2],
    "exclude": [
        [{"when": "event = 'Ü x' or x = 1"}],
        [{"when": "event = 'B'", "after": 1, "before": 2}, {"when": "x = 2"}],
        [{"when": "event = 'A'", "after": 2}],
    ],
    "within": ["2m", "4m", "1 session", "2 sessions"],
    "hold": [["x"], ["y"], ["x", "y"]],
    "count": ["entries", "sessions"],
    "mode": ["first_entry", "reentry"],
    "attribution": ["last", "step 2", "all"],
    "where": ["event <> 'B'", "x is not null or y = 'p'"],
    "range": [True],
    "by": [["x"], ["x", "y"]],
}
STEPS = [
    ["event = 'A'", "event = 'B'", "event = 'C'"],
    ["event = 'A'", "event in ('A', 'B')", "event = 'C'", "event = 'A'"],
    ["event in ('A', 'B')", "event = 'Ü x' or x = 1", "event in ('A', 'B')"],
    ["event = 'A'", "event = 'A'", "event = 'B'", "event = 'B'"],
]


def question_of(steps, options):
    """A question with these options; `anchored` and `optional` name one of the steps."""
    listed = [{"name": f"s{k}", "when": when} for k, when in enumerate(steps)]
    question = {"type": "funnel", "steps": listed, "session": "3m", "top": None}
    for name, value in options.items():
        if name in {"anchored", "optional"}:
            listed[value][name] = True
        elif name == "range":
            question |= {"from": FROM // 1_000, "to": TO // 1_000}
        else:
            question[name] = value
    if "optional" in options and options.get("order") == "any":
        listed[options["optional"]]["anchored"] = True
    return question


PAIRS = [(), *combinations(sorted(OPTIONS), 1), *combinations(sorted(OPTIONS), 2)]


@pytest.mark.parametrize("part", range(6))
def test_every_pair_of_options_agrees_three_ways(crowd, part):
    chance = random.Random(part)
    for pair in PAIRS[part::6]:
        steps = chance.choice(STEPS)
        check(*crowd, question_of(steps, {name: chance.choice(OPTIONS[name]) for name in pair}))


several = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in OPTIONS.items()})
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
THOROUGH = settings(max_examples=200 * LENGTH, deadline=None, suppress_health_check=list(HealthCheck))


def agree(crowd, settings_):
    def one(steps, options):
        check(*crowd, question_of(steps, options))

    settings_(given(st.sampled_from(STEPS), several)(one))()


def test_several_options_at_once_agree_three_ways(crowd):
    agree(crowd, QUICK)


@pytest.mark.long
def test_several_options_at_once_agree_three_ways_at_length(crowd):
    agree(crowd, THOROUGH)

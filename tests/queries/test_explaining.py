"""The laws of explaining an actor: what all actors add makes the answer, and the reasons given are the reasons."""

import json
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from journeys import HOURS, LENGTH, MINUTE, OWNERS, THOROUGH, commits, facts
from test_funnel_options import OPTIONS, PAIRS, STEPS, journeys, question_of

from people import MONDAY, event, identify, store
from trackway.errors import ConfigError
from trackway.model.time import iso
from trackway.plan.config import component
from trackway.store.columns.ask import Asking, ask
from trackway.store.columns.people import Cell
from trackway.store.columns.shards import Columns
from trackway.store.lake import Lake
from trackway.store.telling.explain import Explaining, verdict
from trackway.store.telling.nearest import misses

A, B, C = "event = 'A'", "event in ('B', 'C')", "event <> 'B' and x > 1"
RANGE = {"from": "2026-01-05T00:02:00", "to": "2026-01-12"}
QUESTIONS = [
    {"type": "funnel", "steps": [A, B], "by": ["country"], "top": None},
    {"type": "funnel", "steps": [A, B, C], "robust": True, "precision": "1m", "within": "1d"},
    {"type": "funnel", "steps": [A, B], "count": "entries", "every": "7d", "incomplete": "include", **RANGE},
    {"type": "funnel", "steps": [A, B, A], "count": "sessions", "session": "2d", "hold": ["country"]},
    {"type": "trend", "by": ["x"], "top": None, "where": B},
    {"type": "trend", "measure": "actors", "every": None, "where": C},
    {"type": "trend", "measure": "sum(x)", "every": "7d", "rolling": "14d", **RANGE},
    {"type": "trend", "measures": [{"name": "a", "where": A}, {"name": "s", "measure": "sum(x)"}], "every": "7d"},
    {"type": "trend", "measure": "actors", "every": "1d", "cumulative": True, "from": "2026-01-06"},
    {"type": "trend", "compare": "3d", "where": A, "every": "1d", **RANGE},
    {"type": "retention", "start": A, "return": B, "every": "1d", "by": ["country"], "top": None},
    {"type": "retention", "start": B, "return": A, "mode": "streak", "every": "7d", "value": "x", **RANGE},
    {"type": "retention", "start": A, "return": "true", "windows": "rolling", "every": "1d", "brackets": [1, 3, 9]},
    {"type": "lifecycle", "when": B, "every": "1d", "by": ["country"], "top": None},
    {"type": "lifecycle", "every": "7d", **RANGE},
    {"type": "stickiness", "every": "1d", "window": "7d", "where": B},
    {"type": "stickiness", "show": "ratio", "every": "1d", "window": "3d", "by": ["x"], "top": None},
    {"type": "distribution", "edges": [0, 1, 3, 100], "where": B, "by": ["country"], "top": None},
    {"type": "distribution", "measure": "sum(x)", "where": B, "by": ["country"], "top": 1},
    {"type": "distribution", "bins": "quantiles", "most": 3, "among": A, "zeros": True},
    {"type": "retention", "start": A, "return": B, "every": "7d", "by": ["country", "x"], "top": 1},
    {"type": "lifecycle", "every": "7d", "by": ["x"], "top": 1},
    {"type": "stickiness", "every": "1d", "window": "7d", "by": ["country"], "top": 1},
    {"type": "patterns", "pattern": "'A' .. 'B'", "by": ["country"], "top": 1},
    {"type": "paths", "by": "country", "count": "journeys", "timeout": "2d", "top": None},
    {"type": "paths", "start": A, "steps": 3, "repeats": "keep", "within": "3d", "top": None},
    {"type": "paths", "end": B, "steps": 4, "top": None, **RANGE},
    {"type": "paths", "start": A, "end": B, "count": "journeys", "top": None},
    {"type": "patterns", "pattern": "A .. B within 2d", "let": {"A": A, "B": B}, "by": ["country"], "top": None},
    {"type": "patterns", "pattern": "A (not B)* any", "let": {"A": A, "B": B}, "match": "longest", "timeout": "1d"},
]  # fmt: skip


def labelled(answer_rows, query):
    """What rows count, by what they say of themselves; rows that count nothing are left out."""
    groups = getattr(query, "by", None) or []
    names = {"time", "step", "name", "cohort", "period", "from", "to", "active_intervals", "low", "high", *groups}
    found = Counter()
    for row in answer_rows:
        key = json.dumps({k: v for k, v in row.items() if k in names}, sort_keys=True)
        for name in query.counts:
            if name in row and name not in names:
                found[key, name] += row[name] or 0
    return {key: value for key, value in found.items() if value}


def asking_of(columns, question):
    return Asking.of(component("queries", question, "question"), columns)


EVERYTHING = {"type": "trend", "by": ["x", "country"]}
"""A question that reads every column, so that whatever else is asked of an actor can be."""


def alone(columns, actors):
    """Every actor, read once; `ask_again` asks another question of them."""
    return [Explaining.of(asking_of(columns, EVERYTHING), actor) for actor in sorted(actors)]


def ask_again(one, query):
    return replace(one, asking=replace(one.asking, query=query))


def check_sum(columns, everybody, question):
    query = component("queries", question, "question")
    summed = Counter()
    for each in everybody:
        one = ask_again(each, query)
        story, told = one.told(query)
        summed.update(labelled(story.rows, query))
        check_events(question, one.events(story, told, list(range(len(story.time)))), story, told)
    assert dict(summed) == labelled(ask(query, columns).rows, query)


def check_events(question, shown, story, told):
    """What is said of events agrees with the rows they make."""
    assert [event["counts"] for event in shown] == [place in told.chosen for place in range(len(shown))]
    counted = [event for event in shown if event["counts"]]
    assert all(event["verdict"] for event in counted)
    if question["type"] == "retention" and question.get("mode", "on") == "on" and counted:
        periods = {int(event["verdict"].rpartition(" ")[2]) for event in counted if "returned in" in event["verdict"]}
        assert periods == {row["period"] for row in story.rows if row["returned"]}
    if question["type"] == "paths" and not any("…" in (row["from"], row["to"]) for row in story.rows):
        assert check_path(counted) == {
            (row["step"], row["from"], row["to"]): row["value"] for row in story.rows
            if row["from"] != "entry" and row["to"] != "drop-off"
        }  # fmt: skip
    if question["type"] == "trend" and question.get("every", "1d") == "1d" and "measure" not in question:
        days = Counter(event["time"][:10] for event in counted)
        values = Counter({row["time"][:10]: 0 for row in story.rows})
        for row in story.rows:
            values[row["time"][:10]] += row["value"]
        assert +days == +values
    if question["type"] == "patterns":
        assert len({event["verdict"].split(":")[0] for event in counted}) == told.reached


def check_path(counted):
    """The edges that the verdicts of a path's events tell."""
    edges, last = Counter(), {}
    for row in counted:
        journey, _, rest = row["verdict"].rpartition("step ")
        step, _, node = rest.partition(": ")
        node = None if node == "None" else node
        before = last.get(journey)
        if before is not None and before[0] != int(step):
            edges[before[0], before[1], node] += 1
        last[journey] = (int(step), node)
    return edges


def some(seed, actors=10):
    """Commits of random events of some actors: ties, nulls, unicode, and an event of somebody else."""
    chance = random.Random(seed)
    events = [event("zed", "A", MONDAY + 30 * HOURS, {"x": 1, "country": "de"}, "first")]
    for place in range(9 * actors):
        minutes = chance.choice([chance.randint(0, 6), chance.randint(0, 60 * 24 * 20)])
        values = {"x": chance.choice([None, 1, 2]), "country": chance.choice([None, "de", "fr"])}
        actor, name = chance.randrange(actors), chance.choice(["A", "A", "B", "C", "Ü b"])
        events.append(event(f"a{actor}", name, MONDAY + minutes * MINUTE, values, f"e{place}"))
    return events[: len(events) // 2], events[len(events) // 2 :]


@pytest.fixture(scope="module")
def people_of(tmp_path_factory):
    """Columns of some actors, two of whom are one; and each actor alone."""
    folder = tmp_path_factory.mktemp("crowd")
    parts = some(3)
    lake = store(Lake(folder / "lake"), *parts)
    identify(lake, [("a3", "a4", "0m")])
    columns = Columns(folder / "columns", lake)
    return columns, alone(columns, {item["actor"] for part in parts for item in part} - {"a3"})


NAMED = [f"{question['type']} {place}" for place, question in enumerate(QUESTIONS)]


@pytest.mark.parametrize("question", QUESTIONS, ids=NAMED)
def test_what_all_actors_add_makes_the_answer(people_of, question):
    check_sum(*people_of, question)


@pytest.mark.long
@pytest.mark.parametrize("question", QUESTIONS, ids=NAMED)
def test_what_all_actors_add_makes_the_answer_at_length(question):
    def one(parts, known):
        folder = Path(tempfile.mkdtemp())
        try:
            lake = store(Lake(folder / "lake"), *parts)
            identify(lake, [(id_, OWNERS[id_], "0m") for id_ in known])
            owned = {id_: OWNERS[id_] for id_ in known}
            actors = {owned.get(item["actor"], item["actor"]) for part in parts for item in part}
            columns = Columns(folder / "columns", lake)
            check_sum(columns, alone(columns, actors), question)
        finally:
            shutil.rmtree(folder)

    settings(THOROUGH, max_examples=60 * LENGTH)(given(commits(), facts)(one))()


# ── the chain that counts, and the reasons ──────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """The crowd of the tests of the funnel's options, smaller; and each actor alone."""
    folder = tmp_path_factory.mktemp("funnels")
    parts = journeys(11, 24)
    lake = store(Lake(folder / "lake"), *parts)
    identify(lake, [("a3", "a4", "0m")])
    columns = Columns(folder / "columns", lake)
    everything = asking_of(columns, {"type": "trend", "by": ["x", "y"]})
    actors = {item["actor"] for part in parts for item in part} - {"a3"}
    return columns, [Explaining.of(everything, actor) for actor in sorted(actors)]


def units(columns, query):
    """The times of the steps of every unit of every actor, by the answer's own list of people."""
    rows = ask(query, columns, cell=Cell.read("limit=100000")).rows
    found = {}
    for row in rows:
        times = [row[f"step_{k}"] for k in range(1, len(query.steps) + 1)]
        found.setdefault(row["actor"], []).append(times)
    return found


def check_chain(columns, everybody, question):
    """The events said to be steps are those whose times the fold has, one event a step, and every match has a word."""
    try:
        query = component("queries", question, "question")
    except ConfigError:
        return
    listed = units(columns, query)
    for one in everybody:
        story, told = one.told(query)
        mine = [[None if t is None else t for t in unit] for unit in listed.get(one.alone.actor, [])]
        chains = [
            [next((story_iso(story, p) for r, p in zip(chain.rows, chain.places, strict=True) if r == k), None)
             for k in range(len(query.steps))]
            for chain in told.found.found
        ]  # fmt: skip
        assert sorted(map(json.dumps, chains)) == sorted(map(json.dumps, mine)), (question, one.alone.actor)
        for chain in told.found.found:
            assert len(set(chain.places)) == len(chain.places)
            assert all(story.kept[place] for place in chain.places)
        depths = [max(k for k, time in enumerate(unit, start=1) if time) for unit in mine]
        assert told.reached == max(depths, default=0)
        for place in range(len(story.time)):
            assert verdict(story, told, place) or not story.matched(place), (question, one.alone.actor, place)


def story_iso(story, place):
    return iso(int(story.time[place]), story.zone)


@pytest.mark.parametrize("part", range(3))
def test_the_chain_that_is_shown_is_that_of_the_answer(crowd, part):
    chance = random.Random(part)
    for pair in PAIRS[part::6]:
        check_chain(*crowd, question_of(chance.choice(STEPS), {name: chance.choice(OPTIONS[name]) for name in pair}))


@pytest.mark.long
def test_the_chain_that_is_shown_is_that_of_the_answer_for_all_pairs(crowd):
    chance = random.Random(5)
    for pair in PAIRS * 4:
        check_chain(*crowd, question_of(chance.choice(STEPS), {name: chance.choice(OPTIONS[name]) for name in pair}))


REASONS = [
    {"within": "4m", "exclude": [{"when": "event = 'Ü x' or x = 1"}], "hold": ["y"]},
    {"within": "2m", "where": "x is not null or y = 'p'", "range": True},
    {"order": "strict", "hold": ["x"]},
    {"within": "2 sessions", "mode": "first_entry"},
    {"count": "sessions", "exclude": [{"when": "x = 2"}]},
    {"count": "entries", "within": "2m"},
]


@pytest.mark.parametrize("options", REASONS, ids=str)
def test_the_rules_named_are_those_without_which_the_answer_gets_further(crowd, options):
    columns, everybody = crowd
    query = component("queries", question_of(STEPS[0], dict(options)), "question")
    known = {}

    def deepest(changed, actor):
        """How far an actor gets by the answer to the whole question with other options."""
        made = query.with_options(changed)
        if repr(made) not in known:
            known[repr(made)] = {who: max(k for times in of for k, time in enumerate(times, start=1) if time)
                                 for who, of in units(columns, made).items()}  # fmt: skip
        return known[repr(made)].get(actor, 0)

    seen = set()
    for one in everybody:
        story, told = one.told(query)
        found = misses(query, story, told, lambda lifted, one=one: one.told(lifted)[1])
        single = {miss.rules[0] for miss in found if len(miss.rules) == 1}
        lifts = query.lifts(told) if told.short else {}
        assert single == {rule for rule, to in lifts.items() if deepest(to, one.alone.actor) > told.reached}
        assert all(miss.sentence for miss in found)
        seen |= single
    assert seen

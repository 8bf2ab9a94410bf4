"""A question within limits: the same answer in little memory, a cost told beforehand, and an end when it is time."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from crowds import ONE_OF_EACH, STEPS, crowd

from trackway.errors import Cancelled, TooLarge, TooSlow
from trackway.model.time import Duration
from trackway.plan.config import component
from trackway.store.columns.ask import answers, ask, estimate
from trackway.store.columns.limits import Limits

QUESTIONS = ONE_OF_EACH | {
    "events by day": {"type": "trend", "every": "1d", "by": ["country", "event"], "top": 3},
    "actors by day": {"type": "trend", "measure": "actors", "every": "1d", "by": ["country"], "top": 2},
}
TESTS = Path(__file__).parents[1]


def made(question):
    return component("queries", question, "question")


@pytest.fixture(scope="module")
def columns():
    return crowd(seed=3)


@pytest.mark.parametrize("memory", [60_000, 400_000, 50_000_000])
@pytest.mark.parametrize("name", QUESTIONS)
def test_the_answer_is_the_same_in_any_memory(columns, name, memory, tmp_path):
    query = made(QUESTIONS[name])
    free = ask(query, columns, now=0)
    capped = ask(query, columns, now=0, limits=Limits(memory=memory, folder=tmp_path))
    for part in ("rows", "totals", "notes"):
        assert json.dumps(getattr(capped, part)) == json.dumps(getattr(free, part))
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_large_however_it_is_folded_is_told(columns):
    query = made({**QUESTIONS["retention"], "periods": 1_000, "every": "1h"})
    with pytest.raises(TooLarge, match=r"takes [\d,]+ bytes a thread, of 50,000 allowed") as refused:
        ask(query, columns, now=0, limits=Limits(memory=50_000))
    assert (refused.value.status, refused.value.path) == (413, "memory")
    assert "longer intervals" in refused.value.hint


MEASURED = """
import json, sys, threading, time
sys.path[:0] = [{tests!r}, {queries!r}]
from crowds import crowd
from trackway.plan.config import component
from trackway.store.columns.ask import ask
from trackway.store.columns.limits import Limits

def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))

columns = crowd(5, actors=300_000, mean=9.0, heavy=9.0)
steps = ["event is not null"] * 8
query = component("queries", {{"type": "funnel", "steps": steps, "within": "30d"}}, "question")
memory = {memory}
limits = lambda: Limits(memory=memory) if memory else Limits()
ask(component("queries", {{"type": "funnel", "steps": steps[:1]}}, "q"), columns, now=0, limits=limits())
begun, most, over = anonymous(), 0, threading.Event()

def watch():
    global most
    while not over.wait(0.002):
        most = max(most, anonymous())

watcher = threading.Thread(target=watch)
watcher.start()
answer = ask(query, columns, now=0, limits=limits())
over.set()
watcher.join()
print(json.dumps([most - begun, answer.rows]))
"""


def measured(memory):
    """Most memory a funnel of eight steps over 300,000 actors took beside what was there; and its rows."""
    text = MEASURED.format(tests=str(TESTS), queries=str(TESTS / "queries"), memory=memory)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.long
def test_a_funnel_of_many_actors_stays_near_its_memory():
    free, expected = measured(memory=0)
    capped, rows = measured(memory=16_000_000)
    assert rows == expected
    print(f"{free:,} bytes without a limit, {capped:,} of 16,000,000 allowed")
    assert free > 30_000_000
    assert capped < 20_000_000, "a cap bounds what the fold allocates; the allocator and its threads round up"


def test_the_cost_of_a_question_is_told_before_it_is_asked(columns):
    view = columns.view()
    for name, asked in QUESTIONS.items():
        cost = estimate(made(asked), columns, now=0)
        assert (cost.engine, cost.events, cost.actors) == ("columns", view.rows, view.actors)
        if name in {"events", "actors by day", "funnel"}:
            assert cost.passes == (2 if name == "actors by day" else 1)
        assert view.rows * 9 < cost.bytes < view.rows * 16
        assert 0 < cost.seconds < 60
        assert cost.memory > 0
    assert estimate(made(QUESTIONS["funnel"]), columns, now=0).memory > 8_000 * 24
    assert json.loads(json.dumps(cost.as_json()))["ok"] is True


def test_a_question_that_takes_too_long_is_ended(columns):
    limits = Limits(deadline=Duration("0ms"))
    with pytest.raises(TooSlow, match="no answer within 0ms") as late:
        ask(made(QUESTIONS["funnel"]), columns, now=0, limits=limits)
    assert (late.value.status, late.value.path) == (504, "deadline")
    assert "sample=10%" in late.value.hint


def test_a_question_may_be_answered_in_time(columns):
    limits = Limits(deadline=Duration("10m"))
    assert ask(made(QUESTIONS["funnel"]), columns, now=0, limits=limits).rows
    assert 0 < limits.left < 600


def test_a_cancelled_question_ends_between_two_shards(columns):
    limits = Limits()
    query = made(QUESTIONS["funnel"])
    seen = []

    class Watched(type(query)):
        def fold(self, shard, context):
            seen.append(shard)
            limits.cancel()
            return super().fold(shard, context)

    with pytest.raises(Cancelled, match="the question was cancelled"):
        ask(Watched(steps=STEPS), columns, now=0, limits=limits)
    assert 0 < len(seen) < 32


def test_cancelling_ends_better_and_better_answers(columns):
    limits = Limits()
    stream = answers(made(QUESTIONS["funnel"]), columns, now=0, shares=[1 / 16, 1 / 4], limits=limits)
    assert next(stream).stands_on["exact"] is False
    limits.cancel()
    with pytest.raises(Cancelled):
        next(stream)


def test_a_statement_is_interrupted():
    limits, stopped = Limits(), threading.Event()
    with limits.interrupting(stopped.set):
        limits.cancel()
    assert stopped.is_set()
    limits, late = Limits(deadline=Duration("20ms")), threading.Event()
    with limits.interrupting(late.set):
        assert late.wait(5)
    with pytest.raises(TooSlow):
        limits.check()


def test_an_actor_with_very_many_events_is_folded_whole_and_ended_on_time():
    columns = crowd(seed=9, actors=400, mean=2.0, bot=300_000)
    query = made({"type": "trend", "every": None, "measure": "events"})
    assert ask(query, columns, now=0, limits=Limits(memory=60_000)).totals["value"] == columns.view().rows
    funnel = ask(made(QUESTIONS["funnel"]), columns, now=0, limits=Limits(memory=60_000, deadline=Duration("5m")))
    assert funnel.rows == ask(made(QUESTIONS["funnel"]), columns, now=0).rows

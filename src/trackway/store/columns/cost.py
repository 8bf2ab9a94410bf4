"""What a question will cost, before it is asked: measured on a few of the actors, and counted where it can be.

A small sample is folded and answered as the question would be, twice, the second time for the clock; time and
memory of all follow, since folds are linear in events. Nothing is guessed from another machine or another question.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from trackway.plan.query import Query
from trackway.store.columns.context import Context
from trackway.store.columns.folding import growth, merged
from trackway.store.columns.limits import Limits
from trackway.store.columns.view import Shard

TRIAL = 200_000
"""Events of the sample, about."""


@dataclass(frozen=True)
class Cost:
    """What asking exactly will take."""

    engine: str
    events: int
    actors: int
    passes: int
    """How often all events are read."""
    bytes: int
    """Most that is read in a pass: the columns the question reads, and times."""
    memory: int | None
    """Bytes beside the columns, for what is counted or gathered; None when the lake has to answer."""
    seconds: float | None
    """Expected; None when the lake has to answer."""
    measured_events: int
    """Events that were folded to learn this."""

    def as_json(self) -> dict[str, Any]:
        """The object every door shows."""
        return {"ok": True, **asdict(self)}


def by_columns(query: Query, context: Context, limits: Limits) -> Cost:
    """What a question costs that the columns answer. Raises what asking would raise at once."""
    view = context.columns_view
    actors = int(min(view.actors, max(1, TRIAL * view.actors // max(1, view.rows))))
    shard, times = Shard(view, 0, 0, actors), view.actors / max(1, actors)
    cores, passes = os.cpu_count() or 1, query.passes(context)
    fixed = each = seconds = 0.0
    for _ in range(passes):
        begun = time.perf_counter()
        context = replace(context, prepared=query.prepare(context))
        seconds += time.perf_counter() - begun
        merged(query, [shard], context, limits)
        begun = time.perf_counter()
        found = merged(query, [shard], context, limits)
        seconds += (time.perf_counter() - begun) * times / cores
        fixed, each = max((fixed, each), growth(query, [shard], context))
        context = replace(context, found=found)
    begun = time.perf_counter()
    query.answer(context.found, context)
    growing = each * view.actors > fixed
    seconds += (time.perf_counter() - begun) * (times if growing else 1)
    events = int((view.hi[: view.first[actors]] - view.lo[: view.first[actors]]).sum())
    memory = round(fixed * cores + 2 * each * view.actors)
    return Cost("columns", view.rows, view.actors, passes, read(query, context), memory, round(seconds, 4), events)


def read(query: Query, context: Context) -> int:
    """Bytes of the columns a question reads, as far as they are there, and of times and their quarters."""
    view = context.columns_view
    names = set(query.columns(context.schema)) - {"time", "actor"}
    arrays: list[np.ndarray] = []
    for run in view.runs:
        arrays += [run.time, run.quarters, *(run.codes[name] for name in names if name in run.codes)]
    return sum(array.nbytes for array in arrays)

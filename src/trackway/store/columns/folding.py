"""Folding a question over shards on all cores, within the limits it was given."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, partial
from typing import Any, TypeVar

from trackway.errors import TooLarge
from trackway.plan.query import Query
from trackway.store.columns.context import Context
from trackway.store.columns.limits import Limits
from trackway.store.columns.pile import Pile, size
from trackway.store.columns.view import Shard

FEW, MORE = 256, 2_048
"""Actors of two trials, from which the size of the partial of any number of actors follows."""
PART = 8
"""A partial may take this part of the memory there is."""


@cache
def workers() -> ThreadPoolExecutor:
    """A thread for each further core, for all questions of the process: starting them would take longer than some
    folds, and the one who asks folds too."""
    return ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1), thread_name_prefix="fold")


T = TypeVar("T")


def in_parallel(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """What each of some independent jobs gives, in their order; they must let go of the interpreter to gain by it.

    The caller's thread works too, from the other end: asleep it would leave its core to a scheduler that may then run
    all workers on one. When a job raises, no other is begun.
    """
    found: dict[int, T] = {}
    left = deque(range(len(jobs)))

    def work(take: Callable[[], int]) -> None:
        while (place := _taken(take)) is not None:
            found[place] = jobs[place]()

    others = min(len(jobs), os.cpu_count() or 1) - 1
    futures = [workers().submit(work, left.popleft) for _ in range(others)]
    try:
        work(left.pop)
    finally:
        left.clear()
        wait([future for future in futures if not future.cancel()])
    for future in futures:
        if not future.cancelled():
            future.result()
    return [found[place] for place in range(len(jobs))]


def _taken(take: Callable[[], int]) -> int | None:
    try:
        return take()
    except IndexError:
        return None


def folded(query: Query, shards: Sequence[Shard], context: Context, limits: Limits) -> list[Any]:
    """The partial of each shard, in their order. Raises Cancelled or TooSlow between two shards."""

    def one(shard: Shard) -> Any:
        limits.check()
        return query.fold(shard, context)

    return in_parallel([partial(one, shard) for shard in shards])


def merged(query: Query, shards: Sequence[Shard], context: Context, limits: Limits) -> Any:
    """The partial of all shards; of limited memory, in parts small enough, put together on disk if need be.

    Raises TooLarge when what is counted would not fit however few actors are folded at once.
    """
    if limits.memory is None or not any(shard.end > shard.begin for shard in shards):
        return query.merge(folded(query, shards, context, limits))
    fixed, each = growth(query, shards, context)
    room = limits.memory // PART
    if 2 * fixed > limits.memory:
        raise TooLarge(
            f"what is counted takes {fixed:,.0f} bytes a thread, of {limits.memory:,} allowed", path="memory",
            hint="ask for fewer groups or longer intervals, or allow more: [project] memory",
        )  # fmt: skip
    actors = max(MORE, int(max(0, room - fixed) / each)) if each else len(context.columns_view.codes)
    parts = [
        Shard(shard.view, shard.number, begin, min(begin + actors, shard.end))
        for shard in shards
        for begin in range(shard.begin, max(shard.end, shard.begin + 1), actors)
    ]
    at_once = max(1, min(os.cpu_count() or 1, int(limits.memory / (3 * (fixed + each * actors) + 1))))
    pile = Pile(query, limits.memory, limits.folder)
    for begin in range(0, len(parts), at_once):
        for table in folded(query, parts[begin : begin + at_once], context, limits):
            pile.add(table)
    return pile.whole()


def growth(query: Query, shards: Sequence[Shard], context: Context) -> tuple[float, float]:
    """Bytes of a partial of no actors, and of every actor more."""
    shard = max(shards, key=lambda one: one.end - one.begin)
    trials = [Shard(shard.view, shard.number, shard.begin, min(shard.end, shard.begin + n)) for n in (FEW, MORE)]
    few, more = (size(query.fold(trial, context)) for trial in trials)
    actors = trials[1].end - trials[0].end
    each = max(0.0, (more - few) / actors) if actors else 0.0
    return max(0.0, more - each * (trials[1].end - shard.begin)), each

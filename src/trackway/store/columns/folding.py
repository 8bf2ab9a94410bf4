"""Folding a question over shards on all cores, within the limits it was given."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from trackway.errors import TooLarge
from trackway.model.parallel import in_parallel
from trackway.plan.query import Query
from trackway.store.columns.context import Context
from trackway.store.columns.limits import Limits
from trackway.store.columns.pile import Pile, size
from trackway.store.columns.view import Shard

FEW, MORE = 256, 2_048
"""Actors of two trials, from which the size of the partial of any number of actors follows."""
PART = 8
"""A partial may take this part of the memory there is."""


def folded(query: Query, shards: Sequence[Shard], context: Context, limits: Limits) -> list[Any]:
    """The partial of each shard, in their order. Raises Cancelled or TooSlow between two shards."""

    def one(shard: Shard) -> Any:
        limits.check()
        return query.fold(shard, context)

    return in_parallel(one, shards)


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

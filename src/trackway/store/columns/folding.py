"""Folding a question over shards on all cores, within the limits it was given."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from functools import cache
from typing import Any

from trackway.plan.component import Query
from trackway.store.columns.context import Context
from trackway.store.columns.limits import Limits
from trackway.store.columns.view import Shard


@cache
def workers() -> ThreadPoolExecutor:
    """One thread for each core, for all questions of the process: starting them would take longer than some folds."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="fold")


def folded(query: Query, shards: Sequence[Shard], context: Context, limits: Limits) -> Iterator[Any]:
    """The partial of each shard, in their order. Raises Cancelled or TooSlow between two shards."""

    def one(shard: Shard) -> Any:
        limits.check()
        return query.fold(shard, context)

    waiting = [workers().submit(one, shard) for shard in shards]
    try:
        for place in range(len(waiting)):
            yield _result(waiting[place], limits)
            waiting[place].cancel()
    finally:
        for future in waiting:
            future.cancel()


def _result(future: Future[Any], limits: Limits) -> Any:
    try:
        return future.result(limits.left)
    except NotYet:
        limits.check()
        return future.result()


def merged(query: Query, shards: Sequence[Shard], context: Context, limits: Limits) -> Any:
    """The partial of all shards."""
    return query.merge(list(folded(query, shards, context, limits)))

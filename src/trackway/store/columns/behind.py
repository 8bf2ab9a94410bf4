"""Who is behind a count: the question is folded again, each actor being a group of its own.

A fold that counts actors by group says of a single one by which cells they are counted, when they are the only one in
their group. So the actors behind a number are found by the same loop that counted them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from trackway.model.parallel import in_parallel
from trackway.store.columns.context import Context
from trackway.store.columns.people import Cell, Column, Listed, listed
from trackway.store.columns.view import Shard, View

ROOM = 1 << 22
"""Cells of the actors that are looked at together."""


def whoever(
    shard: Shard, counted: Callable[[Shard, np.ndarray, int], np.ndarray], wanted: np.ndarray, place: np.ndarray
) -> np.ndarray:
    """For each actor of a shard, whether any of the cells `wanted[group, …]` counts them.

    `counted(piece, own, size)` counts a piece of the shard by `own`, the group of every actor, into `size` groups;
    `place` is the group each actor of the view is in, empty when all are in the first.
    """
    size = max(1, min(shard.end - shard.begin, ROOM // max(1, int(np.prod(wanted.shape[1:])))))
    own = (np.arange(shard.end) % size).astype(np.int32)
    out = np.zeros(shard.end - shard.begin, np.bool_)
    for begin in range(shard.begin // size * size, shard.end, size):
        piece = Shard(shard.view, shard.number, max(begin, shard.begin), min(begin + size, shard.end))
        actors = np.arange(piece.begin, piece.end)
        cells = counted(piece, own, size)[own[actors]] > 0
        group = place[actors] if len(place) else np.zeros(len(actors), np.int32)
        if len(wanted):
            found = (cells & wanted[group]).reshape(len(actors), -1).any(axis=1)
            out[actors - shard.begin] = found & (group >= 0)
    return out


def members(view: View, of: Callable[[Shard], np.ndarray]) -> np.ndarray:
    """The actors of the view for whom `of`, asked of every shard, says yes."""
    return np.flatnonzero(np.concatenate(in_parallel(of, view.shards)))


def counted_in(
    wanted: np.ndarray, counted: Callable[[Shard, np.ndarray, int], np.ndarray], place: np.ndarray,
    cell: Cell, context: Context,
) -> Listed:  # fmt: skip
    """Rows, totals and notes of the actors whom any of the cells `wanted` counts; the others as `whoever` has them."""
    who = members(context.columns_view, lambda shard: whoever(shard, counted, wanted, place))
    return told(who, cell, context)


def told(who: np.ndarray, cell: Cell, context: Context) -> Listed:
    """Rows, totals and notes of some actors of the view, those with the latest event first."""
    view = context.columns_view
    latest = np.zeros(len(who), np.int64)
    last = view.first[who + 1] - 1
    for number, run in enumerate(view.runs):
        mine = np.flatnonzero(view.run[last] == number)
        latest[mine] = run.time[view.hi[last[mine]] - 1]
    return listed(view, who, latest, [_column(latest)], cell=cell, zone=context.zone)


def told_by_sql(run: Callable[[str], pa.Table], actors: str, cell: Cell, context: Context) -> Listed:
    """The same of the actors of a statement of the reference."""
    found = run(f"""select e.actor, max(epoch_us(e.time)) as t from events e
where exists (select * from ({actors}) m where m.actor is not distinct from e.actor) group by e.actor""")
    latest = found["t"].to_numpy()
    names = found["actor"].to_pylist()
    return listed(names, np.arange(len(names)), latest, [_column(latest)], cell=cell, zone=context.zone)


def _column(latest: np.ndarray) -> Column:
    return Column("last_event", latest, never=np.iinfo(np.int64).min)


def within(columns: Sequence[str], wanted: np.ndarray) -> str:
    """DuckDB text: whether columns are the place of a wanted cell.

    >>> within(["place", "k"], np.array([[False, True], [False, False]]))
    '(place, k) in ((0, 1))'
    """
    places = ", ".join(f"({', '.join(map(str, place))})" for place in np.argwhere(wanted).tolist())
    return f"({', '.join(columns)}) in ({places})" if places else "false"

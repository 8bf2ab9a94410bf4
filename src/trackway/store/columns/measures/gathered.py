"""The events of one measure: which match, in which interval and group, chunk by chunk of a shard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from trackway.store.columns.folds.gather import gather
from trackway.store.columns.lanes import Intervals, Lane, Mask, lane, over, times
from trackway.store.columns.measures.frame import Frame
from trackway.store.columns.view import Shard, View

CHUNK = 1 << 17
"""Events gathered at a time, unless one actor alone has more."""
NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Chunk:
    """Some events, in order of actor and time."""

    events: int
    place: np.ndarray
    """Interval times groups plus group."""
    code: np.ndarray
    time: np.ndarray
    tie: np.ndarray
    ends: np.ndarray
    """Where each actor's events end."""


@dataclass(frozen=True, eq=False)
class Gathered:
    """What is read of events: the mask, the group of `size`, the interval of a frame, and the codes of a column."""

    mask: Mask
    group: Lane
    size: int
    intervals: Intervals
    frame: Frame
    cut: bool
    """Whether there are events outside the frame."""
    column: str | None = None

    @property
    def places(self) -> int:
        """Intervals times groups."""
        return self.frame.intervals * self.size

    def arguments(self, shard: Shard, begin: int, end: int) -> tuple[Any, ...]:
        """What every fold by interval and group is given first."""
        view, time = shard.view, times(shard.view)
        return (
            view.first, view.run, view.lo, view.hi, begin, end, *self.mask.parts, *self.group.parts,
            *self.intervals.parts, time.addresses, time.like, self.frame.start, self.frame.stop, self.cut,
        )  # fmt: skip

    def chunks(self, shard: Shard, *, timed: bool = False, by_actor: bool = False) -> Iterator[Chunk]:
        """The events of a shard, with their times when `timed`, with the ends of actors when `by_actor`."""
        view = shard.view
        value = lane(view, self.column, NONE) if self.column else over([], NONE)
        value_at = value.addresses if self.column else np.zeros(len(view.runs), np.int64)
        tie = over([run.tie for run in view.runs], NONE, np.int64)
        for begin, end, rows in pieces(shard):
            place, code = np.empty(rows, np.int64), np.empty(rows if self.column else 0, np.int64)
            time, ties = (np.empty(rows if timed else 0, np.int64) for _ in range(2))
            ends = np.empty(end - begin if by_actor else 0, np.int64)
            events = gather(
                *self.arguments(shard, begin, end), self.size, value_at, value.like, tie.addresses,
                place, code, time, ties, ends,
            )  # fmt: skip
            yield Chunk(int(events), place, code, time, ties, ends)


def pieces(shard: Shard) -> Iterator[tuple[int, int, int]]:
    """[begin, end) of some actors of a shard at a time, and how many events they have."""
    before = rows_before(shard.view)
    begin = shard.begin
    while begin < shard.end:
        limit = int(np.searchsorted(before, before[begin] + CHUNK, side="right")) - 1
        end = min(max(limit, begin + 1), shard.end)
        yield begin, end, int(before[end] - before[begin])
        begin = end


def rows_before(view: View) -> np.ndarray:
    """How many events the actors before each actor have; and all of them."""

    def count() -> np.ndarray:
        rows = np.concatenate([[0], np.cumsum(view.hi - view.lo)])
        return np.asarray(rows[view.first])

    return np.asarray(view.once("rows before", count))

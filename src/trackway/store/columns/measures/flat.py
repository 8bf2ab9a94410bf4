"""Measures of events that are kept by interval and group: how many, sums, extremes, the first and the last."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from trackway.store.columns.folds import exact, reduce
from trackway.store.columns.folds import trend as fold
from trackway.store.columns.measures.cells import Cells, Places, cells, lowest, refuse, trailing, united
from trackway.store.columns.measures.gathered import Gathered
from trackway.store.columns.measures.numbers import numbers, ranks
from trackway.store.columns.view import Shard, View


class Measured(ABC):
    """One measure over one frame: folded over shards, once or more often, merged in any order."""

    passes: int = 1

    def after(self, _found: Any) -> Measured:
        """What goes on from the merged partial of the pass before."""
        return self

    @abstractmethod
    def fold(self, shard: Shard) -> Any:
        """The partial of a shard."""

    @abstractmethod
    def merge(self, parts: Iterable[Any]) -> Any:
        """Partials into one."""

    @abstractmethod
    def cells(self, merged: Any) -> Cells:
        """The values."""


@dataclass(eq=False)
class Flat(Measured):
    """A measure kept as some numbers by interval and group."""

    reads: Gathered
    view: View

    def __post_init__(self) -> None:
        refuse(self.reads.places, self.reads.frame, self.reads.size)

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Intervals and groups."""
        return self.reads.frame.intervals, self.reads.size


class Counted(Flat):
    """How many events."""

    def fold(self, shard: Shard) -> Places:
        """Counts by place."""
        out = np.zeros(self.frame_shape, np.int64)
        fold.events(*self.reads.arguments(shard, shard.begin, shard.end), out)
        return Places.of([out.ravel()])

    def merge(self, parts: Iterable[Places]) -> Places:
        """Counts add up."""
        return united(parts, [np.add])

    def cells(self, merged: Places) -> Cells:
        """Counts by window."""
        frame = self.reads.frame
        if frame.reach == 1 and not frame.lead:
            total = int(merged.columns[0].sum())
            return Cells(merged.place, merged.columns[0].tolist(), total, total)
        count = merged.full(self.reads.places, [0])[0].reshape(self.frame_shape)
        windows = trailing(count, frame).ravel()
        total = int(count[frame.lead :].sum())
        return cells(count, frame, lambda place: windows[place].tolist(), total)


@dataclass(eq=False)
class Summed(Flat):
    """The sum of a column's numbers, or their average: exact, rounded once (the average once more)."""

    average: bool = False

    @cached_property
    def _limbs(self) -> tuple[int, int]:
        found = exact.reach(numbers(self.view, str(self.reads.column)))
        refuse(self.reads.places * found[1], self.reads.frame, self.reads.size)
        return found

    def fold(self, shard: Shard) -> Places:
        """Events, numbers and limbs by place."""
        base, width = self._limbs
        bits = numbers(self.view, str(self.reads.column)).view(np.int64)
        count, known = np.zeros(self.reads.places, np.int64), np.zeros(self.reads.places, np.int64)
        limbs = np.zeros((self.reads.places, width), np.int64)
        for chunk in self.reads.chunks(shard):
            reduce.count(chunk.place, chunk.events, count)
            reduce.add_up(chunk.place, chunk.code, chunk.events, bits, base, known, limbs)
        found = Places.of([count, known, limbs])
        exact.carried(found.columns[2])
        return found

    def merge(self, parts: Iterable[Places]) -> Places:
        """Everything adds up."""
        return united(parts, [np.add, np.add, np.add])

    def cells(self, merged: Places) -> Cells:
        """Sums by window."""
        frame = self.reads.frame
        count, known, limbs = (
            array.reshape(*self.frame_shape, *array.shape[1:]) for array in merged.full(self.reads.places, [0, 0, 0])
        )
        known_in, limbs_in = trailing(known, frame).ravel(), trailing(limbs, frame).reshape(-1, limbs.shape[-1])
        whole = limbs[frame.lead :].sum(axis=(0, 1), keepdims=True)[0]
        total = self._values(known[frame.lead :].sum(keepdims=True).ravel(), whole)[0]
        return cells(count, frame, lambda place: self._values(known_in[place], limbs_in[place]), total)

    def _values(self, known: np.ndarray, limbs: np.ndarray) -> list[float | None]:
        sums = exact.rounded(limbs, self._limbs[0])
        if not self.average:
            return sums
        return [total / n if n and total is not None else None for total, n in zip(sums, known.tolist(), strict=True)]


@dataclass(eq=False)
class Extreme(Flat):
    """The smallest number of a column, or the largest."""

    largest: bool = False

    @cached_property
    def _ranks(self) -> tuple[np.ndarray, np.ndarray]:
        rank, ordered = ranks(self.view, str(self.reads.column))
        if not self.largest:
            return rank, ordered
        return np.where(rank < 0, -1, len(ordered) - 1 - rank), ordered[::-1]

    def fold(self, shard: Shard) -> Places:
        """Events and the lowest rank by place."""
        rank, _ = self._ranks
        count = np.zeros(self.reads.places, np.int64)
        best = np.full(self.reads.places, np.iinfo(np.int64).max)
        for chunk in self.reads.chunks(shard):
            reduce.count(chunk.place, chunk.events, count)
            reduce.lowest(chunk.place, chunk.code, chunk.events, rank, best)
        return Places.of([count, best])

    def merge(self, parts: Iterable[Places]) -> Places:
        """The lowest of all."""
        return united(parts, [np.add, np.minimum])

    def cells(self, merged: Places) -> Cells:
        """The lowest by window."""
        frame, none = self.reads.frame, np.iinfo(np.int64).max
        count, best = (array.reshape(self.frame_shape) for array in merged.full(self.reads.places, [0, none]))
        windows = lowest(best, frame).ravel()
        total = self._values(best[frame.lead :].min(initial=none, keepdims=True).ravel())[0]
        return cells(count, frame, lambda place: self._values(windows[place]), total)

    def _values(self, best: np.ndarray) -> list[float | None]:
        _, ordered = self._ranks
        return [float(ordered[rank]) if rank < len(ordered) else None for rank in best.tolist()]


@dataclass(eq=False)
class Ended(Flat):
    """The value of a column at the first event that has one, or at the last; by time, then tie."""

    last: bool = False

    def fold(self, shard: Shard) -> Places:
        """Events, and time, tie and code of the first by place."""
        count, code = np.zeros(self.reads.places, np.int64), np.zeros(self.reads.places, np.int64)
        time, tie = (np.full(self.reads.places, np.iinfo(np.int64).max) for _ in range(2))
        for chunk in self.reads.chunks(shard, timed=True):
            reduce.count(chunk.place, chunk.events, count)
            reduce.earliest_of(
                chunk.place, chunk.code, chunk.time, chunk.tie, chunk.events, -1 if self.last else 1, time, tie, code
            )
        return Places.of([count, time, tie, code])

    def merge(self, parts: Iterable[Places]) -> Places:
        """The first of all."""
        some = list(parts)
        place = np.concatenate([part.place for part in some])
        count, time, tie, code = (np.concatenate([part.columns[i] for part in some]) for i in range(4))
        order = np.lexsort((tie, time, place))
        begins = np.flatnonzero(np.diff(place[order], prepend=-1))
        firsts = order[begins]
        events = np.add.reduceat(count[order], begins) if len(order) else count
        return Places(place[firsts], (events, time[firsts], tie[firsts], code[firsts]))

    def cells(self, merged: Places) -> Cells:
        """The first by window: that of its first interval which has one, since intervals are in order of time."""
        frame, none = self.reads.frame, np.iinfo(np.int64).max
        count, time, tie, code = merged.full(self.reads.places, [0, none, none, 0])
        count, code = count.reshape(self.frame_shape), code.reshape(self.frame_shape)
        found = self._windows(code).ravel()
        inside = np.arange(frame.lead * self.reads.size, self.reads.places)
        best = inside[np.lexsort((tie[inside], time[inside]))[:1]] if len(inside) else inside
        total = self._values(code.ravel()[best])
        return cells(count, frame, lambda place: self._values(found[place]), total[0] if total else None)

    def _windows(self, code: np.ndarray) -> np.ndarray:
        """The code of each window and group: that of its nearest interval which has one."""
        frame, places = self.reads.frame, np.arange(len(code))[:, None]
        ends = places[frame.lead :]
        starts = np.maximum(ends - frame.reach + 1, 0)
        if self.last:
            nearest = np.maximum.accumulate(np.where(code > 0, places, -1), axis=0)[frame.lead :]
        else:
            after = np.where(code > 0, places, len(code))
            nearest = np.minimum.accumulate(after[::-1], axis=0)[::-1][starts[:, 0]]
        inside = (nearest >= starts) & (nearest <= ends)
        return np.where(inside, np.take_along_axis(code, np.clip(nearest, 0, len(code) - 1), axis=0), 0)

    def _values(self, codes: np.ndarray) -> list[Any]:
        values = self.view.dictionary(str(self.reads.column))
        flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        found: list[Any] = flat.take(pa.array(codes - 1, mask=codes == 0)).to_pylist()
        return found

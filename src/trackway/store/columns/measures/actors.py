"""Measures of actors: how many there are, and statistics over them of what is worked out of each one's events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from trackway.errors import QuestionError
from trackway.model.statistic import Statistic
from trackway.store.columns.folds import entries as kernel
from trackway.store.columns.folds import exact
from trackway.store.columns.folds import trend as fold
from trackway.store.columns.measures.cells import Cells, Places, cells, united
from trackway.store.columns.measures.flat import Flat
from trackway.store.columns.measures.gathered import Chunk
from trackway.store.columns.measures.numbers import numbers
from trackway.store.columns.view import Shard

MOST_VALUES = 1 << 27
"""Values of actors in all windows together that are sorted; more are refused."""
EVENTS, MEAN = Statistic("events"), Statistic("average")
COUNTS = np.array([1.0, 2.0**53])
"""The smallest and the largest of what is counted."""


class Actors(Flat):
    """How many distinct actors: in a window as a whole, not added up over its intervals."""

    def fold(self, shard: Shard) -> tuple[Places, int]:
        """Actors by place, and how many in all."""
        frame, reads = self.reads.frame, self.reads
        arguments = reads.arguments(shard, shard.begin, shard.end)
        if frame.reach == 1:
            out = np.zeros(self.frame_shape, np.int64)
            total = fold.actors(*arguments, out, np.full(reads.size, -1, np.int64))
            return Places.of([out.ravel()]), int(total)
        steps = np.zeros((frame.intervals + 1, reads.size), np.int64)
        latest = np.full(reads.size, -1, np.int64)
        total = fold.windows(*arguments, frame.reach, frame.lead, steps, latest)
        out = np.cumsum(steps[:-1], axis=0)
        return Places.of([out.ravel()]), int(total)

    def merge(self, parts: Iterable[tuple[Places, int]]) -> tuple[Places, int]:
        """Shards have no actor in common."""
        some = list(parts)
        return united([part for part, _ in some], [np.add]), sum(total for _, total in some)

    def cells(self, merged: tuple[Places, int]) -> Cells:
        """Actors by window; where there are none, there are no events."""
        places, total = merged
        shown = places.place >= self.reads.frame.lead * self.reads.size
        place = places.place[shown] - self.reads.frame.lead * self.reads.size
        return Cells(place, places.columns[0][shown].tolist(), total, total)


@dataclass(frozen=True)
class Entries:
    """Values of actors: each holds from place `begins` until before `over`, a number of intervals later."""

    begins: np.ndarray
    over: np.ndarray
    value: np.ndarray

    @classmethod
    def joined(cls, parts: Iterable[Any]) -> Entries:
        """All of several."""
        some = [NO_ENTRIES, *parts]
        return cls(*(np.concatenate([getattr(part, name) for part in some]) for name in ("begins", "over", "value")))


NO_ENTRIES = Entries(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


@dataclass(eq=False)
class PerActor(Flat):
    """A statistic over actors of a statistic of each one's events."""

    inner: Statistic = EVENTS
    over: Statistic = MEAN

    @cached_property
    def _values(self) -> np.ndarray:
        numeric = self.reads.column is not None and self.inner.name != "distinct"
        return numbers(self.view, str(self.reads.column)) if numeric else COUNTS

    @cached_property
    def _limbs(self) -> tuple[int, int]:
        return exact.reach(self._values, spare=3)

    def fold(self, shard: Shard) -> tuple[Any, ...]:
        """Events by place, and the entries of windows and of the range; means are added up at once."""
        frame, size = self.reads.frame, self.reads.size
        count = np.zeros(self.reads.places, np.int64)
        windows, whole = [], []
        for chunk in self.reads.chunks(shard, by_actor=True):
            count += np.bincount(chunk.place[: chunk.events], minlength=len(count))
            place, number, ends = self._numbered(chunk)
            windows.append(self._entries(place, number, ends, size, frame.lead, frame.reach, frame.intervals))
            if frame.lead:
                place, number, ends = _those(place >= frame.lead * size, place, number, ends)
            whole.append(self._entries(np.zeros(len(place), np.int64), number, ends, 1, 0, 1, 1))
        return (
            Places.of([count]),
            self._partial(Entries.joined(windows), (frame.intervals + 1) * size),
            self._partial(Entries.joined(whole), 2),
        )

    def _numbered(self, chunk: Chunk) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Place and number of the events that say something of their actor, and where each actor's end.

        The number is that of their column, or where codes are told apart, the code.
        """
        place, code = chunk.place[: chunk.events], chunk.code[: chunk.events]
        if self.inner.name == "events":
            return place, np.zeros(len(place)), chunk.ends
        if self.inner.name == "distinct":
            return place, code.astype(np.float64), chunk.ends
        number = self._values.take(code)
        finite = np.isfinite(number)
        if self.inner.name == "sum" or finite.all():
            return place, number, chunk.ends
        return _those(finite, place, number, chunk.ends)

    def _entries(self, place: np.ndarray, number: np.ndarray, ends: np.ndarray, *windows: int) -> Entries:
        share = self.inner.share
        top, bottom = (share.numerator, share.denominator) if share else (1, 1)
        begins, over = (np.empty(2 * len(place), np.int64) for _ in range(2))
        value = np.empty(2 * len(place))
        n = kernel.entries(place, number, ends, KINDS[self.inner.name], top, bottom, *windows, begins, over, value)
        return Entries(begins[:n].copy(), over[:n].copy(), value[:n].copy())

    def _partial(self, found: Entries, places: int) -> Entries | Places:
        if self.over.name != "average":
            return found
        base, width = self._limbs
        known, limbs = np.zeros(places, np.int64), np.zeros((places, width), np.int64)
        kernel.add_up(found.begins, found.over, found.value, base, known, limbs)
        touched = np.flatnonzero(known | limbs.any(axis=1))
        return Places(touched, (known[touched], exact.carried(limbs[touched])))

    def merge(self, parts: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
        """Shards have no actor in common."""
        counts, *found = zip(*parts, strict=True)
        if self.over.name == "average":
            return united(counts, [np.add]), *(united(part, [np.add, np.add]) for part in found)
        return united(counts, [np.add]), *(Entries.joined(part) for part in found)

    def cells(self, merged: tuple[Any, ...]) -> Cells:
        """The statistic by window."""
        counts, windows, whole = merged
        frame, size = self.reads.frame, self.reads.size
        count = counts.full(self.reads.places, [0])[0].reshape(self.frame_shape)
        of = self._averages if self.over.name == "average" else self._ordered
        by_window = of(windows, frame.intervals, size)
        first = frame.lead * size
        total = of(whole, 1, 1)(np.zeros(1, np.int64))[0]
        return cells(count, frame, lambda place: by_window(place + first), total)

    def _averages(self, found: Places, intervals: int, size: int) -> Any:
        known, limbs = (
            np.cumsum(array.reshape(intervals + 1, size, *array.shape[1:]), axis=0)
            for array in found.full((intervals + 1) * size, [0, 0])
        )
        known, limbs = known.ravel(), limbs.reshape(-1, limbs.shape[-1])

        def values(place: np.ndarray) -> list[float | None]:
            sums = exact.rounded(limbs[place], self._limbs[0])
            pairs = zip(sums, known[place].tolist(), strict=True)
            return [total / n if n and total is not None else None for total, n in pairs]

        return values

    def _ordered(self, found: Entries, intervals: int, size: int) -> Any:
        steps = np.zeros((intervals + 1) * size, np.int64)
        np.add.at(steps, found.begins, 1)
        np.add.at(steps, found.over, -1)
        known = np.cumsum(steps.reshape(intervals + 1, size), axis=0)[:-1].ravel()
        starts = np.concatenate([[0], np.cumsum(known)])
        if starts[-1] > MOST_VALUES:
            raise QuestionError(
                f"{starts[-1]:,} values of actors in all windows", path="every", hint="choose a longer interval"
            )
        values = np.empty(starts[-1])
        kernel.spread(found.begins, found.over, found.value, size, starts, values)
        kernel.order(starts, values)
        return lambda places: [
            nearest_rank(values[starts[place] : starts[place + 1]], self.over) for place in places.tolist()
        ]


KINDS = {
    "events": kernel.EVENTS, "sum": kernel.SUM, "average": kernel.AVERAGE, "min": kernel.LOW, "max": kernel.HIGH,
    "quantile": kernel.QUANTILE, "distinct": kernel.DISTINCT,
}  # fmt: skip


def _those(
    mine: np.ndarray, place: np.ndarray, number: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Some of the events, and where each actor's end then."""
    return place[mine], number[mine], np.concatenate([[0], np.cumsum(mine)])[ends]


def nearest_rank(ordered: np.ndarray, statistic: Statistic) -> float | None:
    """A statistic of ascending numbers: `min max`, or a quantile by nearest rank, the median the mean of the middle."""
    n = len(ordered)
    if n == 0:
        return None
    if statistic.share is None:
        return float(ordered[0 if statistic.name == "min" else -1])
    if statistic.is_median:
        low, high = ordered[(n - 1) // 2], ordered[n // 2]
        return float(low if low == high else (low + high) / 2)
    return float(ordered[-(-n * statistic.share.numerator // statistic.share.denominator) - 1])

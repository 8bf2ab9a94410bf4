"""Values by window and group, and how partials by interval become windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trackway.errors import QuestionError
from trackway.store.columns.measures.frame import Frame

MOST_CELLS = 1 << 25
"""Numbers kept at once for all intervals and groups; more are refused."""


@dataclass(frozen=True)
class Cells:
    """The windows and groups that have events: `place` is the shown interval times groups plus group, ascending."""

    place: np.ndarray
    value: list[Any]
    total: Any
    """The measure of the whole range."""
    events: int
    """Events in the whole range."""


@dataclass(frozen=True)
class Places:
    """A partial: some numbers for each interval and group that has events; the first is how many."""

    place: np.ndarray
    columns: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, columns: Sequence[np.ndarray]) -> Places:
        """The places of full arrays that have events."""
        place = np.flatnonzero(columns[0])
        return cls(place, tuple(column[place] for column in columns))

    def full(self, size: int, fills: Sequence[Any]) -> list[np.ndarray]:
        """Full arrays again, with these numbers where nothing is."""
        out = []
        for column, fill in zip(self.columns, fills, strict=True):
            array = np.full((size, *column.shape[1:]), fill, column.dtype)
            array[self.place] = column
            out.append(array)
        return out


def united(parts: Iterable[Places], how: Sequence[np.ufunc]) -> Places:
    """Partials put together, each column in its way; in every order the same. Places ascend in every partial."""
    some = list(parts)
    place = _every([part.place for part in some])
    out = []
    for number, join in enumerate(how):
        column = some[0].columns[number]
        start = 0 if join is np.add else np.iinfo(column.dtype).max
        array = np.full((len(place), *column.shape[1:]), start, column.dtype)
        for part in some:
            at = np.searchsorted(place, part.place)
            array[at] = join(array[at], part.columns[number])
        out.append(array)
    return Places(place, tuple(out))


def _every(places: Sequence[np.ndarray]) -> np.ndarray:
    """All places of some ascending ones, ascending."""
    seen = np.zeros(max((int(place[-1]) + 1 for place in places if len(place)), default=0), np.bool_)
    for place in places:
        seen[place] = True
    return np.flatnonzero(seen)


def trailing(array: np.ndarray, frame: Frame) -> np.ndarray:
    """Sums over the windows of numbers by interval (the first axis)."""
    if frame.reach == 1:
        return array[frame.lead :]
    ends = np.arange(frame.lead, frame.intervals) + 1
    sums = np.concatenate([np.zeros_like(array[:1]), np.cumsum(array, axis=0)])
    return np.asarray(sums[ends] - sums[np.maximum(ends - frame.reach, 0)])


def lowest(array: np.ndarray, frame: Frame) -> np.ndarray:
    """The smallest in the windows of numbers by interval (the first axis)."""
    if frame.reach >= frame.intervals:
        return np.asarray(np.minimum.accumulate(array, axis=0)[frame.lead :])
    out, width = array.copy(), 1
    while width < frame.reach:
        step = min(width, frame.reach - width)
        out[step:] = np.minimum(out[step:], out[:-step].copy())
        width += step
    return np.asarray(out[frame.lead :])


def refuse(cells: int, frame: Frame, size: int) -> None:
    """Raises QuestionError for more numbers than can be kept at once."""
    if cells > MOST_CELLS:
        raise QuestionError(
            f"{size:,} groups in {frame.intervals:,} intervals", path="top", hint="set top, or choose a longer interval"
        )


def cells(count: np.ndarray, frame: Frame, value: Callable[[np.ndarray], list[Any]], total: Any) -> Cells:
    """The cells of a measure: `value` gives those of the places that have events, `count` is by interval and group."""
    events = int(count[frame.lead :].sum())
    place = np.flatnonzero(trailing(count, frame))
    return Cells(place, value(place), total, events)

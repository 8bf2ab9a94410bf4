"""How many distinct values a column has, in each window as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from trackway.store.columns.folds import reduce
from trackway.store.columns.measures.cells import Cells, Places, cells, united
from trackway.store.columns.measures.flat import Flat
from trackway.store.columns.view import Shard

MARKS = 1 << 26
"""Combinations of group, value and interval that are marked in an array; of more, those that occur are sorted."""


class Distinct(Flat):
    """Distinct values. A combination is one number: group, code and interval, in this order."""

    @cached_property
    def _codes(self) -> int:
        return len(self.view.dictionary(str(self.reads.column))) + 1

    def fold(self, shard: Shard) -> tuple[Places, np.ndarray]:
        """Events by place, and the combinations that occur, ascending."""
        count = np.zeros(self.reads.places, np.int64)
        found = [np.zeros(0, np.int64)]
        intervals = self.reads.frame.intervals
        for chunk in self.reads.chunks(shard):
            reduce.count(chunk.place, chunk.events, count)
            key = np.empty(chunk.events, np.int64)
            n = reduce.keyed(chunk.place, chunk.code, chunk.events, self.reads.size, self._codes, intervals, key)
            found.append(self._once([key[:n]]) if self._codes * self.reads.places > MARKS else key[:n])
        return Places.of([count]), self._once(found)

    def _once(self, parts: Iterable[np.ndarray]) -> np.ndarray:
        """Each combination once, ascending."""
        some = list(parts)
        if self._codes * self.reads.places > MARKS:
            return np.unique(np.concatenate(some))
        marks = np.zeros(self._codes * self.reads.places, np.bool_)
        for part in some:
            reduce.mark(part, marks)
        return np.flatnonzero(marks)

    def merge(self, parts: Iterable[tuple[Places, np.ndarray]]) -> tuple[Places, np.ndarray]:
        """Each combination once."""
        some = list(parts)
        return united([places for places, _ in some], [np.add]), self._once(key for _, key in some)

    def cells(self, merged: tuple[Places, np.ndarray]) -> Cells:
        """Distinct values by window: each counts from its interval until its window is over or it comes again."""
        places, key = merged
        frame, size = self.reads.frame, self.reads.size
        pair, interval = np.divmod(key, frame.intervals)
        group = pair // self._codes
        before = np.where(np.diff(pair, prepend=-1) == 0, np.concatenate([[0], interval[:-1]]) + frame.reach, 0)
        over = np.minimum(interval + frame.reach, frame.intervals)
        begins = np.minimum(np.maximum(before, interval), over)
        steps = np.zeros((frame.intervals + 1) * size, np.int64)
        np.add.at(steps, begins * size + group, 1)
        np.add.at(steps, over * size + group, -1)
        windows = np.cumsum(steps.reshape(-1, size), axis=0)[frame.lead : -1].ravel()
        count = places.full(self.reads.places, [0])[0].reshape(self.frame_shape)
        total = len(np.unique(pair[interval >= frame.lead] % self._codes))
        return cells(count, frame, lambda place: windows[place].tolist(), total)

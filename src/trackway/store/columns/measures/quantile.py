"""Quantiles by place: exact, by counting one digit of the ranks after the other.

Every pass over the events finds the next digit of the wanted rank in each window and group, so that nothing has
to be sorted or kept. A thousand distinct numbers take one pass, a million two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from trackway.model.statistic import Statistic
from trackway.store.columns.folds import reduce
from trackway.store.columns.measures.cells import Cells, Places, cells, refuse, trailing, united
from trackway.store.columns.measures.flat import Flat
from trackway.store.columns.measures.numbers import ranks
from trackway.store.columns.view import Shard

COUNTERS = 1 << 20
"""Counters of one pass and target, as far as slots allow."""
LEAST, MOST = 4, 14
"""Bits of a digit."""


def digits(slots: int, numbers: int) -> tuple[int, list[int]]:
    """Bits of a digit, and how far above the lowest bit of a rank each digit begins, the highest first."""
    most = min(MOST, max(LEAST, (COUNTERS // max(1, slots)).bit_length() - 1))
    length = max(1, numbers.bit_length())
    passes = -(-length // most)
    width = -(-length // passes)
    return width, [width * place for place in range(passes - 1, -1, -1)]


@dataclass(frozen=True)
class Selection:
    """A partial. Of each slot and target, some digits of the wanted rank are known, the next one is counted."""

    count: Places
    """Events."""
    digits: np.ndarray
    """Counts by slot, target and digit."""
    step: int
    """How many digits are known."""
    prefix: np.ndarray
    """These digits."""
    position: np.ndarray
    """Which of the ranks that begin with them is wanted."""
    known: np.ndarray
    """Numbers in each slot."""


@dataclass(eq=False)
class Quantile(Flat):
    """A quantile of a column's numbers."""

    statistic: Statistic = field(default_factory=lambda: Statistic("quantile"))
    bound: int = 1
    """Most groups there can be, by which the passes are laid out."""
    state: Selection | None = None
    """What is known from the passes before."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._rank, self._ordered = ranks(self.view, str(self.reads.column))
        slots = self.reads.frame.shown * self.reads.size + 1
        self._width, self._begins = digits(self.reads.frame.shown * self.bound + 1, len(self._ordered))
        self.passes = len(self._begins)
        shape = (slots, 2 if self.statistic.is_median else 1)
        refuse(shape[0] * shape[1] << self._width, self.reads.frame, self.reads.size)
        none = np.zeros(shape, np.int64)
        self._known = self.state or Selection(Places(none[:0, 0], (none[:0, 0],)), none, 0, none, none, none[:, 0])

    def after(self, found: Selection) -> Quantile:
        """The same with one more digit known."""
        return replace(self, state=self._next(found))

    def _next(self, found: Selection) -> Selection:
        """With one more digit known."""
        known, position = found.known, found.position
        if found.step == 0:
            known = found.digits[:, 0].sum(axis=1)
            position = self._positions(known)
        below = np.cumsum(found.digits, axis=2)
        digit = np.minimum((below <= position[:, :, None]).sum(axis=2), found.digits.shape[2] - 1)
        before = np.take_along_axis(below, np.maximum(digit - 1, 0)[:, :, None], axis=2)[:, :, 0]
        prefix = (found.prefix << self._width) | digit
        return replace(
            found, step=found.step + 1, prefix=prefix, position=position - np.where(digit > 0, before, 0), known=known
        )

    def _positions(self, known: np.ndarray) -> np.ndarray:
        if self.statistic.is_median:
            return np.stack([(known - 1) // 2, known // 2], axis=1)
        share = self.statistic.share or Fraction(1)
        return np.asarray(-(-known * share.numerator // share.denominator) - 1)[:, None]

    def fold(self, shard: Shard) -> Selection:
        """Counts of the next digit."""
        frame, size, state = self.reads.frame, self.reads.size, self._known
        if state.step == 0:
            return self._first(shard)
        out = np.zeros((*state.prefix.shape, 1 << self._width), np.int32)
        for chunk in self.reads.chunks(shard):
            reduce.ranked(
                chunk.place, chunk.code, chunk.events, self._rank, size, frame.lead, frame.reach, frame.intervals,
                state.prefix, self._begins[state.step - 1], self._begins[state.step], out,
            )  # fmt: skip
        return replace(state, digits=out)

    def _first(self, shard: Shard) -> Selection:
        """Counts of the first digit: nothing is known yet, so windows and the whole are sums of intervals."""
        frame = self.reads.frame
        count = np.zeros(self.reads.places, np.int64)
        places = np.zeros((self.reads.places, 1 << self._width), np.int32)
        for chunk in self.reads.chunks(shard):
            reduce.count(chunk.place, chunk.events, count)
            reduce.leading(chunk.place, chunk.code, chunk.events, self._rank, self._begins[0], places)
        intervals = places.reshape(*self.frame_shape, -1)
        windows = trailing(intervals, frame).reshape(-1, places.shape[1])
        whole = intervals[frame.lead :].sum(axis=(0, 1), dtype=np.int32)
        digits = np.repeat(np.concatenate([windows, whole[None]])[:, None], self._known.prefix.shape[1], axis=1)
        return replace(self._known, count=Places.of([count]), digits=digits)

    def merge(self, parts: Iterable[Selection]) -> Selection:
        """Counts add up; what was known before is the same in all."""
        some = list(parts)
        count = united([part.count for part in some], [np.add]) if some[0].step == 0 else some[0].count
        return replace(some[0], count=count, digits=np.add.reduce([part.digits for part in some], dtype=np.int64))

    def cells(self, merged: Selection) -> Cells:
        """The quantile by window."""
        frame, found = self.reads.frame, self._next(merged)
        count = merged.count.full(self.reads.places, [0])[0].reshape(self.frame_shape)
        total = self._values(found, np.array([len(found.known) - 1]))[0]
        return cells(count, frame, lambda place: self._values(found, place), total)

    def _values(self, found: Selection, slots: np.ndarray) -> list[float | None]:
        if not len(self._ordered):
            return [None] * len(slots)
        last = len(self._ordered) - 1
        low, high = (self._ordered[np.minimum(found.prefix[slots, target], last)] for target in (0, -1))
        mean = np.where(low == high, low, (low + high) / 2)
        return [value if n else None for value, n in zip(mean.tolist(), found.known[slots].tolist(), strict=True)]

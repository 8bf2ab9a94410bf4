"""Metrics over columns: a fold gives one number or code for each actor, or for each session."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import ConditionError
from trackway.model.measure import ZERO
from trackway.model.time import MICROS, Duration, intervals
from trackway.store.columns import lanes
from trackway.store.columns.folds import measures as fold
from trackway.store.columns.lanes import Mask, nothing, over, times
from trackway.store.columns.masks import Masks
from trackway.store.columns.view import View
from trackway.store.derived.coding import NO_BASE, Built, coded, over_shards
from trackway.store.derived.virtual import Metric

MODES = {
    "count": fold.COUNT, "sum": fold.SUM, "average": fold.SUM, "min": fold.MIN, "max": fold.MAX, "first": fold.FIRST,
    "last": fold.LAST, "first_time": fold.FIRST_TIME, "last_time": fold.LAST_TIME, "seconds": fold.SECONDS,
}  # fmt: skip
LARGEST = 2.0**63
MOST_DAYS = 1_000_000


def measure(view: View, one: Metric, number: Built | None, zone: str) -> tuple[np.ndarray, pa.ChunkedArray]:
    """The code of each actor or session, and the values. Raises ConditionError for a sum that is too large."""
    work = _Work(view, one, number, zone)
    places = view.actors if number is None else int(work.base[-1])
    n = np.zeros(places, np.int64)
    if one.measure in ("distinct", "active_days"):
        work.distinct(n)
        return coded(pa.array(n))
    table = work.table()
    out = np.zeros(places, table.dtype if one.measure in ("sum", "average") else np.int64)
    work.measured(table, n, out)
    if one.measure in ("min", "max", "first", "last"):
        codes = out if one.measure in ("first", "last") else work.ranked(out)
        return np.where(n == 0, 0, codes).astype(np.uint32), view.dictionary(one.of or "")
    if one.measure == "sum" and table.dtype == np.int64:
        work.refuse_overflow(table, n)
    missing = None if one.measure in ZERO else n == 0
    found = {"count": n, "average": out / np.maximum(n, 1) + 0.0, "seconds": out / MICROS}.get(one.measure, out)
    return coded(pa.array(found, mask=missing))


class _Work:
    """What all shards of one metric share."""

    def __init__(self, view: View, one: Metric, number: Built | None, zone: str) -> None:
        self.view, self.one, self.zone = view, one, zone
        self.mask = Mask(nothing(view), nothing(view))
        if one.where is not None:
            self.mask = Masks(view, zone).mask([one.where], None)
        self.base = NO_BASE if number is None or number.base is None else number.base
        self.numbers = nothing(view) if number is None else over(number.arrays, NO_BASE)
        self.start = one.range.start if one.range.start is not None else -(1 << 62)
        self.stop = one.range.end if one.range.end is not None else 1 << 62
        self.order = np.zeros(0, np.int64)

    @property
    def cut(self) -> bool:
        """Whether there are events outside the range."""
        return self.start > (self.view.oldest or 0) or self.stop <= (self.view.newest or 0)

    def table(self) -> np.ndarray:
        """What each code adds, or how it ranks; empty when no column is measured."""
        one = self.one
        if one.of is None:
            return np.zeros(0, np.int64)
        values = self.view.dictionary(one.of)
        if one.measure in ("sum", "average"):
            kind = np.int64 if one.kind == "integer" else np.float64
            return np.concatenate([np.zeros(1, kind), values.to_numpy().astype(kind)])
        if one.measure in ("min", "max"):
            flat = values.cast(pa.uint8()) if pa.types.is_boolean(values.type) else values
            self.order = pc.sort_indices(flat).to_numpy()
            rank = np.zeros(len(self.order) + 1, np.int64)
            rank[self.order + 1] = np.arange(len(self.order))
            return rank
        return np.arange(len(values) + 1)

    def ranked(self, ranks: np.ndarray) -> np.ndarray:
        """The codes of ranks."""
        return self.order[ranks].astype(np.int64) + 1 if len(self.order) else ranks

    def measured(self, table: np.ndarray, n: np.ndarray, out: np.ndarray) -> None:
        """Fold every shard."""
        view, time = self.view, times(self.view)
        value = nothing(view) if self.one.of is None else over(view.column(self.one.of), NO_BASE)
        mode = MODES[self.one.measure]
        over_shards(view, lambda shard: fold.measured(
            view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *self.mask.parts,
            self.numbers.addresses, self.numbers.like, self.base, value.addresses, value.like, table,
            time.addresses, time.like, self.start, self.stop, self.cut, mode, n, out,
        ))  # fmt: skip

    def refuse_overflow(self, table: np.ndarray, n: np.ndarray) -> None:
        """Raise ConditionError for a sum of whole numbers that is none any more."""
        if np.abs(table.astype(np.float64)).max(initial=0) * n.max(initial=0) < LARGEST:
            return
        again = np.zeros(len(n), np.float64)
        self.measured(table.astype(np.float64), np.zeros(len(n), np.int64), again)
        if np.abs(again).max(initial=0) >= LARGEST:
            raise ConditionError(f"the sum of {self.one.of} is beyond whole numbers", hint="cast it to double")

    def distinct(self, n: np.ndarray) -> None:
        """Fold every shard, counting different values or days."""
        view, time = self.view, times(self.view)
        words = self._words()
        most = int(words[3].max(initial=0)) + 1

        def work(shard: Any) -> None:
            fold.distinct(
                view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *self.mask.parts,
                self.numbers.addresses, self.numbers.like, self.base, *words,
                time.addresses, time.like, self.start, self.stop, self.cut, np.full(most, -1, np.int64), n,
            )  # fmt: skip

        over_shards(view, work)

    def _words(self) -> tuple[np.ndarray, ...]:
        """Addresses, type, shift and table of what is told apart: values, or days of the calendar, from 1."""
        view = self.view
        if self.one.of is not None:
            codes = over(view.column(self.one.of), NO_BASE)
            table = np.arange(len(view.dictionary(self.one.of)) + 1, dtype=np.uint32)
            return codes.addresses, codes.like, np.zeros(len(view.runs), np.int64), table
        first, last = view.oldest or 0, (view.newest or 0) + 1
        edges = intervals(first, last, Duration("1d"), self.zone, MOST_DAYS)
        days = self.days = lanes.intervals(view, np.array(edges))
        return days.addresses, days.like, days.shift, days.table.astype(np.uint32) + np.uint32(1)

"""Derived columns as codes, kept for the view as long as there is room.

A column of actors or of sessions is worked out once for each of them and then given to their events; a value
of one column once for each of its values, of several once for each combination, and row by row only where
there is nothing to share.
"""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.model.schema import Schema
from trackway.store.columns.evaluate import evaluate
from trackway.store.columns.folds import sessions as fold
from trackway.store.columns.groups import DENSE, groups
from trackway.store.columns.lanes import nothing, over, times
from trackway.store.columns.masks import CHUNK, Masks, look_up
from trackway.store.columns.run import width
from trackway.store.columns.view import View
from trackway.store.derived.coding import (
    NO_BASE,
    Built,
    booleans,
    coded,
    coded_parts,
    empty,
    encode,
    over_shards,
    spread,
    taken,
)
from trackway.store.derived.kinds import typed
from trackway.store.derived.measuring import measure
from trackway.store.derived.virtual import ACTOR, EVENT, Listed, Metric, Number, Position, Steps, Value, Virtual

MOST_BYTES = 1 << 30
"""Bytes of derived columns a view keeps, the latest used."""
MOST_MEMOS = 32
"""Sets of names whose masks and groups a view keeps."""
MOST_VALUES = 1 << 21
"""Distinct values of events or sessions from which on a column is not worth its codes: the lake answers then."""


@dataclass
class Kept:
    """What a view keeps of derived columns, the latest used last."""

    columns: OrderedDict[str, Built | None] = field(default_factory=OrderedDict)
    memos: OrderedDict[Any, dict[Any, Any]] = field(default_factory=OrderedDict)

    def memo(self, key: Any) -> dict[Any, Any]:
        """The memory of a view with these names."""
        found = self.memos.setdefault(key, {})
        self.memos.move_to_end(key)
        while len(self.memos) > MOST_MEMOS:
            self.memos.popitem(last=False)
        return found

    def add(self, key: str, made: Built | None) -> None:
        """Keep a column, and forget those not used for longest when there are too many."""
        self.columns[key] = made
        total = sum(each.size for each in self.columns.values() if each is not None)
        while total > MOST_BYTES and len(self.columns) > 1:
            _, gone = self.columns.popitem(last=False)
            total -= 0 if gone is None else gone.size


def derive(view: View, closure: Sequence[Virtual], schema: Schema, zone: str) -> View | None:
    """The same view with derived columns, in an order in which each follows those it reads.

    None when one has too many values to be kept as codes. Raises ConditionError when one does not fit its values.
    """
    kept: Kept = view.once("derived", Kept)
    with view._lock:  # noqa: SLF001 - one question at a time works columns out
        memo = kept.memo(tuple((one.name, one.key) for one in closure))
        found: dict[str, Built] = {}
        wider = replace(view, schema=schema, derived=found, _memo=memo)
        for one in closure:
            if one.key in kept.columns:
                made = kept.columns[one.key]
                kept.columns.move_to_end(one.key)
            else:
                made = _Work(wider, found, zone).make(one)
                kept.add(one.key, made)
            if made is None:
                return None
            found[one.name] = made
    return wider


@dataclass(frozen=True)
class _Work:
    """Working out one column of a view that has those it reads."""

    view: View
    found: dict[str, Built]
    zone: str

    def make(self, one: Virtual) -> Built | None:
        if isinstance(one, Value):
            return self._value(one)
        if isinstance(one, Metric):
            number = None if one.number is None else self.found[one.number]
            return self._given(*measure(self.view, one, number, self.zone), number)
        if isinstance(one, Number):
            return self._numbered(one)
        if isinstance(one, Position):
            return self._positions(one)
        if isinstance(one, Steps):
            return self._given(*booleans(self._taken(one)), None)
        assert isinstance(one, Listed)  # noqa: S101 - there are six kinds
        listed = pc.is_in(self.view.dictionary("actor"), value_set=one.ids).combine_chunks()
        table = np.append(False, listed.to_numpy(zero_copy_only=False))
        return self._given(*booleans(table[self.view.codes]), None)

    def _given(self, each: np.ndarray, values: pa.ChunkedArray, number: Built | None) -> Built:
        """A column of actors or sessions."""
        return Built(spread(self.view, each, number), values, each, sessions=number is not None)

    # ── values ──────────────────────────────────────────────────────────────────────────────────────

    def _value(self, one: Value) -> Built | None:
        if one.scope != EVENT:
            return self._of_each(one)
        if len(one.reads) == 1 and one.reads[0] != "time":
            name = one.reads[0]
            codes = np.arange(len(self.view.dictionary(name)) + 1)
            return self._looked_up(one, {name: codes}, self.view.column(name), len(codes))
        if "time" not in one.reads:
            sizes = [len(self.view.dictionary(name)) + 1 for name in one.reads]
            if math.prod(sizes) <= DENSE:
                return self._by_combination(one, sizes)
        return self._by_row(one)

    def _of_each(self, one: Value) -> Built | None:
        """Once for each actor or session."""
        number = None if one.scope == ACTOR else self.found[f"{one.scope.removeprefix('session ')}.number"]
        codes = {name: self._each(name, number) for name in one.reads}
        size = self.view.actors if number is None or number.base is None else int(number.base[-1])
        each, values = coded(self._evaluated(one, codes, size))
        if number is not None and len(values) > MOST_VALUES:
            return None
        return self._given(each, values, number)

    def _each(self, name: str, number: Built | None) -> np.ndarray:
        """The code of a column for each actor, or for each session."""
        built = self.found.get(name)
        each = self.view.codes if built is None else built.each
        assert each is not None  # noqa: S101 - by its scope
        if number is None or number.base is None or (built is not None and built.sessions):
            return each
        return np.repeat(each, np.diff(number.base))

    def _by_combination(self, one: Value, sizes: Sequence[int]) -> Built | None:
        """Once for each combination of values that occurs."""
        numbers = groups(self.view, one.reads).arrays
        seen = np.zeros(math.prod(sizes), np.bool_)
        for array in numbers:
            seen[array] = True
        places = np.flatnonzero(seen)
        rest, codes = places, dict[str, np.ndarray]()
        for name, size in zip(reversed(one.reads), reversed(sizes), strict=True):
            rest, codes[name] = np.divmod(rest, size)
        return self._looked_up(one, codes, numbers, len(seen), places)

    def _looked_up(
        self, one: Value, codes: dict[str, np.ndarray], arrays: Sequence[np.ndarray], size: int,
        places: np.ndarray | None = None,
    ) -> Built | None:  # fmt: skip
        """The value of each event by a number it has: one of `size`, or of those `places`."""
        whole = next(iter(codes.values()))
        found, values = coded(self._evaluated(one, codes, len(whole)))
        if len(values) > MOST_VALUES:
            return None
        table = np.zeros(size, width(int(found.max(initial=0))))
        table[slice(None) if places is None else places] = found
        out = empty(self.view, int(found.max(initial=0)))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda pair: look_up(pair[0], table, pair[1]), zip(arrays, out, strict=True)))
        return Built(out, values)

    def _by_row(self, one: Value) -> Built | None:
        """For every event by itself."""
        places = [(run, lo) for run, rows in enumerate(self.view.runs) for lo in range(0, rows.rows, CHUNK)]
        columns = {name: self.view.column(name) for name in one.reads if name != "time"}

        def work(place: tuple[int, int]) -> pa.DictionaryArray:
            run, lo = place
            part = slice(lo, lo + CHUNK)
            codes = {name: arrays[run][part] for name, arrays in columns.items()}
            moments = self.view.runs[run].time[part] if "time" in one.reads else None
            rows = self.view.runs[run].time[part]
            return encode(self._evaluated(one, codes, len(rows), moments))

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            parts = list(pool.map(work, places))
        found, values = coded_parts(parts)
        if len(values) > MOST_VALUES:
            return None
        out = empty(self.view, len(values))
        for (run, lo), part in zip(places, found, strict=True):
            out[run][lo : lo + CHUNK] = part
        return Built(out, values)

    def _evaluated(
        self, one: Value, codes: dict[str, np.ndarray], size: int, moments: np.ndarray | None = None
    ) -> pa.ChunkedArray:
        """The expression for columns given by their codes."""
        names = {name: f"v{index}" for index, name in enumerate(codes)}
        table = {names[name]: taken(self.view.dictionary(name), part) for name, part in codes.items()}
        if moments is not None:
            names["time"], table["time"] = "time", pa.array(moments)
        rows = pa.table(table or {"v": pa.nulls(size)})
        sql = typed(one.tree.sql(dialect="duckdb"), one.kind)
        return evaluate(rows, names, sql, schema=self.view.schema, zone=self.zone, shown=one.tree.sql("duckdb"))

    # ── sessions and sequences ──────────────────────────────────────────────────────────────────────

    def _numbered(self, one: Number) -> Built:
        view = self.view
        asked = {fold.INSIDE: one.where, fold.START: one.start, fold.END: one.end}
        given = [bit for bit, tree in asked.items() if bit == fold.INSIDE or tree is not None]
        mask = Masks(view, self.zone).mask([asked[bit] for bit in given], None)
        inside, start, end = (1 << given.index(bit) if bit in given else 0 for bit in asked)
        change = nothing(view) if one.change is None else over(view.column(one.change), NO_BASE)
        timeout, time = -1 if one.timeout is None else one.timeout, times(view)
        sessions = np.zeros(view.actors, np.int64)

        def cut(arrays: list[np.ndarray], *, write: bool) -> None:
            out = over(arrays, NO_BASE)
            over_shards(view, lambda shard: fold.numbered(
                view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *mask.parts, inside, start, end,
                change.addresses, change.like, one.change is not None, time.addresses, time.like, timeout,
                out.addresses, out.like, write, sessions,
            ))  # fmt: skip

        cut([np.zeros(0, np.uint8) for _ in view.runs], write=False)
        most = int(sessions.max(initial=0))
        arrays = empty(view, most)
        cut(arrays, write=True)
        base = np.concatenate([[0], np.cumsum(sessions)])
        each = (np.arange(base[-1]) - np.repeat(base[:-1], sessions) + 1).astype(np.uint32)
        return Built(arrays, pa.chunked_array([pa.array(np.arange(1, most + 1))]), each, base, sessions=True)

    def _positions(self, one: Position) -> Built:
        view, numbers = self.view, over(self.found[one.number].arrays, NO_BASE)
        arrays = [np.zeros(run.rows, np.uint32) for run in view.runs]
        out = over(arrays, NO_BASE)
        most = []
        over_shards(view, lambda shard: most.append(fold.positions(
            view.first, view.run, view.lo, view.hi, shard.begin, shard.end,
            numbers.addresses, numbers.like, out.addresses, out.like,
        )))  # fmt: skip
        largest = max(most, default=0)
        narrow = [array.astype(width(largest)) for array in arrays]
        return Built(narrow, pa.chunked_array([pa.array(np.arange(1, largest + 1))]))

    def _taken(self, one: Steps) -> np.ndarray:
        view, mask, time = self.view, Masks(self.view, self.zone).mask(one.steps, None), times(self.view)
        start = one.range.start if one.range.start is not None else -(1 << 62)
        stop = one.range.end if one.range.end is not None else 1 << 62
        within = -1 if one.within is None else one.within
        out = np.zeros(view.actors, np.bool_)
        over_shards(view, lambda shard: fold.taken(
            view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *mask.parts, time.addresses, time.like,
            start, stop, True, within, len(one.steps), out,
        ))  # fmt: skip
        return out

"""Derived columns as codes, kept for the view as long as there is room.

A column of actors or of sessions is worked out once for each of them and then given to their events; a value
of one column once for each of its values, of several once for each combination, and row by row only where
there is nothing to share.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import ConditionError
from trackway.model.automaton import automaton
from trackway.model.schema import Schema
from trackway.store.columns.context import Span
from trackway.store.columns.folds import sessions as fold
from trackway.store.columns.lanes import Mask, nothing, over, times
from trackway.store.columns.masks import Masks
from trackway.store.columns.matching import Matches, matches
from trackway.store.columns.run import width
from trackway.store.columns.view import Shard, View
from trackway.store.derived.coding import (
    NO_BASE,
    Built,
    booleans,
    empty,
    given,
    over_shards,
)
from trackway.store.derived.looked import Lookups
from trackway.store.derived.measuring import measure
from trackway.store.derived.values import Values
from trackway.store.derived.virtual import Listed, Looked, Matched, Metric, Number, Position, Steps, Value, Virtual

MOST_BYTES = 1 << 30
"""Bytes of derived columns a view keeps, the latest used."""
MOST_MEMOS = 32
"""Sets of names whose masks and groups a view keeps."""


FEW = int(np.iinfo(np.uint16).max)
"""Sessions of an actor that are numbered in the first attempt."""


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
                made = _made(_Work(wider, found, zone), one)
                kept.add(one.key, made)
            if made is None:
                return None
            found[one.name] = made
    return wider


def _made(work: _Work, one: Virtual) -> Built | None:
    """The column; an error says which it is."""
    try:
        return work.make(one)
    except ConditionError as error:
        error.path = error.path or one.name
        raise


@dataclass(frozen=True)
class _Work:
    """Working out one column of a view that has those it reads."""

    view: View
    found: dict[str, Built]
    zone: str

    def make(self, one: Virtual) -> Built | None:
        kinds: dict[type[Virtual], Callable[[Any], Built | None]] = {
            Value: Values(self.view, self.found, self.zone).make, Metric: self._measured, Number: self._numbered,
            Matched: self._matched, Position: self._positions, Steps: self._took, Listed: self._listed,
            Looked: Lookups(self.view).make,
        }  # fmt: skip
        return kinds[type(one)](one)

    def _measured(self, one: Metric) -> Built:
        number = None if one.number is None else self.found[one.number]
        return given(self.view, *measure(self.view, one, number, self.zone), number)

    def _listed(self, one: Listed) -> Built:
        listed = pc.is_in(self.view.dictionary("actor"), value_set=one.ids).combine_chunks()
        table = np.append(False, listed.to_numpy(zero_copy_only=False))
        return given(self.view, *booleans(table[self.view.codes]), None)

    def _numbered(self, one: Number) -> Built:
        view = self.view
        asked = {fold.INSIDE: one.where, fold.START: one.start, fold.END: one.end}
        given_bits = [bit for bit, tree in asked.items() if bit == fold.INSIDE or tree is not None]
        inside, starts, ends = (1 << given_bits.index(bit) if bit in given_bits else 0 for bit in asked)
        mask = Mask(nothing(view), nothing(view))
        if any(tree is not None for tree in asked.values()):
            mask = Masks(view, self.zone).mask([asked[bit] for bit in given_bits], None)
        change = nothing(view) if one.change is None else over(view.column(one.change), NO_BASE)
        timeout, time = -1 if one.timeout is None else one.timeout, times(view)
        sessions = np.zeros(view.actors, np.int64)

        def cut(arrays: list[np.ndarray], most: int) -> list[np.ndarray]:
            out = over(arrays, NO_BASE)
            over_shards(view, lambda shard: fold.numbered(
                view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *mask.parts, inside, starts, ends,
                change.addresses, change.like, one.change is not None, time.addresses, time.like, timeout,
                out.addresses, out.like, most, sessions,
            ))  # fmt: skip
            return arrays

        arrays = cut(empty(view, FEW), FEW)
        most = int(sessions.max(initial=0))
        if most > FEW:
            arrays = cut(empty(view, most), most)
        return _counted(arrays, sessions)

    def _matched(self, one: Matched) -> Built:
        view, time, found = self.view, times(self.view), dict[int, Matches]()
        mask = Masks(view, self.zone).mask([None, *one.letters.values()], one.where)
        machine, whole = automaton(one.pattern, list(one.letters)), Span(-(1 << 62), 1 << 62)
        timeout = -1 if one.timeout is None else one.timeout

        def look(shard: Shard) -> None:
            found[shard.number] = matches(shard, mask, time, machine, whole, False, timeout, one.longest, True)

        over_shards(view, look)
        flows = sum(np.bincount(part.actor, minlength=view.actors) for part in found.values())
        arrays = empty(view, int(np.max(flows, initial=0)))
        out = over(arrays, NO_BASE)

        def number(shard: Shard) -> None:
            part = found[shard.number]
            fold.spanned(view.run, view.lo, view.hi, *mask.parts, part.actor, part.begin, part.end,
                         out.addresses, out.like)  # fmt: skip

        over_shards(view, number)
        return _counted(arrays, np.asarray(flows))

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

    def _took(self, one: Steps) -> Built:
        view, mask, time = self.view, Masks(self.view, self.zone).mask(one.steps, None), times(self.view)
        start = one.range.start if one.range.start is not None else -(1 << 62)
        stop = one.range.end if one.range.end is not None else 1 << 62
        within = -1 if one.within is None else one.within
        out = np.zeros(view.actors, np.bool_)
        over_shards(view, lambda shard: fold.taken(
            view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *mask.parts, time.addresses, time.like,
            start, stop, True, within, len(one.steps), out,
        ))  # fmt: skip
        return given(view, *booleans(out), None)


def _counted(arrays: list[np.ndarray], sessions: np.ndarray) -> Built:
    """The column that numbers sessions or flows, by how many each actor has."""
    base = np.concatenate([[0], np.cumsum(sessions)])
    each = (np.arange(base[-1]) - np.repeat(base[:-1], sessions) + 1).astype(np.uint32)
    largest = int(sessions.max(initial=0))
    return Built(arrays, pa.chunked_array([pa.array(np.arange(1, largest + 1))]), each, base, sessions=True)

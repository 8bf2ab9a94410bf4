"""Several measures over several frames by groups: the largest groups are found first, then everything is measured.

The same tables come from the columns (`prepare fold merge tables`, as a query is asked) and from SQL (`reference`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from trackway.model.statistic import EVENTS, Measure
from trackway.store.columns.context import Context
from trackway.store.columns.groups import Groups, Key, groups, ranked
from trackway.store.columns.lanes import nothing
from trackway.store.columns.measures.cells import Cells, refuse
from trackway.store.columns.measures.flat import Measured
from trackway.store.columns.measures.frame import Frame
from trackway.store.columns.measures.made import Grouping, Part, measured, passes, showing
from trackway.store.columns.measures.reference import Reference, ranking
from trackway.store.columns.pile import SHARED
from trackway.store.columns.view import Shard

CELLS = 1 << 20
"""Intervals times groups counted at once, before only the largest groups are kept apart."""
RANKED = frozenset({"events", "actors", "sum"})
"""Measures whose groups are ranked by their value; of others, by their events."""


@dataclass(frozen=True)
class Table:
    """One measure over one frame."""

    values: dict[tuple[int, Key | None], Any]
    """By shown interval and group, where there are events; None is all groups that are not shown."""
    total: Any
    events: int


@dataclass(frozen=True)
class Tables:
    """All measures: `of[frame][part]`, and how many groups are not shown by themselves."""

    of: list[list[Table]]
    hidden: int


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the shards of one pass share."""

    folds: tuple[Measured, ...]
    kept: tuple[Any, ...] | None = None
    """Merged partials of the pass before; None in the first."""
    step: int = 0
    ranks: bool = False
    best: np.ndarray | None = None
    """Numbers of the groups shown, largest first; None: every group is counted by itself."""
    hidden: int = 0


@dataclass(frozen=True, eq=False)
class Found:
    """A partial of one pass; of what is done already, only a merged one has its part."""

    made: Prepared = field(metadata=SHARED)
    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Breakdown:
    """What is measured. The first frame is the one asked for: groups are ranked by it."""

    parts: tuple[Part, ...]
    frames: tuple[Frame, ...]
    names: tuple[str, ...]
    top: int | None
    context: Context

    @cached_property
    def _groups(self) -> Groups:
        return groups(self.context.columns_view, self.names)

    @property
    def _ranks_first(self) -> bool:
        """Whether the largest groups must be known before anything can be counted by them."""
        if not self.names or self.top is None or self._groups.size <= self.top:
            return False
        frame, first = self.frames[0], self.parts[0].measure
        simple = len(self.parts) == len(self.frames) == frame.reach == 1 and first == EVENTS
        return not simple or self._groups.size * frame.intervals > CELLS

    @property
    def _bound(self) -> int:
        """Most groups that are told apart."""
        if not self.names:
            return 1
        return min(self._groups.size, self.top or self._groups.size) + self._ranks_first

    def passes(self) -> int:
        """How often the events are read."""
        return self._ranks_first + passes(self.parts, self.frames, self._bound, self.context)

    # ── columns ─────────────────────────────────────────────────────────────────────────────────────

    def prepare(self, found: Found | None) -> Prepared:
        """What the next pass shares."""
        if found is None:
            return self._ranking() if self._ranks_first else self._measuring(None, 0)
        if found.made.ranks:
            return self._measuring(*self._best(found))
        made = found.made
        folds = tuple(
            fold.after(part) if fold.passes > made.step + 1 else fold
            for fold, part in zip(made.folds, found.parts, strict=True)
        )
        return replace(made, folds=folds, kept=found.parts, step=made.step + 1)

    def _ranking(self) -> Prepared:
        """Weights over the range; and the events elsewhere, whose groups come after."""
        everyone = Grouping(self._groups.lane(), self._groups.size, self._groups.size)
        weighed = self._weighed
        first, *others = self.frames
        elsewhere = [replace(frame, lead=0).whole() for frame in others]
        if first.lead:
            elsewhere.append(Frame((first.start, first.begin), first.start, first.begin))
        folds = [measured(part, first.whole(), everyone, self.context) for part in weighed]
        events = [replace(part, measure=Measure(EVENTS)) for part in self.parts]
        folds += [measured(part, frame, everyone, self.context) for frame in elsewhere for part in events]
        return Prepared(tuple(folds), ranks=True)

    @property
    def _weighed(self) -> list[Part]:
        one = self.parts[0].measure
        if len(self.parts) == 1 and one.over is None and one.inner.name in RANKED:
            return [self.parts[0]]
        return [replace(part, measure=Measure(EVENTS)) for part in self.parts]

    def _best(self, found: Found) -> tuple[np.ndarray, int]:
        """The groups shown, largest first, and how many others there are."""
        weight: dict[int, Any] = {}
        for index, (fold, part) in enumerate(zip(found.made.folds, found.parts, strict=True)):
            cells = fold.cells(part)
            counted = cells.value if index < len(self._weighed) else [0] * len(cells.value)
            for group, value in zip(cells.place.tolist(), counted, strict=True):
                weight[group] = weight.get(group, 0) + (value or 0)
        numbers = np.fromiter(weight, np.int64, len(weight))
        best = ranked(self._groups.keys(numbers), list(weight.values()))[: self.top]
        return numbers[best], len(numbers) - len(best)

    def _measuring(self, best: np.ndarray | None, hidden: int) -> Prepared:
        view = self.context.columns_view
        if not self.names:
            grouping = Grouping(nothing(view), 1, 1)
        elif best is None:
            grouping = Grouping(self._groups.lane(), self._groups.size, self._bound)
        else:
            table = np.full(self._groups.size, len(best), np.int64)
            table[best] = np.arange(len(best))
            grouping = Grouping(self._groups.lane(table), len(best) + 1, self._bound)
        for frame in self.frames:
            refuse(grouping.size * frame.intervals, frame, grouping.size)
        folds = [measured(part, frame, grouping, self.context) for frame in self.frames for part in self.parts]
        return Prepared(tuple(folds), best=best, hidden=hidden)

    @staticmethod
    def fold(shard: Shard, made: Prepared) -> Found:
        """The partial of a shard."""
        return Found(made, tuple(None if made.step >= fold.passes else fold.fold(shard) for fold in made.folds))

    @staticmethod
    def merge(partials: Iterable[Found]) -> Found:
        """Partials of one pass into one."""
        some = list(partials)
        made, kept = some[0].made, some[0].made.kept or ()
        return Found(made, tuple(
            kept[index] if made.step >= fold.passes else fold.merge([one.parts[index] for one in some])
            for index, fold in enumerate(made.folds)
        ))  # fmt: skip

    def tables(self, found: Found) -> Tables:
        """The values of a merged partial of the last pass."""
        made, hidden = found.made, found.made.hidden
        keys: list[Key | None] = [()]
        every = [fold.cells(part) for fold, part in zip(made.folds, found.parts, strict=True)]
        if self.names and made.best is not None:
            keys = [*self._groups.keys(made.best), None]
        elif self.names:
            size = self._groups.size
            seen = np.unique(np.concatenate([cells.place % size for cells in every]))
            if self.top is not None and len(seen) > self.top:
                return self._put_together(every[0])
            keys = [()] * size
            for number, key in zip(seen.tolist(), self._groups.keys(seen), strict=True):
                keys[number] = key
        tables = [self._table(cells, keys, self.parts[index % len(self.parts)]) for index, cells in enumerate(every)]
        return Tables(_rows(tables, len(self.parts)), hidden)

    def _put_together(self, cells: Cells) -> Tables:
        """Events that were counted by every group: the largest apart, all others as one."""
        interval, group = np.divmod(cells.place, self._groups.size)
        value = np.array(cells.value, np.int64)
        weight = np.bincount(group, value, minlength=self._groups.size).astype(np.int64)
        present = np.flatnonzero(weight)
        best = present[ranked(self._groups.keys(present), weight[present].tolist())[: self.top]]
        table = np.full(self._groups.size, len(best))
        table[best] = np.arange(len(best))
        place, index = np.unique(interval * (len(best) + 1) + table[group], return_inverse=True)
        total = np.bincount(index, value, minlength=len(place)).astype(np.int64)
        joined = replace(cells, place=place, value=total.tolist())
        table_ = self._table(joined, [*self._groups.keys(best), None], self.parts[0])
        return Tables([[table_]], len(present) - len(best))

    def _table(self, cells: Cells, keys: Sequence[Key | None], part: Part) -> Table:
        shown = showing(part.measure, self.context.schema, self.context.zone)
        interval, group = np.divmod(cells.place, len(keys))
        values = {
            (i, keys[g]): shown(value)
            for i, g, value in zip(interval.tolist(), group.tolist(), cells.value, strict=True)
        }
        return Table(values, shown(cells.total), cells.events)

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def references(self) -> list[Reference]:
        """The measures in SQL."""
        return [Reference(self.context.schema, part.measure, part.conditions, self.names) for part in self.parts]

    def reference(self, run: Callable[[str], pa.Table]) -> Tables:
        """The same tables from SQL alone."""
        order, hidden = "", 0
        if self.names:
            first, *others = self.frames
            ranges = [(first.begin, first.stop), *((frame.start, frame.stop) for frame in others)]
            ranges += [(first.start, first.begin)] if first.lead else []
            order = ranking(self.references(), run, ranges)
            hidden = run(f"select count(*) as n from ({order})")["n"][0].as_py()
            hidden = max(0, hidden - self.top) if self.top is not None else 0
        tables = [
            self._by_sql(reference, frame, order, run) for frame in self.frames for reference in self.references()
        ]
        return Tables(_rows(tables, len(self.parts)), hidden)

    def _by_sql(self, one: Reference, frame: Frame, order: str, run: Callable[[str], pa.Table]) -> Table:
        shown = showing(one.measure, self.context.schema, self.context.zone)
        found = one.cells(run, frame.windows(), order, self.top)
        events, total = one.cells(run, [(frame.begin, frame.stop)]).get((0, ()), (0, one.measure.nothing))
        values = {place: shown(value) for place, (_, value) in found.items()}
        return Table(values, shown(total), events)


def _rows(tables: Sequence[Table], width: int) -> list[list[Table]]:
    return [list(tables[begin : begin + width]) for begin in range(0, len(tables), width)]

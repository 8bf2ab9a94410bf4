"""How many events or actors there are over time.

[queries.errors]
type = "trend"
measure = "actors"
where = "status >= 500"
every = "1d"
by = ["method"]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from trackway.errors import QuestionError
from trackway.model.condition import Condition, quoted
from trackway.model.schema import Schema
from trackway.model.time import Duration, iso
from trackway.plan.component import Query
from trackway.store.columns.context import Context, Moment, Names
from trackway.store.columns.folds import trend as fold
from trackway.store.columns.groups import REST, Groups, Key, beyond, groups, label, ranked, sortable
from trackway.store.columns.lanes import Intervals, Lane, Mask, intervals, nothing, times
from trackway.store.columns.view import Shard

CELLS = 1 << 20
"""Intervals times groups counted at once, before only the largest groups are kept apart."""
MOST_CELLS = 1 << 25
"""More are refused."""


@dataclass(frozen=True)
class Cells:
    """Counts by place (interval times groups plus group), and the exact total."""

    place: np.ndarray
    value: np.ndarray
    total: int


@dataclass(frozen=True)
class Prepared:
    """What the shards of one pass share. `shown[g]` is the key of group `g`, None of all the rest together."""

    mask: Mask
    group: Lane
    time: Lane
    intervals: Intervals
    edges: list[int]
    size: int
    shown: list[Key | None]
    hidden: int = 0
    """How many groups are together in the rest."""


class Trend(Query):
    """Events or distinct actors, by interval and group."""

    counts: ClassVar[frozenset[str]] = frozenset({"value"})
    measure: Literal["events", "actors"] = "events"
    """`events` counts events, `actors` the distinct actors who have one."""
    where: Condition | None = None
    """Only events for which this is true."""
    every: Duration | None = Duration("1d")
    """Length of an interval: `1h 1d 7d 1mo` …; null takes the whole range as one."""
    by: Names = Field(default=[], max_length=3)
    """Columns to break down by, at most three."""
    from_: Moment | None = Field(default=None, alias="from")
    """Beginning of the range, inclusive: a date, a time, or one before now such as `-30d`; else the first event."""
    to: Moment | None = None
    """End of the range, exclusive; else after the last event."""
    top: int | None = Field(default=10, ge=1)
    """Groups shown, the largest over the whole range; the others are together `other`. Null shows all."""

    def columns(self, schema: Schema) -> list[str]:
        """The columns it reads."""
        return Context(schema, "UTC", 0, None, None).columns([self.where], self.by)

    def passes(self, context: Context) -> int:
        """Two when the largest groups must be known before anything can be counted by them."""
        if not self.by or self.top is None:
            return 1
        size = self._groups(context).size
        many = size * (len(self._edges(self._narrowed(context))) - 1) > CELLS
        return 2 if self.measure == "actors" or many else 1

    @property
    def _open(self) -> bool:
        """Whether the range ends where the events do."""
        return self.from_ is None or self.to is None

    def _narrowed(self, context: Context) -> Context:
        """The context of the matching events, when an open range cannot be cut to them after counting."""
        span = context.span(self.from_, self.to)
        if not self._open or (self.where is None and self.from_ is None and self.to is None):
            return context
        if self.every is not None and not context.many(span, self.every):
            return context
        return context.matching(None, self.where, span)

    def _groups(self, context: Context) -> Groups:
        return groups(context.columns_view, self._names(context))

    def _names(self, context: Context) -> list[str]:
        return list(dict.fromkeys(context.schema.resolve(name) for name in self.by))

    def _edges(self, context: Context) -> list[int]:
        return context.edges(context.span(self.from_, self.to), self.every)

    def prepare(self, context: Context) -> Prepared:
        """Masks, groups and edges."""
        view = context.columns_view
        mask = Mask(nothing(view), nothing(view)) if self.where is None else context.mask([self.where], None)
        edges = self._edges(self._narrowed(context))
        if not self.by:
            return self._prepared(context, mask, nothing(view), edges, [()])
        grouped = self._groups(context)
        if context.found is None and self.passes(context) == 2:
            ends = [edges[0], edges[-1]]
            return replace(self._prepared(context, mask, grouped.lane(), ends, []), size=grouped.size)
        if context.found is None:
            if grouped.size * (len(edges) - 1) > MOST_CELLS:
                raise QuestionError(
                    f"{grouped.size:,} groups in {len(edges) - 1:,} intervals", path="top", hint="set top"
                )
            keys: list[Key | None] = list(grouped.keys(np.arange(grouped.size)))
            return self._prepared(context, mask, grouped.lane(), edges, keys)
        return self._second(context, grouped, mask, edges)

    def _second(self, context: Context, grouped: Groups, mask: Mask, edges: list[int]) -> Prepared:
        """The largest groups of the first pass, and one for all others."""
        found: Cells = context.found
        keys = grouped.keys(found.place)
        best = ranked(keys, found.value.tolist())[: self.top]
        table = np.full(grouped.size, len(best), np.int64)
        table[found.place[best]] = np.arange(len(best))
        shown: list[Key | None] = [*(keys[place] for place in best), None]
        made = self._prepared(context, mask, grouped.lane(table), edges, shown)
        return replace(made, hidden=len(keys) - len(best))

    def _prepared(
        self, context: Context, mask: Mask, group: Lane, edges: list[int], shown: list[Key | None]
    ) -> Prepared:
        view = context.columns_view
        return Prepared(mask, group, times(view), intervals(view, np.array(edges)), edges, len(shown), shown)

    def fold(self, shard: Shard, context: Context) -> Cells:
        """Counts of one shard."""
        view, made, span = shard.view, context.prepared, context.span(self.from_, self.to)
        out = np.zeros((len(made.edges) - 1, made.size), np.int64)
        arguments = (
            view.first, view.run, view.lo, view.hi, shard.begin, shard.end,
            *made.mask.parts, *made.group.parts, *made.intervals.parts, made.time.addresses, made.time.like,
            span.start, span.end, context.cuts(span), out,
        )  # fmt: skip
        if self.measure == "events":
            fold.events(*arguments)
            total = int(out.sum())
        else:
            total = int(fold.actors(*arguments, np.full(made.size, -1, np.int64)))
        place = np.flatnonzero(out)
        return Cells(place, out.ravel()[place], total)

    def merge(self, partials: Iterable[Cells]) -> Cells:
        """Counts add up; shards have no actor in common."""
        parts = list(partials)
        place, index = np.unique(np.concatenate([part.place for part in parts]), return_inverse=True)
        value = np.zeros(len(place), np.int64)
        np.add.at(value, index, np.concatenate([part.value for part in parts]))
        return Cells(place, value, sum(part.total for part in parts))

    def answer(self, partial: Cells, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """A row per interval (and group)."""
        made: Prepared = context.prepared
        interval, group = np.divmod(partial.place, made.size)
        shown, hidden = made.shown, made.hidden
        value = partial.value
        if self.by and self.top is not None and None not in shown:
            shown, hidden, interval, group, value = self._largest(shown, interval, group, value)
        cells = [
            (made.edges[i], shown[g], int(n))
            for i, g, n in zip(interval.tolist(), group.tolist(), value.tolist(), strict=True)
        ]
        if partial.total:
            oldest, newest = made.edges[int(interval.min())], made.edges[int(interval.max())]
            return self._answer(cells, partial.total, hidden, context.among(oldest, newest))
        return self._answer(cells, 0, hidden, context.among(None, None))

    def _largest(
        self, keys: list[Key | None], interval: np.ndarray, group: np.ndarray, value: np.ndarray
    ) -> tuple[list[Key | None], int, np.ndarray, np.ndarray, np.ndarray]:
        """The groups that were counted apart, put together beyond the largest."""
        weight = np.bincount(group, value, minlength=len(keys)).astype(np.int64)
        present = np.flatnonzero(weight)
        mine = [keys[place] or () for place in present]
        best = present[ranked(mine, weight[present].tolist())[: self.top]]
        table = np.full(len(keys), len(best))
        table[best] = np.arange(len(best))
        place, index = np.unique(interval * (len(best) + 1) + table[group], return_inverse=True)
        total = np.bincount(index, value, minlength=len(place)).astype(np.int64)
        shown = [*(keys[place] for place in best), None]
        return shown, len(present) - len(best), *np.divmod(place, len(best) + 1), total

    def _answer(
        self, cells: list[tuple[int, Key | None, int]], total: int, hidden: int, context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """Rows of cells (start of interval, key or None for the rest, value), however they were counted."""
        names, zone = self._names(context), context.zone
        if not names:
            counted = {start: value for start, _, value in cells}
            edges = [] if context.oldest is None and self._open else self._edges(context)[:-1]
            cells = [(start, (), counted.get(start, 0)) for start in edges]
        moments = {start: iso(start, zone) for start in {start for start, _, _ in cells}}
        shown = {key: self._labels(key, context) for key in {key for _, key, _ in cells}}
        order = {key: (key is None, *map(sortable, key or ())) for key in shown}
        cells.sort(key=lambda cell: (cell[0], -cell[2], order[cell[1]]))
        rows = [{"time": moments[start], "value": value, **shown[key]} for start, key, value in cells]
        return rows, {"value": total}, self._notes(total, hidden)

    def _labels(self, key: Key | None, context: Context) -> dict[str, Any]:
        """The columns of a group; None is all the rest."""
        names = self._names(context)
        if key is None:
            return dict.fromkeys(names, REST)
        return {name: label(item, context.schema[name], context.zone) for name, item in zip(names, key, strict=True)}

    def _notes(self, total: int, hidden: int) -> list[str]:
        notes = []
        if hidden:
            notes.append(beyond(hidden))
        if self.measure == "actors" and (self.every is not None or self.by):
            whole = f"there are {total:,}" if total != 1 else "there is 1"
            notes.append(f"An actor counts in every interval and group they appear in; {whole} in all.")
        return notes

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def sql(self, schema: Schema, context: Context) -> str:
        """Rows `time` (microseconds), `value`, the groups `g0 g1 …`, and `rest`: true for all other groups."""
        what = "count(*)" if self.measure == "events" else "count(distinct actor)"
        placed = self._placed(schema, context)
        if not self.by:
            return f"""{placed}
select edges.start as time, coalesce(n, 0) as value, false as rest
from edges left join (select start, {what} as n from placed group by start) using (start) order by time"""
        keys = [f"g{index}" for index in range(len(self._names(context)))]
        same = " and ".join(f"placed.{key} is not distinct from ranked.{key}" for key in keys)
        order = ", ".join(f"{key} nulls last" for key in keys)
        top = "true" if self.top is None else f"place <= {self.top}"
        shown = ", ".join(f"case when {top} then ranked.{key} end as {key}" for key in keys)
        return f"""{placed},
sized as (select {", ".join(keys)}, {what} as total from placed group by all),
ranked as (select *, row_number() over (order by total desc, {order}) as place from sized)
select start as time, {what} as value, {shown}, not ({top}) as rest
from placed join ranked on {same} group by all order by time, value desc"""

    def _placed(self, schema: Schema, context: Context) -> str:
        """The events in range with the start of their interval."""
        edges = self._edges(context)[:-1]
        return f"""with edges as (select unnest({edges}::bigint[]) as start),
picked as ({self._picked(schema, context)}),
placed as (select picked.*, edges.start from picked asof join edges on picked.t >= edges.start)"""

    def _picked(self, schema: Schema, context: Context) -> str:
        """The matching events; an open end of the range limits nothing."""
        span = context.span(self.from_, self.to)
        where = f"({self.where.sql(schema)})" if self.where is not None else "true"
        after = f" and epoch_us(time) >= {span.start}" if self.from_ is not None else ""
        before = f" and epoch_us(time) < {span.end}" if self.to is not None else ""
        keys = "".join(
            f", {f'epoch_us({quoted(name)})' if schema[name] == 'time' else quoted(name)} as g{index}"
            for index, name in enumerate(self._names(context))
        )
        return f"select epoch_us(time) as t, actor{keys} from events where {where}{after}{before}"

    def by_sql(
        self, run: Callable[[str], pa.Table], context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same answer from the reference, which is asked first where the events are."""
        extent = run(f"select min(t) as first, max(t) as last from ({self._picked(context.schema, context)})")
        context = context.among(extent["first"][0].as_py(), extent["last"][0].as_py())
        table = run(self.sql(context.schema, context)).to_pylist()
        what = "count(*)" if self.measure == "events" else "count(distinct actor)"
        keys = [f"g{index}" for index in range(len(self._names(context)))]
        groups = f"(select count(*) from (select distinct {', '.join(keys)} from placed))" if keys else "0"
        extra = run(f"{self._placed(context.schema, context)} select {what} as total, {groups} as groups from placed")
        total, count = extra["total"][0].as_py(), extra["groups"][0].as_py()
        cells = [(row["time"], None if row["rest"] else tuple(row[key] for key in keys), row["value"]) for row in table]
        return self._answer(cells, total, max(0, count - (self.top or count)), context)

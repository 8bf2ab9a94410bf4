"""How many of those who started come back, by when they started.

[queries.weekly]
type = "retention"
start = "event = 'Signed Up'"
return = "event = 'Logged In'"
every = "7d"
periods = 8
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from trackway.model.condition import Condition
from trackway.model.schema import Schema
from trackway.model.time import Duration, iso
from trackway.plan.component import Query
from trackway.store.columns.context import Context, Moment, Span
from trackway.store.columns.folds import retention as fold
from trackway.store.columns.lanes import Intervals, Lane, Mask, intervals, times
from trackway.store.columns.view import Shard


@dataclass(frozen=True)
class Counts:
    """Actors by cohort, and those who returned by cohort and period."""

    size: np.ndarray
    returned: np.ndarray


@dataclass(frozen=True)
class Prepared:
    """What all shards share."""

    marks: Mask
    time: Lane
    intervals: Intervals
    edges: list[int]


class Retention(Query):
    """Actors by the calendar interval of their first start, and whether they return in the intervals after."""

    counts: ClassVar[frozenset[str]] = frozenset({"actors", "returned"})
    start: Condition
    """The event that begins it: an actor's first one in range decides the cohort."""
    return_: Condition = Field(alias="return")
    """The event that counts as coming back, at or after the first start; the same event counts if it is both."""
    every: Duration = Duration("7d")
    """Length of a cohort and of a period, by the calendar; multiples of 7 days begin on Mondays."""
    periods: int = Field(default=8, ge=1, le=1_000)
    """How many periods are shown; period 0 is the interval of the start itself."""
    where: Condition | None = None
    """Only events for which this is true."""
    from_: Moment | None = Field(default=None, alias="from")
    """Starts at or after this; returns count whenever they come."""
    to: Moment | None = None
    """Starts before this."""

    def columns(self, schema: Schema) -> list[str]:
        """The columns it reads."""
        return Context(schema, "UTC", 0, None, None).columns([self.start, self.return_, self.where], [])

    def _edges(self, context: Context) -> list[int]:
        """The intervals of the range, and those after in which returns are counted."""
        span = context.span(self.from_, self.to)
        return context.edges(Span(span.start, max(span.end, (context.newest or 0) + 1)), self.every)

    def _narrow_edges(self, context: Context, starts: Context) -> list[int]:
        """The same from the first start only, and until no period of the last one is left."""
        if starts.oldest is None or starts.newest is None:
            return [0, 1]
        enough = starts.newest + round((self.periods + 2) * self.every.micros * 1.1)
        return context.edges(Span(starts.oldest, min((context.newest or 0) + 1, enough)), self.every)

    def _edges_of(self, context: Context) -> list[int]:
        """The intervals to fold over: cut to the starts first when there would be very many."""
        span = context.span(self.from_, self.to)
        if not context.many(span, self.every) or not (self.from_ is None or self.to is None):
            return self._edges(context)
        return self._narrow_edges(context, context.matching(self.start, self.where, span))

    def prepare(self, context: Context) -> Prepared:
        """Starts and returns as bits, and the calendar."""
        marks = context.mask([self.start, self.return_], self.where)
        view, edges = context.columns_view, self._edges_of(context)
        return Prepared(marks, times(view), intervals(view, np.array(edges)), edges)

    def fold(self, shard: Shard, context: Context) -> Counts:
        """Counts of one shard."""
        view, made, span = shard.view, context.prepared, context.span(self.from_, self.to)
        size = np.zeros(len(made.edges) - 1, np.int64)
        returned = np.zeros((len(size), self.periods), np.int64)
        fold.returns(
            view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *made.marks.parts,
            *made.intervals.parts, made.time.addresses, made.time.like, span.start, span.end, size, returned,
        )  # fmt: skip
        return Counts(size, returned)

    def merge(self, partials: Iterable[Counts]) -> Counts:
        """Counts add up; shards have no actor in common."""
        parts = list(partials)
        return Counts(
            sum((p.size for p in parts[1:]), parts[0].size), sum((p.returned for p in parts[1:]), parts[0].returned)
        )

    def answer(self, partial: Counts, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """A row per cohort and period."""
        edges, newest = context.prepared.edges, context.newest or 0
        rows = []
        for cohort in np.flatnonzero(partial.size).tolist():
            actors = int(partial.size[cohort])
            for period in range(self.periods):
                place = cohort + period
                if place + 1 >= len(edges) or edges[place] > newest:
                    break
                counts = {"actors": actors, "period": period, "returned": int(partial.returned[cohort, period])}
                rows.append(self._row({"cohort": cohort, **counts}, edges, context))
        return rows, self._totals(rows), self._notes(rows)

    def _row(self, row: dict[str, Any], edges: list[int], context: Context) -> dict[str, Any]:
        """A row with the place of its cohort, as people read it."""
        begin, end = edges[row["cohort"]], edges[row["cohort"] + row["period"] + 1]
        complete = end <= (context.newest or 0)
        return row | {"cohort": iso(begin, context.zone), "rate": row["returned"] / row["actors"], "complete": complete}

    def _totals(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """All cohorts together, and each period over the cohorts for which it is complete."""
        periods = []
        for period in range(self.periods):
            mine = [row for row in rows if row["period"] == period and row["complete"]]
            actors, returned = sum(row["actors"] for row in mine), sum(row["returned"] for row in mine)
            if actors:
                periods.append({"period": period, "actors": actors, "returned": returned, "rate": returned / actors})
        return {"actors": sum(row["actors"] for row in rows if row["period"] == 0), "periods": periods}

    def _notes(self, rows: list[dict[str, Any]]) -> list[str]:
        if all(row["complete"] for row in rows):
            return []
        return ["Periods that are not over yet can still grow; totals leave them out."]

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def sql(self, schema: Schema, context: Context) -> str:
        """Rows `cohort` (place of its interval), `actors`, `period`, `returned`."""
        span = context.span(self.from_, self.to)
        edges: list[int] = context.prepared or self._edges(context)
        where = self.where.sql(schema) if self.where is not None else "true"
        return f"""with edges as (select unnest({edges[:-1]}::bigint[]) as start,
                           unnest(range({len(edges) - 1})) as place),
marked as (select actor, epoch_us(time) as t, {self.start.sql(schema)} as starts, {self.return_.sql(schema)} as returns
           from events where {where}),
begun as (select actor, min(t) as b from marked where starts and t >= {span.start} and t < {span.end} group by actor),
cohorts as (select actor, b, place as cohort from begun asof join edges on begun.b >= edges.start),
sizes as (select cohort, count(*) as actors from cohorts group by cohort),
came as (select c.actor, c.cohort, m.t from marked m join cohorts c on m.actor is not distinct from c.actor
         where m.returns and m.t >= c.b),
back as (select cohort, place - cohort as period, count(distinct actor) as returned
         from came asof join edges on came.t >= edges.start group by all)
select cohort, actors, period, coalesce(returned, 0) as returned
from sizes cross join (select unnest(range({self.periods})) as period) left join back using (cohort, period)
join edges on edges.place = cohort + period
where edges.start <= {context.newest or 0} order by cohort, period"""

    def by_sql(
        self, run: Callable[[str], pa.Table], context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same answer from the reference, which is asked first when the starts are."""
        span, schema = context.span(self.from_, self.to), context.schema
        where = f"({self.where.sql(schema)}) and " if self.where is not None else ""
        found = run(f"""select min(t) as first, max(t) as last from (
select epoch_us(time) as t from events where {where}({self.start.sql(schema)})
) where t >= {span.start} and t < {span.end}""")
        starts = context.among(found["first"][0].as_py(), found["last"][0].as_py())
        edges = self._narrow_edges(context, starts)
        context = replace(context, prepared=edges)
        table = run(self.sql(context.schema, context)).to_pylist()
        rows = [self._row(row, edges, context) for row in table]
        return rows, self._totals(rows), self._notes(rows)

"""How many of those who started come back, by when they started.

[queries.weekly]
type = "retention"
start = "event = 'Signed Up'"
return = "event = 'Logged In'"
every = "7d"
periods = 8
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from trackway.errors import QuestionError
from trackway.model.condition import Condition
from trackway.model.schema import Schema
from trackway.model.time import Duration, iso
from trackway.plan.query import Query
from trackway.plan.told import Story, Told
from trackway.store.columns import behind
from trackway.store.columns.amounts import Amounts, amount_sql, amounts, nearest, numeric
from trackway.store.columns.breakdown import UNGROUPED, Breakdown, Origins, Shown, joined
from trackway.store.columns.context import Context, Moment, Names, Span
from trackway.store.columns.folds import retention as fold
from trackway.store.columns.folds.exact import carried
from trackway.store.columns.lanes import Intervals, Lane, Mask, intervals, times
from trackway.store.columns.people import Cell as People
from trackway.store.columns.people import Listed, chosen
from trackway.store.columns.periods import Periods
from trackway.store.columns.reference.returns import KEPT, WORTH
from trackway.store.columns.survival import curve, lasted
from trackway.store.columns.view import Shard
from trackway.store.telling import returns

MODES = ("on", "on_or_after", "on_or_before", "streak")
"""In the order of the fold."""
MOST_CELLS = 1 << 22
"""Groups times cohorts times periods; more are refused."""
MOST_UNITS = 100_000


@dataclass(frozen=True)
class Counts:
    """Sums over actors by group and cohort (`size`) and period, one more than are shown, as the fold leaves them."""

    size: np.ndarray
    returned: np.ndarray
    over: np.ndarray
    count: np.ndarray
    limbs: np.ndarray
    extent: np.ndarray
    """First start, last return and group of every actor; without a survival curve, of nobody."""


@dataclass(frozen=True)
class Prepared:
    """What all shards of one pass share."""

    marks: Mask
    time: Lane
    intervals: Intervals
    edges: list[int]
    amounts: Amounts
    shown: Shown | None


@dataclass(frozen=True)
class Cell:
    """One period of one cohort of one group, however it was counted."""

    group: int
    cohort: int
    period: int
    actors: int
    returned: int
    observed: int
    values: int = 0
    total: Fraction = field(default_factory=Fraction)


class Retention(Query):
    """Actors by the calendar interval of their first start, and whether they return in the periods after."""

    counts: ClassVar[frozenset[str]] = frozenset(
        {"actors", "returned", "observed", "left", "at_risk", "value", "values"}
    )
    labels: ClassVar[frozenset[str]] = frozenset({"period", "from", "to", "seconds"})
    start: Condition
    """The event that begins it: an actor's first one in range decides the cohort."""
    return_: Condition = Field(alias="return")
    """The event that counts as coming back, at or after the first start; the same event counts if it is both."""
    mode: Literal["on", "on_or_after", "on_or_before", "streak"] = "on"
    """Who counts as returned in a period: who returned in it (`on`), in it or later, in it or earlier, or in it and in
    every one before (`streak`)."""
    every: Duration = Duration("7d")
    """Length of a cohort and of a period; by the calendar, where multiples of 7 days begin on Mondays."""
    windows: Literal["calendar", "rolling"] = "calendar"
    """Periods are intervals of the `calendar`, or `rolling`: so much time each, from an actor's own first start."""
    periods: int = Field(default=8, ge=1, le=1_000)
    """How many periods are shown; period 0 is the interval of the start itself."""
    brackets: list[int] | None = Field(default=None, min_length=1, max_length=1_000)
    """Longer periods in place of equal ones: after period 0, each reaches to so many times `every` after the start:
    `[1, 3, 7]` are the days 1, 2 to 3, and 4 to 7."""
    value: str | None = None
    """A column of numbers to sum and average over the returns of each period."""
    lapse: Duration | None = None
    """Give a survival curve: who did not return for so long has left, at their last return."""
    where: Condition | None = None
    """Only events for which this is true."""
    by: Names = Field(default=[], max_length=3)
    """Columns to break down by: their values at an actor's first start. At most three."""
    from_: Moment | None = Field(default=None, alias="from")
    """Starts at or after this; returns count whenever they come."""
    to: Moment | None = None
    """Starts before this."""
    top: int | None = Field(default=10, ge=1)
    """Groups shown, those with most actors; the others are together `other`. Null shows all."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.brackets is None:
            return self
        if "periods" in self.model_fields_set:
            raise ValueError("periods and brackets contradict each other: leave one out")
        if any(b <= a for a, b in zip([0, *self.brackets], self.brackets, strict=False)):
            raise ValueError(f"brackets must ascend from 1, got {self.brackets}")
        if self.brackets[-1] > MOST_UNITS:
            raise ValueError(f"brackets reach to {MOST_UNITS:,} at most, got {self.brackets[-1]:,}")
        return self

    def columns(self, schema: Schema) -> list[str]:
        """The columns it reads."""
        by = [*self.by, *([] if self.value is None else [numeric(schema, self.value, "value")])]
        return Context(schema, "UTC", 0, None, None).columns([self.start, self.return_, self.where], by)

    def passes(self, context: Context) -> int:  # noqa: ARG002
        """Two when the groups must be known first."""
        return 2 if self.by else 1

    @property
    def chooses(self) -> bool:
        """Whether the groups shown are the largest."""
        return bool(self.by) and self.top is not None

    @cached_property
    def _periods(self) -> Periods:
        return Periods.of(self.periods, self.brackets)

    @property
    def _unit(self) -> int:
        """Length of a unit in microseconds; 0 when it is the calendar's."""
        return self.every.micros if self.windows == "rolling" else 0

    @property
    def _plain(self) -> bool:
        """Whether nothing is asked that needs more than one look at each return."""
        extra = (self.brackets, self.value, self.lapse)
        return self.mode == "on" and not self._unit and not self.by and extra == (None, None, None)

    def _breakdown(self, context: Context) -> Breakdown:
        return Breakdown.of(self.by, self.top, context.schema)

    def _edges(self, context: Context) -> list[int]:
        """The intervals of the range, and those after in which returns are counted."""
        span = context.span(self.from_, self.to)
        return context.edges(Span(span.start, max(span.end, (context.newest or 0) + 1)), self.every)

    def _narrow_edges(self, context: Context, starts: Context) -> list[int]:
        """The same from the first start only, and until no period of the last one is left."""
        if starts.oldest is None or starts.newest is None:
            return [0, 1]
        enough = starts.newest + round((self._periods.lasts[-1] + 3) * self.every.micros * 1.1)
        return context.edges(Span(starts.oldest, min((context.newest or 0) + 1, enough)), self.every)

    def _edges_of(self, context: Context) -> list[int]:
        """The intervals to fold over: cut to the starts first when there would be very many."""
        span = context.span(self.from_, self.to)
        if not context.many(span, self.every) or not (self.from_ is None or self.to is None):
            return self._edges(context)
        return self._narrow_edges(context, context.matching(self.start, self.where, span))

    def prepare(self, context: Context) -> Prepared:
        """Starts and returns as bits, and the calendar; in the second pass the groups."""
        marks = context.mask([self.start, self.return_], self.where)
        view, edges = context.columns_view, self._edges_of(context)
        column = None if self.value is None else context.schema.resolve(self.value)
        shown = None if context.found is None else self._breakdown(context).shown(context.found, context)
        groups = 1 if shown is None else len(shown.labels)
        cells = groups * (len(edges) - 1) * (len(self._periods) + 1)
        if cells > MOST_CELLS and (self.by or column is not None):
            raise QuestionError(f"{cells:,} numbers to count", path="every", hint="choose a longer one, or set top")
        return Prepared(marks, times(view), intervals(view, np.array(edges)), edges, amounts(view, column), shown)

    def fold(self, shard: Shard, context: Context) -> Counts | Origins:
        """Groups of one shard in the first of two passes, else counts."""
        made, span = context.prepared, context.span(self.from_, self.to)
        if self.by and made.shown is None:
            return self._breakdown(context).origins(shard, context, made.marks, fold.START, span)
        shown = made.shown or UNGROUPED
        return self._counts(shard, context, shown.place, len(shown.labels), plain=self._plain)

    def _counts(self, shard: Shard, context: Context, place: np.ndarray, groups: int, *, plain: bool) -> Counts:
        """The counts of a shard by the group of each actor; `plain` where one look at each return is enough."""
        view, made, span = shard.view, context.prepared, context.span(self.from_, self.to)
        periods = self._periods
        size = np.zeros((groups, len(made.edges) - 1), np.int64)
        returned = np.zeros((*size.shape, len(periods) + 1), np.int64)
        over, count = (np.zeros(returned.shape if asked else (0, 0, 0), np.int64) for asked in (self._unit, self.value))
        limbs = np.zeros((*count.shape, made.amounts.limbs), np.int64)
        extent = np.full((3, shard.end - shard.begin if self.lapse else 0), -1, np.int64)
        events = (view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *made.marks.parts,
                  *made.intervals.parts)  # fmt: skip
        moments = (made.time.addresses, made.time.like, span.start, span.end)
        if plain:
            fold.returns(*events, *moments, size[0], returned[0, :, :-1])
        else:
            fold.kept(
                *events, *made.amounts.lane.parts, made.amounts.base, *moments, place, MODES.index(self.mode),
                self._unit, periods.table, context.newest or 0, size, returned, over, count, limbs, extent,
            )  # fmt: skip
        return Counts(size, returned, over, count, carried(limbs), extent[:, extent[2] >= 0])

    def merge(self, partials: Iterable[Any]) -> Any:
        """Counts add up; shards have no actor in common."""
        parts = list(partials)
        if isinstance(parts[0], Origins):
            return joined(parts)
        names = ("size", "returned", "over", "count", "limbs")
        sums = {name: sum((getattr(part, name) for part in parts[1:]), getattr(parts[0], name)) for name in names}
        return Counts(**sums, extent=np.concatenate([part.extent for part in parts], axis=1))

    def answer(self, partial: Counts, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """A row per (group,) cohort and period."""
        made: Prepared = context.prepared
        shown = made.shown or UNGROUPED
        totals, curves = self._answer_of(partial, made, context), []
        if self.lapse is not None:
            curves = [self._curve(*lasted(partial.extent[:, partial.extent[2] == group], self._horizon(context)))
                      for group in range(len(shown.labels))]  # fmt: skip
            whole = self._curve(*lasted(partial.extent, self._horizon(context)))
            return self._answer(totals, [whole, *curves], made.edges, shown, context)
        return self._answer(totals, curves, made.edges, shown, context)

    def _answer_of(self, partial: Counts, made: Prepared, context: Context) -> list[Cell]:
        """The cells that are shown."""
        returned, count, limbs = (self._spread(part) for part in (partial.returned, partial.count, partial.limbs))
        over = np.flip(np.cumsum(np.flip(partial.over, 2), 2), 2)[:, :, 1:]
        cells, size, back = [], partial.size.tolist(), returned.tolist()
        periods = [self._begun(cohort, made.edges, context.newest or 0) for cohort in range(partial.size.shape[1])]
        for group, cohort in np.argwhere(partial.size).tolist():
            for period in range(periods[cohort]):
                observed = int(over[group, cohort, period]) if self._unit else 0
                cell = Cell(group, cohort, period, size[group][cohort], back[group][cohort][period], observed)
                if self.value is not None:
                    total = made.amounts.exact(limbs[group, cohort, period])
                    cell = replace(cell, values=int(count[group, cohort, period]), total=total)
                cells.append(cell)
        return cells

    def _spread(self, counted: np.ndarray) -> np.ndarray:
        """What is counted at an actor's last (or first) period counts for all before (or after) as well."""
        if self.mode == "on_or_after":
            return np.flip(np.cumsum(np.flip(counted, 2), 2), 2)
        return np.cumsum(counted, 2) if self.mode == "on_or_before" else counted

    def _begun(self, cohort: int, edges: Sequence[int], newest: int) -> int:
        """How many periods can have begun for any actor of a cohort."""
        if self._unit:
            return sum(edges[cohort] + first * self._unit <= newest for first in self._periods.firsts)
        last = bisect_right(edges, newest, hi=len(edges) - 1) - 1
        return sum(cohort + first <= last for first in self._periods.firsts)

    def _row(self, cell: Cell, edges: list[int], shown: Shown, context: Context) -> dict[str, Any]:
        """A cell as people read it."""
        periods, end = self._periods, cell.cohort + self._periods.lasts[cell.period] + 1
        complete = end < len(edges) and edges[end] <= (context.newest or 0)
        units = {"from": periods.firsts[cell.period], "to": periods.lasts[cell.period]} if self.brackets else {}
        row = {
            "cohort": iso(edges[cell.cohort], context.zone), **shown.labels[cell.group], "actors": cell.actors,
            "period": cell.period, **units, "returned": cell.returned, "rate": cell.returned / cell.actors,
            "complete": cell.observed == cell.actors if self._unit else complete,
        }  # fmt: skip
        return row | ({"observed": cell.observed} if self._unit else {}) | self._worth([cell])

    def _worth(self, cells: Sequence[Cell]) -> dict[str, Any]:
        """The value of the returns of some cells: in all, and by return, returned actor and actor of the cohort."""
        if self.value is None:
            return {}
        total, values = nearest(sum((cell.total for cell in cells), Fraction())), sum(cell.values for cell in cells)
        bases = (values, sum(cell.returned for cell in cells), sum(cell.actors for cell in cells))
        average, per_returned, per_actor = (total / base if base and total is not None else None for base in bases)
        return {
            "value": total, "values": values, "value_average": average, "value_per_returned": per_returned,
            "value_per_actor": per_actor,
        }  # fmt: skip

    def _answer(
        self, cells: Sequence[Cell], curves: Sequence[dict[str, Any]], edges: list[int], shown: Shown, context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        rows = [self._row(cell, edges, shown, context) for cell in cells]
        done = [cell for cell, row in zip(cells, rows, strict=True) if row["complete"]]
        totals = self._totals(cells, done) | ({"survival": curves[0]} if curves else {})
        if self.by:
            totals["groups"] = [
                {**labels, **self._totals(*([c for c in some if c.group == group] for some in (cells, done)))}
                for group, labels in enumerate(shown.labels)
            ]
            for group, line in zip(totals["groups"], curves[1:], strict=bool(curves)):
                group["survival"] = line
        notes = list(shown.notes)
        if not all(row["complete"] for row in rows):
            notes.append("Periods that are not over yet can still grow; totals leave them out.")
        if self.mode == "on_or_after" and rows:
            notes.append("Later returns count until the newest event: earlier cohorts could return for longer.")
        return rows, totals, notes

    def _totals(self, cells: Sequence[Cell], done: Sequence[Cell]) -> dict[str, Any]:
        """All cohorts together, and each period over the cohorts for which it is complete."""
        periods = []
        for period, (first, last) in enumerate(zip(self._periods.firsts, self._periods.lasts, strict=True)):
            mine = [cell for cell in done if cell.period == period]
            actors, returned = sum(cell.actors for cell in mine), sum(cell.returned for cell in mine)
            if actors:
                units = {"from": first, "to": last} if self.brackets else {}
                counts = {"actors": actors, "returned": returned, "rate": returned / actors}
                periods.append({"period": period, **units, **counts, **self._worth(mine)})
        return {"actors": sum(cell.actors for cell in cells if cell.period == 0), "periods": periods}

    def _horizon(self, context: Context) -> int:
        """Who returned after this may still be there; nothing is known of those who started after it."""
        return (context.newest or 0) - (self.lapse.micros if self.lapse else 0)

    def _curve(self, durations: np.ndarray, left: np.ndarray, watched: np.ndarray) -> dict[str, Any]:
        periods = self._periods
        at = [unit * self.every.micros for unit in (*periods.firsts, periods.lasts[-1] + 1)]
        return curve(durations, left, watched, at)

    def tell(self, story: Story, partial: Counts, context: Context) -> Told:  # noqa: ARG002
        """The first start, and in which period each return is."""
        return returns.told(story, context.prepared.edges, self._periods, self._unit)

    def lifts(self, told: Told) -> dict[str, Mapping[str, Any]]:
        """The mode, besides `where` and the range."""
        return super().lifts(told) | ({} if self.mode == "on" else {"mode": {"mode": "on"}})

    # ── people ──────────────────────────────────────────────────────────────────────────────────────

    def people(self, partial: Counts, context: Context, cell: People) -> Listed:
        """Who is in a cohort; with a `period`, who returned in it, or with `returned` false who did not."""
        made: Prepared = context.prepared
        view, shown = context.columns_view, made.shown or UNGROUPED
        counted = self.model_copy(update={"value": None, "lapse": None})
        there, left = self._wanted(cell, self._answer_of(partial, made, context), made.edges, shown, context)
        edges, places = self._periods.near(made.edges, np.asarray(there.any(axis=(0, 2))))
        made = replace(made, amounts=amounts(view, None), edges=edges, intervals=intervals(view, np.array(edges)))
        alone = replace(context, prepared=made)

        def cells(piece: Shard, own: np.ndarray, size: int) -> np.ndarray:
            found = counted._counts(piece, alone, own, size, plain=False)  # noqa: SLF001 - the same question
            returned = self._spread(found.returned)[:, :, : len(self._periods)]
            return np.concatenate([found.size[:, :, None], returned], axis=2)

        def of(shard: Shard) -> np.ndarray:
            mine = behind.whoever(shard, cells, there[:, places], shown.place)
            return mine if left is None else mine & ~behind.whoever(shard, cells, left[:, places], shown.place)

        return behind.told(behind.members(view, of), cell, context)

    def _wanted(
        self, cell: People, cells: Sequence[Cell], edges: list[int], shown: Shown, context: Context
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Which cells (group, cohort, 0 for being in it and 1 on for the periods) count those who are asked for, and
        which count whom not."""
        ends = ["from", "to"] if self.brackets else []
        keys = ["cohort", "period", *ends, *self._breakdown(context).columns]
        cell.only([*keys, "returned"])
        rows = [self._row(one, edges, shown, context) for one in cells]
        found = chosen(cell, [({key: row[key] for key in keys}, one) for row, one in zip(rows, cells, strict=True)])
        shape = (len(shown.labels), len(edges) - 1, len(self._periods) + 1)
        returned, members = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        for one in found:
            members[one.group, one.cohort, 0] = returned[one.group, one.cohort, one.period + 1] = True
        back = cell.flag("returned")
        if back is None and not {"period", *ends} & set(cell.given):
            return members, None
        return (members, returned) if back is False else (returned, None)

    def people_by_sql(self, run: Callable[[str], pa.Table], context: Context, cell: People) -> Listed:
        """The same from the reference."""
        edges, shown, cells = self._asked(run, context)
        there, left = self._wanted(cell, cells, edges, shown, context)
        base = f"{self._visits(context.schema, context, edges)}, kept as ({KEPT[self.mode]})"
        every = f"""(select actor, slot, cohort, 0 as k from cohorts
  union all select actor, slot, cohort, period + 1 from kept where period < {len(self._periods)})"""
        of = ["slot", "cohort", "k"]
        actors = f"{base} select actor from {every} where {behind.within(of, there)}"
        if left is not None:
            actors += f" except select actor from {every} where {behind.within(of, left)}"
        return behind.told_by_sql(run, actors, cell, context)

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def sql(self, schema: Schema, context: Context) -> str:
        """Rows `slot` (place of the group), `cohort` (of its interval), `period`, `actors`, `returned`, `observed`, and
        `vs`, the values of the returns."""
        edges: list[int] = context.prepared or self._edges(context)
        newest, unit = context.newest or 0, self._unit
        first = f"cohort where edges.start + p.f * {unit}" if unit else "cohort + p.f where edges.start"
        return f"""{self._visits(schema, context, edges)},
kept as ({KEPT[self.mode]}),
back as (select slot, cohort, period, count(*) as returned from kept group by all),
worth as (select v.slot, v.cohort, p.period, list(v.v) filter (v.v is not null) as vs
          from visits v join {WORTH[self.mode]} group by all),
seen as (select slot, cohort, p.period, count(*) filter (b + (p.l + 1) * {unit} <= {newest}) as observed
         from cohorts cross join periods p group by all),
sizes as (select slot, cohort, count(*) as actors from cohorts group by all)
select slot, cohort, period, actors, coalesce(returned, 0) as returned, observed, coalesce(vs, []) as vs
from sizes cross join periods p left join back using (slot, cohort, period) left join worth using (slot, cohort, period)
join seen using (slot, cohort, period) join edges on edges.place = {first} <= {newest} order by slot, cohort, period"""

    def _grouped(self, schema: Schema, context: Context) -> str:
        """The events that matter (`marked`), the first starts (`origins`), and the groups."""
        span, cut = context.span(self.from_, self.to), self._breakdown(context)
        where = self.where.sql(schema) if self.where is not None else "true"
        value = "null::double" if self.value is None else amount_sql(schema.resolve(self.value))
        return f"""with marked as (select actor, epoch_us(time) as t, tie, {value} as v{cut.values(schema)},
    {self.start.sql(schema)} as starts, {self.return_.sql(schema)} as returns from events where {where}),
origins as (select actor, min(t) as b{cut.firsts} from marked
            where starts and t >= {span.start} and t < {span.end} group by actor),
{cut.ctes}"""

    def _visits(self, schema: Schema, context: Context, edges: list[int]) -> str:
        """The returns of each actor with their periods, the number of periods standing for all time after."""
        periods = self._periods
        unit = f"(t - b) // {self._unit}" if self._unit else "place - cohort"
        return f"""{self._grouped(schema, context)},
edges as (select unnest({edges[:-1]}::bigint[]) as start, unnest(range({len(edges) - 1})) as place),
periods as (select unnest(range({len(periods)})) as period, unnest({list(periods.firsts)}::bigint[]) as f,
                   unnest({list(periods.lasts)}::bigint[]) as l),
begun as (select o.actor, b, place as slot from origins o join grouped g on o.actor is not distinct from g.actor),
cohorts as (select actor, b, slot, place as cohort from begun asof join edges on begun.b >= edges.start),
came as (select c.*, m.t, m.v from marked m join cohorts c on m.actor is not distinct from c.actor
         where m.returns and m.t >= c.b),
gone as (select came.*, {unit} as u from came asof join edges on came.t >= edges.start),
visits as (select gone.*, coalesce(period, {len(periods)}) as period from gone
           left join periods on u between f and l)"""

    def by_sql(
        self, run: Callable[[str], pa.Table], context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same answer from the reference."""
        edges, shown, cells = self._asked(run, context)
        curves = self._curves_by_sql(run, context, edges, len(shown.labels)) if self.lapse else []
        return self._answer(cells, curves, edges, shown, context)

    def _asked(self, run: Callable[[str], pa.Table], context: Context) -> tuple[list[int], Shown, list[Cell]]:
        """Intervals, groups and cells from the reference, which is asked first when the starts are."""
        span, schema = context.span(self.from_, self.to), context.schema
        where = f"({self.where.sql(schema)}) and " if self.where is not None else ""
        found = run(f"""select min(t) as first, max(t) as last from (
select epoch_us(time) as t from events where {where}({self.start.sql(schema)})
) where t >= {span.start} and t < {span.end}""")
        starts = context.among(found["first"][0].as_py(), found["last"][0].as_py())
        edges = self._narrow_edges(context, starts)
        shown = self._breakdown(context).asked(run, self._grouped(schema, context), context)
        cells = [
            Cell(row["slot"], row["cohort"], row["period"], row["actors"], row["returned"], row["observed"],
                 len(row["vs"]), sum(map(Fraction, row["vs"]), Fraction()))
            for row in run(self.sql(schema, replace(context, prepared=edges))).to_pylist()
        ]  # fmt: skip
        return edges, shown, cells

    def _curves_by_sql(
        self, run: Callable[[str], pa.Table], context: Context, edges: list[int], groups: int
    ) -> list[dict[str, Any]]:
        """The survival of all, then of each group."""
        horizon = self._horizon(context)
        curves = []
        for slot in ("c.slot", *map(str, range(groups))):
            table = run(f"""{self._visits(context.schema, context, edges)},
last as (select c.actor, c.b, coalesce(max(came.t), any_value(c.b)) as e from cohorts c left join came
           on c.actor is not distinct from came.actor where c.slot = {slot} group by c.actor, c.b)
select least(e, {horizon}) - b as d, count(*) filter (e <= {horizon}) as gone, count(*) as n
from last where b <= {horizon} group by all order by d""")
            curves.append(self._curve(*(table[name].to_numpy() for name in ("d", "gone", "n"))))
        return curves

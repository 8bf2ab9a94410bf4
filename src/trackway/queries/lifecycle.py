"""How many actors are new, returning, resurrected or dormant, interval by interval.

[queries.growth]
type = "lifecycle"
when = "event = 'Logged In'"
every = "7d"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from trackway.errors import QuestionError, suggest
from trackway.model.condition import Condition
from trackway.model.schema import Schema
from trackway.model.time import EARLIEST, Duration, iso
from trackway.plan.query import Query
from trackway.plan.told import Story, Told
from trackway.store.columns import behind
from trackway.store.columns.breakdown import UNGROUPED, Breakdown, Origins, Shown, joined
from trackway.store.columns.calendar import Calendar, activity, calendar, days, picked, reach, reach_by_sql
from trackway.store.columns.context import Context, Moment, Names, Span
from trackway.store.columns.folds import activity as fold
from trackway.store.columns.lanes import Intervals, Mask, intervals
from trackway.store.columns.people import Cell, Listed, chosen
from trackway.store.columns.view import Shard
from trackway.store.telling import activity as telling

WHAT = ("new", "returning", "resurrected", "dormant")
"""In the order of the fold."""
STATES = {"active": WHAT[:3]} | {what: (what,) for what in WHAT}
"""What a cell may say that its actors are."""
JOINED = "told join grouped on told.actor is not distinct from grouped.actor"
MOST_CELLS = 1 << 22
"""Groups times intervals; more are refused."""


@dataclass(frozen=True)
class Counts:
    """Actors by group, interval and what they are; and how many were active at all."""

    cells: np.ndarray
    total: int


@dataclass(frozen=True)
class Prepared:
    """What all shards of one pass share."""

    mask: Mask
    calendar: Calendar
    intervals: Intervals
    shown: Shown | None
    some: bool
    """Whether there is anything to show."""


class Lifecycle(Query):
    """Where the active actors of an interval come from, and how many went."""

    counts: ClassVar[frozenset[str]] = frozenset({*WHAT, "active", "actors"})
    when: Condition | None = None
    """What counts as activity; any event when left out."""
    every: Duration = Duration("7d")
    """Length of an interval, by the calendar: `1h 1d 7d 1mo` …; multiples of 7 days begin on Mondays."""
    where: Condition | None = None
    """Only events for which this is true, in the past as well."""
    by: Names = Field(default=[], max_length=3)
    """Columns to break down by: their values at an actor's first activity of all. At most three."""
    from_: Moment | None = Field(default=None, alias="from")
    """The first interval shown holds this; else the first activity. What lies before decides who is new."""
    to: Moment | None = None
    """The intervals shown begin before this; else the last one holds the last activity."""
    top: int | None = Field(default=10, ge=1)
    """Groups shown, those with most actors until the end; the others are together `other`. Null shows all."""

    def columns(self, schema: Schema) -> list[str]:
        """The columns it reads."""
        return Context(schema, "UTC", 0, None, None).columns([self.when, self.where], self.by)

    def passes(self, context: Context) -> int:  # noqa: ARG002
        """Two when the groups must be known first."""
        return 2 if self.by else 1

    @property
    def chooses(self) -> bool:
        """Whether the groups shown are the largest."""
        return bool(self.by) and self.top is not None

    def _calendar(self, context: Context, span: Span | None) -> Calendar:
        """The intervals of a range, whole, and the one before."""
        return calendar(context, context.edges(span or Span(0, 1), self.every), self.every, 1)

    def prepare(self, context: Context) -> Prepared:
        """Mask and calendar; in the second pass the groups."""
        view = context.columns_view
        mask = activity(context, self.when, self.where, bits=bool(self.by))
        span = reach(context, self.when, self.where, (self.from_, self.to))
        made = self._calendar(context, span)
        shown = None
        if context.found is not None:
            shown = self._breakdown(context).shown(context.found, context)
            if len(shown.labels) * len(made.shown) > MOST_CELLS:
                raise QuestionError(
                    f"{len(shown.labels):,} groups in {len(made.shown):,} intervals", path="top", hint="set top"
                )
        return Prepared(mask, made, intervals(view, np.array(made.edges)), shown, span is not None)

    def _breakdown(self, context: Context) -> Breakdown:
        return Breakdown.of(self.by, self.top, context.schema)

    def fold(self, shard: Shard, context: Context) -> Counts | Origins:
        """Groups of one shard in the first of two passes, else counts."""
        made: Prepared = context.prepared
        if self.by and made.shown is None:
            until = Span(EARLIEST, made.calendar.edges[-2])
            return self._breakdown(context).origins(shard, context, made.mask, 1, until)
        shown = made.shown or UNGROUPED
        return self._counts(shard, made, shown.place, len(shown.labels))

    def _counts(self, shard: Shard, made: Prepared, place: np.ndarray, groups: int) -> Counts:
        """The counts of a shard by the group of each actor."""
        view, out = shard.view, np.zeros((groups, len(made.calendar.shown), len(WHAT)), np.int64)
        total = fold.changes(
            view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *made.mask.parts, *made.intervals.parts,
            place, made.calendar.lead, out,
        )  # fmt: skip
        return Counts(out, int(total))

    def merge(self, partials: Iterable[Any]) -> Any:
        """Counts add up; shards have no actor in common."""
        parts = list(partials)
        if isinstance(parts[0], Origins):
            return joined(parts)
        return Counts(np.sum([part.cells for part in parts], axis=0), sum(part.total for part in parts))

    def answer(self, partial: Counts, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """A row per interval (and group)."""
        made: Prepared = context.prepared
        return self._answer(partial, made.calendar if made.some else None, made.shown or UNGROUPED, context)

    def _answer(
        self, partial: Counts, made: Calendar | None, shown: Shown, context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        rows = []
        for group, labels in enumerate(shown.labels if made else []):
            for place, start in enumerate(made.shown if made else []):
                counts = dict(zip(WHAT, partial.cells[group, place].tolist(), strict=True))
                active = counts["new"] + counts["returning"] + counts["resurrected"]
                complete = made is not None and made.end(place) <= (context.newest or 0)
                row = {"time": iso(start, context.zone), **labels, "active": active, **counts, "complete": complete}
                rows.append(row)
        totals = {"actors": partial.total, "new": sum(row["new"] for row in rows)}
        notes = list(shown.notes)
        if any(not row["complete"] for row in rows):
            notes.append("The last interval is not over yet: those who are dormant in it may still come.")
        return rows, totals, notes

    def tell(self, story: Story, partial: Counts, context: Context) -> Told:  # noqa: ARG002
        """The interval each event makes the actor active in, and what they are in each."""
        return telling.told(story, context.prepared.calendar, [
            (row["time"], f"{what} in") for row in story.rows for what in WHAT if row[what]
        ])  # fmt: skip

    # ── people ──────────────────────────────────────────────────────────────────────────────────────

    def people(self, partial: Counts, context: Context, cell: Cell) -> Listed:  # noqa: ARG002
        """Who is `active` in an interval, or whatever else `state` names, and in a group."""
        made: Prepared = context.prepared
        shown = made.shown or UNGROUPED
        wanted = self._wanted(cell, made.calendar if made.some else None, shown, context)

        def counted(piece: Shard, own: np.ndarray, size: int) -> np.ndarray:
            return self._counts(piece, made, own, size).cells

        return behind.counted_in(wanted, counted, shown.place, cell, context)

    def _wanted(self, cell: Cell, made: Calendar | None, shown: Shown, context: Context) -> np.ndarray:
        """Which cells are asked about: by group, interval and what actors are in it."""
        cell.only(["time", "state", *self._breakdown(context).columns])
        state = cell.given.get("state", "active")
        if state not in STATES:
            hint = suggest(str(state), STATES)
            raise QuestionError(f"nobody is '{state}'", path="people.state", hint=hint)
        starts = [] if made is None else made.shown
        cells = [
            ({"time": iso(start, context.zone), **labels}, (group, place))
            for group, labels in enumerate(shown.labels) for place, start in enumerate(starts)
        ]  # fmt: skip
        wanted = np.zeros((len(shown.labels), len(starts), len(WHAT)), np.bool_)
        for group, place in chosen(cell, cells):
            wanted[group, place, [WHAT.index(what) for what in STATES[state]]] = True
        return wanted

    def people_by_sql(self, run: Callable[[str], pa.Table], context: Context, cell: Cell) -> Listed:
        """The same from the reference."""
        made, span, shown = self._asked(run, context)
        wanted = self._wanted(cell, made if span else None, shown, context)
        sql = self._told_sql(context.schema, context, made)
        where = behind.within(["place", f"k - {made.lead}", "what"], wanted)
        return behind.told_by_sql(run, f"{sql} select told.actor from {JOINED} where {where}", cell, context)

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def sql(self, schema: Schema, context: Context) -> str:
        """Rows `place` (of the group), `interval` (from 0), `what` (from 0) and `actors`."""
        made = context.prepared or self._calendar(context, context.span(self.from_, self.to))
        return f"""{self._told_sql(schema, context, made)}
select place, k - {made.lead} as interval, what, count(*) as actors from {JOINED} group by all order by all"""

    def _told_sql(self, schema: Schema, context: Context, made: Calendar) -> str:
        """Common table expressions up to `told` (actor, k, what)."""
        after = made.lead + len(made.shown)
        return f"""{self._days(schema, context, made)},
line as (select actor, k, lag(k) over w as b, lead(k) over w as f from days
         window w as (partition by actor order by k)),
told as (select actor, k, case when b is null then 0 when b = k - 1 then 1 else 2 end as what from line
         where k >= {made.lead}
         union all select actor, k + 1, 3 from line
         where k > 0 and f is distinct from k + 1 and k + 1 between {made.lead} and {after - 1})"""

    def _days(self, schema: Schema, context: Context, made: Calendar) -> str:
        return days(schema, made, self._breakdown(context), picked(schema, self.when, self.where))

    def by_sql(
        self, run: Callable[[str], pa.Table], context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same answer from the reference."""
        schema = context.schema
        made, span, shown = self._asked(run, context)
        line = self._days(schema, context, made)
        cells = np.zeros((len(shown.labels), len(made.shown), len(WHAT)), np.int64)
        for row in run(self.sql(schema, replace(context, prepared=made))).to_pylist():
            cells[row["place"], row["interval"], row["what"]] = row["actors"]
        total = run(f"{line} select count(*) as n from (select distinct actor from days where k >= {made.lead})")
        return self._answer(Counts(cells, total["n"][0].as_py()), made if span else None, shown, context)

    def _asked(self, run: Callable[[str], pa.Table], context: Context) -> tuple[Calendar, Span | None, Shown]:
        """The intervals, the range they are of (None when nothing matches), and the groups, from the reference."""
        schema = context.schema
        span = reach_by_sql(run, context, picked(schema, self.when, self.where), (self.from_, self.to))
        made = self._calendar(context, span)
        shown = self._breakdown(context).asked(run, self._days(schema, context, made), context)
        return made, span, shown

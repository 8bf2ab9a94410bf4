"""In how many days of a week actors are active, or what share of a week's actors come on one day.

[queries.habit]
type = "stickiness"
when = "event = 'Logged In'"
every = "1d"
window = "7d"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from trackway.errors import QuestionError
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

MOST_CELLS = 1 << 22
"""Groups times windows times intervals; more are refused."""


@dataclass(frozen=True)
class Windows:
    """The intervals of a range and the windows they are in."""

    calendar: Calendar
    edges: list[int]
    """Beginnings of the windows, and the end of the last; for a ratio, those of the intervals."""
    window: np.ndarray
    """The window of each interval shown, by place."""

    @property
    def most(self) -> int:
        """Intervals of the longest window."""
        return int(np.bincount(self.window).max())


@dataclass(frozen=True)
class Counts:
    """Actors by group, window and number of intervals; or by group, interval and active (0) or lately active (1)."""

    cells: np.ndarray
    total: int


@dataclass(frozen=True)
class Prepared:
    """What all shards of one pass share."""

    mask: Mask
    windows: Windows
    intervals: Intervals
    shown: Shown | None
    some: bool
    """Whether there is anything to show."""


class Stickiness(Query):
    """How often actors come, as a histogram by window, or as a ratio over time."""

    counts: ClassVar[frozenset[str]] = frozenset({"actors", "at_least", "active", "lately"})
    labels: ClassVar[frozenset[str]] = frozenset({"active_intervals"})
    show: Literal["histogram", "ratio"] = "histogram"
    """`histogram`: actors by the number of intervals of a window they were active in. `ratio`: actors of an interval
    as a share of those of the window that ends with it, such as daily of monthly actors."""
    when: Condition | None = None
    """What counts as activity; any event when left out."""
    every: Duration = Duration("1d")
    """Length of an interval, by the calendar."""
    window: Duration | None = Duration("7d")
    """Length of a window: of the calendar for a histogram (null: the whole range), trailing for a ratio, where a month
    is 30 days."""
    where: Condition | None = None
    """Only events for which this is true."""
    by: Names = Field(default=[], max_length=3)
    """Columns to break down by: their values at an actor's first activity until the end of the range. At most three."""
    from_: Moment | None = Field(default=None, alias="from")
    """The first window (of a ratio: interval) holds this; else the first activity."""
    to: Moment | None = None
    """Windows (of a ratio: intervals) begin before this; else the last one holds the last activity."""
    top: int | None = Field(default=10, ge=1)
    """Groups shown, those with most actors; the others are together `other`. Null shows all."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.window is None:
            if self.show == "ratio":
                raise ValueError("a ratio needs a window, such as window = '7d'")
        elif self.window.micros <= self.every.micros:
            raise ValueError(f"a window of {self.window} holds no two intervals of {self.every}: choose a longer one")
        elif self.show == "ratio" and self.window.micros % self.every.micros:
            raise ValueError(f"a window of {self.window} is no whole number of intervals of {self.every}")
        return self

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

    @property
    def _trailing(self) -> int:
        """Intervals of a trailing window."""
        return 1 if self.window is None else self.window.micros // self.every.micros

    def _windows(self, context: Context, span: Span | None) -> Windows:
        """The windows that touch a range, whole, and the intervals that begin in them."""
        span = span or Span(0, 1)
        if self.show == "ratio":
            edges = context.edges(span, self.every)
            made = calendar(context, edges, self.every, self._trailing - 1)
            return Windows(made, edges, np.arange(len(edges) - 1))
        edges = context.edges(span, self.window or self.every)
        starts = [edge for edge in context.edges(Span(edges[0], edges[-1]), self.every) if edge >= edges[0]]
        if self.window is None:
            edges = [starts[0], starts[-1]]
        window = np.searchsorted(edges, starts[:-1], side="right") - 1
        return Windows(calendar(context, starts, self.every, 0), edges, window)

    def prepare(self, context: Context) -> Prepared:
        """Mask and windows; in the second pass the groups."""
        view = context.columns_view
        mask = activity(context, self.when, self.where, bits=bool(self.by))
        span = reach(context, self.when, self.where, (self.from_, self.to))
        made = self._windows(context, span)
        shown = None
        if context.found is not None:
            shown = self._breakdown(context).shown(context.found, context)
        cells = (1 if shown is None else len(shown.labels)) * self._shape(made)[0] * self._shape(made)[1]
        if cells > MOST_CELLS:
            raise QuestionError(f"{cells:,} numbers to count", path="every", hint="choose a longer one, or set top")
        return Prepared(mask, made, intervals(view, np.array(made.calendar.edges)), shown, span is not None)

    def _breakdown(self, context: Context) -> Breakdown:
        return Breakdown.of(self.by, self.top, context.schema)

    def _shape(self, made: Windows) -> tuple[int, int]:
        """The cells of one group."""
        return (2, len(made.window)) if self.show == "ratio" else (len(made.edges) - 1, made.most + 1)

    def fold(self, shard: Shard, context: Context) -> Counts | Origins:
        """Groups of one shard in the first of two passes, else counts."""
        made: Prepared = context.prepared
        if self.by and made.shown is None:
            until = Span(EARLIEST, made.windows.calendar.edges[-2])
            return self._breakdown(context).origins(shard, context, made.mask, 1, until)
        shown = made.shown or UNGROUPED
        return self._counts(shard, made, shown.place, len(shown.labels))

    def _counts(self, shard: Shard, made: Prepared, place: np.ndarray, groups: int) -> Counts:
        """The counts of a shard by the group of each actor."""
        view, lead, window = shard.view, made.windows.calendar.lead, made.windows.window
        cells = np.zeros((groups, *self._shape(made.windows)), np.int64)
        arguments = (
            view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *made.mask.parts, *made.intervals.parts,
            place, lead,
        )  # fmt: skip
        if self.show == "histogram":
            return Counts(cells, int(fold.often(*arguments, window, cells)))
        active = np.zeros((len(cells), len(window)), np.int64)
        steps = np.zeros((len(cells), lead + len(window)), np.int64)
        total = int(fold.lately(*arguments, self._trailing, active, steps))
        return Counts(np.stack([active, np.cumsum(steps, axis=1)[:, lead - 1 : -1]], axis=1), total)

    def merge(self, partials: Iterable[Any]) -> Any:
        """Counts add up; shards have no actor in common."""
        parts = list(partials)
        if isinstance(parts[0], Origins):
            return joined(parts)
        return Counts(np.sum([part.cells for part in parts], axis=0), sum(part.total for part in parts))

    def taken_over(self, key: str, row: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> float | None:
        """Shares are of all who were active in the window, which is what its first row has `at_least`."""
        if "active_intervals" in row:
            line = [*before, row]
            return int(line[len(line) - row["active_intervals"]]["at_least"])
        return row["lately"] if "lately" in row else super().taken_over(key, row, before)

    def answer(self, partial: Counts, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """A row per window and number of intervals, or per interval; and group."""
        made: Prepared = context.prepared
        return self._answer(partial, made.windows if made.some else None, made.shown or UNGROUPED, context)

    def _answer(
        self, partial: Counts, made: Windows | None, shown: Shown, context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        rows: list[dict[str, Any]] = []
        totals: dict[str, Any] = {"actors": partial.total}
        whole = [] if made is None else [self._whole(made, place, context) for place in range(len(made.edges) - 1)]
        for group, labels in enumerate(shown.labels if made else []):
            for place, complete in enumerate(whole):
                head = {"time": iso(made.edges[place] if made else 0, context.zone), **labels}
                cells = partial.cells[group][:, place] if self.show == "ratio" else partial.cells[group][place]
                lines = self._line(cells.tolist()) if self.show == "ratio" else histogram(cells.tolist())
                rows += [{**head, **line, "complete": complete} for line in lines]
        if self.show == "histogram":
            pooled = partial.cells[:, [place for place, complete in enumerate(whole) if complete]].sum(axis=1)
            totals |= _pooled(pooled, shown.labels if self.by else None)
        notes = list(shown.notes)
        if not all(whole):
            notes.append("Windows that reach beyond the first or last event are not complete; totals leave them out.")
        return rows, totals, notes

    def _whole(self, made: Windows, place: int, context: Context) -> bool:
        """Whether there are events in (or before) the first interval of a window, and after its end."""
        if self.window is None:
            return True
        behind = self._trailing - 1 if self.show == "ratio" else 0
        first = made.calendar.lead + int(np.searchsorted(made.window, place)) - behind
        covered = context.oldest is not None and context.oldest < made.calendar.edges[first + 1]
        return covered and made.edges[place + 1] <= (context.newest or 0)

    def _line(self, cells: Sequence[int]) -> list[dict[str, Any]]:
        """Actors of an interval, of the window that ends with it, and their ratio."""
        active, lately = cells
        return [{"active": active, "lately": lately, "ratio": active / lately if lately else None}]

    def tell(self, story: Story, partial: Counts, context: Context) -> Told:  # noqa: ARG002
        """The interval each event makes the actor active in, and in how many of each window they were."""
        found = []
        for row in story.rows:
            if row.get("actors"):
                times = f"{row['active_intervals']} time{'s' * (row['active_intervals'] > 1)}"
                found.append((row["time"], f"active {times} in the {self.window or 'range'} from"))
            elif row.get("active"):
                found.append((row["time"], "active in"))
        return telling.told(story, context.prepared.windows.calendar, found)

    # ── people ──────────────────────────────────────────────────────────────────────────────────────

    def people(self, partial: Counts, context: Context, cell: Cell) -> Listed:  # noqa: ARG002
        """Who was active in so many intervals of a window (or `at_least` in so many), or in an interval (or `lately`
        in its window); and in a group."""
        made: Prepared = context.prepared
        shown = made.shown or UNGROUPED
        wanted = self._wanted(cell, made.windows if made.some else None, shown, context)

        def counted(piece: Shard, own: np.ndarray, size: int) -> np.ndarray:
            return self._counts(piece, made, own, size).cells

        return behind.counted_in(wanted, counted, shown.place, cell, context)

    def _wanted(self, cell: Cell, made: Windows | None, shown: Shown, context: Context) -> np.ndarray:
        """Which cells are asked about, as they are counted."""
        keys, mark = (["active_intervals"], "at_least") if self.show == "histogram" else ([], "lately")
        cell.only(["time", mark, *keys, *self._breakdown(context).columns])
        if made is None:
            return np.zeros((len(shown.labels), *self._shape(self._windows(context, None))), np.bool_)
        marked, most = cell.flag(mark) or False, made.most if keys else 1
        cells = [
            ({"time": iso(start, context.zone), **labels, **dict.fromkeys(keys, n)}, (group, place, n))
            for group, labels in enumerate(shown.labels) for place, start in enumerate(made.edges[:-1])
            for n in range(1, most + 1)
        ]  # fmt: skip
        wanted = np.zeros((len(shown.labels), *self._shape(made)), np.bool_)
        for group, place, n in chosen(cell, cells):
            if keys:
                wanted[group, place, n : None if marked else n + 1] = True
            else:
                wanted[group, int(marked), place] = True
        return wanted

    def people_by_sql(self, run: Callable[[str], pa.Table], context: Context, cell: Cell) -> Listed:
        """The same from the reference."""
        made, span, shown = self._asked(run, context)
        wanted = self._wanted(cell, made if span else None, shown, context)
        sql = self._counted_sql(context.schema, context, made)
        where = behind.within(["place", "first", "second"], wanted)
        return behind.told_by_sql(run, f"{sql} select actor from counted where {where}", cell, context)

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def sql(self, schema: Schema, context: Context) -> str:
        """Rows `place` (of the group), then `first`, `second` (places in the cells) and `actors`."""
        made = context.prepared or self._windows(context, context.span(self.from_, self.to))
        return f"""{self._counted_sql(schema, context, made)}
select place, first, second, count(*) as actors from counted group by all order by all"""

    def _counted_sql(self, schema: Schema, context: Context, made: Windows) -> str:
        """Common table expressions up to `counted` (actor, place, first, second)."""
        lead = made.calendar.lead
        if self.show == "ratio":
            return f"""{self._days(schema, context, made)},
shown as (select unnest(range({len(made.window)})) as i),
seen as (select 0 as first, k - {lead} as second, actor from days where k >= {lead}
         union select 1, i, actor from shown join days
           on k > 0 and k > i + {lead - self._trailing} and k <= i + {lead}),
counted as (select seen.actor, place, first, second
            from seen join grouped on seen.actor is not distinct from grouped.actor)"""
        return f"""{self._days(schema, context, made)},
windows as (select unnest({made.window.tolist()}::bigint[]) as w, unnest(range({len(made.window)})) + {lead} as k),
often as (select actor, w, count(*) as n from days join windows using (k) group by all),
counted as (select often.actor, place, w as first, n as second
            from often join grouped on often.actor is not distinct from grouped.actor)"""

    def _days(self, schema: Schema, context: Context, made: Windows) -> str:
        return days(schema, made.calendar, self._breakdown(context), picked(schema, self.when, self.where))

    def by_sql(
        self, run: Callable[[str], pa.Table], context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same answer from the reference."""
        schema = context.schema
        made, span, shown = self._asked(run, context)
        line = self._days(schema, context, made)
        cells = np.zeros((len(shown.labels), *self._shape(made)), np.int64)
        for row in run(self.sql(schema, replace(context, prepared=made))).to_pylist():
            cells[row["place"], row["first"], row["second"]] = row["actors"]
        total = run(f"{line} select count(*) as n from (select distinct actor from days"
                    f" where k >= {made.calendar.lead})")["n"][0].as_py()  # fmt: skip
        return self._answer(Counts(cells, total), made if span else None, shown, context)

    def _asked(self, run: Callable[[str], pa.Table], context: Context) -> tuple[Windows, Span | None, Shown]:
        """The windows, the range they are of (None when nothing matches), and the groups, from the reference."""
        schema = context.schema
        span = reach_by_sql(run, context, picked(schema, self.when, self.where), (self.from_, self.to))
        made = self._windows(context, span)
        shown = self._breakdown(context).asked(run, self._days(schema, context, made), context)
        return made, span, shown


def histogram(counts: Sequence[int]) -> list[dict[str, Any]]:
    """A line per number of intervals, from 1 to the most any actor had: how many had exactly and at least so many.

    >>> histogram([0, 3, 0, 1])[2]
    {'active_intervals': 3, 'actors': 1, 'share': 0.25, 'at_least': 1, 'at_least_share': 0.25}
    """
    whole = sum(counts)
    most = max((n for n, count in enumerate(counts) if count), default=0)
    return [
        {
            "active_intervals": n, "actors": counts[n], "share": counts[n] / whole,
            "at_least": sum(counts[n:]), "at_least_share": sum(counts[n:]) / whole,
        }
        for n in range(1, most + 1)
    ]  # fmt: skip


def _pooled(cells: np.ndarray, groups: Sequence[dict[str, Any]] | None) -> dict[str, Any]:
    """The histogram over all complete windows, of all actors and of each group; and the mean number of intervals."""

    def of(counts: np.ndarray) -> dict[str, Any]:
        whole = int(counts.sum())
        mean = int(counts @ np.arange(len(counts))) / whole if whole else None
        return {"mean": mean, "windows": histogram(counts.tolist())}

    found = of(cells.sum(axis=0))
    if groups is not None:
        found["groups"] = [{**labels, **of(counts)} for labels, counts in zip(groups, cells, strict=True)]
    return found

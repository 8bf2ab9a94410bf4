"""How something is spread over actors: any measure of each actor's events, as a histogram.

[queries.spend]
type = "distribution"
measure = "sum(amount)"
where = "event = 'Order Completed'"
by = ["country"]

[queries.logins]
type = "distribution"
measure = "active_days"
where = "event = 'Logged In'"
among = "event = 'Signed Up'"
zeros = true
edges = [0, 1, 3, 10]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, FiniteFloat, model_validator

from trackway.errors import MeasureError
from trackway.model.condition import Condition
from trackway.model.individual import ACTIVE, Individual
from trackway.model.schema import Schema
from trackway.plan.query import Query
from trackway.plan.told import Story, Told
from trackway.store.columns import individual
from trackway.store.columns.bins import MOST, Binning, Bins, Edges, How
from trackway.store.columns.breakdown import Breakdown, Origins, Shown
from trackway.store.columns.context import Context, Moment, Names
from trackway.store.columns.figures import Ordered, lines
from trackway.store.columns.individual import Individually
from trackway.store.columns.lanes import Mask
from trackway.store.columns.measures.numbers import plain
from trackway.store.columns.people import Cell, Column, chosen, listed
from trackway.store.columns.reference import distribution as by_loops
from trackway.store.columns.settled import settled
from trackway.store.columns.view import Shard, View
from trackway.store.telling import number as telling


@dataclass(frozen=True)
class Prepared:
    """What all shards share."""

    measure: Individually
    asked: Mask | None
    """Who is asked, and their groups; None: whoever has an event that is measured, in one group."""


@dataclass(frozen=True, eq=False)
class Values:
    """The number of every actor who is asked, NaN for none, and the number of their group, if there are groups."""

    actors: np.ndarray
    values: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True)
class Counted:
    """What an answer is made of, however it was counted."""

    labels: list[dict[str, Any]]
    sizes: list[int]
    """Actors of each group, also those without a number."""
    counts: list[list[int]]
    figures: list[dict[str, Any]]
    every: dict[str, Any]
    """Figures of all groups together."""
    whole: bool
    """Whether all numbers are."""
    bins: Bins | None
    notes: list[str]


class Distribution(Query):
    """Actors by what is worked out of their events."""

    counts: ClassVar[frozenset[str]] = frozenset({"actors", "without", "sum"})
    labels: ClassVar[frozenset[str]] = frozenset({"low", "high"})
    measure: Individual = Individual("events")
    """Of each actor's events: `events active_days active_weeks active_months`; of a column's numbers `sum(c) average(c)
    min(c) max(c) median(c) p90(c) first(c) last(c)`; of any column `distinct(c)`. A named expression of actors is a
    column of one value: `last(c)`."""
    where: Condition | None = None
    """Only events for which this is true are measured."""
    among: Condition | None = None
    """Only actors who have an event in the range for which this is true; else whoever has one that is measured."""
    zeros: bool = False
    """Whether actors without an event that is measured count as 0; without `among`, all who have any event in range."""
    bins: How = "auto"
    """`auto`: of one width (1, 2 or 5 times a power of ten). `log`: between such numbers, growing wider. `quantiles`:
    with about as many actors in each."""
    most: int | None = Field(default=None, ge=2, le=1_000)
    """At most so many bins (open ones beyond come on top): 20 unless given, 10 of `quantiles`."""
    width: FiniteFloat | None = Field(default=None, gt=0)
    """The width of the bins, instead of one that fits."""
    edges: Edges = Field(default=[], max_length=1_000)
    """Where bins begin and the last one ends, ascending, such as `[0, 10, 100]`; what lies beyond is in open bins."""
    by: Names = Field(default=[], max_length=3)
    """Columns to break down by: their values at an actor's first event that says they are asked. At most three."""
    from_: Moment | None = Field(default=None, alias="from")
    """Only events at or after this: a date, a time, or one before now such as `-30d`."""
    to: Moment | None = None
    """Only events before this."""
    top: int | None = Field(default=10, ge=1)
    """Groups shown, those with most actors; the others are together `other`. Null shows all."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = [name for name, value in self._binned.items() if value]
        if len(given) > 1:
            raise ValueError(f"bins are chosen by {' and '.join(given)}: leave out all but one")
        if self.edges and self.most is not None:
            raise ValueError("edges say how many bins there are: leave out most")
        if self.width is not None and self.most is not None:
            raise ValueError("a width says how many bins there are: leave out most")
        if len(self.edges) == 1 or any(a >= b for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError(f"edges must be two or more ascending numbers, not {self.edges}")
        if self.zeros and not self.measure.adds:
            raise MeasureError(
                f"{self.measure} of no events is missing, not 0", hint="leave out zeros, or measure events or a sum"
            )
        return self

    @property
    def _binned(self) -> dict[str, Any]:
        return {"bins": self.bins != "auto", "width": self.width, "edges": self.edges}

    @property
    def _binning(self) -> Binning:
        return Binning(self.bins, self.most or MOST[self.bins], self.width, tuple(self.edges))

    @property
    def _asked(self) -> Condition | None:
        """The events that say of actors that they are asked, and in which group."""
        return self.among if self.among is not None or self.zeros else self.where

    def columns(self, schema: Schema) -> list[str]:
        """The columns it reads."""
        individual.check(self.measure, schema, "measure")
        column = self.measure.statistic.column
        names = [*self.by, *([] if column is None else [column])]
        return Context(schema, "UTC", 0, None, None).columns([self.where, self.among], names)

    def _breakdown(self, context: Context) -> Breakdown:
        return Breakdown.of(self.by, self.top, context.schema)

    # ── columns ─────────────────────────────────────────────────────────────────────────────────────

    def prepare(self, context: Context) -> Prepared:
        """What is measured, and who is asked."""
        measure = Individually(self.measure, self.where, context.span(self.from_, self.to), context).prepare()
        plainly = not self.by and self._asked is self.where and not self.zeros
        return Prepared(measure, None if plainly else context.mask([self._asked], None))

    def fold(self, shard: Shard, context: Context) -> Values:
        """The per-actor table of a shard."""
        made: Prepared = context.prepared
        events, values = made.measure.of(shard)
        if not self.zeros:
            values[events == 0] = np.nan
        if made.asked is None:
            who = np.flatnonzero(events)
            return Values(who + shard.begin, values[who], np.zeros(0, np.int64))
        found = self._breakdown(context).origins(shard, context, made.asked, 1, made.measure.span)
        return Values(
            found.actors, values[found.actors - shard.begin], found.numbers[: len(found.numbers) if self.by else 0]
        )

    def merge(self, partials: Iterable[Values]) -> Values:
        """One table; shards have no actor in common."""
        parts = list(partials)
        return Values(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in ("actors", "values", "groups"))
        )

    def _shown(self, table: Values, context: Context) -> tuple[Shown, np.ndarray]:
        """The groups, and the place of each actor of the table among them; without a breakdown no places."""
        if not self.by:
            return Shown([{}], 0, [len(table.actors)], np.zeros(0, np.int32)), table.groups
        shown = self._breakdown(context).shown(Origins(table.actors, table.groups), context)
        return shown, shown.place[table.actors]

    def answer(self, partial: Values, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """A row per group and bin. All from the one per-actor table."""
        shown, places = self._shown(partial, context)
        known = ~np.isnan(partial.values)
        by_group = Ordered.of(partial.values[known], places[known] if self.by else None, len(shown.labels))
        every = by_group.together()
        bins = settled(lambda: self._binning.bins(every.values, whole=every.whole))
        counts = [] if bins is None else by_group.counts(bins)
        figures = by_group.described(adds=self.measure.adds) if self.by else []
        one = every.described(adds=self.measure.adds)[0]
        return self._answer(Counted(shown.labels, shown.sizes, counts, figures, one, every.whole, bins, shown.notes))

    def _answer(self, told: Counted) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """Rows, totals and notes."""
        known = [sum(counts) for counts in told.counts] or [0] * len(told.labels)
        rows = [
            {**labels, **line}
            for labels, counts in zip(told.labels, told.counts, strict=False)
            for line in (lines(counts, told.bins) if told.bins is not None else ())
        ]
        asked = sum(told.sizes)
        totals = {"actors": sum(known), "without": asked - sum(known), **told.every, "whole": told.whole}
        if self.by:
            totals["groups"] = [
                {**labels, "actors": actors, "without": size - actors, **figures}
                for labels, size, actors, figures in zip(told.labels, told.sizes, known, told.figures, strict=True)
            ]
        return rows, totals, told.notes

    def taken_over(self, key: str, row: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> float | None:
        """Shares are of all actors of the group with a number, which an empty bin does not say; the smallest and the
        largest number hang on one."""
        if key in {"min", "max"}:
            return 1
        if "share" not in row:
            return super().taken_over(key, row, before)
        return row["actors"] / row["share"] if row["share"] else None

    def tell(self, story: Story, partial: Values, context: Context) -> Told:  # noqa: ARG002
        """Their number, and the events it is made of."""
        value = None if not len(partial.values) or np.isnan(partial.values[0]) else plain(float(partial.values[0]))
        asked, among = len(partial.values) > 0, self.among is not None
        return telling.told(story, str(self.measure), value, asked=asked, among=among)

    @property
    def chooses(self) -> bool:
        """Whether its bins or groups are found from the numbers of all."""
        return not self.edges or (bool(self.by) and self.top is not None)

    # ── people ──────────────────────────────────────────────────────────────────────────────────────

    def people(
        self, partial: Values, context: Context, cell: Cell
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """Who is in a bin, from `low` to `high`, and in a group; those with the largest numbers first."""
        shown, places = self._shown(partial, context)
        known = np.flatnonzero(~np.isnan(partial.values))
        values, actors = partial.values[known], partial.actors[known]
        group = places[known] if self.by else np.zeros(len(known), np.int32)
        every = Ordered.of(values)
        bins = self._binning.bins(every.values, whole=every.whole)
        return self._listed(context.columns_view, actors, values, group, (shown.labels, bins), cell, context)

    def _listed(  # noqa: PLR0913, PLR0917
        self, names: Sequence[str | None] | View, actors: np.ndarray, values: np.ndarray, group: np.ndarray,
        shown: tuple[list[dict[str, Any]], Bins | None], cell: Cell, context: Context,
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:  # fmt: skip
        labels, bins = shown
        cell.only(["low", "high", *self._breakdown(context).columns])
        ends = [] if bins is None else bins.ends
        cells = [
            ({"low": plain(low), "high": plain(high), **group_labels}, place * len(ends) + number)
            for place, group_labels in enumerate(labels)
            for number, (low, high) in enumerate(ends)
        ]
        bin_of = np.searchsorted(() if bins is None else bins.cuts, values, side="right")
        mine = np.flatnonzero(np.isin(group * len(ends) + bin_of, chosen(cell, cells)))
        numbers = values[mine]
        order = np.unique(numbers, return_inverse=True)[1]
        column = Column("value", [plain(value) for value in numbers.tolist()])
        return listed(names, actors[mine], order, [column], cell=cell, zone=context.zone, which="largest")

    def people_by_sql(
        self, run: Callable[[str], pa.Table], context: Context, cell: Cell
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same from the reference."""
        found = self._known(run, context)
        shown = self._breakdown(context).asked(run, self._line(context.schema, context), context)
        ordered = sorted(value for _, _, value in found)
        bins = self._binning.bins(ordered, whole=all(value.is_integer() for value in ordered))
        return self._listed(
            [actor for actor, _, _ in found], np.arange(len(found)), np.array([value for _, _, value in found]),
            np.array([place for _, place, _ in found], np.int64), (shown.labels, bins), cell, context,
        )  # fmt: skip

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def sql(self, schema: Schema, context: Context) -> str:
        """Rows `actor place n v`: who is asked, the place of their group, how many events, what is gathered of them."""
        return f"""{self._line(schema, context)},
measured as (select actor, count(*) as n, {individual.aggregate_sql(self.measure)} as v
  from picked where mine group by actor)
select grouped.actor, place, coalesce(n, 0) as n, v
from grouped left join measured on grouped.actor is not distinct from measured.actor order by place, grouped.actor"""

    def _line(self, schema: Schema, context: Context) -> str:
        """From `picked` (the events in range, whether each is measured: `mine`) to `grouped` (actor, place)."""
        cut, span = self._breakdown(context), context.span(self.from_, self.to)
        calendar = self.measure.statistic.name in ACTIVE
        starts = individual.edges(self.measure, span, context)[:-1] if calendar else [span.start]

        def true(condition: Condition | None) -> str:
            return "true" if condition is None else f"coalesce({condition.sql(schema)}, false)"

        return f"""with edges as (select unnest({starts}::bigint[]) as start, unnest(range({len(starts)})) as k),
picked as (select actor, epoch_us(time) as t, tie{cut.values(schema)}, {true(self.where)} as mine,
    {true(self._asked)} as asks, {individual.value_sql(self.measure, schema)} as v, k
  from events asof left join edges on epoch_us(events.time) >= edges.start
  where epoch_us(time) >= {span.start} and epoch_us(time) < {span.end}),
origins as (select actor{cut.firsts} from picked where asks group by actor),
{cut.ctes}"""

    def _known(self, run: Callable[[str], pa.Table], context: Context) -> list[tuple[str | None, int, float]]:
        """Actor, place of the group, and number of everyone who has one."""
        found = []
        for row in run(self.sql(context.schema, context)).to_pylist():
            value = individual.of_gathered(self.measure, row["v"]) if row["n"] or self.zeros else None
            if value is not None:
                found.append((row["actor"], row["place"], value))
        return found

    def by_sql(
        self, run: Callable[[str], pa.Table], context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same answer from the reference."""
        shown = self._breakdown(context).asked(run, self._line(context.schema, context), context)
        parts: list[list[float]] = [[] for _ in shown.labels]
        for _, place, value in self._known(run, context):
            parts[place].append(value)
        every = sorted(value for part in parts for value in part)
        whole = all(value.is_integer() for value in every)
        bins = self._binning.bins(every, whole=whole)
        counts = [] if bins is None else [by_loops.counted(part, bins) for part in parts]
        figures = [by_loops.described(sorted(part), adds=self.measure.adds) for part in parts] if self.by else []
        one = by_loops.described(every, adds=self.measure.adds)
        return self._answer(Counted(shown.labels, shown.sizes, counts, figures, one, whole, bins, shown.notes))

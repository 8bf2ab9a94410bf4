"""Who did what a pattern describes, how often and how long it took: a regular expression of events, with time.

[queries.bought_without_help]
type = "patterns"
pattern = "Viewed (not Helped)* 'Order Completed' within 1h"
let.Viewed = "event = 'Product Viewed'"
let.Helped = "event in ('Chat Opened', 'Call Made')"
by = "country"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from trackway.model.automaton import Automaton, automaton
from trackway.model.condition import Condition, quoted
from trackway.model.pattern import Pattern
from trackway.model.schema import Schema
from trackway.model.time import MICROS, Duration, iso
from trackway.plan.query import Query
from trackway.plan.told import Story, Told
from trackway.store.columns.context import Context, Moment, Names
from trackway.store.columns.durations import histogram, median, quantiles
from trackway.store.columns.groups import REST, Groups, Key, beyond, groups, label, ranked, shown_of
from trackway.store.columns.lanes import Lane, Mask, times
from trackway.store.columns.matching import Matches, joined, matches, places
from trackway.store.columns.met import same
from trackway.store.columns.people import Cell, Column, Listed, chosen, listed
from trackway.store.columns.spans import kept_sql, matches_sql
from trackway.store.columns.view import Shard, View
from trackway.store.telling import matches as telling


@dataclass(frozen=True)
class Prepared:
    """What all shards share."""

    marks: Mask
    time: Lane
    automaton: Automaton
    groups: Groups | None


@dataclass(frozen=True)
class Found:
    """The matches, and the group of each actor who has one."""

    matches: Matches
    first: np.ndarray
    """The first match of each actor."""
    group: np.ndarray
    """Number of the group of the event it begins with."""


@dataclass(frozen=True)
class Figures:
    """What is shown, however it was counted."""

    rows: list[tuple[Key | None, int, int, float | None]]
    """Group (None: all others), actors, matches, and the median time in seconds."""
    hidden: int
    asked: int
    taken: np.ndarray
    """Microseconds of every match, ascending."""
    listed: list[tuple[str, int, int, int]]
    """Actor, matches, beginning and length of the first match."""


class Patterns(Query):
    """Matches of a pattern in each actor's events."""

    counts: ClassVar[frozenset[str]] = frozenset({"actors", "matched", "matches"})
    labels: ClassVar[frozenset[str]] = frozenset({"times", "first_seconds"})
    pattern: Pattern
    """Events side by side: names of `let`, 'event names' in quotes, `any`, `not X`; `..` skips events;
    `(A | B)`, `* + ? {2,5}`, `^ $` for the first and last event of all, `within 1h` at the end of all or of a group."""
    let: dict[str, Condition] = Field(default={})
    """What the names in the pattern are: conditions on an event."""
    match: Literal["shortest", "longest"] = "shortest"
    """`shortest`: a match ends as early as it can, and of those begins as late. `longest`: it begins as early as it
    can, and of those ends as late. Matches do not overlap."""
    where: Condition | None = None
    """Only events for which this is true; all others are not there for the pattern."""
    timeout: Duration | None = None
    """A longer pause between two events ends a session: a match lies in one, and `^` and `$` are its ends."""
    by: Names = Field(default=[], max_length=3)
    """Columns to break down by: their values at the first event of an actor's first match. At most three."""
    listed: int = Field(default=0, ge=0, le=10_000)
    """How many actors to name, those with most matches first."""
    from_: Moment | None = Field(default=None, alias="from")
    """Only events at or after this: a date, a time, or one before now such as `-30d`."""
    to: Moment | None = None
    """Only events before this."""
    top: int | None = Field(default=10, ge=1)
    """Groups shown, those with most actors; the others are together `other`. Null shows all."""

    @model_validator(mode="after")
    def _compiles(self) -> Patterns:
        self._automaton()
        return self

    @property
    def chooses(self) -> bool:
        """Whether the groups shown are the largest."""
        return bool(self.by) and self.top is not None

    def _letters(self) -> dict[str, Condition]:
        return self.pattern.letters(self.let)

    def _automaton(self) -> Automaton:
        return automaton(self.pattern, list(self._letters()))

    @property
    def _timeout(self) -> int:
        return -1 if self.timeout is None else self.timeout.micros

    def columns(self, schema: Schema) -> list[str]:
        """The columns it reads."""
        return Context(schema, "UTC", 0, None, None).columns([self.where, *self._letters().values()], self.by)

    def _names(self, context: Context) -> list[str]:
        return list(dict.fromkeys(context.schema.resolve(name) for name in self.by))

    def prepare(self, context: Context) -> Prepared:
        """The letters as bits, and the groups."""
        view = context.columns_view
        marks = context.mask([None, *self._letters().values()], self.where)
        return Prepared(marks, times(view), self._automaton(), groups(view, self._names(context)) if self.by else None)

    def fold(self, shard: Shard, context: Context) -> Found:
        """The matches of one shard."""
        made: Prepared = context.prepared
        span = context.span(self.from_, self.to)
        found = matches(
            shard, made.marks, made.time, made.automaton, span, context.cuts(span), self._timeout,
            self.match == "longest", True,
        )  # fmt: skip
        first = np.flatnonzero(np.diff(found.actor, prepend=-1))
        group = np.zeros(len(first) if made.groups is not None else 0, np.int64)
        if made.groups is not None:
            runs, rows = places(shard.view, found.begin[first])
            for run, numbers in enumerate(made.groups.arrays):
                mine = np.flatnonzero(runs == run)
                group[mine] = numbers[rows[mine]]
        return Found(found, first, group)

    def merge(self, partials: Iterable[Found]) -> Found:
        """One table; shards have no actor in common."""
        parts = list(partials)
        starts = np.cumsum([0, *(len(part.matches.actor) for part in parts)])
        return Found(
            joined([part.matches for part in parts]),
            np.concatenate([part.first + start for part, start in zip(parts, starts, strict=False)]),
            np.concatenate([part.group for part in parts]),
        )

    def answer(self, partial: Found, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """A row per group. All from the one table of matches."""
        found, first = partial.matches, partial.first
        taken = found.ended - found.begun
        sizes = np.diff(first, append=len(taken))
        rows, hidden = self._rows(partial, taken, sizes, context.prepared.groups)
        listed = self._listed(partial, taken, sizes, context) if self.listed else []
        return self._answer(Figures(rows, hidden, found.asked, np.sort(taken), listed), context)

    def _rows(
        self, partial: Found, taken: np.ndarray, sizes: np.ndarray, grouped: Groups | None
    ) -> tuple[list[tuple[Key | None, int, int, float | None]], int]:
        if grouped is None:
            return [((), len(sizes), len(taken), median(taken))], 0
        numbers, which, weights = np.unique(partial.group, return_inverse=True, return_counts=True)
        keys = grouped.keys(numbers)
        order = ranked(keys, weights.tolist())
        shown = shown_of(keys, order, self.top)
        place = np.full(len(keys), len(shown))
        place[shown] = np.arange(len(shown))
        of_actor = place[which]
        of_match = np.repeat(of_actor, sizes)
        hidden = len(order) - len(shown)
        rows = []
        for index, key in enumerate([*(keys[i] for i in shown), *([None] if hidden else [])]):
            mine = taken[of_match == index]
            rows.append((key, int(np.count_nonzero(of_actor == index)), len(mine), median(mine)))
        return rows, hidden

    def _listed(
        self, partial: Found, taken: np.ndarray, sizes: np.ndarray, context: Context
    ) -> list[tuple[str, int, int, int]]:
        """The actors with most matches; of equal many, by their ids."""
        view, first = context.columns_view, partial.first
        least = np.sort(sizes)[::-1][: self.listed][-1:]
        near = np.flatnonzero(sizes >= least) if len(least) else first[:0]
        ids = view.names(view.codes[partial.matches.actor[first[near]]]).to_pylist()
        rows = sorted(zip(ids, near.tolist(), strict=True), key=lambda one: (-sizes[one[1]], one[0]))[: self.listed]
        begun = partial.matches.begun
        return [(id_, int(sizes[i]), int(begun[first[i]]), int(taken[first[i]])) for id_, i in rows]

    def _answer(self, figures: Figures, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """Rows, totals and notes of figures."""
        matched = sum(actors for _, actors, _, _ in figures.rows)
        rows = []
        for key, actors, count, seconds in figures.rows:
            rows.append(
                {
                    **self._labels(key, context), "actors": actors,
                    "share": actors / matched if matched else None, "matches": count,
                    "per_actor": count / actors if actors else None, "median_seconds": seconds,
                }
            )  # fmt: skip
        bars = [{"from": b["from"], "to": b["to"], "matches": b["actors"]} for b in histogram(figures.taken)]
        totals: dict[str, Any] = {
            "actors": figures.asked,
            "matched": matched,
            "rate": matched / figures.asked if figures.asked else None,
            "matches": len(figures.taken),
            "seconds": quantiles(figures.taken),
            "histogram": bars,
        }
        if self.listed:
            totals["list"] = [
                {"actor": actor, "times": count, "first": iso(begun, context.zone), "first_seconds": taken / MICROS}
                for actor, count, begun, taken in figures.listed
            ]
        return rows, totals, [beyond(figures.hidden)] if figures.hidden else []

    def _labels(self, key: Key | None, context: Context) -> dict[str, Any]:
        """The columns of a group; None is all the rest."""
        names = self._names(context)
        if key is None:
            return dict.fromkeys(names, REST)
        return {name: label(item, context.schema[name], context.zone) for name, item in zip(names, key, strict=True)}

    def tell(self, story: Story, partial: Found, context: Context) -> Told:
        """The events of each match."""
        found, view = partial.matches, context.columns_view
        return telling.told(story, places(view, found.begin)[1], places(view, found.end)[1], str(self.pattern))

    def marks(self) -> dict[str, Condition]:
        """The letters of the pattern, and `where`."""
        return ({} if self.where is None else {"where": self.where}) | self._letters()

    def lifts(self, told: Told) -> dict[str, Mapping[str, Any]]:
        """Every `within` and the pause that ends a session, besides `where` and the range."""
        found, timeless = super().lifts(told), telling.timeless(str(self.pattern))
        found |= {} if timeless == self.pattern else {"within": {"pattern": timeless}}
        return found | ({} if self.timeout is None else {"timeout": {"timeout": None}})

    # ── people ──────────────────────────────────────────────────────────────────────────────────────

    def people(self, partial: Found, context: Context, cell: Cell) -> Listed:
        """Who has a match, in a group."""
        found, first, grouped = partial.matches, partial.first, context.prepared.groups
        sizes, keys = np.diff(first, append=len(found.actor)), list[Key | None]()
        which = np.zeros(len(first), np.int64)
        if grouped is not None:
            numbers, of, weights = np.unique(partial.group, return_inverse=True, return_counts=True)
            every = grouped.keys(numbers)
            order = ranked(every, weights.tolist())
            best = order if self.top is None else order[: self.top]
            place = np.full(len(every), len(best))
            place[best] = np.arange(len(best))
            which, keys = place[of], [*(every[i] for i in best), *([None] if len(best) < len(order) else [])]
        mine = np.flatnonzero(np.isin(which, self._chosen(cell, keys if self.by else [()], context)))
        begun = found.begun[first[mine]]
        return self._people(
            context.columns_view, found.actor[first[mine]], (begun, found.ended[first[mine]] - begun, sizes[mine]),
            cell, context,
        )  # fmt: skip

    def _chosen(self, cell: Cell, keys: Sequence[Key | None], context: Context) -> list[int]:
        """The places of the groups that are asked about."""
        cell.only(self._names(context))
        return chosen(cell, [(self._labels(key, context), place) for place, key in enumerate(keys)])

    def _people(
        self, names: Sequence[str | None] | View, who: np.ndarray, told: tuple[np.ndarray, ...], cell: Cell,
        context: Context,
    ) -> Listed:  # fmt: skip
        """Those whose first match began latest first."""
        begun, taken, sizes = told
        columns = [
            Column("matches", sizes), Column("first", begun, never=np.iinfo(np.int64).min),
            Column("first_seconds", taken / MICROS),
        ]  # fmt: skip
        return listed(names, who, begun, columns, cell=cell, zone=context.zone)

    def people_by_sql(self, run: Callable[[str], pa.Table], context: Context, cell: Cell) -> Listed:
        """The same from the reference."""
        placed = self._placed(context.schema, context)
        keys = [f"g{number}" for number in range(len(self._names(context)))]
        shown = run(f"{placed} select distinct place{''.join(f', {key}' for key in keys)} from placed").to_pylist()
        shown.sort(key=lambda row: (row["place"] is None, row["place"]))
        groups_ = [None if row["place"] is None else tuple(row[key] for key in keys) for row in shown]
        places_ = [shown[place]["place"] for place in self._chosen(cell, groups_, context)]
        mine = " or ".join(same("p.place", place) for place in places_) or "false"
        found = run(f"""{placed} select a.actor, a.begun, a.taken, a.matches from actors a
join placed p on p.actor is not distinct from a.actor where {mine}""")
        told = tuple(found[name].to_numpy() for name in ("begun", "taken", "matches"))
        return self._people(found["actor"].to_pylist(), np.arange(len(found)), told, cell, context)

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def sql(self, schema: Schema, context: Context) -> str:
        """Rows `actor s begun taken`, the groups `g0 g1 …`: every match, `s` being the number of its first event."""
        names, letters = self._names(context), self._letters()
        values = "".join(
            f", {f'epoch_us({quoted(name)})' if schema[name] == 'time' else quoted(name)} as g{number}"
            for number, name in enumerate(names)
        )
        conditions = [condition.sql(schema) for condition in letters.values()]
        kept = kept_sql(conditions, self._counted(schema, context), self._timeout, values)
        shown = "".join(f", a.g{number}" for number in range(len(names)))
        return f"""with recursive {kept},
{matches_sql(self.pattern, list(letters), self.match == "longest")}
select a.actor.id as actor, a.nth as s, a.t as begun, b.t - a.t as taken{shown} from matched m
join k a on a.actor = m.actor and a.i = m.s join k b on b.actor = m.actor and b.i = m.e - 1"""

    def _counted(self, schema: Schema, context: Context) -> str:
        """DuckDB text: whether an event is there for the pattern."""
        span = context.span(self.from_, self.to)
        where = f"({self.where.sql(schema)})" if self.where is not None else "true"
        return f"{where} and epoch_us(time) >= {span.start} and epoch_us(time) < {span.end}"

    def _placed(self, schema: Schema, context: Context) -> str:
        """Every match, and every actor with their place among the groups; null beyond the largest."""
        keys = [f"g{number}" for number in range(len(self._names(context)))]
        values = "".join(f", arg_min(struct_pack(v := {key}), s).v as {key}" for key in keys)
        order = "".join(f", {key} nulls last" for key in keys)
        same = " and ".join(f"r.{key} is not distinct from a.{key}" for key in keys) or "true"
        top = "true" if self.top is None else f"r.place <= {self.top}"
        shown = "".join(f", case when {top} then r.{key} end as {key}" for key in keys)
        listed = "".join(f", {key}" for key in keys)
        return f"""with found as ({self.sql(schema, context)}),
actors as (select actor, count(*) as matches, min(begun) as begun, arg_min(taken, s) as taken{values}
  from found group by actor),
sized as (select count(*) as total{listed} from actors group by all),
ranked as (select *, row_number() over (order by total desc{order}) as place from sized where total > 0),
placed as (select a.actor, if({top}, r.place, null) as place{shown} from actors a join ranked r on {same})"""

    def by_sql(
        self, run: Callable[[str], pa.Table], context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same answer from the reference."""
        placed = self._placed(context.schema, context)
        keys = [f"g{number}" for number in range(len(self._names(context)))]
        listed = "".join(f", p.{key}" for key in keys)
        table = run(f"""{placed}
select p.place{listed}, count(distinct actor) as actors, count(*) as matches, median(taken) / {MICROS} as seconds
from found join placed p using (actor) group by all order by p.place nulls last""")
        rows: list[tuple[Key | None, int, int, float | None]] = [
            (None if row["place"] is None else tuple(row[key] for key in keys), row["actors"], row["matches"],
             row["seconds"])
            for row in table.to_pylist()
        ]  # fmt: skip
        hidden = max(0, run(f"{placed} select count(*) as n from ranked")["n"][0].as_py() - (self.top or 1 << 62))
        counted = self._counted(context.schema, context)
        asked = run(f"select count(distinct actor) as n from events where {counted}")["n"][0].as_py()
        taken = run(f"{placed} select taken from found order by taken")["taken"].to_numpy()
        most = f"select actor, matches, begun, taken from actors order by matches desc, actor limit {self.listed}"
        who = [tuple(row.values()) for row in run(f"{placed} {most}").to_pylist()]
        figures = Figures(rows or ([] if keys else [((), 0, 0, None)]), hidden, asked, taken, who)
        return self._answer(figures, context)

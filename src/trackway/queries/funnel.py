"""How many actors take some steps in order, how far the others get, and how long it takes.

[queries.sign_up]
type = "funnel"
within = "14d"
by = "country"
steps = [
  { name = "Home", when = "path = '/'" },
  { name = "Signed up", when = "event = 'Signed Up'" },
]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from trackway.model.condition import Condition, quoted
from trackway.model.schema import Schema
from trackway.model.time import MICROS, Duration
from trackway.plan.component import Query
from trackway.store.columns.context import Context, Moment, Names
from trackway.store.columns.durations import histogram, median, quantiles
from trackway.store.columns.folds import funnel as fold
from trackway.store.columns.groups import REST, Groups, Key, beyond, groups, label, ranked
from trackway.store.columns.lanes import Lane, Mask, times
from trackway.store.columns.steps import MOST_STEPS, Step
from trackway.store.columns.view import Shard


@dataclass(frozen=True)
class Journeys:
    """The per-actor table, one row for each actor who took the first step."""

    depth: np.ndarray
    """Deepest step."""
    moments: np.ndarray
    """Time of each step (first index) of the chain that first got there; microseconds."""
    group: np.ndarray
    """Number of the group of the actor's first event that is step 1."""
    actor: np.ndarray
    """Place among the actors of the view."""


@dataclass(frozen=True)
class Prepared:
    """What all shards share."""

    steps: Mask
    time: Lane
    groups: Groups | None


class Funnel(Query):
    """Steps in order; other events may come between them."""

    counts: ClassVar[frozenset[str]] = frozenset({"actors", "converted", "open"})
    steps: list[Step] = Field(min_length=1, max_length=MOST_STEPS)
    """The steps, first to last."""
    within: Duration = Duration("14d")
    """Longest time from the first step to the last."""
    order: Literal["ordered"] = "ordered"
    """`ordered`: each step after the one before, anything may lie between."""
    where: Condition | None = None
    """Only events for which this is true can be a step."""
    by: Names = Field(default=[], max_length=3)
    """Columns to break down by: their values at an actor's first event that is step 1. At most three."""
    from_: Moment | None = Field(default=None, alias="from")
    """All steps are taken at or after this: a date, a time, or one before now such as `-30d`."""
    to: Moment | None = None
    """All steps are taken before this."""
    top: int | None = Field(default=10, ge=1)
    """Groups shown, those with most actors at the first step; the others are together `other`. Null shows all."""

    def columns(self, schema: Schema) -> list[str]:
        """The columns it reads."""
        return Context(schema, "UTC", 0, None, None).columns([self.where, *(s.when for s in self.steps)], self.by)

    def _names(self, context: Context) -> list[str]:
        return list(dict.fromkeys(context.schema.resolve(name) for name in self.by))

    def prepare(self, context: Context) -> Prepared:
        """The steps as bits, and the groups."""
        view = context.columns_view
        steps = context.mask([step.when for step in self.steps], self.where)
        return Prepared(steps, times(view), groups(view, self._names(context)) if self.by else None)

    def fold(self, shard: Shard, context: Context) -> Journeys:
        """The per-actor table of one shard."""
        view, made, span = shard.view, context.prepared, context.span(self.from_, self.to)
        room = shard.end - shard.begin
        depth, table = np.zeros(room + 1, np.uint8), np.empty((len(self.steps), room + 1), np.int64)
        origin = np.empty((2, room + 1 if made.groups is not None else 0), np.int64)
        who = np.empty(room + 1, np.uint32)
        count = fold.chains(
            view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *made.steps.parts,
            made.time.addresses, made.time.like, span.start, span.end, context.cuts(span), self.within.micros,
            table, origin, depth, who,
        )  # fmt: skip
        group = np.zeros(count if made.groups is not None else 0, np.int64)
        if made.groups is not None:
            for run, numbers in enumerate(made.groups.arrays):
                mine = np.flatnonzero(origin[0, :count] == run)
                group[mine] = numbers[origin[1, mine]]
        return Journeys(depth[:count], table[:, :count], group, who[:count])

    def merge(self, partials: Iterable[Journeys]) -> Journeys:
        """One table; shards have no actor in common."""
        parts = list(partials)
        return Journeys(
            np.concatenate([part.depth for part in parts]),
            np.concatenate([part.moments for part in parts], axis=1),
            np.concatenate([part.group for part in parts]),
            np.concatenate([part.actor for part in parts]),
        )

    def answer(self, partial: Journeys, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """A row per step (and group); totals hold the times to convert. All from the one per-actor table."""
        made: Prepared = context.prepared
        span = context.span(self.from_, self.to)
        rows, hidden = self._all_rows(partial, made.groups, context)
        totals = self._totals(partial.depth, partial.moments[0], partial.moments[-1], context)
        return rows, totals, self._notes(hidden, totals["open"], span.start < span.end)

    def _all_rows(self, table: Journeys, grouped: Groups | None, context: Context) -> tuple[list[dict[str, Any]], int]:
        if grouped is None:
            return self._rows(table.depth, table.moments, {}), 0
        names = self._names(context)
        numbers, which, sizes = np.unique(table.group, return_inverse=True, return_counts=True)
        keys = grouped.keys(numbers)
        order = ranked(keys, sizes.tolist())
        shown = order if self.top is None else order[: self.top]
        place = np.full(len(keys), len(shown))
        place[shown] = np.arange(len(shown))
        rows = []
        for index, labels in enumerate(self._labels([keys[i] for i in shown], len(order) > len(shown), context)):
            mine = place[which] == index
            rows += self._rows(table.depth[mine], table.moments[:, mine], dict(zip(names, labels, strict=True)))
        return rows, len(order) - len(shown)

    def _labels(self, keys: list[Key], rest: bool, context: Context) -> list[list[Any]]:
        names = self._names(context)
        shown = [
            [label(item, context.schema[name], context.zone) for name, item in zip(names, key, strict=True)]
            for key in keys
        ]
        return [*shown, [REST] * len(names)] if rest else shown

    def _rows(self, depth: np.ndarray, moments: np.ndarray, labels: dict[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for k, name in enumerate(self._step_names()):
            there = np.flatnonzero(depth > k) if k else depth
            actors, before = len(there), rows[k - 1]["actors"] if k else 0
            whole = median(moments[k, there] - moments[0, there]) if k else None
            last = median(moments[k, there] - moments[k - 1, there]) if k > 1 else whole
            rows.append(
                {
                    "step": k + 1, "name": name, **labels, "actors": actors,
                    "rate": actors / len(depth) if len(depth) else None, "median_seconds": whole,
                    "step_rate": actors / before if before else None, "step_median_seconds": last,
                }
            )  # fmt: skip
        return rows

    def _step_names(self) -> list[str]:
        return [step.name or str(step.when) for step in self.steps]

    def _totals(self, depth: np.ndarray, start: np.ndarray, end: np.ndarray, context: Context) -> dict[str, Any]:
        """Who converted and how long it took; `open`: those who stopped but may still go on."""
        done = np.flatnonzero(depth == len(self.steps))
        begun = start[done]
        taken = np.sort(end[done] - begun)
        closed = min(context.newest or 0, context.span(self.from_, self.to).end - 1) - self.within.micros
        return {
            "actors": len(depth),
            "converted": len(done),
            "rate": len(done) / len(depth) if len(depth) else None,
            "open": int(np.count_nonzero(start > closed) - np.count_nonzero(begun > closed)),
            "seconds": quantiles(taken),
            "histogram": histogram(taken),
        }

    def _notes(self, hidden: int, still: int, some: bool) -> list[str]:
        notes = []
        if hidden:
            notes.append(beyond(hidden))
        if still and some:
            who = f"{still:,} actors" if still > 1 else "1 actor"
            notes.append(f"{who} who stopped began less than {self.within} before the end and may still go on.")
        return notes

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def sql(self, schema: Schema, context: Context) -> str:
        """Rows `step actors rate median_seconds step_rate step_median_seconds`, groups `g0 g1 …`, `place`, `rest`."""
        keys = [f"g{index}" for index in range(len(self._names(context)))]
        steps = len(self.steps)
        listed = "".join(f", {key}" for key in keys)
        order = ", ".join(["total desc", *(f"{key} nulls last" for key in keys)])
        same = " and ".join(f"j.{key} is not distinct from r.{key}" for key in keys) or "true"
        top = "true" if self.top is None else f"r.place <= {self.top}"
        shown = "".join(f", case when {top} then r.{key} end as {key}" for key in keys)
        return f"""{self.journeys(schema, context)},
sized as (select count(*) as total{listed} from journeys group by all),
ranked as (select *, row_number() over (order by {order}) as place from sized),
grouped as (select j.depth, j.m, least(r.place, {self.top or "r.place"} + 1) as place, not ({top}) as rest{shown}
            from journeys j join ranked r on {same}),
steps as (select unnest(range(1, {steps + 1})) as step),
counted as (select step, place, rest{"".join(f", {key}" for key in keys)},
    count(*) filter (depth >= step) as actors,
    median(m[step] - m[1]) filter (depth >= step) / {MICROS} as median_seconds,
    median(m[step] - m[step - 1]) filter (depth >= step) / {MICROS} as step_median_seconds
  from grouped cross join steps group by all)
select *, actors / first_value(actors) over (partition by place order by step) as rate,
  actors / nullif(lag(actors) over (partition by place order by step), 0) as step_rate
from counted order by place, step"""

    def journeys(self, schema: Schema, context: Context) -> str:
        """The text of the per-actor table `journeys` (`actor`, `depth`, times `m`, groups), from `with` on.

        One window function per step takes the best chain before the event. A chain is (start, minus the place of its
        last event, its times): the largest is the one that started latest and, of those, was formed first.
        """
        span = context.span(self.from_, self.to)
        names = self._names(context)
        where = self.where.sql(schema) if self.where is not None else "true"
        conditions = [f"coalesce({step.when.sql(schema)}, false)" for step in self.steps]
        count = len(conditions)
        values = "".join(
            f", {f'epoch_us({quoted(name)})' if schema[name] == 'time' else quoted(name)} as g{i}"
            for i, name in enumerate(names)
        )
        steps = "".join(f", {condition} as c{k}" for k, condition in enumerate(conditions))
        any_step = " or ".join(f"c{k}" for k in range(count))
        lowest = "case " + " ".join(f"when c{k} then {k}" for k in range(count)) + " end"
        text = f"""with matched as (select actor, epoch_us(time) as t, tie{values}{steps} from events
  where {where} and epoch_us(time) >= {span.start} and epoch_us(time) < {span.end}),
placed as (select *, row_number() over (partition by actor order by t, {lowest}, tie) as p
           from matched where {any_step}),
chain0 as (select *, case when c0 then struct_pack(s := t, p := -p, m := [t]) end as h0 from placed)"""
        for k in range(1, count):
            text += f""",
best{k} as (select *, max(h{k - 1}) over (partition by actor order by p
             rows between unbounded preceding and 1 preceding) as b from chain{k - 1}),
chain{k} as (select * exclude (b), case when c{k} and b is not null and t - b.s <= {self.within.micros}
             then struct_pack(s := b.s, p := -p, m := list_append(b.m, t)) end as h{k} from best{k})"""
        firsts = ", ".join(f"min_by(h{k}, p) filter (h{k} is not null) as f{k}" for k in range(count))
        deepest = ", ".join(f"f{k}" for k in reversed(range(count)))
        firsts += "".join(f", min_by(struct_pack(v := g{i}), p) filter (c0) as o{i}" for i in range(len(names)))
        origins = "".join(f", o{i}" for i in range(len(names)))
        groups = "".join(f", o{i}.v as g{i}" for i in range(len(names)))
        return f"""{text},
found as (select actor, {firsts} from chain{count - 1} group by actor),
deepest as (select actor, coalesce({deepest}) as f{origins} from found),
journeys as (select actor, len(f.m) as depth, f.m as m{groups} from deepest where f is not null)"""

    def by_sql(
        self, run: Callable[[str], pa.Table], context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same answer from the reference."""
        names, titles = self._names(context), self._step_names()
        shown = ("actors", "rate", "median_seconds", "step_rate", "step_median_seconds")
        rows = []
        for row in run(self.sql(context.schema, context)).to_pylist():
            key = tuple(row[f"g{i}"] for i in range(len(names)))
            (labels,) = self._labels([] if row["rest"] else [key], row["rest"], context)
            if row["step"] == 1:
                row["median_seconds"] = None
            plain = dict(zip(names, labels, strict=True))
            rows.append({"step": row["step"], "name": titles[row["step"] - 1], **plain, **{k: row[k] for k in shown}})
        if not rows and not names:
            rows = self._rows(np.zeros(0, np.uint8), np.zeros((len(titles), 0), np.int64), {})
        journeys = self.journeys(context.schema, context)
        table = run(f"{journeys} select depth, m[1] as b, m[depth] as e from journeys")
        depth, begin, end = (table[name].to_numpy() for name in ("depth", "b", "e"))
        totals = self._totals(depth, begin, end, context)
        groups = "".join(f"g{i}, " for i in range(len(names))).removesuffix(", ")
        hidden = 0
        if groups and self.top is not None:
            count = run(f"{journeys} select count(*) as n from (select distinct {groups} from journeys)")["n"][
                0
            ].as_py()
            hidden = max(0, count - self.top)
        return rows, totals, self._notes(hidden, totals["open"], True)

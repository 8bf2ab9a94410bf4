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

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from trackway.errors import QuestionError
from trackway.model.condition import Condition, quoted
from trackway.model.schema import Schema
from trackway.model.time import Duration, Window
from trackway.plan.query import Query
from trackway.plan.told import Story, Told
from trackway.store.columns import chains, journeys, orders, parts
from trackway.store.columns.context import Context, Moment, Names
from trackway.store.columns.durations import histogram, median, quantiles
from trackway.store.columns.groups import REST, Groups, Key, beyond, label
from trackway.store.columns.journeys import Asked, Journeys, Prepared
from trackway.store.columns.parts import Part
from trackway.store.columns.people import Cell, Column, chosen, listed
from trackway.store.columns.reference import funnel as by_windows
from trackway.store.columns.reference import journeys as by_recursion
from trackway.store.columns.reference import orders as by_orders
from trackway.store.columns.steps import MOST_STEPS, Exclusion, FunnelStep, blocks, refuse
from trackway.store.columns.timeline import Timeline, timeline
from trackway.store.columns.view import Shard, View
from trackway.store.telling import funnel as telling


class Funnel(Query):
    """Steps in order; other events may come between them."""

    counts: ClassVar[frozenset[str]] = frozenset(
        {"actors", "entries", "sessions", "converted", "open", "low_actors", "high_actors", "low_converted",
         "high_converted", "tied"}
    )  # fmt: skip
    steps: list[FunnelStep] = Field(min_length=1, max_length=MOST_STEPS)
    """The steps, first to last."""
    within: Window = Window("14d")
    """Longest time from the first step to the last, or the number of sessions they may touch: `1 session`."""
    order: Literal["ordered", "strict", "any"] = "ordered"
    """`ordered`: each step after the one before, anything may lie between. `strict`: nothing may lie between.
    `any`: steps come in any order, but for those that are anchored."""
    exclude: list[Exclusion] = Field(default=[])
    """Events that must not come between steps."""
    hold: Names = Field(default=[], max_length=3)
    """Columns that must be there and have the same value in all events of a chain. At most three."""
    count: Literal["actors", "entries", "sessions"] = "actors"
    """What is counted: actors, each once; every entry into the funnel; or sessions, each an actor of its own."""
    mode: Literal["any", "first_entry", "reentry"] | None = None
    """Which chains count. `any`: every one there is (default). `first_entry`: the attempt that begins with the first
    step 1, each step the first event that matches; for entries one attempt after the other (their default).
    `reentry`: such attempts from every step 1."""
    session: Duration = Duration("30m")
    """A session ends when nothing comes for longer than this."""
    where: Condition | None = None
    """Only events for which this is true can be a step."""
    by: Names = Field(default=[], max_length=3)
    """Columns to break down by. At most three."""
    attribution: str = Field(default="first", pattern=r"^(first|last|all|step [1-9]\d*)$")
    """The event whose values `by` takes: `first` (the first that is step 1, converted or not), `last` (of the chain),
    `step 2` (of the chain; null without it), or `all` (in the group of each event of the chain)."""
    from_: Moment | None = Field(default=None, alias="from")
    """All steps are taken at or after this: a date, a time, or one before now such as `-30d`."""
    to: Moment | None = None
    """All steps are taken before this."""
    top: int | None = Field(default=10, ge=1)
    """Groups shown, those with most actors at the first step; the others are together `other`. Null shows all."""

    every: Duration | None = None
    """Also by the interval in which the chain began: `1d 7d 1mo` …"""
    incomplete: Literal["exclude", "include"] = "exclude"
    """With `every`: whether totals count those who began in an interval whose window is not over yet."""
    robust: bool = False
    """Also the fewest and the most actors over all orders of events that the precision of their times allows."""
    precision: Duration | None = None
    """With `robust`: how exactly all times are stated, instead of what their sources say of themselves."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        """Refuse options that contradict each other. Raises QuestionError."""
        refuse(self.steps, self.exclude, self.order)
        if self.robust and not (self.asked.plain and not self.hold):
            raise QuestionError(
                "orders are tried for plain funnels only", path="robust",
                hint="leave out robust, or order, exclude, hold, count, mode, attribution and optional steps",
            )  # fmt: skip
        if self.count == "entries" and self.mode == "any":
            raise QuestionError(
                "any chain is no way to tell one entry from the next", path="mode",
                hint="say 'first_entry' (one after the other) or 'reentry' (from every step 1), or leave mode out",
            )  # fmt: skip
        if self.count == "sessions" and self.within.sessions > 1:
            raise QuestionError(
                f"a chain inside one session cannot touch {self.within}", path="within",
                hint="say '1 session' or a length of time, or count actors",
            )  # fmt: skip
        if self.attribution.startswith("step ") and int(self.attribution[5:]) > len(self.steps):
            raise QuestionError(f"there is no {self.attribution}", path="attribution", hint=f"last: {len(self.steps)}")
        return self

    @property
    def asked(self) -> Asked:
        """The options as the folds need them."""
        excluded = [one.counted for one in self.exclude] + [chains.Exclusion()] * (self.order == "strict")
        optional = frozenset(place for place, step in enumerate(self.steps) if step.optional)
        mode = self.mode or ("first_entry" if self.count == "entries" else "any")
        within = 0 if self.within.sessions else self.within.micros
        return Asked(
            chains.Rules(blocks(self.steps, self.order), optional, tuple(excluded)), self.count, mode, self.attribution,
            within, self.within.sessions, self.session.micros,
        )  # fmt: skip

    def _conditions(self) -> list[Condition | None]:
        """What the bits of an event mean: steps, exclusions, and with strict order every event."""
        listed: list[Condition | None] = [step.when for step in self.steps]
        return [*listed, *(one.when for one in self.exclude), *([None] * (self.order == "strict"))]

    def columns(self, schema: Schema) -> list[str]:
        """The columns it reads."""
        read = Context(schema, "UTC", 0, None, None)
        return read.columns([self.where, *self._conditions()], [*self.by, *self.hold])

    def _names(self, context: Context) -> list[str]:
        return list(dict.fromkeys(context.schema.resolve(name) for name in self.by))

    def _held(self, context: Context) -> list[str]:
        return list(dict.fromkeys(context.schema.resolve(name) for name in self.hold))

    def prepare(self, context: Context) -> Prepared:
        """The steps as bits, and the groups."""
        steps = context.mask(self._conditions(), self.where)
        made = journeys.prepare(context, steps, self._names(context), self._held(context), self.asked)
        if not self.robust:
            return made
        precision = None if self.precision is None else self.precision.micros
        return replace(made, spread=orders.spread(context, steps, len(self.steps), self.within.micros, precision))

    def fold(self, shard: Shard, context: Context) -> Journeys:
        """The per-actor table of one shard."""
        return journeys.folded(shard, context, context.prepared, context.span(self.from_, self.to))

    def merge(self, partials: Iterable[Journeys]) -> Journeys:
        """One table; shards have no actor in common."""
        return journeys.merged(partials)

    def taken_over(self, key: str, row: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> float | None:
        """A rate is of those at the first step, or at the step before; times are of those who got there."""
        if key == "seconds":
            return int(row["converted"])
        if key.endswith("rate") and row.get("step", 1) > 1:
            first = self._before()[row["step"] - 1] if key == "step_rate" else 1
            return int(before[first - row["step"]][self.count])
        return int(row[self.count])

    def answer(self, partial: Journeys, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """A row per step (and interval, and group); totals hold the times to convert. All from the one table."""
        made: Prepared = context.prepared
        span = context.span(self.from_, self.to)
        line = self._timeline(partial, context)
        cells, hidden = self._parts(partial, made.groups, line, context)
        rows = [row for cell in cells for row in self._rows(cell.of(partial), cell.labels)]
        return rows, *self._whole(partial, line, hidden, context, some=span.start < span.end)

    def _whole(
        self, table: Journeys, line: Timeline | None, hidden: int, context: Context, *, some: bool
    ) -> tuple[dict[str, Any], list[str]]:
        """Totals and notes: over all, or with `every` over the intervals that count."""
        starts = table.moments[0]
        excluded = line is not None and self.incomplete == "exclude"
        counted = table.of(np.flatnonzero(line.complete[line.place(starts)])) if line and excluded else table
        totals = self._totals(counted, context)
        notes = self._notes(hidden, totals["open"], some)
        notes += line.note(starts, excluded=excluded) if line is not None else []
        return totals, notes + ([] if table.bounds is None else orders.notes(table.bounds))

    def _timeline(self, table: Journeys, context: Context) -> Timeline | None:
        if self.every is None:
            return None
        return timeline(
            context, self.every, table.moments[0], self._going(table, context),
            from_=self.from_, to=self.to, within=self.asked.within,
        )  # fmt: skip

    def _parts(
        self, table: Journeys, grouped: Groups | None, line: Timeline | None, context: Context
    ) -> tuple[list[Part], int]:
        """The cells of the answer, and how many groups are together in `other`."""
        if self.every is not None and line is None:
            return [], 0
        if grouped is None:
            return parts.by_interval([parts.Part({})], table, line), 0
        names = self._names(context)
        found, hidden = parts.by_group(table, grouped, self.top, lambda keys, rest: [
            dict(zip(names, labels, strict=True)) for labels in self._labels(keys, rest, context)
        ])  # fmt: skip
        return parts.by_interval(found, table, line), hidden

    def _labels(self, keys: list[Key], rest: bool, context: Context) -> list[list[Any]]:
        names = self._names(context)
        shown = [
            [label(item, context.schema[name], context.zone) for name, item in zip(names, key, strict=True)]
            for key in keys
        ]
        return [*shown, [REST] * len(names)] if rest else shown

    def _rows(self, table: Journeys, labels: dict[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        reached = [table.there(k) for k in range(len(self.steps))]
        units = [len(table.depth) if there is None else len(there) for there in reached]
        for k, (name, before) in enumerate(zip(self._step_names(), self._before(), strict=True)):
            there = reached[k]
            whole = None if there is None else median(table.taken(there, 0, k))
            last = whole if there is None or before <= 1 else median(table.taken(there, before - 1, k))
            actors = units[k] if self.count == "actors" else table.actors(there)
            limits = None if table.bounds is None else orders.least_and_most(table.bounds, k)
            rows.append(
                {"step": k + 1, "name": name, **labels} | self._row(
                    units[k], actors, whole, last, units[0] or None, units[before - 1] or None if before else None,
                    limits,
                )
            )  # fmt: skip
        return rows

    def _row(  # noqa: PLR0913, PLR0917
        self, units: int, actors: int, whole: float | None, last: float | None, all_: int | None, before: int | None,
        limits: tuple[int, int] | None,
    ) -> dict[str, Any]:  # fmt: skip
        return ({} if self.count == "actors" else {self.count: units}) | {
            "actors": actors, "rate": units / all_ if all_ else None, "median_seconds": whole,
            "step_rate": units / before if before else None, "step_median_seconds": last,
        } | (orders.named("actors", limits, all_) if limits else {})  # fmt: skip

    def _step_names(self) -> list[str]:
        """The names of the rows: of steps in any order, how many of them were taken."""
        plain = [step.name or str(step.when) for step in self.steps]
        return [
            plain[k] if len(block) == 1 else f"{place + 1} of {', '.join(plain[i] for i in block)}"
            for block in blocks(self.steps, self.order)
            for place, k in enumerate(block)
        ]

    def _before(self) -> list[int]:
        """The step (from 1) that the `step_rate` of each is of: the last before it not optional; 0 for the first."""
        return [
            max((place for place in range(1, k + 1) if not self.steps[place - 1].optional), default=0)
            for k in range(len(self.steps))
        ]

    def _totals(self, table: Journeys, context: Context) -> dict[str, Any]:
        """Who converted and how long it took; `open`: those who stopped but may still go on."""
        done = np.flatnonzero(table.depth == len(self.steps))
        taken = np.sort(table.taken(done, 0, -1))
        actors = len(table.depth) if self.count == "actors" else table.actors()
        units: dict[str, Any] = {} if self.count == "actors" else {self.count: len(table.depth)}
        totals = units | {
            "actors": actors,
            "converted": len(done),
            "rate": len(done) / len(table.depth) if len(table.depth) else None,
            "open": int(np.count_nonzero(self._going(table, context))),
            "seconds": quantiles(taken),
            "histogram": histogram(taken, self.count),
        }
        return totals if table.bounds is None else totals | orders.told(table.bounds, len(self.steps))

    def _going(self, table: Journeys, context: Context) -> np.ndarray:
        """Who stopped, but may still go on."""
        last = min(context.newest or 0, context.span(self.from_, self.to).end - 1)
        until, closed = (table.moments[0], last - self.within.micros) if table.until is None else (table.until, last)
        return np.asarray((until > closed) & (table.depth < len(self.steps)))

    def _notes(self, hidden: int, still: int, some: bool) -> list[str]:
        notes = []
        if hidden:
            notes.append(beyond(hidden))
        if self.by and self.attribution == "all":
            notes.append(f"{self.count.title()} are in every group that their chain touches; groups do not add up.")
        if still and some:
            one = {"actors": "actor", "entries": "entry", "sessions": "session"}[self.count]
            who = f"{still:,} {self.count}" if still > 1 else f"1 {one}"
            notes.append(f"{who} who stopped began less than {self.within} before the end and may still go on.")
        return notes

    # ── one actor ───────────────────────────────────────────────────────────────────────────────────

    @property
    def _telling(self) -> telling.Plan:
        _, steps, excluded = telling.marks(self.steps, self.exclude, self.where)
        strict: list[str | None] = [None] * (self.order == "strict")
        return telling.Plan(self._step_names(), steps, [*excluded, *strict], self.hold, self.asked, self.within)

    def marks(self) -> dict[str, Condition]:
        """The steps, the exclusions and `where`."""
        return telling.marks(self.steps, self.exclude, self.where)[0]

    def tell(self, story: Story, partial: Journeys, context: Context) -> Told:  # noqa: ARG002
        """The chain that counts, event by event."""
        view, span = context.columns_view, context.span(self.from_, self.to)
        places = journeys.chains(Shard(view, 0, 0, view.actors), context, context.prepared, span)
        return telling.told(story, places, self._telling)

    def lifts(self, told: Told) -> dict[str, Mapping[str, Any]]:
        """Window, exclusions, held values, order, sessions and mode, besides `where` and the range."""
        options = {name: getattr(self, name) for name in ("steps", "exclude", "hold", "order")}
        return telling.lifts(self._telling, options, int(told.reached)) | super().lifts(told)

    def missed(self, story: Story, told: Told, rule: str, without: Told) -> str:  # noqa: ARG002
        """The chain there would be, and what of it broke the rule."""
        return str(told.found.missed(rule, without.found))

    # ── people ──────────────────────────────────────────────────────────────────────────────────────

    def people(
        self, partial: Journeys, context: Context, cell: Cell
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """Who reached `step` (from 1), or was `dropped` after it, or is `tied`; of one interval and group, if named."""
        step, dropped, tied = self._asked_of(cell, context)
        cells, _ = self._parts(partial, context.prepared.groups, self._timeline(partial, context), context)
        mine = parts.mark(chosen(cell, [(one.labels, one) for one in cells]), len(partial.depth))
        mine &= (partial.depth >= step) & (partial.moments[step - 1] != journeys.NEVER)
        if dropped is not None:
            mine &= (partial.depth == step) == dropped
        if tied is not None and partial.bounds is not None:
            mine &= (partial.bounds[0] < partial.bounds[1]) == tied
        table = partial.of(np.flatnonzero(mine))
        return self._listed(table, context.columns_view, cell, context)

    def _asked_of(self, cell: Cell, context: Context) -> tuple[int, bool | None, bool | None]:
        """The step (from 1) a cell is about, and its marks. Raises QuestionError."""
        when = ["time", "complete"] if self.every is not None else []
        cell.only(["step", "name", "dropped", *(["tied"] if self.robust else []), *when, *self._names(context)])
        step, dropped = cell.number("step", 1, len(self.steps), 1), cell.flag("dropped")
        if dropped and step == len(self.steps):
            raise QuestionError("nobody drops after the last step", path="people.dropped", hint="name an earlier step")
        return step, dropped, cell.flag("tied")

    def _listed(
        self, table: Journeys, names: View | list[str | None], cell: Cell, context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        moments = np.where(table.depth > np.arange(len(self.steps))[:, None], table.moments, journeys.NEVER)
        columns = [Column(f"step_{k + 1}", moment, journeys.NEVER) for k, moment in enumerate(moments)]
        return listed(names, table.actor, moments[0], columns, cell=cell, zone=context.zone)

    def people_by_sql(
        self, run: Callable[[str], pa.Table], context: Context, cell: Cell
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same from the reference."""
        step, dropped, tied = self._asked_of(cell, context)
        line = self._timeline(self._table_by_sql(run, context), context)
        context = replace(context, prepared=[0, 1] if line is None else line.edges.tolist())
        steps = len(self.steps)
        further = " or ".join(f"m[{k + 1}] is not null" for k in range(step, steps)) or "false"
        conditions = [f"m[{step}] is not null"]
        conditions += [] if dropped is None else [f"{'not ' if dropped else ''}({further})"]
        conditions += [] if tied is None else [f"{'not ' if not tied else ''}(low < high)"]
        keys = "".join(f", g{i}" for i in range(len(self._names(context))))
        units = run(
            f"{self._counted(context.schema, context)} select *, {' and '.join(conditions)} as picked from "
            f"(select id, actor, m, i, rest, low, high{keys} from grouped) order by id"
        ).to_pylist()
        cells = [(self._called(unit, line, context), unit) for unit in units]
        found = {unit["id"]: unit for unit in chosen(cell, cells) if unit["picked"]}
        table, names = journeys.of_units([(unit["actor"], unit["m"]) for unit in found.values()], steps)
        return self._listed(table, names, cell, context)

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def sql(self, schema: Schema, context: Context) -> str:
        """Rows `step units actors rate median_seconds step_rate step_median_seconds`, groups `g0 …`, `place rest`."""
        return f"{self._counted(schema, context)}\n{by_windows.ROWS}"

    def _counted(self, schema: Schema, context: Context) -> str:
        """Common table expressions up to `grouped` (every unit in its interval and groups) and `counted`."""
        edges = (
            []
            if self.every is None
            else context.prepared or context.edges(context.span(self.from_, self.to), self.every)
        )
        return by_windows.rows(
            self.journeys(schema, context),
            self._before(),
            len(self._names(context)),
            self.top,
            apart=self.attribution != "all",
            edges=edges,
            robust=self.robust,
        )

    def journeys(self, schema: Schema, context: Context) -> str:
        """The text of the per-actor table `journeys`, from `with` on: `id actor depth until`, times `m`, groups `g0 …`.

        `m` has a null for a step that a chain does not have; `members` are its rows, once for each group.
        """
        span, asked = context.span(self.from_, self.to), self.asked

        def value(name: str) -> str:
            return f"epoch_us({quoted(name)})" if schema[name] == "time" else quoted(name)

        true = [f"coalesce({c.sql(schema)}, false)" if c is not None else "true" for c in self._conditions()]
        where = self.where.sql(schema) if self.where is not None else "true"
        texts = by_recursion.Texts(
            true[: len(self.steps)], true[len(self.steps):], where,
            [value(name) for name in self._held(context)], [value(name) for name in self._names(context)],
        )  # fmt: skip
        if self.robust:
            precision = None if self.precision is None else self.precision.micros
            fuzz = by_orders.fuzz(context.precisions, precision)
            text = by_windows.plain(texts, asked.within, span.start, span.end).replace("with", "with recursive", 1)
            return (
                f"{text},\n{by_orders.bounds(texts.steps, texts.where, asked.within, span.start, span.end, fuzz=fuzz)}"
            )
        if asked.plain and not self.hold:
            return by_windows.plain(texts, asked.within, span.start, span.end)
        unit = by_recursion.Unit(
            asked.count, asked.mode, asked.attribution, asked.within, asked.sessions, asked.timeout,
            span.start, span.end,
        )  # fmt: skip
        return by_recursion.statement(texts, unit, asked.rules)

    def by_sql(
        self, run: Callable[[str], pa.Table], context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same answer from the reference, which is asked first when chains began."""
        names, titles = self._names(context), self._step_names()
        table = self._table_by_sql(run, context)
        line = self._timeline(table, context)
        edges = [0, 1] if line is None else line.edges.tolist()
        found: dict[int | None, list[dict[str, Any]]] = {}
        for row in run(self.sql(context.schema, replace(context, prepared=edges))).to_pylist():
            shown = self._row(
                row["units"], row["actors"], row["median_seconds"] if row["step"] > 1 else None,
                row["step_median_seconds"] if row["step"] > 1 else None, row["whole"], row["earlier"],
                (row["low"], row["high"]) if self.robust else None,
            )  # fmt: skip
            plain = {"step": row["step"], "name": titles[row["step"] - 1], **self._called(row, line, context)}
            found.setdefault(row["i"], []).append(plain | shown)
        if not names and line is not None:
            for place, edge in enumerate(edges[:-1]):
                found.setdefault(edge, self._rows(self._nobody(), line.labels(place)))
        elif not names and not found and self.every is None:
            found[None] = self._rows(self._nobody(), {})
        rows = [row for edge in sorted(found, key=lambda edge: edge or 0) for row in found[edge]]
        hidden = 0
        if names and self.top is not None:
            groups = ", ".join(f"g{i}" for i in range(len(names)))
            count = f"select count(*) as n from (select distinct {groups} from members)"
            hidden = max(0, run(f"{self.journeys(context.schema, context)} {count}")["n"][0].as_py() - self.top)
        return rows, *self._whole(table, line, hidden, context, some=True)

    def _called(self, row: dict[str, Any], line: Timeline | None, context: Context) -> dict[str, Any]:
        """What the cell of a row of the reference is called."""
        names = self._names(context)
        key = tuple(row[f"g{i}"] for i in range(len(names)))
        (labels,) = self._labels([] if row["rest"] else [key], row["rest"], context)
        when = {} if line is None else line.labels(int(line.place(np.array([row["i"]]))[0]))
        return when | dict(zip(names, labels, strict=True))

    def _nobody(self) -> Journeys:
        none = journeys.nobody(len(self.steps))
        return replace(none, bounds=np.zeros((3, 0), np.uint8)) if self.robust else none

    def _table_by_sql(self, run: Callable[[str], pa.Table], context: Context) -> Journeys:
        """The per-actor table as totals need it: only the first and the last time."""
        steps, limits = len(self.steps), ", low, high" if self.robust else ""
        joined = " join bounds using (actor)" if self.robust else ""
        ends = run(
            f"{self.journeys(context.schema, context)} "
            f"select actor, depth, m[1] as b, m[{steps}] as e, until{limits} from journeys{joined} "
            "order by actor"
        )
        moments = np.stack([ends["b"].to_numpy(), ends["e"].fill_null(journeys.NEVER).to_numpy()])
        actor = ends["actor"].dictionary_encode().combine_chunks().indices.to_numpy()
        bounds = [*(ends[name].to_numpy() for name in ("low", "high")), np.zeros(len(actor))] if self.robust else None
        return Journeys(
            ends["depth"].to_numpy(), moments, np.zeros(0, np.int64), actor, ends["until"].to_numpy(),
            None if bounds is None else np.stack(bounds),
        )  # fmt: skip

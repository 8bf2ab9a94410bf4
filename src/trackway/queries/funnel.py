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
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from trackway.errors import QuestionError
from trackway.model.condition import Condition, quoted
from trackway.model.schema import Schema
from trackway.model.time import Duration, Window
from trackway.plan.component import Query
from trackway.store.columns import chains, journeys
from trackway.store.columns.context import Context, Moment, Names
from trackway.store.columns.durations import histogram, median, quantiles
from trackway.store.columns.groups import REST, Groups, Key, beyond, label, ranked
from trackway.store.columns.journeys import Asked, Journeys, Prepared
from trackway.store.columns.reference import funnel as by_windows
from trackway.store.columns.reference import journeys as by_recursion
from trackway.store.columns.steps import MOST_STEPS, Exclusion, FunnelStep, blocks, refuse
from trackway.store.columns.view import Shard


class Funnel(Query):
    """Steps in order; other events may come between them."""

    counts: ClassVar[frozenset[str]] = frozenset({"actors", "entries", "sessions", "converted", "open"})
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

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        """Refuse options that contradict each other. Raises QuestionError."""
        refuse(self.steps, self.exclude, self.order)
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
        return journeys.prepare(context, steps, self._names(context), self._held(context), self.asked)

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
        if key in {"rate", "step_rate"} and row.get("step", 1) > 1:
            first = 1 if key == "rate" else self._before()[row["step"] - 1]
            return int(before[first - row["step"]][self.count])
        return int(row[self.count])

    def answer(self, partial: Journeys, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """A row per step (and group); totals hold the times to convert. All from the one per-actor table."""
        made: Prepared = context.prepared
        span = context.span(self.from_, self.to)
        rows, hidden = self._all_rows(partial, made.groups, context)
        totals = self._totals(partial, context)
        return rows, totals, self._notes(hidden, totals["open"], span.start < span.end)

    def _all_rows(self, table: Journeys, grouped: Groups | None, context: Context) -> tuple[list[dict[str, Any]], int]:
        if grouped is None:
            return self._rows(table, {}), 0
        names = self._names(context)
        units, which, keys = _members(table, grouped, len(names))
        order = ranked(keys, np.bincount(which, minlength=len(keys)).tolist())
        shown = order if self.top is None else order[: self.top]
        place = np.full(len(keys), len(shown))
        place[shown] = np.arange(len(shown))
        rows = []
        for index, labels in enumerate(self._labels([keys[i] for i in shown], len(order) > len(shown), context)):
            mine = units[place[which] == index]
            rest = np.unique(mine) if index == len(shown) else mine
            rows += self._rows(table.of(rest), dict(zip(names, labels, strict=True)))
        return rows, len(order) - len(shown)

    def _labels(self, keys: list[Key], rest: bool, context: Context) -> list[list[Any]]:
        names = self._names(context)
        shown = [
            [label(item, context.schema[name], context.zone) for name, item in zip(names, key, strict=True)]
            for key in keys
        ]
        return [*shown, [REST] * len(names)] if rest else shown

    def _rows(self, table: Journeys, labels: dict[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for k, (name, before) in enumerate(zip(self._step_names(), self._before(), strict=True)):
            there = table.there(k) if k else np.arange(len(table.depth))
            whole = median(table.moments[k, there] - table.moments[0, there]) if k else None
            last = median(table.moments[k, there] - table.moments[before - 1, there]) if before > 1 else whole
            actors = len(there) if self.count == "actors" else table.actors(there)
            rows.append(
                {"step": k + 1, "name": name, **labels} | self._row(
                    len(there), actors, whole, last,
                    len(table.depth) or None, len(table.there(before - 1)) or None if before else None,
                )
            )  # fmt: skip
        return rows

    def _row(  # noqa: PLR0913, PLR0917
        self, units: int, actors: int, whole: float | None, last: float | None, all_: int | None, before: int | None
    ) -> dict[str, Any]:
        return ({} if self.count == "actors" else {self.count: units}) | {
            "actors": actors, "rate": units / all_ if all_ else None, "median_seconds": whole,
            "step_rate": units / before if before else None, "step_median_seconds": last,
        }  # fmt: skip

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
        taken = np.sort(table.moments[-1, done] - table.moments[0, done])
        last = min(context.newest or 0, context.span(self.from_, self.to).end - 1)
        until, closed = (table.moments[0], last - self.within.micros) if table.until is None else (table.until, last)
        actors = len(table.depth) if self.count == "actors" else table.actors()
        units: dict[str, Any] = {} if self.count == "actors" else {self.count: len(table.depth)}
        return units | {
            "actors": actors,
            "converted": len(done),
            "rate": len(done) / len(table.depth) if len(table.depth) else None,
            "open": int(np.count_nonzero(until > closed) - np.count_nonzero(until[done] > closed)),
            "seconds": quantiles(taken),
            "histogram": histogram(taken, self.count),
        }

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

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def sql(self, schema: Schema, context: Context) -> str:
        """Rows `step units actors rate median_seconds step_rate step_median_seconds`, groups `g0 …`, `place rest`."""
        apart = self.attribution != "all"
        return by_windows.rows(
            self.journeys(schema, context), self._before(), len(self._names(context)), self.top, apart=apart
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
        """The same answer from the reference."""
        names, titles = self._names(context), self._step_names()
        steps = len(titles)
        rows = []
        for row in run(self.sql(context.schema, context)).to_pylist():
            key = tuple(row[f"g{i}"] for i in range(len(names)))
            (labels,) = self._labels([] if row["rest"] else [key], row["rest"], context)
            if row["step"] == 1:
                row["median_seconds"] = row["step_median_seconds"] = None
            shown: dict[str, Any] = {} if self.count == "actors" else {self.count: row["units"]}
            shown |= {k: row[k] for k in ("actors", "rate", "median_seconds", "step_rate", "step_median_seconds")}
            plain = dict(zip(names, labels, strict=True))
            rows.append({"step": row["step"], "name": titles[row["step"] - 1], **plain, **shown})
        if not rows and not names:
            rows = self._rows(journeys.nobody(steps), {})
        table = self.journeys(context.schema, context)
        ends = run(f"{table} select actor, depth, m[1] as b, m[{steps}] as e, until from journeys order by actor")
        depth, until = ends["depth"].to_numpy(), ends["until"].to_numpy()
        moments = np.stack([ends["b"].to_numpy(), ends["e"].fill_null(journeys.NEVER).to_numpy()])
        actor = ends["actor"].dictionary_encode().combine_chunks().indices.to_numpy()
        totals = self._totals(Journeys(depth, moments, np.zeros(0, np.int64), actor, until), context)
        hidden = 0
        if names and self.top is not None:
            groups = ", ".join(f"g{i}" for i in range(len(names)))
            count = run(f"{table} select count(*) as n from (select distinct {groups} from members)")["n"][0].as_py()
            hidden = max(0, count - self.top)
        return rows, totals, self._notes(hidden, totals["open"], True)


def _members(table: Journeys, grouped: Groups, columns: int) -> tuple[np.ndarray, np.ndarray, list[Key]]:
    """Rows of the table, which group each is in, and the groups; a row is listed once for each group it is in."""
    units = np.broadcast_to(np.arange(len(table.depth)), table.group.shape)
    numbers, which = np.unique(table.group, return_inverse=True)
    which = which.reshape(table.group.shape)
    nowhere = bool(len(numbers)) and bool(numbers[0] == journeys.NOWHERE)
    keys: list[Key] = [(None,) * columns] * nowhere + grouped.keys(numbers[nowhere:])
    if table.group.ndim > 1:
        pairs = np.unique(np.stack([units[table.group >= 0], which[table.group >= 0]]), axis=1)
        return pairs[0], pairs[1] - nowhere, keys[nowhere:]
    if nowhere and keys[0] in keys[1:]:
        which = np.where(which == 0, keys.index(keys[0], 1), which) - 1
        keys = keys[1:]
    return units, which, keys

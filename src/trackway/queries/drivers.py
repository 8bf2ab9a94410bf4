"""What lifts or sinks the conversion of a funnel: values that actors have when they enter, and what they do then.

[queries.why_sign_up]
type = "drivers"
within = "7d"
properties = ["country", "device"]
steps = [
  { name = "Home", when = "path = '/'" },
  { name = "Signed up", when = "event = 'Signed Up'" },
]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from trackway.errors import QuestionError, suggest
from trackway.model.condition import Condition, quoted
from trackway.model.contingency import Table
from trackway.model.inference import corrected
from trackway.model.schema import ENVELOPE, Schema
from trackway.model.time import Duration
from trackway.plan import registry
from trackway.plan.query import Query
from trackway.plan.told import Story, Told, listed
from trackway.store.columns.context import Context, Moment, Names
from trackway.store.columns.folds.between import between, touches
from trackway.store.columns.groups import label, sortable
from trackway.store.columns.lanes import Mask, lane, nothing, times
from trackway.store.columns.steps import MOST_STEPS, Step
from trackway.store.columns.view import Shard, View

KINDS = frozenset({"string", "boolean", "integer", "number"})
"""Kinds of columns that are tried when none are named."""
BIASED = (
    "Who converts soon has less time for other events, so events may seem to sink conversion; `landmark` compares "
    "after equal time."
)


@dataclass(frozen=True)
class Prepared:
    """What all shards share."""

    funnel: Any
    """What the shards of the funnel share."""
    where: Mask
    properties: list[str]


@dataclass(frozen=True)
class Counts:
    """How many actors have each value, by whether they converted (the first index): the columns of the question."""

    whole: np.ndarray
    properties: list[np.ndarray]
    waiting: np.ndarray
    """Those whose events are compared: with a landmark, only who had not converted by then."""
    events: np.ndarray


@dataclass(frozen=True)
class Driver:
    """One value or event, and how those who have it compare with those who do not."""

    kind: str
    name: str
    value: Any
    table: Table
    p: float


class Drivers(Query):
    """Values and events that go with more or less conversion, the strongest first."""

    counts: ClassVar[frozenset[str]] = frozenset({"actors", "converted", "without_actors", "without_converted"})
    labels: ClassVar[frozenset[str]] = frozenset({"value", "tests"})
    steps: list[Step] = Field(min_length=2, max_length=MOST_STEPS)
    """The steps of the funnel, first to last."""
    within: Duration = Duration("14d")
    """Longest time from the first step to the last."""
    where: Condition | None = None
    """Only events for which this is true count, as steps or otherwise."""
    properties: Names | None = None
    """Columns whose values are compared, as they are at an actor's first event that is step 1. All with at most
    `values` values when left out; an empty list for none."""
    events: Names | None = None
    """Names of events that actors may do between entry and conversion. All when left out; an empty list for none."""
    values: int = Field(default=100, ge=2, le=10_000)
    """Most values of a column that is tried without being named."""
    least: int = Field(default=30, ge=1)
    """Fewest actors who have a value or event, and fewest who do not; what has fewer is left out."""
    landmark: Duration | None = None
    """Only events so soon after entry, of those who had not converted by then: everybody had the same time for them."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """A driver is significant when its corrected p-value is below this."""
    from_: Moment | None = Field(default=None, alias="from")
    """All steps are taken at or after this: a date, a time, or one before now such as `-30d`."""
    to: Moment | None = None
    """All steps are taken before this."""
    top: int | None = Field(default=50, ge=1)
    """Drivers shown, the strongest; all of them count for the correction. Null shows all."""

    @cached_property
    def _funnel(self) -> Any:
        """The funnel in question; its per-actor table is what is explained."""
        shared = {"steps": [step.model_dump() for step in self.steps], "within": self.within, "where": self.where}
        return registry.load("queries", "funnel").model_validate({**shared, "from": self.from_, "to": self.to})

    def columns(self, schema: Schema) -> list[str]:
        """The columns it reads."""
        read = Context(schema, "UTC", 0, None, None)
        return read.columns([self.where, *(step.when for step in self.steps)], [*(self.properties or []), "event"])

    def _named(self, schema: Schema) -> list[str]:
        return list(dict.fromkeys(schema.resolve(name) for name in self.properties or []))

    def _tried(self, schema: Schema, values: Callable[[str], int]) -> list[str]:
        """The columns to compare; `values` says how many values a column has."""
        if self.properties is not None:
            return self._named(schema)
        plain = [name for name, kind in schema.items() if kind in KINDS and (name == "source" or name not in ENVELOPE)]
        return [name for name in plain if 0 < values(name) <= self.values]

    def prepare(self, context: Context) -> Prepared:
        """The funnel's own, and the columns to compare."""
        view = context.columns_view
        where = Mask(nothing(view), nothing(view)) if self.where is None else context.mask([None], self.where)
        kept = {name for run in view.runs for name in run.codes}
        tried = self._tried(view.schema, lambda name: len(view.dictionary(name)) if name in kept else 0)
        return Prepared(self._funnel.prepare(context), where, tried)

    def fold(self, shard: Shard, context: Context) -> Counts:
        """Counts of one shard."""
        made: Prepared = context.prepared
        table = self._funnel.fold(shard, replace(context, prepared=made.funnel))
        done, end = table.depth == len(self.steps), context.span(self.from_, self.to).end
        start, view = table.moments[0], shard.view
        until = np.where(done, table.moments[-1], np.minimum(start + self.within.micros + 1, end))
        waiting = np.ones(len(done), np.bool_)
        if self.landmark is not None:
            until, waiting = np.minimum(until, start + self.landmark.micros + 1), until > start + self.landmark.micros
            waiting |= ~done
        side = done.astype(np.int64)
        return Counts(
            np.bincount(side, minlength=2),
            self._by_property(view, made, table.actor, side, context),
            np.bincount(side[waiting], minlength=2),
            self._by_event(view, made, table.actor[waiting], start[waiting], until[waiting], side[waiting]),
        )

    def _by_property(
        self, view: View, made: Prepared, who: np.ndarray, side: np.ndarray, context: Context
    ) -> list[np.ndarray]:
        """Actors by value at their first touch."""
        span, clock, origin = context.span(self.from_, self.to), times(view), np.zeros((2, len(who)), np.int64)
        if made.properties:
            touches(
                view.first, view.run, view.lo, view.hi, who, *made.funnel.steps.parts,
                clock.addresses, clock.like, span.start, span.end, origin,
            )  # fmt: skip
        found = []
        for name in made.properties:
            size, columns = len(view.dictionary(name)) + 1, view.column(name)
            counts = np.zeros(2 * size, np.int64)
            for run, codes in enumerate(columns):
                mine = origin[0] == run
                counts += np.bincount(side[mine] * size + codes[origin[1][mine]], minlength=2 * size)
            found.append(counts.reshape(2, size))
        return found

    def _by_event(  # noqa: PLR0913, PLR0917
        self, view: View, made: Prepared, who: np.ndarray, start: np.ndarray, until: np.ndarray, side: np.ndarray
    ) -> np.ndarray:
        """Actors by what they did on the way."""
        size, clock = len(view.dictionary("event")) + 1, times(view)
        counts, names = np.zeros((2, size), np.int64), lane(view, "event", np.zeros(0, np.uint8))
        if self.events != []:
            between(
                view.first, view.run, view.lo, view.hi, who, start, until, side, *made.funnel.steps.parts,
                *made.where.parts, names.addresses, names.like, clock.addresses, clock.like,
                np.full(size, -1, np.int64), counts,
            )  # fmt: skip
        return counts

    def marks(self) -> dict[str, Condition]:
        """Those of the funnel."""
        found: dict[str, Condition] = self._funnel.marks()
        return found

    def looks_at(self, schema: Schema) -> list[str]:
        """Every column that may be compared."""
        return [*self.columns(schema), *self._tried(schema, lambda _: 1)]

    def alone(self, partial: Counts, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """What an actor counts as: converted or not, with which values at entry, and which events on the way."""
        view, made = context.columns_view, context.prepared
        rows = []
        pairs = [("property", *pair) for pair in zip(made.properties, partial.properties, strict=True)]
        for kind, name, counts in [*pairs, ("event", "event", partial.events)]:
            for code in np.flatnonzero(counts.sum(axis=0)).tolist():
                value = view.dictionary(name)[code - 1].as_py() if code else None
                if kind == "property" or self._wanted(value):
                    rows.append({"kind": kind, "name": name, "value": value})
        entered, converted = int(partial.whole.sum()), int(partial.whole[1])
        return rows, {"actors": entered, "converted": converted, "compared_by_events": int(partial.waiting.sum())}, []

    def tell(self, story: Story, partial: Counts, context: Context) -> Told:
        """What the funnel says, and the values and events the actor counts with."""
        told: Told = self._funnel.tell(story, partial, replace(context, prepared=context.prepared.funnel))
        shown = [f"{row['name']} {row['value']!r}" for row in story.rows]
        return replace(told, sentence=f"{told.sentence} Counted with {listed(shown)}." if shown else told.sentence)

    def lifts(self, told: Told) -> dict[str, Mapping[str, Any]]:
        """Those of the funnel."""
        found: dict[str, Mapping[str, Any]] = self._funnel.lifts(told)
        return found

    def missed(self, story: Story, told: Told, rule: str, without: Told) -> str:
        """As the funnel says it."""
        return str(self._funnel.missed(story, told, rule, without))

    def merge(self, partials: Iterable[Counts]) -> Counts:
        """Counts add up; shards have no actor in common."""
        parts = list(partials)
        return Counts(
            np.sum([part.whole for part in parts], axis=0),
            [np.sum(columns, axis=0) for columns in zip(*(part.properties for part in parts), strict=True)],
            np.sum([part.waiting for part in parts], axis=0),
            np.sum([part.events for part in parts], axis=0),
        )

    def answer(self, partial: Counts, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """A row for each value and event that enough actors have."""
        view, made = context.columns_view, context.prepared
        found = []
        for name, counts in zip(made.properties, partial.properties, strict=True):
            codes = np.flatnonzero(counts.sum(axis=0))
            values = (
                view.dictionary(name).take(np.maximum(codes - 1, 0)).to_pylist() if codes.any() else [None] * len(codes)
            )
            named = [value if code else None for value, code in zip(values, codes.tolist(), strict=True)]
            found += self._drivers("property", name, named, counts[:, codes], partial.whole)
        known = [None, *view.dictionary("event").to_pylist()]
        self._check_events(known)
        codes = np.array([code for code, name in enumerate(known) if self._wanted(name)], np.int64)
        found += self._drivers(
            "event", "event", [known[code] for code in codes], partial.events[:, codes], partial.waiting
        )
        return self._told(found, partial.whole, context)

    def _wanted(self, name: str | None) -> bool:
        return name is not None and (self.events is None or name in self.events)

    def _check_events(self, known: Sequence[str | None]) -> None:
        """Refuse names of events that there are not. Raises QuestionError."""
        for name in self.events or []:
            if name not in known:
                hint = suggest(name, [one for one in known if one is not None])
                raise QuestionError(f"there is no event '{name}'", path="events", hint=hint)

    def _drivers(
        self, kind: str, name: str, values: Sequence[Any], counts: np.ndarray, whole: np.ndarray
    ) -> list[Driver]:
        """What enough actors have and enough lack; counts are of those who did not convert, and who did."""
        found = []
        for value, (stopped, done) in zip(values, counts.T.tolist(), strict=True):
            having, all_ = stopped + done, int(whole.sum())
            if min(having, all_ - having) >= self.least:
                table = Table(having, done, all_ - having, int(whole[1]) - done)
                found.append(Driver(kind, name, value, table, table.p))
        return found

    def _told(
        self, found: list[Driver], whole: np.ndarray, context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """Rows, totals and notes: significant drivers first, the strongest first, however they were counted."""
        found.sort(key=lambda one: (one.kind, one.name, sortable(one.value)))
        rates = corrected([one.p for one in found], "bh")
        order = sorted(range(len(found)), key=lambda i: (rates[i] >= self.alpha, -found[i].table.strength, i))
        rows = [self._row(found[i], rates[i], context) for i in order[: self.top]]
        actors, converted = int(whole.sum()), int(whole[1])
        totals = {
            "actors": actors, "converted": converted, "rate": converted / actors if actors else None,
            "tests": len(found), "significant": sum(rate < self.alpha for rate in rates),
        }  # fmt: skip
        notes = [BIASED] if self.landmark is None and any(one.kind == "event" for one in found) else []
        hidden = len(order) - len(rows)
        return rows, totals, notes + ([f"{hidden:,} weaker drivers are not shown."] if hidden else [])

    def taken_over(
        self,
        key: str,
        row: Mapping[str, Any],
        before: Sequence[Mapping[str, Any]],  # noqa: ARG002 - of the contract
    ) -> float | None:
        """A rate is of those who have it, or of those who have it not; what compares them, of the fewer."""
        if key == "without_rate":
            return int(row["without_actors"])
        return int(row["actors"] if key == "rate" else min(row["actors"], row.get("without_actors", row["actors"])))

    def _row(self, one: Driver, rate: float, context: Context) -> dict[str, Any]:
        table, kind = one.table, context.schema[one.name]
        return {
            "kind": one.kind, "name": one.name, "value": label(one.value, kind, context.zone),
            "actors": table.having, "converted": table.done, "rate": table.rate,
            "without_actors": table.lacking, "without_converted": table.other, "without_rate": table.rate_without,
            "lift": table.lift, "odds_ratio": table.odds_ratio, "p_value": rounded(one.p),
            "p_corrected": rounded(rate), "significant": rate < self.alpha,
        }  # fmt: skip

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def sql(self, schema: Schema, context: Context) -> str:
        """Rows `kind name value actors converted` of events; `by_sql` asks the same of each column."""
        conditions = " or ".join(f"coalesce({step.when.sql(schema)}, false)" for step in self.steps)
        where = self.where.sql(schema) if self.where is not None else "true"
        return f"""{self._entered(schema, context)}
select e.event as value, count(distinct p.id) as actors, count(distinct p.id) filter (p.done) as converted
from people p join events e on e.actor is not distinct from p.actor
  and epoch_us(e.time) > p.s and epoch_us(e.time) < p.e
where p.waiting and e.event is not null and ({where}) and not ({conditions}) group by 1"""

    def _entered(self, schema: Schema, context: Context) -> str:
        """Common table expressions up to `people`: `id actor done`, and from when until when events count."""
        steps, end = len(self.steps), context.span(self.from_, self.to).end
        cut = self.landmark.micros if self.landmark is not None else self.within.micros
        stopped = f"least(m[1] + {self.within.micros + 1}, {end})"
        return f"""{self._funnel.journeys(schema, context)},
people as (select id, actor, depth = {steps} as done, m[1] as s,
  least(case when depth = {steps} then m[{steps}] else {stopped} end, m[1] + {cut + 1}) as e,
  {"true" if self.landmark is None else f"depth < {steps} or m[{steps}] > m[1] + {cut}"} as waiting from journeys)"""

    def _property_sql(self, name: str, schema: Schema, context: Context) -> str:
        """How many have each value of a column at their first touch."""
        span, begins = context.span(self.from_, self.to), self.steps[0].when.sql(schema)
        where = self.where.sql(schema) if self.where is not None else "true"
        value = f"epoch_us({quoted(name)})" if schema[name] == "time" else quoted(name)
        return f"""{self._entered(schema, context)},
touched as (select actor, {value} as value from events
  where ({where}) and ({begins}) and epoch_us(time) >= {span.start} and epoch_us(time) < {span.end}
  qualify row_number() over (partition by actor order by time, tie) = 1)
select t.value, count(*) as actors, count(*) filter (p.done) as converted
from people p join touched t on t.actor is not distinct from p.actor group by 1"""

    def by_sql(
        self, run: Callable[[str], pa.Table], context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same answer from the reference."""
        schema, base = context.schema, self._entered(context.schema, context)
        known = set(run("select * from events limit 0").schema.names)
        tried = self._tried(schema, lambda name: _first(run, f"select count(distinct {quoted(name)}) from events")
                            if name in known else 0)  # fmt: skip
        whole = _sides(run(f"{base} select count(*) as actors, count(*) filter (done) as converted from people"))
        waiting = _sides(run(
            f"{base} select count(*) as actors, count(*) filter (done) as converted from people where waiting"
        ))  # fmt: skip
        found = []
        for name in tried:
            table = run(self._property_sql(name, schema, context))
            found += self._drivers("property", name, table["value"].to_pylist(), _sides(table), whole[:, 0])
        self._check_events([None, *run("select distinct event as e from events")["e"].to_pylist()])
        table = run(self.sql(schema, context))
        names = table["value"].to_pylist()
        mine = [place for place, name in enumerate(names) if self._wanted(name)]
        counts = _sides(table)[:, mine]
        found += self._drivers("event", "event", [names[place] for place in mine], counts, waiting[:, 0])
        return self._told(found, whole[:, 0], context)


def _first(run: Callable[[str], pa.Table], statement: str) -> int:
    return int(run(statement).column(0)[0].as_py())


def _sides(table: pa.Table) -> np.ndarray:
    """Those who stopped and those who converted, by row."""
    actors, converted = (table[name].to_numpy().astype(np.int64) for name in ("actors", "converted"))
    return np.stack([actors - converted, converted])


def rounded(value: float) -> float:
    """Twelve significant digits: what sums in another order may differ by is not shown."""
    return float(f"{value:.12g}")

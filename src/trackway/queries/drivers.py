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
from trackway.plan.told import Story, Told
from trackway.plan.told import listed as said
from trackway.store.columns.context import Context, Moment, Names
from trackway.store.columns.groups import label, sortable
from trackway.store.columns.journeys import NEVER
from trackway.store.columns.lanes import Mask, nothing
from trackway.store.columns.lifts import Entries, Members, Picked, together
from trackway.store.columns.people import Cell, Column, chosen, listed
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
    picked: Picked | None
    """What the cell names whose actors are asked for."""


@dataclass(frozen=True)
class Counts:
    """How many actors have each value, by whether they converted (the first index): the columns of the question."""

    whole: np.ndarray
    properties: list[np.ndarray]
    waiting: np.ndarray
    """Those whose events are compared: with a landmark, only who had not converted by then."""
    events: np.ndarray
    members: Members | None = None
    """Who they are, where a cell asks for them."""


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
        picked = None if context.cell is None else self._picked(context.cell, tried, context)
        return Prepared(self._funnel.prepare(context), where, tried, picked)

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
        side, entries = done.astype(np.int64), Entries(view, made.funnel.steps, made.where, table.actor, start, until)
        origin, members = entries.origin(context.span(self.from_, self.to)), None
        if made.picked is not None:
            having = entries.having(made.picked, origin)
            members = Members(table.actor, start, np.where(done, table.moments[-1], NEVER), having, waiting)
        none = np.zeros((2, len(view.dictionary("event")) + 1), np.int64)
        return Counts(
            np.bincount(side, minlength=2),
            [entries.by_value(name, origin, side) for name in made.properties],
            np.bincount(side[waiting], minlength=2),
            none if self.events == [] else entries.only(waiting).by_event(side[waiting]),
            members,
        )

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
        return replace(told, sentence=f"{told.sentence} Counted with {said(shown)}." if shown else told.sentence)

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
            together([part.members for part in parts]),
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

    # ── people ──────────────────────────────────────────────────────────────────────────────────────

    def people(
        self, partial: Counts, context: Context, cell: Cell
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """Who has the `value` of `name`, or did that event on the way; with `having=false` those who do not, with
        `converted` only those who did, or did not, convert. Everybody who entered when no value is named."""
        made: Prepared = context.prepared
        return self._listed(partial.members or _nobody(), made.picked, context.columns_view, cell, context)

    def _listed(
        self, members: Members, picked: Picked | None, names: View | Sequence[str | None], cell: Cell,
        context: Context,
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:  # fmt: skip
        having, converted = cell.flag("having"), cell.flag("converted")
        mine = members.having == (having is not False)
        if picked is not None and picked.kind == "event":
            mine &= members.waiting
        if converted is not None:
            mine &= (members.converted != NEVER) == converted
        rows = np.flatnonzero(mine)
        columns = [Column("entered", members.entered[rows], NEVER), Column("converted", members.converted[rows], NEVER)]
        entered = members.entered[rows]
        return listed(names, members.actor[rows], entered, columns, cell=cell, zone=context.zone)

    def _picked(self, cell: Cell, tried: Sequence[str], context: Context) -> Picked:
        """What a cell names, by the codes of its column. Raises QuestionError for what is not in the answer."""
        view = context.columns_view
        values = {name: [None, *view.dictionary(name).to_pylist()] for name in {*tried, "event"}}
        kind, name, value = self._named_by(cell, tried, values, context)
        if not kind:
            return Picked()
        return Picked(kind, name, np.array([one == value and type(one) is type(value) for one in values[name]]))

    def _named_by(
        self, cell: Cell, tried: Sequence[str], values: Mapping[str, Sequence[Any]], context: Context
    ) -> tuple[str, str, Any]:
        """Kind, name and value of the one row that a cell names; empty when it names none. Raises QuestionError."""
        cell.only({"kind", "name", "value", "having", "converted"})
        if not {"kind", "name", "value"} & set(cell.given):
            if "having" in cell.given:
                raise QuestionError("having what?", path="people.having", hint="name a row: name=country,value=de")
            return "", "", None
        rows = [("property", name, value) for name in tried for value in values[name]]
        rows += [("event", "event", value) for value in values["event"] if self._wanted(value)]
        labels = [
            {"kind": kind, "name": name, "value": label(value, context.schema[name], context.zone)}
            for kind, name, value in rows
        ]
        found = chosen(cell, list(zip(labels, rows, strict=True)))
        if len(found) != 1:
            raise QuestionError("the cell names several rows", path="people", hint="give kind, name and value")
        return found[0]

    def people_by_sql(
        self, run: Callable[[str], pa.Table], context: Context, cell: Cell
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same from the reference."""
        schema = context.schema
        tried = self._tried_by_sql(run, schema)
        values = {name: [None, *run(f"select distinct {_value_sql(name, schema)} as v from events where {quoted(name)}"
                                    " is not null")["v"].to_pylist()] for name in {*tried, "event"}}  # fmt: skip
        kind, name, value = self._named_by(cell, tried, values, context)
        people = run(f"{self._entered(schema, context)} select actor, s, c, waiting from people order by actor")
        having = dict.fromkeys(people["actor"].to_pylist(), True)
        if kind:
            text = self._did_sql(schema, context) if kind == "event" else self._had_sql(name, schema, context)
            rows = run(text)
            held = set(zip(rows["actor"].to_pylist(), rows["value"].to_pylist(), strict=True))
            having = {one: (one, value) in held for one in having}
        converted = [NEVER if one is None else one for one in people["c"].to_pylist()]
        members = Members(
            np.arange(people.num_rows), people["s"].to_numpy(), np.array(converted, np.int64),
            np.array([*having.values()], np.bool_), people["waiting"].to_numpy(zero_copy_only=False),
        )  # fmt: skip
        return self._listed(members, Picked(kind, name), people["actor"].to_pylist(), cell, context)

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
        return f"""with did as ({self._did_sql(schema, context)})
select value, count(distinct id) as actors, count(distinct id) filter (done) as converted
from did where waiting group by 1"""

    def _did_sql(self, schema: Schema, context: Context) -> str:
        """Rows `id actor done waiting value`: what each did on the way."""
        conditions = " or ".join(f"coalesce({step.when.sql(schema)}, false)" for step in self.steps)
        where = self.where.sql(schema) if self.where is not None else "true"
        return f"""{self._entered(schema, context)}
select p.id, p.actor, p.done, p.waiting, e.event as value
from people p join events e on e.actor is not distinct from p.actor
  and epoch_us(e.time) > p.s and epoch_us(e.time) < p.e
where e.event is not null and ({where}) and not ({conditions})"""

    def _entered(self, schema: Schema, context: Context) -> str:
        """Common table expressions up to `people`: `id actor done`, and from when until when events count."""
        steps, end = len(self.steps), context.span(self.from_, self.to).end
        cut = self.landmark.micros if self.landmark is not None else self.within.micros
        stopped = f"least(m[1] + {self.within.micros + 1}, {end})"
        return f"""{self._funnel.journeys(schema, context)},
people as (select id, actor, depth = {steps} as done, m[1] as s, case when depth = {steps} then m[{steps}] end as c,
  least(case when depth = {steps} then m[{steps}] else {stopped} end, m[1] + {cut + 1}) as e,
  {"true" if self.landmark is None else f"depth < {steps} or m[{steps}] > m[1] + {cut}"} as waiting from journeys)"""

    def _property_sql(self, name: str, schema: Schema, context: Context) -> str:
        """How many have each value of a column at their first touch."""
        return f"""with had as ({self._had_sql(name, schema, context)})
select value, count(*) as actors, count(*) filter (done) as converted from had group by 1"""

    def _had_sql(self, name: str, schema: Schema, context: Context) -> str:
        """Rows `actor done value`: what each had at their first touch."""
        span, begins = context.span(self.from_, self.to), self.steps[0].when.sql(schema)
        where = self.where.sql(schema) if self.where is not None else "true"
        return f"""{self._entered(schema, context)},
touched as (select actor, {_value_sql(name, schema)} as value from events
  where ({where}) and ({begins}) and epoch_us(time) >= {span.start} and epoch_us(time) < {span.end}
  qualify row_number() over (partition by actor order by time, tie) = 1)
select p.actor, p.done, t.value from people p join touched t on t.actor is not distinct from p.actor"""

    def _tried_by_sql(self, run: Callable[[str], pa.Table], schema: Schema) -> list[str]:
        known = set(run("select * from events limit 0").schema.names)
        return self._tried(schema, lambda name: _first(run, f"select count(distinct {quoted(name)}) from events")
                           if name in known else 0)  # fmt: skip

    def by_sql(
        self, run: Callable[[str], pa.Table], context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same answer from the reference."""
        schema, base = context.schema, self._entered(context.schema, context)
        tried = self._tried_by_sql(run, schema)
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


def _value_sql(name: str, schema: Schema) -> str:
    return f"epoch_us({quoted(name)})" if schema[name] == "time" else quoted(name)


def _nobody() -> Members:
    none, neither = np.zeros(0, np.int64), np.zeros(0, np.bool_)
    return Members(none, none, none, neither, neither)


def _first(run: Callable[[str], pa.Table], statement: str) -> int:
    return int(run(statement).column(0)[0].as_py())


def _sides(table: pa.Table) -> np.ndarray:
    """Those who stopped and those who converted, by row."""
    actors, converted = (table[name].to_numpy().astype(np.int64) for name in ("actors", "converted"))
    return np.stack([actors - converted, converted])


def rounded(value: float) -> float:
    """Twelve significant digits: what sums in another order may differ by is not shown."""
    return float(f"{value:.12g}")

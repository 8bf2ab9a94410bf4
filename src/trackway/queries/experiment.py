"""Whether a change did what it should: variants against a control, by several metrics, in three schools of statistics.

[queries.new_checkout]
type = "experiment"
exposure = "event = 'Experiment Viewed' and experiment = 'checkout'"
variant = "variant"
control = "old"
within = "14d"
before = "14d"
metrics = [
  { name = "Ordered", when = "event = 'Order Completed'" },
  { name = "Revenue", when = "event = 'Order Completed'", measure = "sum", column = "amount" },
  { name = "Errors", when = "event = 'Error Shown'", measure = "events", better = "lower", guardrail = true },
]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from trackway.errors import QuestionError
from trackway.model.condition import Condition, quoted
from trackway.model.schema import Schema
from trackway.model.time import Duration
from trackway.plan.query import Query
from trackway.plan.told import Story, Told
from trackway.store.columns.context import Context, Moment
from trackway.store.columns.folds import exposure as fold
from trackway.store.columns.lanes import Lane, Mask, lane, over, times
from trackway.store.columns.people import Cell, Column, chosen, listed
from trackway.store.columns.verdicts import Rules, rounded, verdicts
from trackway.store.columns.view import Shard, View
from trackway.store.telling import exposure as telling

EVER = 1 << 61
"""Microseconds that no two events are apart."""


class Metric(BaseModel):
    """What is measured of every actor who was exposed."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True)
    name: str = ""
    """Shown in the answer; the condition itself when left out."""
    when: Condition
    """Which events count."""
    measure: Literal["converted", "events", "sum"] = "converted"
    """`converted`: whether there is such an event. `events`: how many. `sum`: of `column`."""
    column: str = ""
    """The number that is added up, for `sum`."""
    better: Literal["higher", "lower"] = "higher"
    """Which way is good."""
    guardrail: bool = False
    """Whether it only has to be no worse."""

    @model_validator(mode="after")
    def _column(self) -> Metric:
        if (self.measure == "sum") != bool(self.column):
            raise ValueError("a metric with measure 'sum' needs a column, and no other has one")
        return self


@dataclass(frozen=True)
class Prepared:
    """What all shards share."""

    exposure: Mask
    variant: Lane
    metrics: list[tuple[Mask, Lane]]
    time: Lane


@dataclass(frozen=True)
class Exposed:
    """The per-actor table: who was exposed to one variant."""

    actor: np.ndarray
    """Place among the actors of the view, or of the reference."""
    variant: np.ndarray
    """Code of the variant, or its label once answered."""
    when: np.ndarray
    """Time of the first exposure."""
    values: np.ndarray
    """Metric, then sum and count since the exposure and sum and count before it, then actor."""
    mixed: int
    """Actors who saw several variants and are left out."""


class Experiment(Query):
    """Variants against a control: intervals, always-valid and Bayesian too, corrected for their number."""

    counts: ClassVar[frozenset[str]] = frozenset({"actors", "counted", "mixed", "open"})
    exposure: Condition
    """The event by which an actor takes part; the first one in range decides."""
    variant: str
    """The column that holds the variant at the exposure."""
    control: str = "control"
    """The variant all others are compared with."""
    metrics: list[Metric] = Field(min_length=1, max_length=12)
    """What is measured, of the events since the exposure."""
    within: Duration | None = None
    """How long after the exposure events count; actors whose time is not over are left out. Null: until the end."""
    before: Duration | None = None
    """Take out what the same metric was in this time before the exposure (CUPED), which makes intervals narrower."""
    winsorize: float | None = Field(default=None, gt=0.5, lt=1)
    """Values above this quantile of all variants together count as the quantile, such as 0.99."""
    correction: Literal["holm", "bh", "bonferroni", "none"] = "holm"
    """How p-values are corrected for the number of comparisons that are no guardrails."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Chance of an error that is accepted; intervals hold with one minus it."""
    power: float = Field(default=0.8, gt=0.5, lt=1)
    """Chance to find a difference of `effect`, for planning."""
    effect: float = Field(default=0.05, gt=0)
    """The relative difference worth finding, for planning: 0.05 is five percent of the control's mean."""
    split: dict[str, float] = Field(default_factory=dict)
    """Intended shares of the variants; equal when left out. A mismatch makes all else doubtful."""
    from_: Moment | None = Field(default=None, alias="from")
    """Exposures at or after this; else from the first event."""
    to: Moment | None = None
    """Exposures before this; else until the last event."""

    def columns(self, schema: Schema) -> list[str]:
        """The columns it reads. Raises QuestionError for a sum of what is no number."""
        sums = [metric.column for metric in self.metrics if metric.column]
        for name in sums:
            if schema[schema.resolve(name)] not in {"number", "integer"}:
                raise QuestionError(f"'{name}' is no number", path="metrics", hint="measure events, or another column")
        conditions = [self.exposure, *(metric.when for metric in self.metrics)]
        return Context(schema, "UTC", 0, None, None).columns(conditions, [self.variant, *sums])

    def prepare(self, context: Context) -> Prepared:
        """Masks of the exposure and the metrics, and the numbers that are added."""
        view = context.columns_view
        variant = over(view.column(context.schema.resolve(self.variant)), np.zeros(0, np.uint8))
        metrics = []
        for metric in self.metrics:
            values, name = np.ones(1), None
            if metric.column:
                name = context.schema.resolve(metric.column)
                numbers = np.asarray(view.dictionary(name).to_numpy(), np.float64)
                values = np.concatenate([[np.nan], np.where(np.isfinite(numbers), numbers, np.nan)])
            metrics.append((context.mask([metric.when], None), lane(view, name, values)))
        return Prepared(context.mask([self.exposure], None), variant, metrics, times(view))

    def fold(self, shard: Shard, context: Context) -> Exposed:
        """The per-actor table of one shard."""
        view, made, span = shard.view, context.prepared, context.span(self.from_, self.to)
        room = shard.end - shard.begin + 1
        actor, when = np.empty(room, np.int64), np.empty(room, np.int64)
        variant, mixed = np.empty(room, np.uint32), np.zeros(room, np.bool_)
        clock = (made.time.addresses, made.time.like)
        count = fold.exposures(
            view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *made.exposure.parts,
            made.variant.addresses, made.variant.like, *clock, span.start, span.end, actor, variant, when, mixed,
        )  # fmt: skip
        kept = np.flatnonzero(~mixed[:count])
        actor, variant, when = actor[kept], variant[kept], when[kept]
        values = np.zeros((len(self.metrics), 4, len(kept)))
        for (mask, value), out in zip(made.metrics, values, strict=True):
            fold.outcomes(
                view.first, view.run, view.lo, view.hi, actor, when, *mask.parts, *value.parts, *clock,
                self._before, self._after, EVER, out,
            )  # fmt: skip
        return Exposed(actor, variant, when, values, count - len(kept))

    @property
    def _before(self) -> int:
        return self.before.micros if self.before else 0

    @property
    def _after(self) -> int:
        return self.within.micros if self.within else EVER

    def merge(self, partials: Iterable[Exposed]) -> Exposed:
        """One table; shards have no actor in common."""
        parts = list(partials)
        return Exposed(
            np.concatenate([part.actor for part in parts]),
            np.concatenate([part.variant for part in parts]),
            np.concatenate([part.when for part in parts]),
            np.concatenate([part.values for part in parts], axis=2),
            sum(part.mixed for part in parts),
        )

    def answer(self, partial: Exposed, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """A row per metric and variant."""
        return self._answer(partial, self._variants(partial, context), context)

    def _variants(self, partial: Exposed, context: Context) -> dict[str, np.ndarray]:
        """Which actors saw each variant that anybody saw."""
        name = context.schema.resolve(self.variant)
        labels = [str(value) for value in context.columns_view.dictionary(name).to_pylist()]
        table = {label: partial.variant == code + 1 for code, label in enumerate(labels)}
        return {label: mine for label, mine in table.items() if mine.any()}

    def _still(self, exposed: Exposed, context: Context) -> np.ndarray:
        """Whose time after the exposure is not over."""
        if self.within is None:
            return np.zeros(len(exposed.when), np.bool_)
        return np.asarray(exposed.when + self.within.micros > (context.newest or 0))

    def _answer(
        self, exposed: Exposed, variants: dict[str, np.ndarray], context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """Rows, totals and notes of a per-actor table, however it was found."""
        still = self._still(exposed, context)
        if variants and self.control not in variants:
            raise QuestionError(
                f"no actor was exposed to the control '{self.control}'", path="control",
                hint="there are " + ", ".join(sorted(variants)),
            )  # fmt: skip
        over = {label: np.flatnonzero(mine & ~still) for label, mine in sorted(variants.items())}
        seconds = (int(exposed.when.max()) - int(exposed.when.min())) / 1e6 if len(exposed.when) else 0.0
        rules = Rules(
            self.control, self.winsorize, self.before is not None, self.correction, self.alpha, self.power, self.effect,
            self.split, seconds, 1.0 if context.portion is None else context.portion.share,
        )  # fmt: skip
        rows, totals, notes = verdicts(self.metrics, exposed.values, over, rules)
        left = int(still.sum())
        if left:
            notes.append(f"{left:,} actors were exposed less than {self.within} before the end and are left out.")
        if exposed.mixed:
            notes.append(f"{exposed.mixed:,} actors saw several variants and are left out.")
        return rows, totals | {"mixed": exposed.mixed, "open": left}, notes

    def alone(self, partial: Exposed, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """What an actor counts as: a row for each metric, with the four numbers that the statistics are made of."""
        name = context.schema.resolve(self.variant)
        rows = []
        for k, metric in enumerate(self.metrics if len(partial.when) else []):
            total, count, before, earlier = (float(value) for value in partial.values[k, :, 0])
            value = float(count > 0) if metric.measure == "converted" else total
            rows.append(
                {"metric": metric.name or str(metric.when),
                 "variant": context.columns_view.dictionary(name)[int(partial.variant[0]) - 1].as_py(),
                 "value": value, "events": int(count), "before": before, "events_before": int(earlier)}
            )  # fmt: skip
        return rows, {"exposed": len(partial.when), "mixed": partial.mixed}, []

    def tell(self, story: Story, partial: Exposed, context: Context) -> Told:
        """The exposure, and which events count for which metric."""
        exposed = int(partial.when[0]) if len(partial.when) else None
        metrics = list(self.marks())[1:]
        within, newest = (self.within.micros if self.within else None), context.newest or 0
        still = exposed is not None and within is not None and exposed + within > newest
        asked = telling.Plan("exposure", self.variant, metrics, within, self._before, bool(partial.mixed), still)
        return telling.told(story, exposed, asked)

    def lifts(self, told: Told) -> dict[str, Mapping[str, Any]]:
        """The range, and the time after the exposure."""
        return super().lifts(told) | ({} if self.within is None else {"within": {"within": None}})

    # ── people ──────────────────────────────────────────────────────────────────────────────────────

    def people(
        self, partial: Exposed, context: Context, cell: Cell
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """Who saw `variant`; with `counted` only those who have, or have not, an event that `metric` counts."""
        return self._listed(partial, self._variants(partial, context), context.columns_view, cell, context)

    def _listed(
        self, exposed: Exposed, variants: dict[str, np.ndarray], names: Sequence[str | None] | View, cell: Cell,
        context: Context,
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:  # fmt: skip
        cell.only({"metric", "variant", "counted"})
        metrics = [({"metric": metric.name or str(metric.when)}, k) for k, metric in enumerate(self.metrics)]
        mine = np.zeros(len(exposed.when), np.bool_)
        for one in chosen(cell, [({"variant": label}, found) for label, found in variants.items()]):
            mine |= one
        asked, counted = chosen(cell, metrics), cell.flag("counted")
        events = exposed.values[asked, 1].sum(axis=0)
        mine &= ~self._still(exposed, context)
        if counted is not None:
            mine &= (events > 0) == counted
        rows = np.flatnonzero(mine)
        saw = [next(label for label, found in variants.items() if found[row]) for row in rows.tolist()]
        columns = [Column("variant", saw), Column("exposed", exposed.when[rows], EVER)]
        if len(asked) == 1:
            columns.append(Column("value", [rounded(value) for value in exposed.values[asked[0], 0, rows].tolist()]))
        columns.append(Column("events", events[rows].astype(np.int64)))
        return listed(names, exposed.actor[rows], exposed.when[rows], columns, cell=cell, zone=context.zone)

    def people_by_sql(
        self, run: Callable[[str], pa.Table], context: Context, cell: Cell
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same from the reference."""
        exposed, variants, names = self._exposed(run, context)
        return self._listed(exposed, variants, names, cell, context)

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def sql(self, schema: Schema, context: Context) -> str:
        """Rows `actor variant w mixed`, and per metric its four numbers `s0 c0 p0 q0 s1 …`."""
        span = context.span(self.from_, self.to)
        marks = "".join(
            f", coalesce({metric.when.sql(schema)}, false) as m{k}, {self._worth(metric, schema)} as n{k}"
            for k, metric in enumerate(self.metrics)
        )
        sums = "".join(
            f", coalesce(sum(n{k}) filter (m{k} and since >= 0 and since < {self._after}), 0) as s{k}"
            f", count(n{k}) filter (m{k} and since >= 0 and since < {self._after}) as c{k}"
            f", coalesce(sum(n{k}) filter (m{k} and since < 0 and since >= -{self._before}), 0) as p{k}"
            f", count(n{k}) filter (m{k} and since < 0 and since >= -{self._before}) as q{k}"
            for k in range(len(self.metrics))
        )
        variant = quoted(schema.resolve(self.variant))
        return f"""with marked as (select actor, epoch_us(time) as t, tie, {variant} as v,
  coalesce({self.exposure.sql(schema)}, false) as x{marks} from events),
exposed as (select actor, min_by(v, struct_pack(t := t, tie := tie)) as v, min(t) as w, count(distinct v) > 1 as mixed
  from marked where x and v is not null and t >= {span.start} and t < {span.end} group by actor),
timed as (select marked.*, exposed.v as variant, w, mixed, marked.t - w as since from marked join exposed using (actor))
select actor, any_value(variant)::varchar as variant, any_value(w) as w, any_value(mixed) as mixed{sums}
from timed group by actor"""

    def _worth(self, metric: Metric, schema: Schema) -> str:
        if not metric.column:
            return "1.0::double"
        name = quoted(schema.resolve(metric.column))
        return f"case when isfinite({name}::double) then {name}::double end"

    def by_sql(
        self, run: Callable[[str], pa.Table], context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same answer from the reference."""
        exposed, variants, _ = self._exposed(run, context)
        return self._answer(exposed, variants, context)

    def _exposed(
        self, run: Callable[[str], pa.Table], context: Context
    ) -> tuple[Exposed, dict[str, np.ndarray], list[str | None]]:
        """The per-actor table, the actors of each variant, and their names."""
        table = run(self.sql(context.schema, context)).to_pylist()
        kept = [row for row in table if not row["mixed"]]
        values = np.array(
            [[[row[f"{part}{k}"] for row in kept] for part in "scpq"] for k in range(len(self.metrics))], np.float64
        ).reshape(len(self.metrics), 4, len(kept))
        when = np.array([row["w"] for row in kept], np.int64)
        labels = sorted({row["variant"] for row in kept})
        variants = {label: np.array([row["variant"] == label for row in kept]) for label in labels}
        exposed = Exposed(np.arange(len(kept)), np.zeros(0), when, values, len(table) - len(kept))
        return exposed, variants, [row["actor"] for row in kept]

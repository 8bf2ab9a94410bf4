"""A measure of each actor, worked out for the actors of a shard; and the same in SQL."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from trackway.errors import QuestionError
from trackway.model.condition import Condition, quoted
from trackway.model.individual import ACTIVE, Individual
from trackway.model.schema import Schema
from trackway.store.columns.amounts import NUMERIC
from trackway.store.columns.context import Context, Span
from trackway.store.columns.folds import individual as kernel
from trackway.store.columns.lanes import Intervals, Lane, Mask, intervals, lane, nothing, times
from trackway.store.columns.measures.gathered import rows_before
from trackway.store.columns.measures.numbers import numbers
from trackway.store.columns.view import Shard

KINDS = {
    "events": kernel.EVENTS, "sum": kernel.SUM, "average": kernel.AVERAGE, "min": kernel.LOW, "max": kernel.HIGH,
    "quantile": kernel.QUANTILE, "distinct": kernel.DISTINCT, "first": kernel.FIRST, "last": kernel.LAST,
    **dict.fromkeys(ACTIVE, kernel.ACTIVE),
}  # fmt: skip
FAR = 900
"""Powers of two within which nothing is rounded to 0 or too large."""


def check(measure: Individual, schema: Schema, path: str) -> None:
    """Raises ConditionError for a column there is not, QuestionError for one that holds no numbers."""
    statistic = measure.statistic
    if statistic.column is None:
        return
    column = schema.resolve(statistic.column)
    if schema[column] not in NUMERIC and statistic.name != "distinct":
        what = {"time": "is a time", "json": "is JSON"}.get(schema[column], "is text")
        raise QuestionError(
            f"'{column}' {what}, not a number, of which there is no {measure}", path=path,
            hint=f'distinct({column}) counts different values; by = ["{column}"] tells actors apart by it',
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Individually:
    """A measure of the events that match in a range, of each actor."""

    measure: Individual
    where: Condition | None
    span: Span
    context: Context

    @cached_property
    def mask(self) -> Mask:
        """Which events match; one that is not to be read when all do."""
        if self.where is None:
            return Mask(nothing(self.context.columns_view), nothing(self.context.columns_view))
        return self.context.mask([self.where], None)

    @cached_property
    def _column(self) -> str | None:
        column = self.measure.statistic.column
        return None if column is None else self.context.schema.resolve(column)

    @cached_property
    def _values(self) -> Lane:
        """The codes of the column, and the number of each code, which counting different ones does not need."""
        view, name = self.context.columns_view, self._column
        if name is None:
            return nothing(view)
        return lane(view, name, np.empty(0) if self.measure.statistic.name == "distinct" else numbers(view, name))

    @cached_property
    def _intervals(self) -> Intervals:
        """The intervals actors are active in; not to be read by other measures."""
        view = self.context.columns_view
        if self.measure.statistic.name in ACTIVE:
            return intervals(view, np.array(edges(self.measure, self.span, self.context)))
        none = nothing(view)
        return Intervals(none.addresses, none.like, np.empty(0, np.int64), none.table, ())

    @cached_property
    def _halves(self) -> Halves | None:
        """The numbers of a column as sums of them are fastest; None when they are too unlike for that."""
        if self.measure.statistic.name not in {"sum", "average"}:
            return None
        view, name = self.context.columns_view, str(self._column)
        rows = int(np.diff(rows_before(view)).max(initial=1))
        found: Halves | None = view.once(("halves", name), lambda: halves(numbers(view, name), rows))
        return found

    def prepare(self) -> Individually:
        """With all that shards share made, before threads ask for it."""
        _ = self.mask, self._values, self._intervals, self._halves
        return self

    def of(self, shard: Shard) -> tuple[np.ndarray, np.ndarray]:
        """Of each actor of a shard how many events match, and their number: NaN when there is none."""
        view, time = shard.view, times(shard.view)
        n = np.zeros(shard.end - shard.begin, np.int64)
        given = (
            view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *self.mask.parts,
            time.addresses, time.like, self.span.start, self.span.end, self.context.cuts(self.span),
        )  # fmt: skip
        kind, share = KINDS[self.measure.statistic.name], self.measure.statistic.share
        if kind == kernel.EVENTS:
            kernel.counted(*given, n)
            return n, n.astype(np.float64)
        out = np.empty(len(n))
        if self._halves is not None:
            split = self._halves
            kernel.added(
                *given, *self._values.parts[:2], split.table, split.high, split.low, kind == kernel.AVERAGE, n, out
            )
            return n, out
        codes = 1 + len(view.dictionary(str(self._column))) if kind == kernel.DISTINCT else 0
        most = np.diff(rows_before(view)[shard.begin : shard.end + 1]).max(initial=0) if share else 0
        top, bottom = (share.numerator, share.denominator) if share else (1, 1)
        kernel.measured(
            *given, *self._values.parts, *self._intervals.parts, kind, top, bottom, np.full(codes, -1, np.int64),
            np.empty(most), n, out,
        )  # fmt: skip
        return n, out


@dataclass(frozen=True, eq=False)
class Halves:
    """Numbers as two whole ones each, in units of `high` and `low`, and 1; what is no number is 0, 0 and 0."""

    table: np.ndarray
    high: float
    low: float

    @property
    def parts(self) -> tuple[np.ndarray, float, float]:
        """What a fold is given."""
        return self.table, self.high, self.low


def halves(values: np.ndarray, rows: int) -> Halves | None:
    """Numbers cut in two such that sums of so many halves fit in 64 bits; None when these do not reach from the
    lowest bit of all to the highest, or when that is near the ends of what float64 can say."""
    known = np.where(np.isfinite(values), values, 0.0)
    fraction, exponent = np.frexp(known)
    whole = np.ldexp(fraction, 53).astype(np.int64)
    some = whole != 0
    if not some.any():
        return Halves(np.stack([whole, whole, np.isfinite(values)], axis=1).astype(np.int64), 1.0, 1.0)
    lowest_bit = np.log2((whole & -whole)[some].astype(np.float64)).astype(np.int64)
    lowest = int((exponent[some] - 53 + lowest_bit).min())
    width, reach = 62 - rows.bit_length(), int(exponent[some].max()) - lowest
    if reach > 2 * width or abs(lowest) > FAR or abs(lowest + reach) > FAR:
        return None
    above = np.trunc(np.ldexp(known, -lowest - width))
    below = np.ldexp(known - np.ldexp(above, lowest + width), -lowest)
    return Halves(
        np.stack([above, below, np.isfinite(values)], axis=1).astype(np.int64), 2.0 ** (lowest + width), 2.0**lowest
    )


def edges(measure: Individual, span: Span, context: Context) -> list[int]:
    """The intervals in which actors are active or not: those of the range that hold events."""
    begin = max(span.start, context.oldest or 0)
    end = max(begin + 1, min(span.end, (context.newest or 0) + 1))
    return context.edges(Span(begin, end), ACTIVE[measure.statistic.name])


def value_sql(measure: Individual, schema: Schema) -> str:
    """What is gathered of one event, in DuckDB text: null when it has no number."""
    if measure.statistic.column is None:
        return "null::double"
    column = schema.resolve(measure.statistic.column)
    if measure.statistic.name == "distinct":
        return quoted(column)
    number = f"{quoted(column)}{'::integer' if schema[column] == 'boolean' else ''}::double"
    return f"case when isfinite({number}) then {number} end"


def aggregate_sql(measure: Individual) -> str:
    """What is gathered of the rows `t tie v k` of an actor, `k` being the interval: a list for sums and quantiles."""
    listed = "list(v) filter (v is not null)"
    return {
        "events": "count(*)", "distinct": "count(distinct v)", "min": "min(v)", "max": "max(v)",
        "first": "first(v order by t, tie) filter (v is not null)",
        "last": "last(v order by t, tie) filter (v is not null)",
        "sum": listed, "average": listed, "quantile": listed, **dict.fromkeys(ACTIVE, "count(distinct k)"),
    }[measure.statistic.name]  # fmt: skip


def of_gathered(measure: Individual, raw: Any) -> float | None:
    """The number of an actor from what SQL gathered; None when there is none."""
    name, share = measure.statistic.name, measure.statistic.share
    if name not in {"sum", "average", "quantile"}:
        return (0.0 if measure.adds else None) if raw is None else float(raw)
    ordered = sorted(raw or ())
    if name == "sum" or not ordered:
        return _sum(ordered) if name == "sum" else None
    if share is None:
        total = _sum(ordered)
        return None if total is None else total / len(ordered)
    if measure.statistic.is_median:
        low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
        middle = low if low == high else (low + high) / 2
        return middle if math.isfinite(middle) else None
    return float(ordered[math.ceil(len(ordered) * share) - 1])


def _sum(numbers: list[float]) -> float | None:
    try:
        return math.fsum(numbers)
    except OverflowError:
        return None

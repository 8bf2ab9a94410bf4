"""The same measures as plain SQL, and the arithmetic that SQL does not do exactly; for the reference alone."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pyarrow as pa

from trackway.model.condition import Condition, literal, quoted
from trackway.model.schema import Schema
from trackway.model.statistic import Measure, Statistic
from trackway.store.columns.groups import Key

Run = Callable[[str], pa.Table]
RAW = frozenset({"first", "last", "distinct"})
"""Statistics of values as they are; the others are of finite numbers."""


@dataclass(frozen=True)
class Reference:
    """One measure over the events that match, in DuckDB text."""

    schema: Schema
    measure: Measure
    conditions: tuple[Condition | None, ...]
    names: tuple[str, ...]
    """Columns of the groups."""

    @property
    def keys(self) -> list[str]:
        """The names of the groups in SQL."""
        return [f"g{index}" for index in range(len(self.names))]

    def picked(self, ranges: Sequence[tuple[int | None, int | None]]) -> str:
        """The events that match within any of these ranges; None limits nothing."""
        wheres = [condition.sql(self.schema) for condition in self.conditions if condition is not None]
        within = [
            " and ".join(
                [*([f"epoch_us(time) >= {start}"] if start is not None else []),
                 *([f"epoch_us(time) < {stop}"] if stop is not None else [])]
            ) or "true"
            for start, stop in ranges
        ]  # fmt: skip
        where = " and ".join([*wheres, f"({' or '.join(within)})"])
        keys = "".join(f", {self._plain(name)} as {key}" for name, key in zip(self.names, self.keys, strict=True))
        return f"select epoch_us(time) as t, tie, actor, {self._value()} as v{keys} from events where {where}"

    def _plain(self, name: str) -> str:
        return f"epoch_us({quoted(name)})" if self.schema[name] == "time" else quoted(name)

    def _value(self) -> str:
        if self.measure.inner.column is None:
            return "null::double"
        column = self.schema.resolve(self.measure.inner.column)
        value = self._plain(column)
        if self.measure.inner.name in RAW:
            return value
        number = f"({value})::integer::double" if self.schema[column] == "boolean" else f"({value})::double"
        return f"case when isfinite({number}) then {number} end"

    def windows(self, windows: Sequence[tuple[int, int]], ranking: str = "", top: int | None = None) -> str:
        """Rows `i` (the window), the groups, `rest` (all other groups), `n` events and `value`, a raw one.

        `ranking` gives the groups and their `place`; those beyond `top` are the rest.
        """
        spans = (
            f"select unnest(range({len(windows)})) as i, unnest({[lo for lo, _ in windows]}::bigint[]) as lo,"
            f" unnest({[hi for _, hi in windows]}::bigint[]) as hi"
        )
        keys = self.keys if ranking else []
        shown = "true" if top is None else f"place <= {top}"
        chosen = "".join(f", case when {shown} then picked.{key} end as {key}" for key in keys)
        same = " and ".join(f"picked.{key} is not distinct from ranked.{key}" for key in keys)
        ranked = f", ranked as ({ranking})" if ranking else ""
        joined = f" join ranked on {same}" if ranking else ""
        listed = "".join(f", {key}" for key in keys)
        ranges = [(min((lo for lo, _ in windows), default=0), max((hi for _, hi in windows), default=0))]
        return f"""with picked as ({self.picked(ranges)}), spans as ({spans}){ranked},
placed as (select i, t, tie, actor, v{chosen}, {f"not ({shown})" if keys else "false"} as rest
  from picked join spans on t >= lo and t < hi{joined}),
found as (select i{listed}, rest, {"actor, " if self.measure.over else ""}count(*) as n, {self._aggregate()} as value
  from placed group by all)
select i{listed}, rest, {"sum(n)::bigint as n, list(value) as value" if self.measure.over else "n, value"}
from found {"group by all" if self.measure.over else ""} order by all"""

    def _aggregate(self) -> str:
        name, share = self.measure.inner.name, self.measure.inner.share or Fraction(1)
        ordered = "list(v order by v) filter (v is not null)"
        if self.measure.over is not None and name == "quantile":
            return ordered
        middle = f"list_sort({ordered})"
        rank = f"(count(v) * {share.numerator} + {share.denominator - 1}) // {share.denominator}"
        return {
            "events": "count(*)",
            "actors": "count(distinct actor)",
            "distinct": "count(distinct v)",
            "sum": "list(v) filter (v is not null)",
            "average": "list(v) filter (v is not null)",
            "min": "min(v)",
            "max": "max(v)",
            "first": "first(v order by t, tie) filter (v is not null)",
            "last": "last(v order by t, tie) filter (v is not null)",
            "quantile": f"({middle}[(count(v) + 1) // 2] + {middle}[count(v) // 2 + 1]) / 2"
            if self.measure.inner.is_median
            else f"{middle}[{rank}]",
        }[name]

    def value(self, raw: Any) -> Any:
        """The value of a raw one."""
        if self.measure.over is None:
            return finished(self.measure.inner, raw)
        each = [finished(self.measure.inner, one) for one in raw]
        return finished(self.measure.over, [float(one) for one in each if one is not None], listed=True)

    def cells(
        self, run: Run, windows: Sequence[tuple[int, int]], ranking: str = "", top: int | None = None
    ) -> dict[tuple[int, Key | None], tuple[int, Any]]:
        """Events and value of each window and group, None being the rest."""
        table = run(self.windows(windows, ranking, top)).to_pylist()
        keys = self.keys if ranking else []
        return {
            (row["i"], None if row["rest"] else tuple(row[key] for key in keys)): (row["n"], self.value(row["value"]))
            for row in table
        }


def finished(statistic: Statistic, raw: Any, *, listed: bool = False) -> Any:  # noqa: PLR0911
    """A statistic of what SQL collected: exact sums of lists, everything else as it came unless `listed`."""
    values = [] if raw is None else raw
    name = statistic.name
    if name in {"sum", "average"}:
        try:
            total = math.fsum(values)
        except OverflowError:
            return None
        return total if name == "sum" else total / len(values) if values else None
    if not listed and not (name == "quantile" and isinstance(raw, list)):
        return raw
    if not values:
        return None
    ordered = sorted(values)
    if statistic.share is None:
        return ordered[0] if name == "min" else ordered[-1]
    if statistic.is_median:
        return statistics.median(ordered)
    return ordered[math.ceil(len(ordered) * statistic.share) - 1]


def ranking(references: Sequence[Reference], run: Run, ranges: Sequence[tuple[int, int]]) -> str:
    """SQL of the groups that have events in any of these ranges, with their `place` by weight in the first one.

    The weight of one measure of events, actors or a sum is its value, of any other its events; of several
    measures, the events of all.
    """
    one = references[0]
    start, stop = ranges[0]
    inside = f"t >= {start} and t < {stop}"
    keys = ", ".join(one.keys)
    rule = one.measure.inner.name if len(references) == 1 and one.measure.over is None else "events"
    reads = f"t, actor, {keys}{', v' if rule == 'sum' else ''}"
    universe = " union all ".join(f"(select {reads} from ({each.picked(ranges)}))" for each in references)
    weight = f"count(distinct actor) filter ({inside})" if rule == "actors" else f"count(*) filter ({inside})"
    sized = f"select {keys}, {weight} as weight from ({universe}) group by all"
    if rule == "sum":
        found = run(f"select {keys}, list(v) filter (v is not null and {inside}) as v from ({universe}) group by all")
        rows = [(*(row[key] for key in one.keys), one.value(row["v"]) or 0.0) for row in found.to_pylist()]
        sized = f"select * from (values {', '.join(map(_row, rows))}) as sized({keys}, weight)" if rows else sized
    order = ", ".join(f"{key} nulls last" for key in one.keys)
    return f"select *, row_number() over (order by weight desc, {order}) as place from ({sized})"


def _row(values: Iterable[Any]) -> str:
    return f"({', '.join(map(_literal, values))})"


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"'{value!r}'::double"
    return literal(value) if isinstance(value, str) else str(value)

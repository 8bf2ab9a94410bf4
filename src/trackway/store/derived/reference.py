"""Derived columns as SQL: each is one more layer over the view `events`, in plain DuckDB, slow and readable."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from sqlglot import exp

from trackway.model.condition import quoted
from trackway.model.schema import Schema
from trackway.plan.lookup import KNOWN
from trackway.store.columns.spans import kept_sql, matches_sql
from trackway.store.derived.kinds import typed
from trackway.store.derived.virtual import (
    Listed,
    Looked,
    Matched,
    Metric,
    Number,
    Position,
    Range,
    Steps,
    Value,
    Virtual,
)
from trackway.store.directory import text_sql
from trackway.store.lookups import key_sql

ORDER = "order by time, tie"


def attach(connection: duckdb.DuckDBPyConnection, closure: Iterable[Virtual], schema: Schema) -> None:
    """Give the view `events` of a connection these columns, each made of those before it and of stored ones."""
    connection.execute('alter view events rename to "events 0"')
    before = '"events 0"'
    present = set(schema)
    for place, one in enumerate(closure, start=1):
        rest = f"* exclude ({quoted(one.name)})" if one.name in present else "*"
        if isinstance(one, Listed):
            connection.register(f"beside {one.name}", pa.table({"id": one.ids}))
        if isinstance(one, Looked):
            connection.register(f"beside {one.name}", _versions(one))
        if isinstance(one, Matched):
            connection.execute(f"create table {_beside(one)} as {_matches(one, before)}")
        layer = LAYERS[type(one)](one, before, rest, quoted(one.name))
        connection.execute(f'create view "events {place}" as {layer}')
        present.add(one.name)
        before = f'"events {place}"'
    connection.execute(f"create view events as select * from {before}")


def _beside(one: Virtual) -> str:
    """The table that a column needs beside the events."""
    return quoted(f"beside {one.name}")


# ── a SELECT of everything in `before` and the new column ───────────────────────────────────────────


def _value(one: Value, before: str, rest: str, name: str) -> str:
    return f"select {rest}, {typed(one.tree.sql(dialect='duckdb'), one.kind)} as {name} from {before}"


def _member(one: Steps | Listed, before: str, rest: str, name: str) -> str:
    members = _sequence(one, before) if isinstance(one, Steps) else f"select id from {_beside(one)}"
    return f"select {rest}, coalesce(actor in ({members}), false) as {name} from {before}"


def _versions(one: Looked) -> pa.Table:
    """The versions of a lookup, each with its key and until when it holds."""
    found = one.versions
    size = np.diff(found.first)
    last = np.zeros(len(found.since), np.bool_)
    last[found.first[1:][size > 0] - 1] = True
    until = pa.array(np.append(found.since[1:], 0)[: len(found.since)], mask=last)
    keys = found.names.take(pa.array(np.repeat(np.arange(len(size)), size)))
    rows = pa.table({"k": keys, "since": found.since, "until": until, "v": found.column(one.column)})
    return rows.filter(pa.array(last)) if one.latest else rows


def _looked(one: Looked, before: str, rest: str, name: str) -> str:
    """The version whose key an event has, and which held when it happened."""
    key = key_sql([text_sql(each, kind, "e.") for each, kind in zip(one.keys, one.kinds, strict=True)])
    held = "true" if one.latest else "l.since <= epoch_us(e.time) and coalesce(l.until > epoch_us(e.time), true)"
    shown = "coalesce(l.v, false)" if one.column == KNOWN else "l.v"
    columns = rest.replace("*", "e.*", 1)
    return f"""select {columns}, {typed(shown, one.kind)} as {name} from {before} e
left join {_beside(one)} l on l.k = {key} and {held}"""


def _metric(one: Metric, before: str, rest: str, name: str) -> str:
    number = "" if one.number is None else quoted(one.number)
    by = "actor, " + number if number else "actor"
    kept = [_true(one.where), _inside(one.range), *([f"{number} is not null"] if number else []),
            *([f"{quoted(one.of)} is not null"] if one.of else [])]  # fmt: skip
    measured = typed(_aggregate(one), one.kind)
    same = "e.actor = m.actor" + (f" and e.{number} = m.{number}" if number else "")
    zero = one.measure in ("count", "sum", "distinct", "active_days")
    shown = f"coalesce(m.v, 0)::{'double' if one.kind == 'number' else 'bigint'}" if zero else "m.v"
    if number and zero:
        shown = f"case when e.{number} is not null then {shown} end"
    columns = rest.replace("*", "e.*", 1)
    return f"""select {columns}, {shown} as {name} from {before} e left join
(select {by}, {measured} as v from {before} where {" and ".join(kept)} group by {by}) m on {same}"""


def _aggregate(one: Metric) -> str:
    """The measure over the events that count, of which none lacks the value."""
    x = quoted(one.of) if one.of else ""
    added = f"list_reduce(list({x}::double {ORDER}), lambda a, b: a + b)"
    whole = f"sum({x})" if one.kind == "integer" else added
    return {
        "count": "count(*)", "distinct": f"count(distinct {x})",
        "active_days": "count(distinct date_trunc('day', time))",
        "seconds": "(epoch_us(max(time)) - epoch_us(min(time))) / 1000000.0",
        "first_time": "min(time)", "last_time": "max(time)", "min": f"min({x})", "max": f"max({x})",
        "first": f"first({x} {ORDER})", "last": f"last({x} {ORDER})", "sum": whole, "average": f"{added} / count(*)",
    }[one.measure]  # fmt: skip


def _number(one: Number, before: str, rest: str, name: str) -> str:
    over = f'over (partition by actor, "# in" {ORDER})'
    known = f'over (partition by actor, "# in" {ORDER} rows between unbounded preceding and 1 preceding)'
    late = "false" if one.timeout is None else f'coalesce("# t" - lag("# t") {over} > {one.timeout}, false)'
    opens = f"""row_number() {over} = 1 or {late} or "# start" or coalesce(lag("# end") {over}, false)
  or coalesce("# of" <> last_value("# of" ignore nulls) {known}, false)"""
    return f"""select * exclude ("# in", "# t", "# start", "# end", "# of", "# new"),
  case when "# in" then (sum(case when "# new" then 1 else 0 end) over (partition by actor, "# in" {ORDER}
    rows between unbounded preceding and current row))::bigint end as {name}
from (select *, {opens} as "# new" from (
  select {rest}, {_true(one.where)} as "# in", epoch_us(time) as "# t",
    {"false" if one.start is None else _true(one.start)} as "# start",
    {"false" if one.end is None else _true(one.end)} as "# end",
    {quoted(one.change) if one.change else "null"} as "# of" from {before}))"""


def _matches(one: Matched, before: str) -> str:
    """The matches: the first and last event of each, by their places among those that are there for the pattern."""
    inside, timeout = _true(one.where), -1 if one.timeout is None else one.timeout
    kept = kept_sql([tree.sql(dialect="duckdb") for tree in one.letters.values()], inside, timeout, source=before)
    return f"""with recursive {kept},
{matches_sql(one.pattern, list(one.letters), one.longest)}
select a.actor.id as whose, a.nth as low, b.nth as high,
  row_number() over (partition by a.actor.id order by a.nth) as number
from matched m join k a on a.actor = m.actor and a.i = m.s join k b on b.actor = m.actor and b.i = m.e - 1"""


def _matched(one: Matched, before: str, rest: str, name: str) -> str:
    """The match whose ends an event is between."""
    inside = _true(one.where)
    return f"""select p.* exclude ("# in", "# n"), m.number as {name} from (select {rest}, {inside} as "# in",
    row_number() over (partition by actor, {inside} {ORDER}) - 1 as "# n" from {before}) p
left join {_beside(one)} m on m.whose = p.actor and p."# in" and p."# n" between m.low and m.high"""


def _position(one: Position, before: str, rest: str, name: str) -> str:
    number = quoted(one.number)
    ranked = f"row_number() over (partition by actor, {number} {ORDER})"
    return f"select {rest}, case when {number} is not null then {ranked} end as {name} from {before}"


def _sequence(one: Steps, before: str) -> str:
    """The actors with a chain: before each event the latest start from which the steps so far were taken."""
    conditions = [_true(step) for step in one.steps]
    steps = "".join(f", {condition} as c{k}" for k, condition in enumerate(conditions))
    lowest = "case " + " ".join(f"when c{k} then {k}" for k in range(len(conditions))) + " end"
    text = f"""with matched as (select actor, epoch_us(time) as t, tie{steps} from {before}
  where {_inside(one.range)}),
chain0 as (select *, case when c0 then t end as h0,
    row_number() over (partition by actor order by t, {lowest}, tie) as p
  from matched where {" or ".join(f"c{k}" for k in range(len(conditions)))})"""
    for k in range(1, len(conditions)):
        soon = "true" if one.within is None else f"t - b <= {one.within}"
        text += f""",
best{k} as (select *, max(h{k - 1}) over (partition by actor order by p rows between unbounded preceding
  and 1 preceding) as b from chain{k - 1}),
chain{k} as (select * exclude (b), case when c{k} and {soon} then b end as h{k} from best{k})"""
    last = len(conditions) - 1
    return f"{text} select distinct actor from chain{last} where h{last} is not null"


def _true(tree: exp.Expression | None) -> str:
    return "true" if tree is None else f"coalesce(({tree.sql(dialect='duckdb')})::boolean, false)"


def _inside(within: Range) -> str:
    """Whether an event is in a range."""
    after = "true" if within.start is None else f"epoch_us(time) >= {within.start}"
    before = "true" if within.end is None else f"epoch_us(time) < {within.end}"
    return f"({after} and {before})"


LAYERS: dict[type[Virtual], Callable[[Any, str, str, str], str]] = {
    Value: _value, Metric: _metric, Number: _number, Matched: _matched, Position: _position, Looked: _looked,
    Steps: _member, Listed: _member,
}  # fmt: skip

"""Journeys by SQL, for the reference: their nodes, and the edges between the nodes that are shown.

Events are numbered away from the anchor. Where a journey from each possible anchor would end is worked out first,
then a recursion takes the first, and the first after its end, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass

from trackway.model.condition import Condition
from trackway.model.schema import Schema
from trackway.model.time import MICROS
from trackway.store.columns.context import Span
from trackway.store.columns.nodes import Rewrites, Rules, naming
from trackway.store.columns.sankey import MORE, REST, STOP


@dataclass(frozen=True)
class Limits:
    """What makes a journey. Durations are microseconds, below zero there is no limit."""

    steps: int
    within: int
    timeout: int
    keep: bool
    every: bool
    backward: bool
    between: bool
    top: int | None


@dataclass(frozen=True)
class Source:
    """Which events journeys are made of, where they begin and end, and what their nodes are."""

    schema: Schema
    span: Span
    column: str | None
    rules: Rules
    rewrites: Rewrites
    where: Condition | None
    start: Condition | None
    end: Condition | None

    def flag(self, condition: Condition | None) -> str:
        """DuckDB text, true only where a condition is."""
        return "false" if condition is None else f"coalesce({condition.sql(self.schema)}, false)"


def nodes_sql(source: Source, limits: Limits) -> str:
    """Common table expressions `chosen(actor, b, e)`, the journeys, and `node(actor, b, k, special, v, t)`.

    Events are numbered away from the anchor, so that reading backward is reading forward; `c` counts nodes.
    """
    way = "desc" if limits.backward else "asc"
    begins, ends = (source.end, source.start) if limits.backward else (source.start, source.end)
    begin = "starting" if begins is not None else f"lag(t) over w is null or {_paused(limits)}"
    change = "true" if limits.keep else "lag(t) over w is null or v is distinct from lag(v) over w"
    near = f"abs(r.t - s.t) <= {limits.within}" if limits.within >= 0 else "true"
    reach = "min(r.i) filter (r.z and r.i > s.i)" if limits.between else "max(r.i)"
    inside = "true" if limits.between else f"r.c < s.c + {limits.steps}"
    where = f"({source.where.sql(source.schema)})" if source.where is not None else "true"
    return f"""with recursive kept as (select actor, epoch_us(time) as t, tie, {source.flag(ends)} as z,
  {naming(source.schema, source.column, source.rules, source.rewrites)} as v,
  {source.flag(begins)} as starting from events
  where {where} and epoch_us(time) >= {source.span.start} and epoch_us(time) < {source.span.end}),
marked as (select actor, t, z, v, {begin} as a, {_paused(limits)} as paused,
    {change} as changed, row_number() over w as i
  from kept window w as (partition by actor order by t {way}, tie {way})),
numbered as (select *, count(*) filter (paused) over w as sitting, count(*) filter (changed) over w as c
  from marked window w as (partition by actor order by i rows unbounded preceding)),
spans as (select s.actor, s.i as b, {reach} as e from numbered s
  join numbered r on r.actor = s.actor and r.sitting = s.sitting and r.i >= s.i and {near} and {inside}
  where s.a group by s.actor, s.i having e is not null),
after as (select s.actor, s.b, s.e, min(n.b) as nb from spans s
  left join spans n on n.actor = s.actor and n.b > s.e group by all),
chosen as (
  select actor, b, e, nb from after where b in (select min(f.b) from spans f where f.actor = after.actor)
  union all
  select n.actor, n.b, n.e, n.nb from chosen o join after n on n.actor = o.actor and n.b = o.nb
  where {"true" if limits.every else "false"}),
passed as (select j.actor, j.b, r.c - s.c as k, any_value(r.v) as v, min(r.t) as t
  from chosen j join numbered s on s.actor = j.actor and s.i = j.b
  join numbered r on r.actor = j.actor and r.i between j.b and j.e group by all),
walked as (select *, max(k) over (partition by actor, b) as most from passed),
node as (select actor, b, case when most >= {limits.steps} and k = most then {limits.steps - 1} else k end as k,
    case when most >= {limits.steps} and k = {limits.steps - 2} then {MORE} else 0 end as special,
    case when special = 0 then v end as v, t
  from walked where most < {limits.steps} or k <= {limits.steps - 2} or k = most)"""


def _paused(limits: Limits) -> str:
    return f"abs(t - lag(t) over w) > {limits.timeout}" if limits.timeout >= 0 else "false"


def grouped_sql(found: str, limits: Limits) -> str:
    """Further expressions: `named(…)`, nodes that are shown, and `taken(…)`, every edge of every journey."""
    top = "true" if limits.top is None else f"r.place <= {limits.top}"
    return f"""{found},
ranked as (select k, v, row_number() over (partition by k order by count(*) desc, v nulls last) as place
  from node where special = 0 group by k, v),
named as (select n.actor, n.b, n.k, n.t, case when n.special > 0 then n.special when {top} then 0 else {REST} end as s,
    case when n.special = 0 and {top} then n.v end as v
  from node n left join ranked r on n.special = 0 and r.k = n.k and r.v is not distinct from n.v),
taken as (select n.actor, n.k, n.s, n.v,
    case when f.k is null then {STOP} else f.s end as fs, f.v as fv, abs(f.t - n.t) as d
  from named n left join named f on f.actor = n.actor and f.b = n.b and f.k = n.k + 1
  where f.k is not null or n.k < {limits.steps - 1}),
cell as (select k, s, v, fs, fv, count(*) as value from taken group by all)"""


def edges_sql(found: str, limits: Limits, most: int | None) -> str:
    """The edges between the nodes shown, beyond the `most` largest of a step one for all the others."""
    return f"""{cut_sql(found, limits, most)}
select k, s, v, fs, fv, count(*) as value, median(d) / {MICROS} as seconds, bool_or(beyond) as beyond
from cut group by k, s, v, fs, fv"""


def cut_sql(found: str, limits: Limits, most: int | None) -> str:
    """Further expressions: `cut(actor, k, s, v, fs, fv, …)`, every edge of every journey as it is shown."""
    beyond = "false" if most is None else f"c.fs <> {STOP} and c.place > {most}"
    return f"""{grouped_sql(found, limits)},
sized as (select *, row_number() over (partition by k, fs = {STOP} order by value desc, s, v nulls last, fs,
  fv nulls last) as place from cell),
cut as (select t.actor, t.k, if({beyond}, {REST}, t.s) as s, if({beyond}, null, t.v) as v,
    if({beyond}, {REST}, t.fs) as fs,
    if({beyond}, null, t.fv) as fv, t.d, {beyond} as beyond
  from taken t join sized c on c.k = t.k and c.s = t.s and c.fs = t.fs
    and c.v is not distinct from t.v and c.fv is not distinct from t.fv)"""

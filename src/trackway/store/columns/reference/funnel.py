"""The reference of a funnel: of the plain one by window functions, and the rows of any from its table."""

from __future__ import annotations

from collections.abc import Sequence

from trackway.model.time import MICROS
from trackway.store.columns.reference.journeys import Texts


def plain(texts: Texts, within: int, start: int, end: int) -> str:
    """The table of steps in order: one window function per step, each taking the best chain before the event.

    A chain is (start, minus the place of its last event, its times): the largest is the one that started
    latest and, of those, was formed first.
    """
    count, names = len(texts.steps), range(len(texts.groups))
    values = "".join(f", {text} as g{i}" for i, text in enumerate(texts.groups))
    steps = "".join(f", {condition} as c{k}" for k, condition in enumerate(texts.steps))
    any_step = " or ".join(f"c{k}" for k in range(count))
    lowest = "case " + " ".join(f"when c{k} then {k}" for k in range(count)) + " end"
    text = f"""with matched as (select actor, epoch_us(time) as t, tie{values}{steps} from events
  where {texts.where} and epoch_us(time) >= {start} and epoch_us(time) < {end}),
placed as (select *, row_number() over (partition by actor order by t, {lowest}, tie) as p
           from matched where {any_step}),
chain0 as (select *, case when c0 then struct_pack(s := t, p := -p, m := [t]) end as h0 from placed)"""
    for k in range(1, count):
        text += f""",
best{k} as (select *, max(h{k - 1}) over (partition by actor order by p
             rows between unbounded preceding and 1 preceding) as b from chain{k - 1}),
chain{k} as (select * exclude (b), case when c{k} and b is not null and t - b.s <= {within}
             then struct_pack(s := b.s, p := -p, m := list_append(b.m, t)) end as h{k} from best{k})"""
    firsts = ", ".join(f"min_by(h{k}, p) filter (h{k} is not null) as f{k}" for k in range(count))
    deepest = ", ".join(f"f{k}" for k in reversed(range(count)))
    firsts += "".join(f", min_by(struct_pack(v := g{i}), p) filter (c0) as o{i}" for i in names)
    origins = "".join(f", o{i}" for i in names)
    groups = "".join(f", o{i}.v as g{i}" for i in names)
    return f"""{text},
found as (select actor, {firsts} from chain{count - 1} group by actor),
deepest as (select actor, coalesce({deepest}) as f{origins} from found),
journeys as (select row_number() over () as id, actor, len(f.m) as depth, f.m as m, f.m[1] + {within} as until{groups}
             from deepest where f is not null),
members as (select * from journeys)"""


ROWS = """select c.*, f.units as whole, b.units as earlier
from counted c join counted f on f.place = c.place and f.i is not distinct from c.i and f.step = 1
left join counted b on b.place = c.place and b.i is not distinct from c.i and b.step = c.before
order by c.i, c.place, c.step"""
"""The rows of an answer, from `counted`."""


def rows(  # noqa: PLR0913
    table: str, before: Sequence[int], groups: int, top: int | None, *,
    apart: bool = True, edges: Sequence[int] = (), robust: bool = False,
) -> str:  # fmt: skip
    """Common table expressions from the table on: `grouped`, each unit in its cells, and `counted`, the cells.

    Groups are `g0 g1 …`, also `place` of the group, and `rest`; `i` is the beginning of the interval, when there are
    `edges`. `before` is, for each step, the step (from 1) its `step_rate` is of; 0 for the first. `apart` says that
    nobody is in two groups, `robust` that there is a table `bounds`.
    """
    distinct = "" if apart else "distinct "
    keys = [f"g{i}" for i in range(groups)]
    listed = "".join(f", {key}" for key in keys)
    order = ", ".join(["total desc", *(f"{key} nulls last" for key in keys)])
    same = " and ".join(f"j.{key} is not distinct from r.{key}" for key in keys) or "true"
    shown = "true" if top is None else f"r.place <= {top}"
    values = "".join(f", case when {shown} then r.{key} end as {key}" for key in keys)
    steps = ", ".join(f"({k + 1}, {earlier})" for k, earlier in enumerate(before))
    begun = f" asof join (select unnest({list(edges[:-1])}::bigint[]) as i) on m[1] >= i" if edges else ""
    limits = " left join bounds using (actor)" if robust else ""
    return f"""{table},
sized as (select count(*) as total{listed} from members group by all),
ranked as (select *, row_number() over (order by {order}) as place from sized),
timed as (select members.*, {"i" if edges else "null::bigint"} as i, {"low, high" if robust else "0 as low, 0 as high"}
          from members{begun}{limits}),
grouped as (select {distinct}j.id, j.actor, j.m, j.i, j.low, j.high, least(r.place, {top or "r.place"} + 1) as place,
            not ({shown}) as rest{values}
            from timed j join ranked r on {same}),
steps(step, before) as (values {steps}),
counted as (select step, before, i, place, rest{listed},
    count(*) filter (m[step] is not null) as units,
    count(distinct actor) filter (m[step] is not null) as actors,
    count(*) filter (low >= step) as low, count(*) filter (high >= step) as high,
    median(m[step] - m[1]) filter (m[step] is not null) / {MICROS} as median_seconds,
    median(m[step] - m[before]) filter (m[step] is not null) / {MICROS} as step_median_seconds
  from grouped cross join steps group by all)"""

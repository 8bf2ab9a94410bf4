"""The intervals of a question about activity: those shown, some before them, and all time before and after.

What an actor did before the range decides what their first activity in it is, so every event is in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from trackway.model.condition import Condition
from trackway.model.schema import Schema
from trackway.model.time import Duration, floor
from trackway.store.columns.breakdown import Breakdown
from trackway.store.columns.context import Context, Span
from trackway.store.columns.lanes import Mask, nothing
from trackway.store.columns.run import QUARTER


@dataclass(frozen=True)
class Calendar:
    """Place 0 is all time before, places from `lead` on are the intervals shown, the last place is all time after."""

    edges: list[int]
    """The beginning of every place, and the end of the last."""
    lead: int
    """The place of the first interval shown."""

    @property
    def shown(self) -> list[int]:
        """The beginnings of the intervals shown."""
        return self.edges[self.lead : -2]

    def end(self, place: int) -> int:
        """When the interval shown at a place (from 0) is over."""
        return self.edges[self.lead + place + 1]


def calendar(context: Context, edges: Sequence[int], every: Duration, before: int) -> Calendar:
    """The calendar of these intervals (starts, and the end of the last), and so many before them."""
    found = list(edges)
    for _ in range(before):
        found.insert(0, floor(found[0] - 1, every, context.zone))
    first = min(found[0], context.oldest or 0) // QUARTER * QUARTER - QUARTER
    last = -(-max(found[-1], context.newest or 0) // QUARTER) * QUARTER + QUARTER
    return Calendar([first, *found, last], before + 1)


def reach(context: Context, when: Condition | None, where: Condition | None, ends: Ends) -> Span | None:
    """The range of a question; open ends reach to the first and last match. None when nothing matches."""
    span = context.span(*ends)
    if None not in ends:
        return span
    found = context if (when, where, *ends) == (None,) * 4 else context.matching(when, where, span)
    return found.span(*ends) if found.oldest is not None else None


def reach_by_sql(run: Callable[[str], pa.Table], context: Context, picked: str, ends: Ends) -> Span | None:
    """The same from the reference; `picked` is the condition of the events that match."""
    span = context.span(*ends)
    found = run(f"""select min(t) as first, max(t) as last from (select epoch_us(time) as t from events where {picked})
where t >= {span.start} and t < {span.end}""")
    matching = context.among(found["first"][0].as_py(), found["last"][0].as_py())
    return matching.span(*ends) if None not in ends or matching.oldest is not None else None


def activity(context: Context, when: Condition | None, where: Condition | None, *, bits: bool) -> Mask:
    """The mask of the events that match both; without `bits`, one that is not to be read when all do."""
    view = context.columns_view
    if when is None and where is None and not bits:
        return Mask(nothing(view), nothing(view))
    return context.mask([when], where)


def days(schema: Schema, made: Calendar, cut: Breakdown, matching: str) -> str:
    """SQL of `grouped` (actor, place of the group) and `days` (actor, k): where in the calendar each actor was active.

    The group is that of the first activity of all until the end of the intervals shown.
    """
    starts = made.edges[:-2]
    return f"""with edges as (select unnest({starts}::bigint[]) as start, unnest(range({len(starts)})) as k),
picked as (select actor, epoch_us(time) as t, tie{cut.values(schema)} from events
           where {matching} and epoch_us(time) < {made.edges[-2]}),
origins as (select actor{cut.firsts} from picked group by actor),
{cut.ctes},
days as (select distinct actor, k from picked asof join edges on picked.t >= edges.start)"""


def picked(schema: Schema, when: Condition | None, where: Condition | None) -> str:
    """The condition of the events that match both."""
    return " and ".join(condition.sql(schema) for condition in (when, where) if condition is not None) or "true"


Ends = tuple[str | None, str | None]
"""`from` and `to` as written."""

"""From a measure as written to what folds it, and to its values as JSON shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trackway.model.condition import Condition
from trackway.model.schema import Schema
from trackway.model.statistic import Measure
from trackway.model.time import iso
from trackway.store.columns.context import Context, Span
from trackway.store.columns.groups import label
from trackway.store.columns.lanes import Lane, Mask, intervals, nothing
from trackway.store.columns.measures.actors import Actors, PerActor
from trackway.store.columns.measures.distinct import Distinct
from trackway.store.columns.measures.flat import Counted, Ended, Extreme, Measured, Summed
from trackway.store.columns.measures.frame import Frame
from trackway.store.columns.measures.gathered import Gathered
from trackway.store.columns.measures.numbers import plain, ranks
from trackway.store.columns.measures.quantile import Quantile, digits


@dataclass(frozen=True)
class Part:
    """One measure of a question: its name, and the events it is of."""

    name: str
    measure: Measure
    conditions: tuple[Condition | None, ...]


@dataclass(frozen=True, eq=False)
class Grouping:
    """The group of every event, of `size`; `bound` is the most there could have been."""

    lane: Lane
    size: int
    bound: int


def measured(part: Part, frame: Frame, grouping: Grouping, context: Context) -> Measured:
    """What folds a measure over a frame."""
    view, inner = context.columns_view, part.measure.inner
    column = None if inner.column is None else context.schema.resolve(inner.column)
    reads = Gathered(
        _mask(part, context), grouping.lane, grouping.size, intervals(view, np.array(frame.edges)), frame,
        context.cuts(Span(frame.start, frame.stop)), column,
    )  # fmt: skip
    if part.measure.over is not None:
        return PerActor(reads, view, inner, part.measure.over)
    made: dict[str, Callable[[], Measured]] = {
        "events": lambda: Counted(reads, view),
        "actors": lambda: Actors(reads, view),
        "sum": lambda: Summed(reads, view),
        "average": lambda: Summed(reads, view, average=True),
        "min": lambda: Extreme(reads, view),
        "max": lambda: Extreme(reads, view, largest=True),
        "quantile": lambda: Quantile(reads, view, inner, grouping.bound),
        "first": lambda: Ended(reads, view),
        "last": lambda: Ended(reads, view, last=True),
        "distinct": lambda: Distinct(reads, view),
    }
    return made[inner.name]()


def passes(parts: Sequence[Part], frames: Sequence[Frame], bound: int, context: Context) -> int:
    """How often the events are read for these measures."""
    most = 1
    for part in parts:
        inner = part.measure.inner
        if inner.name == "quantile" and part.measure.over is None:
            _, ordered = ranks(context.columns_view, context.schema.resolve(str(inner.column)))
            most = max(most, *(len(digits(frame.shown * bound + 1, len(ordered))[1]) for frame in frames))
    return most


def _mask(part: Part, context: Context) -> Mask:
    view = context.columns_view
    given = [condition for condition in part.conditions if condition is not None]
    if not given:
        return Mask(nothing(view), nothing(view))
    return context.mask([given[0]], given[1] if len(given) > 1 else None)


def showing(measure: Measure, schema: Schema, zone: str) -> Callable[[Any], Any]:
    """How JSON shows the values of a measure."""
    if measure.inner.column is None and measure.over is None:
        return lambda value: value
    kind = "number" if measure.inner.column is None else schema[schema.resolve(measure.inner.column)]
    if measure.over is None and measure.inner.name in {"first", "last"}:
        return lambda value: label(value, kind, zone)
    if measure.over is None and kind == "time" and measure.inner.name in {"min", "max"}:
        return lambda value: None if value is None else iso(int(value), zone)
    return plain

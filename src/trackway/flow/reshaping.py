"""Reshaping in the flow: some rows of a batch go through a function and come back among the others, in their order.

Where one event becomes several, the first keeps its id and the k-th other has `#k` behind it, so that a retry gives the
same ids; each of the others is counted as `made`, since nobody sent it (decision 0016).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trackway.flow.decoding import stacked
from trackway.flow.fuse import FRAME
from trackway.flow.marks import Marks
from trackway.model.event import Reason
from trackway.plan.component import Reshape, Reshaped

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Turned:
    """A batch behind a reshaping."""

    table: pa.Table
    placed: Marks
    refused: Mapping[int, tuple[Reason, str]]
    """By the row it had before."""
    made: int
    """How many events there are that nobody sent."""
    drift: Mapping[tuple[str, str], int] = field(default_factory=dict)


def turn(reshape: Reshape, table: pa.Table, placed: Marks, chosen: NDArray[np.bool_]) -> Turned:
    """A batch with the chosen rows reshaped."""
    given = np.flatnonzero(chosen)
    if not len(given):
        return Turned(table, placed, {}, 0)
    columns = table.select([name for name in table.column_names if name not in FRAME])
    everyone = len(given) == table.num_rows
    done = reshape(columns if everyone else columns.take(pa.array(given)))
    if everyone and done.rows is None and not done.refused:
        return Turned(_framed(table, done.events), placed, {}, 0, done.drift)
    events, rows, refused = _balanced(done, len(given))
    rest = np.flatnonzero(~chosen)
    places = np.concatenate([rest, given[rows]])
    order = np.argsort(places, kind="stable")
    places = places[order]
    events = stacked([columns.take(pa.array(rest)), events]).take(pa.array(order))
    part = _parts(places)
    return Turned(
        _framed(table.select(list(FRAME)).take(pa.array(places)), _named(events, part)), placed.take(places),
        {int(given[row]): why for row, why in refused.items()}, int((part > 0).sum()),
        done.drift,
    )  # fmt: skip


def _balanced(done: Reshaped, size: int) -> tuple[pa.Table, Rows, dict[int, tuple[Reason, str]]]:
    """Events, their rows and refusals such that every given row is there, or refused and not there."""
    rows = np.arange(size) if done.rows is None else done.rows
    refused = dict(done.refused)
    stays = ~np.isin(rows, np.fromiter(refused, np.int64, len(refused)))
    events = done.events if stays.all() else done.events.filter(pa.array(stays))
    rows = rows[stays]
    for row in np.setdiff1d(np.arange(size), rows).tolist():
        refused.setdefault(row, (Reason.FUNCTION, "the step gave nothing for this event"))
    return events, rows, refused


def _framed(table: pa.Table, events: pa.Table) -> pa.Table:
    names = [*FRAME, *events.column_names]
    return pa.table([*(table[name] for name in FRAME), *events.columns], names=names)


def _parts(places: Rows) -> Rows:
    """k for the k-th row of the same place, from 0."""
    numbers = np.arange(len(places))
    return numbers - np.maximum.accumulate(np.where(np.diff(places, prepend=-1) > 0, numbers, 0))


def _named(events: pa.Table, part: Rows) -> pa.Table:
    """The further parts of an event with ids of their own."""
    if not part.any() or "event_id" not in events.column_names:
        return events
    ids = events["event_id"]
    own = pc.binary_join_element_wise(ids, pa.array(part).cast(pa.string()), "#")
    return events.set_column(
        events.schema.get_field_index("event_id"), "event_id", pc.if_else(pa.array(part > 0), own, ids)
    )

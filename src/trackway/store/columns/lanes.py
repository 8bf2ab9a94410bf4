"""Lanes: what a fold reads per event, one narrow number through one table, whichever run the event lies in.

A fold over several runs needs each run's array; handing them over as addresses costs nothing per stretch,
where a list of arrays would cost a reference count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from trackway.store.columns.run import QUARTER
from trackway.store.columns.view import View


@dataclass(frozen=True, eq=False)
class Lane:
    """`table[array[row]]` is what an event means to the question, `array` being that of the event's run."""

    addresses: np.ndarray
    """Address of each run's array (int64)."""
    like: np.ndarray
    """An empty array of the arrays' type, by which the fold is compiled."""
    table: np.ndarray
    arrays: Sequence[np.ndarray]
    """Kept so that the addresses stay good."""

    @property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What a fold is given."""
        return self.addresses, self.like, self.table


def lane(view: View, column: str | None, table: np.ndarray) -> Lane:
    """The codes of a column through a table; without a column every event has code 0."""
    if column is None:
        return over([np.zeros(run.rows, np.uint8) for run in view.runs], table)
    return over(view.column(column), table)


def identity(arrays: Sequence[np.ndarray]) -> Lane:
    """Bits already worked out per row (uint8 or uint16), as they are."""
    most = int(np.iinfo(arrays[0].dtype).max) if arrays else 255
    return over(arrays, np.arange(most + 1, dtype=np.uint16))


def nothing(view: View) -> Lane:
    """A lane that is not to be read: its table is empty."""
    return Lane(np.zeros(len(view.runs), np.int64), np.empty(0, np.uint8), np.zeros(0, np.uint16), ())


@dataclass(frozen=True, eq=False)
class Mask:
    """The bits of an event: those that both lanes give; the second may be `nothing`."""

    first: Lane
    second: Lane

    @property
    def parts(self) -> tuple[np.ndarray, ...]:
        """What a fold is given."""
        return (*self.first.parts, *self.second.parts)


def times(view: View) -> Lane:
    """The time of every event."""
    return over([run.time for run in view.runs], np.zeros(0, np.int64), np.int64)


def quarters(view: View) -> Lane:
    """The quarter of an hour of every event, counted from the first of its run."""
    return over(_alike([run.quarters for run in view.runs]), np.zeros(0, np.int64))


def crowds(view: View) -> Lane:
    """Whether an event may be at the instant of its neighbour, for each CROWD rows."""
    return over([run.crowded for run in view.runs], np.zeros(0, np.int64))


def over(arrays: Sequence[np.ndarray], table: np.ndarray, kind: Any = np.uint8) -> Lane:
    """The values of these arrays, one per run, through a table."""
    like = np.empty(0, arrays[0].dtype if arrays else kind)
    addresses = np.array([array.__array_interface__["data"][0] for array in arrays], np.int64)
    return Lane(addresses, like, table, arrays)


@dataclass(frozen=True, eq=False)
class Intervals:
    """`table[array[row] + shift]` is the interval of an event, array and shift being those of the event's run."""

    addresses: np.ndarray
    like: np.ndarray
    shift: np.ndarray
    table: np.ndarray
    arrays: Sequence[np.ndarray]

    @property
    def parts(self) -> tuple[np.ndarray, ...]:
        """What a fold is given."""
        return self.addresses, self.like, self.shift, self.table


def intervals(view: View, edges: np.ndarray) -> Intervals:
    """The interval [edges[i], edges[i + 1]) of every event; of events outside them, any.

    Edges on quarters of an hour, as of every calendar, need a table of those; others are worked out per event.
    """
    count = len(edges) - 1
    kind = np.uint16 if count <= 1 << 16 else np.uint32
    first = min((run.first_quarter for run in view.runs), default=0)
    if count == 1 or not (edges % QUARTER).any():
        last = (view.newest or 0) // QUARTER
        places = np.searchsorted(edges, np.arange(first, last + 1) * QUARTER, side="right") - 1
        table = np.clip(places, 0, count - 1).astype(kind)
        arrays = _alike([run.quarters for run in view.runs])
        shift = np.array([run.first_quarter - first for run in view.runs], np.int64)
    else:
        arrays = [np.empty(run.rows, np.uint32) for run in view.runs]
        for run, out in zip(view.runs, arrays, strict=True):
            place(run.time, edges, out)
        table, shift = np.arange(count, dtype=kind), np.zeros(len(arrays), np.int64)
    whole = over(arrays, table)
    return Intervals(whole.addresses, whole.like, shift, table, arrays)


def _alike(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Arrays of one type, the widest."""
    widest = max((array.dtype for array in arrays), key=lambda kind: kind.itemsize, default=np.dtype(np.uint8))
    return [array.astype(widest, copy=False) for array in arrays]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def place(times: np.ndarray, edges: np.ndarray, out: np.ndarray) -> None:
    """The interval of each time: a guess as if all were equally long, then a few steps."""
    count = len(edges) - 1
    scale = count / (edges[count] - edges[0])
    for row in range(len(times)):
        i = max(0, min(int((times[row] - edges[0]) * scale), count - 1))
        while i > 0 and times[row] < edges[i]:
            i -= 1
        while i < count - 1 and times[row] >= edges[i + 1]:
            i += 1
        out[row] = i


@intrinsic  # type: ignore[untyped-decorator]
def pointer(_context: Any, address: Any, like: Any) -> Any:
    """The address of an array of the type of `like`, for `numba.carray`."""
    target = types.CPointer(like.dtype)

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(target))

    return target(address, like), generate

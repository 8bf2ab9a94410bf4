"""Lanes: what a fold reads per event, one narrow number through one table, whichever run the event lies in.

A fold over several runs needs each run's array; handing them over as addresses costs nothing per stretch,
where a list of arrays would cost a reference count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

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


def over(arrays: Sequence[np.ndarray], table: np.ndarray, kind: Any = np.uint8) -> Lane:
    """The values of these arrays, one per run, through a table."""
    like = np.empty(0, arrays[0].dtype if arrays else kind)
    addresses = np.array([array.__array_interface__["data"][0] for array in arrays], np.int64)
    return Lane(addresses, like, table, arrays)


@intrinsic  # type: ignore[untyped-decorator]
def pointer(_context: Any, address: Any, like: Any) -> Any:
    """The address of an array of the type of `like`, for `numba.carray`."""
    target = types.CPointer(like.dtype)

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(target))

    return target(address, like), generate

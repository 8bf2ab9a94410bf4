"""A run: rows sorted by shard, actor, time and tie, one array per column, and the stretch of each actor.

Runs are never changed. New events become a new run, small or overlapping runs are merged into one.
A run on disk is one file of plain little-endian arrays that is mapped, never loaded: opening a
hundred million events touches a few pages.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trackway.model.time import MICROS
from trackway.store.columns.order import by_actor, pick, settle

SHARDS = 32
"""How many shards the actors are spread over, by a hash that never changes."""
ALIGN = 4096
QUARTER = 15 * 60 * MICROS
"""Calendar days of every time zone in use begin on one."""
WIDTHS = (np.uint8, np.uint16, np.uint32)
CROWD = 64
"""Rows of which one byte says whether any is at the instant of its neighbour."""
AT_ONCE = 1 << 20
"""Rows looked at together."""


@dataclass(frozen=True, eq=False)
class Run:
    """Sorted rows. `codes` has no entry for a column that is null in the whole run."""

    time: np.ndarray
    """Microseconds, int64, one per row."""
    tie: np.ndarray
    quarters: np.ndarray
    """The quarter of an hour each row is in, counted from that of the oldest row: enough to find its day, in
    two bytes instead of eight."""
    codes: Mapping[str, np.ndarray]
    """Column -> dictionary codes, in the narrowest of uint8, uint16 and uint32."""
    actors: np.ndarray
    """The actor code of each stretch, uint32. A stretch is all rows of one actor in this run."""
    starts: np.ndarray
    """Where each stretch begins, and the end: one more than there are stretches."""
    first: np.ndarray
    """Time of the first row of each stretch."""
    last: np.ndarray
    bounds: np.ndarray
    """Where each shard begins among the stretches, and the end."""
    name: str = ""
    """File name; empty for a run in memory."""

    @property
    def rows(self) -> int:
        """Number of events."""
        return len(self.time)

    @cached_property
    def crowded(self) -> np.ndarray:
        """For each CROWD rows, whether any of them is at the same instant as the row before or after it."""
        found = np.zeros(self.rows // CROWD + 1, np.uint8)
        for begin in range(0, self.rows - 1, AT_ONCE):
            same = np.flatnonzero(np.diff(self.time[begin : begin + AT_ONCE + 1]) == 0) + begin
            found[same // CROWD] = found[(same + 1) // CROWD] = 1
        return found

    @property
    def first_quarter(self) -> int:
        """The quarter of an hour of the oldest row, counted from 1970."""
        return int(self.first.min()) // QUARTER if len(self.first) else 0


@dataclass(frozen=True)
class Batch:
    """Rows as read, in any order."""

    time: np.ndarray
    tie: np.ndarray
    actor: np.ndarray
    codes: Mapping[str, np.ndarray]


def width(largest: int) -> type[np.unsignedinteger[Any]]:
    """The narrowest code type that holds `largest`."""
    return next(kind for kind in WIDTHS if largest <= np.iinfo(kind).max)


def sort(batch: Batch, place: np.ndarray) -> Run:
    """A run in memory from unsorted rows; `place` is the place of every actor code."""
    order, starts, actors, bounds = by_actor(batch.actor, place, SHARDS)
    settle(order, starts, batch.time, batch.tie)
    codes = {}
    for name, values in batch.codes.items():
        largest = int(values.max(initial=0))
        if largest:
            codes[name] = np.empty(len(order), width(largest))
            pick(values, order, codes[name])
    time = batch.time[order]
    return Run(
        time, batch.tie[order], quarters(time), codes, actors, starts,
        time[starts[:-1]], time[starts[1:] - 1], bounds,
    )  # fmt: skip


def quarters(time: np.ndarray) -> np.ndarray:
    """Quarters of an hour since that of the oldest time."""
    found = time // QUARTER
    if len(found):
        found -= found.min()
    return found.astype(width(int(found.max(initial=0))))


FIXED = ("time", "tie", "quarters", "actors", "starts", "first", "last", "bounds")
COLUMN = "column:"


def layout(arrays: Mapping[str, tuple[np.dtype[Any], int]]) -> tuple[dict[str, list[Any]], int]:
    """Where arrays of these types and lengths stand in a file: name -> [offset, type, length]; and its size."""
    places: dict[str, list[Any]] = {}
    offset = 0
    for name, (dtype, length) in arrays.items():
        places[name] = [offset, dtype.str, length]
        offset += -(-dtype.itemsize * length // ALIGN) * ALIGN
    return places, max(offset, ALIGN)


def create(path: Path, places: Mapping[str, list[Any]], size: int) -> dict[str, np.ndarray]:
    """Writable arrays over a new file of this layout. Raises OSError when the disk has no room for it.

    The room is taken before anything is written: writing into a hole of a full disk would kill the process.
    """
    with path.open("w+b") as file:
        os.posix_fallocate(file.fileno(), 0, size)
        room = mmap.mmap(file.fileno(), size)
    return arrays(room, places)


def arrays(room: mmap.mmap, places: Mapping[str, list[Any]]) -> dict[str, np.ndarray]:
    """The arrays of a mapped file."""
    return {
        name: np.frombuffer(room, np.dtype(kind), length, offset)
        if length
        else np.empty(0, np.dtype(kind))
        for name, (offset, kind, length) in places.items()
    }  # fmt: skip


def load(folder: Path, entry: Mapping[str, Any]) -> Run:
    """The run of a manifest entry (`name` and `arrays`), mapped read-only."""
    with (folder / entry["name"]).open("rb") as file:
        room = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    found = arrays(room, entry["arrays"])
    codes = {name.removeprefix(COLUMN): a for name, a in found.items() if name.startswith(COLUMN)}
    return Run(**{name: found[name] for name in FIXED}, codes=codes, name=entry["name"])

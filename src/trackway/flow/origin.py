"""Where each record of a block stood where it was pulled from, and when it was put there.

A record without an id of its own is known by its place, not by what else was fetched with it, so that it is the
same event however often and in whatever batches it is pulled. One header of the block, `origin`, tells it: the
stream (`orders/0`), the places in it (runs of numbers, or texts), and the times of the origin in milliseconds, each
with how many have it and as the step from the one before.

>>> write_origin("orders/0", [17, 18, 19, 30], [5000, 5000, 5000, 5070])
'{"in":"orders/0","at":[[17,3],[30,1]],"times":[[5000,3],[70,1]]}'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

HEADER = "origin"
Place = int | str
"""An offset, or whatever else an origin calls the place of a message."""


def write_origin(stream: str, places: Sequence[Place], times: Sequence[int]) -> str:
    """The text of the header. `times` are milliseconds since 1970, 0 for unknown; empty when none is known."""
    at: list[Any] = list(places)
    if places and isinstance(places[0], int):
        numbers = np.asarray(places, dtype=np.int64)
        starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 2) != 1)
        at = np.stack([numbers[starts], np.diff(starts, append=len(numbers))], axis=1).tolist()
    told: dict[str, Any] = {"in": stream, "at": at}
    if any(times):
        steps = np.diff(np.asarray(times, dtype=np.int64), prepend=0)
        starts = np.flatnonzero(np.concatenate(([True], steps[1:] != 0)))
        told["times"] = np.stack([steps[starts], np.diff(starts, append=len(steps))], axis=1).tolist()
    return orjson.dumps(told).decode()


def read_origin(header: str, records: int) -> tuple[pa.Array, pa.Array]:
    """For each of `records` rows its place as a text that is unique in its source, and its time or null.

    A block of one place and many records is a message that held them all.
    """
    told = orjson.loads(header)
    places = _places(told["at"])
    steps = np.asarray(told.get("times", [[0, len(places)]]), dtype=np.int64).reshape(-1, 2)
    times = np.repeat(np.cumsum(steps[:, 0]), steps[:, 1])
    inside: pa.Array = pa.nulls(records, pa.string())
    if len(places) == 1 and records > 1:
        inside = pa.array(np.arange(records)).cast(pa.string())
        places = pa.array([places[0].as_py()] * records, pa.string())
        times = np.repeat(times, records)
    named = pc.binary_join_element_wise(told["in"], places, "@")
    named = pc.if_else(pc.is_valid(inside), pc.binary_join_element_wise(named, inside, "-"), named)
    stamps = pa.array(times * 1000, mask=times == 0).cast(pa.timestamp("us", "UTC"))
    return named, stamps


def _places(told: Sequence[Any]) -> pa.Array:
    if told and isinstance(told[0], list):
        return pa.array(np.concatenate([np.arange(first, first + count) for first, count in told])).cast(pa.string())
    return pa.array(told, pa.string())

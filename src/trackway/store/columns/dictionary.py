"""One column's distinct values, each with a code: codes instead of values are what is kept per event.

Codes only ever grow (1, 2, 3 … in order of first sight, 0 is null), so a run written long ago stays
readable, and a predicate can be answered once per value instead of once per event.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from trackway.model.schema import ARROW, Kind

NAN = math.nan
"""The one NaN, so that a mapping finds it by identity."""


class Dictionary:
    """Distinct values of one column. Written by one thread at a time, read by many."""

    def __init__(self, kind: Kind, parts: Sequence[pa.Array] = ()) -> None:
        self.kind: Kind = kind
        self.type: pa.DataType = pa.int64() if kind == "time" else ARROW[kind]
        self._parts = [part for part in parts if len(part)]
        self._kept = sum(len(part) for part in self._parts)
        self._fresh: list[Any] = []
        self._codes: dict[Any, int] | None = None

    def __len__(self) -> int:
        return self._kept + len(self._fresh)

    def encode(self, values: pa.Array) -> np.ndarray:
        """The codes of values (uint32), giving new ones to values not seen before."""
        codes = self._lookup()
        known = len(self)
        out = np.zeros(len(values), np.uint32)
        for index, value in enumerate(self._plain(values)):
            if value is None:
                continue
            code = codes.get(value)
            if code is None:
                known += 1
                code = codes[value] = known
                self._fresh.append(value)
            out[index] = code
        return out

    def find(self, values: pa.Array) -> np.ndarray:
        """The codes of values that may be unknown (0), without learning them."""
        codes = self._lookup()
        return np.fromiter((codes.get(value, 0) for value in self._plain(values)), np.uint32, len(values))

    def values(self, count: int | None = None) -> pa.ChunkedArray:
        """The first `count` values in the order of their codes; value `i` has code `i + 1`."""
        count = len(self) if count is None else count
        chunks = [*self._parts, pa.array(self._fresh, self.type)]
        return pa.chunked_array(chunks, self.type).slice(0, count)

    def take(self, codes: np.ndarray) -> pa.Array | pa.ChunkedArray:
        """The values of some codes."""
        return self.values().take(pa.array(codes.astype(np.int64) - 1))

    def fresh(self) -> pa.Array:
        """The values that are not on disk yet."""
        return pa.array(self._fresh, self.type)

    def kept(self, part: pa.Array) -> None:
        """Note that the fresh values are on disk now, as `part`."""
        if len(part):
            self._parts.append(part)
            self._kept += len(part)
            self._fresh = self._fresh[len(part) :]

    def _lookup(self) -> dict[Any, int]:
        if self._codes is None:
            self._codes = {}
            for value in self._plain(self.values()):
                self._codes[value] = len(self._codes) + 1
        return self._codes

    def _plain(self, values: pa.Array | pa.ChunkedArray) -> list[Any]:
        """Python values in which equal means equal: one NaN, no negative zero, times as microseconds."""
        if pa.types.is_timestamp(values.type):
            values = values.cast(pa.timestamp("us", values.type.tz)).cast(pa.int64())
        plain: list[Any] = values.to_pylist()
        if self.kind == "number":
            return [value if value is None else NAN if value != value else value + 0.0 for value in plain]  # noqa: PLR0124
        return plain

"""Values of JSON documents as cells: each with its path, row, type and place in the bytes.

Cells are arrays, not objects, so that a hundred thousand documents are a handful of arrays and a column is
made of a slice of them. `model.scan` reads them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from trackway.model.event import Reason
from trackway.model.json_text import Bytes, Ints

TEXT, TEXT_ESCAPED, INTEGER, FLOAT, TRUE, FALSE, ARRAY, OBJECT = range(8)
"""Types of cells. A null is no cell. Texts lie without their quotes; lists and objects are canonical JSON."""
LONG_INTEGER = re.compile(rb"\d{19}")
"""Digits of an integer that might be more than 64 bits, which orjson reads as a double."""

Path = tuple[str, ...]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Cells:
    """Values of documents; rows ascend within a path."""

    data: Bytes
    side: Bytes
    """Where cells lie whose `start` is negative: at `-1 - start`."""
    paths: list[Path]
    path: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]
    start: Ints
    end: Ints
    type: npt.NDArray[np.uint8]
    rows: int
    refused: dict[int, tuple[Reason, str]] = field(default_factory=dict)

    def of(self, some: Any) -> Cells:
        """Some of the cells, by mask, order or slice."""
        return replace(
            self, path=self.path[some], row=self.row[some], start=self.start[some], end=self.end[some],
            type=self.type[some],
        )  # fmt: skip

    def raw(self, cell: int) -> bytes:
        """The bytes of one cell."""
        start, end = int(self.start[cell]), int(self.end[cell])
        return self.data[start:end].tobytes() if start >= 0 else self.side[-1 - start : end].tobytes()


def dumps(value: Any) -> bytes:
    """JSON without spaces; integers of any length stay exact."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        if "64-bit" not in str(error):
            raise
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def canonical(raw: bytes) -> bytes:
    """JSON written in the one way: no spaces, shortest numbers, no needless escapes."""
    return dumps(json.loads(raw) if LONG_INTEGER.search(raw) else orjson.loads(raw))

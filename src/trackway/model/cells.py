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
from trackway.model.kernels import kernel, leaf

TEXT, TEXT_ESCAPED, INTEGER, FLOAT, TRUE, FALSE, ARRAY, OBJECT = range(8)
"""Types of cells. A null is no cell. Texts lie without their quotes; lists and objects are canonical JSON."""
LONG_INTEGER = re.compile(rb"\d{19}")
"""Digits of an integer that might be more than 64 bits, which orjson reads as a double."""

Path = tuple[str, ...]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int32]
Arrays = tuple[Rows, Rows, Ints, Ints, Bytes]
"""Path, row, start, end and type of cells."""


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

    def by_group(self, group: Rows, groups: int) -> Grouped:
        """The cells sorted by the group of their path, in order within a group; none of a group of `groups` or more."""
        edges, places, types, sizes, empty, twice = census(
            group, groups, self.path, self.row, self.start, self.end, self.type
        )
        size = int(edges[-1])
        path, row, start, end, type_ = (np.empty(size, array.dtype) for array in self._arrays)
        distribute(group, groups, places, self._arrays, (path, row, start, end, type_))
        cells = replace(self, path=path, row=row, start=start, end=end, type=type_)
        return Grouped(cells, edges, types, sizes, empty, twice)

    @property
    def _arrays(self) -> Arrays:
        return self.path, self.row, self.start, self.end, self.type

    def raw(self, cell: int) -> bytes:
        """The bytes of one cell."""
        start, end = int(self.start[cell]), int(self.end[cell])
        return self.data[start:end].tobytes() if start >= 0 else self.side[-1 - start : end].tobytes()


@dataclass(frozen=True)
class Grouped:
    """Cells by group, and what is known of each group."""

    cells: Cells
    edges: Ints
    """Where each group begins, and the last ends."""
    types: Ints
    """The types of cells in a group, as bits."""
    sizes: Ints
    """Bytes of all cells of a group."""
    empty: Bools
    """Whether a group has a cell without bytes."""
    twice: Bools
    """Whether a row has two cells of a group."""


@kernel
def census(  # noqa: PLR0913, PLR0917
    group: Rows, groups: int, path: Rows, row: Rows, start: Ints, end: Ints, type_: Bytes
) -> tuple[Ints, Ints, Ints, Ints, Bools, Bools]:
    """What `Grouped` tells of groups; and where the first cell of each is to be written."""
    edges = np.zeros(groups + 1, dtype=np.int64)
    types = np.zeros(groups, dtype=np.int64)
    sizes = np.zeros(groups, dtype=np.int64)
    empty = np.zeros(groups, dtype=np.bool_)
    twice = np.zeros(groups, dtype=np.bool_)
    before = np.full(groups, -1, dtype=np.int64)
    for cell in range(len(path)):
        mine = group[path[cell]]
        if mine < groups:
            length = end[cell] - start[cell] if start[cell] >= 0 else end[cell] + 1 + start[cell]
            edges[mine + 1] += 1
            types[mine] |= 1 << type_[cell]
            sizes[mine] += length
            empty[mine] |= length == 0
            twice[mine] |= before[mine] == row[cell]
            before[mine] = row[cell]
    for number in range(groups):
        edges[number + 1] += edges[number]
    return edges, edges[:groups].copy(), types, sizes, empty, twice


@leaf
def distribute(group: Rows, groups: int, place: Ints, given: Arrays, made: Arrays) -> None:
    """Writes every cell where the next one of its group belongs."""
    path, row, start, end, type_ = given
    for cell in range(len(path)):
        mine = group[path[cell]]
        if mine < groups:
            to = place[mine]
            place[mine] += 1
            made[0][to], made[1][to], made[2][to], made[3][to] = path[cell], row[cell], start[cell], end[cell]
            made[4][to] = type_[cell]


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

"""JSON documents to cells, in one compiled pass over their bytes.

Two ways give the same cells. This one is fast and reads plain documents; whatever it finds odd is left to
`model.walk`, one document at a time, so that one odd document costs only itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from trackway.model.cells import ARRAY, FALSE, FLOAT, INTEGER, TEXT, TEXT_ESCAPED, TRUE, Bools, Cells, Path, canonical
from trackway.model.json_text import (
    LONE,
    PLAIN,
    Bytes,
    Ints,
    as_array,
    number_end,
    plain_end,
    skip,
    text_end,
    value_end,
    word_end,
)
from trackway.model.kernels import inlined, kernel, leaf
from trackway.model.walk import DEEPEST_OBJECT, walk
from trackway.model.wide import WIDE, alike

DEEPEST_ARRAY = 100
"""Nesting in lists that this pass reads."""
MOST_PATHS = 4_096
"""Different paths that this pass keeps apart in one batch."""
SLOTS = 4 * MOST_PATHS
LONG_NUMBER = 300
"""Bytes from which on a number might be beyond a double."""
LONGEST_DIGITS = 15
NULL, ODD = -1, -2
"""In place of a cell type: no cell, and a value left to the walk."""
Slots = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Ints, Ints, Ints, npt.NDArray[np.int32], Ints]
"""The arrays of a table: slots, parent, key_start, key_end, seen, after, used."""
Columns = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Ints, Ints, npt.NDArray[np.uint8]]
"""The arrays of cells: path, row, start, end, type."""


def read(data: bytes, starts: Ints, ends: Ints, defaults: Mapping[int, Mapping[str, Any]] | None = None) -> Cells:
    """The cells of the documents that lie in `data` from `starts` to `ends`.

    `defaults` gives members to be merged below those of some rows (row -> object).
    """
    array = as_array(data)
    table = _Table.new()
    size = int(np.count_nonzero(array == ord(":")))
    columns = (np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int64),
               np.empty(size, np.int64), np.empty(size, np.uint8))  # fmt: skip
    odd = np.zeros(len(starts), dtype=np.bool_)
    if not data.isascii():
        odd |= _not_utf8(data, starts, ends)
    for row in defaults or ():
        odd[row] = True
    count = scan(array, starts, ends, odd, table.arrays(), columns)
    cells = Cells(array, array[:0], table.paths(array), *columns, len(starts)).of(slice(count))
    cells = _with_lists(cells, odd)
    return walk(cells, starts, ends, np.flatnonzero(odd).tolist(), defaults or {}) if odd.any() else cells


def _with_lists(cells: Cells, odd: Bools) -> Cells:
    """The cells with every list written in the one way; documents with one that cannot be read are marked odd."""
    found = np.flatnonzero(cells.type == ARRAY)
    lists = found[~are_canonical(cells.data, cells.start[found], cells.end[found])].tolist()
    if not lists:
        return cells.of(~odd[cells.row]) if odd.any() else cells
    side = bytearray()
    start, end = cells.start.copy(), cells.end.copy()
    for cell in lists:
        try:
            text = canonical(cells.raw(cell))
        except ValueError:
            odd[cells.row[cell]] = True
            continue
        start[cell], end[cell] = -1 - len(side), len(side) + len(text)
        side += text
    made = replace(cells, side=as_array(bytes(side)), start=start, end=end)
    return made.of(~odd[made.row])


def _not_utf8(data: bytes, starts: Ints, ends: Ints) -> Bools:
    """Documents whose bytes are not UTF-8."""
    bad = np.zeros(len(starts), dtype=np.bool_)
    whole = [None, pa.array([0, len(data)]).buffers()[1], pa.py_buffer(data)]
    try:
        pa.Array.from_buffers(pa.large_string(), 1, whole).validate(full=True)
    except pa.ArrowInvalid:
        for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            try:
                data[start:end].decode()
            except UnicodeDecodeError:
                bad[row] = True
    return bad


@dataclass(frozen=True)
class _Table:
    """Paths by (parent, key): an open-addressed hash table. Path 0 is the document itself."""

    slots: npt.NDArray[np.int32]
    parent: npt.NDArray[np.int32]
    key_start: Ints
    key_end: Ints
    seen: Ints
    """Last row that had the path, to notice a key that comes twice."""
    after: npt.NDArray[np.int32]
    """The path that followed last time: the next document has likely the same keys in the same order."""
    used: Ints

    @classmethod
    def new(cls) -> _Table:
        return cls(
            np.full(SLOTS, -1, np.int32), np.zeros(MOST_PATHS, np.int32), np.zeros(MOST_PATHS, np.int64),
            np.zeros(MOST_PATHS, np.int64), np.full(MOST_PATHS, -1, np.int64), np.zeros(MOST_PATHS, np.int32),
            np.ones(1, np.int64),
        )  # fmt: skip

    def arrays(self) -> Slots:
        return self.slots, self.parent, self.key_start, self.key_end, self.seen, self.after, self.used

    def paths(self, data: Bytes) -> list[Path]:
        made: list[Path] = [()]
        for path in range(1, int(self.used[0])):
            key = data[self.key_start[path] : self.key_end[path]].tobytes().decode("utf-8", "replace")
            made.append((*made[self.parent[path]], key))
        return made


@inlined
def same_bytes(data: Bytes, one: int, other: int, length: int) -> bool:
    """Whether the same bytes lie at two places."""
    place = 0
    while place < length and data[one + place] == data[other + place]:
        place += 1
    return place == length


@leaf
def find_path(data: Bytes, at: int, end: int, above: int, table: Slots) -> int:
    """The path of a key below `above`; -1 when there are too many."""
    slots, parent, key_start, key_end, _, _, used = table
    mixed = np.uint64(14695981039346656037) ^ np.uint64(above)
    for place in range(at, end):
        mixed = (mixed ^ np.uint64(data[place])) * np.uint64(1099511628211)
    slot = np.int64((mixed ^ (mixed >> np.uint64(29))) & np.uint64(SLOTS - 1))
    path = slots[slot]
    while path >= 0:
        alike_ = parent[path] == above and key_end[path] - key_start[path] == end - at
        if alike_ and same_bytes(data, key_start[path], at, end - at):
            return int(path)
        slot = (slot + 1) & (SLOTS - 1)
        path = slots[slot]
    if used[0] == MOST_PATHS:
        return -1
    path = np.int32(used[0])
    used[0] += 1
    slots[slot], parent[path], key_start[path], key_end[path] = path, above, at, end
    return int(path)


@inlined
def is_expected(data: Bytes, at: int, above: int, path: int, table: Slots) -> bool:
    """Whether the key beginning at `at`, with its quote, is that of a path that is known, below the same."""
    _, parent, key_start, key_end, _, _, _ = table
    start, size = key_start[path], key_end[path] - key_start[path] + 1
    if path == 0 or parent[path] != above or size >= WIDE or max(at, start) + WIDE > len(data):
        return False
    bits = np.uint64((1 << size) - 1)
    return bool((np.uint64(alike(data, at, start)) & bits) == bits)


@inlined
def read_key(  # noqa: PLR0913, PLR0917
    data: Bytes, at: int, end: int, above: int, row: int, last: int, table: Slots
) -> tuple[int, int]:
    """The path of the key at `at`, which follows that of `last`, and where its value begins; -1 when odd: no plain key,
    or one that comes twice in this row.
    """
    _, _, key_start, key_end, seen, after, _ = table
    if at >= end or data[at] != 34:
        return -1, at
    at += 1
    path = int(after[last])
    if is_expected(data, at, above, path, table):
        at += key_end[path] - key_start[path]
    else:
        close, holds = text_end(data, at, end)
        if close < 0 or holds != PLAIN:
            return -1, at
        path = find_path(data, at, close, above, table)
        if path < 0:
            return -1, at
        after[last] = path
        at = close
    twice = seen[path] == row
    seen[path] = row
    at = skip(data, at + 1, end)
    if at >= end or data[at] != 58 or twice:
        return -1, at
    at = skip(data, at + 1, end)
    return (path if at < end else -1), at


@inlined
def read_number(data: Bytes, at: int, end: int) -> tuple[int, int, int, int]:
    """Start, end and type of the number at `at`, and where it ends."""
    close, whole = number_end(data, at, end)
    if close < 0 or close - at > LONG_NUMBER:
        return at, at, ODD, at
    if whole:
        return at, close, INTEGER, close
    for place in range(at, close):
        if data[place] | 32 == 101 and close - place > 3:
            return at, at, ODD, at
    return at, close, FLOAT, close


@inlined
def read_value(data: Bytes, at: int, end: int, open_: Bytes) -> tuple[int, int, int, int]:
    """Start, end and type of the value at `at` that is no object, and where it ends."""
    byte = data[at]
    if byte == 34:
        close, holds = text_end(data, at + 1, end)
        if close < 0 or holds == LONE:
            return at, at, ODD, at
        return at + 1, close, (TEXT if holds == PLAIN else TEXT_ESCAPED), close + 1
    if byte == 45 or 48 <= byte <= 57:
        return read_number(data, at, end)
    if byte == 91:
        close = value_end(data, at, end, open_)
        return at, close, (ARRAY if close >= 0 else ODD), close
    close = word_end(data, at, end)
    kind = ODD if close < 0 else (TRUE if byte == 116 else FALSE if byte == 102 else NULL)
    return at, close, kind, close


@leaf
def read_document(  # noqa: C901, PLR0913, PLR0917
    data: Bytes, at: int, end: int, row: int, count: int, open_: Bytes, above: Ints, table: Slots, cells: Columns
) -> int:
    """The cells of one document, from cell `count` on; how many there are then, -1 when the document is odd."""
    path_of, row_of, start_of, end_of, type_of = cells
    depth, above[0], path = 0, 0, 0
    if at >= end or data[at] != 123:
        return -1
    at = skip(data, at + 1, end)
    closing = at < end and data[at] == 125
    while True:
        if not closing:
            path, at = read_key(data, at, end, above[depth], row, path, table)
            if path < 0:
                return -1
            if data[at] == 123:
                depth += 1
                if depth == DEEPEST_OBJECT:
                    return -1
                above[depth] = path
                at = skip(data, at + 1, end)
                closing = at < end and data[at] == 125
                continue
            first, last, kind, at = read_value(data, at, end, open_)
            if kind == ODD:
                return -1
            if kind != NULL:
                path_of[count], row_of[count], start_of[count], end_of[count] = path, row, first, last
                type_of[count] = kind
                count += 1
            at = skip(data, at, end)
        while closing or (at < end and data[at] == 125):
            closing = False
            depth -= 1
            at = skip(data, at + 1, end)
            if depth < 0:
                return count if at == end else -1
        if at >= end or data[at] != 44:
            return -1
        at = skip(data, at + 1, end)


@kernel
def are_canonical(data: Bytes, starts: Ints, ends: Ints) -> Bools:
    """Which lists are surely written in the one way: flat, of whole numbers, words and texts without escapes."""
    found = np.zeros(len(starts), dtype=np.bool_)
    for place in range(len(starts)):
        found[place] = is_canonical(data, starts[place] + 1, ends[place] - 1)
    return found


@leaf
def is_canonical(data: Bytes, at: int, end: int) -> bool:
    """The same of what stands between the brackets of one list."""
    digits = 0
    while at < end:
        byte = data[at]
        if byte == 34:
            at = plain_end(data, at + 1, end)
            if at >= end or data[at] != 34:
                return False
        elif 48 <= byte <= 57:
            digits += 1
            if digits > LONGEST_DIGITS:
                return False
        elif byte == 44:
            digits = 0
        elif byte < 97 or byte > 122 or digits > 0:
            return False
        at += 1
    return True


@kernel
def scan(data: Bytes, starts: Ints, ends: Ints, odd: Bools, table: Slots, cells: Columns) -> int:  # noqa: PLR0913, PLR0917
    """Fills the cells of all documents not yet marked `odd`, marks those that are; returns how many cells."""
    open_ = np.empty(DEEPEST_ARRAY, dtype=np.uint8)
    above = np.zeros(DEEPEST_OBJECT + 1, dtype=np.int64)
    count = 0
    for row in range(len(starts)):
        if odd[row]:
            continue
        at = skip(data, starts[row], ends[row])
        made = read_document(data, at, ends[row], row, count, open_, above, table, cells)
        if made < 0:
            odd[row] = True
        else:
            count = made
    return count

"""JSON documents as cells: every value of every document with its path, row, type and place in the bytes.

Two ways give the same cells. `scan` is one compiled pass over plain documents. Whatever it finds odd (not
JSON, keys with escapes, a key twice, very deep or very many keys) is left to `walk`, which asks orjson, one
document at a time; so one odd document costs only itself, and orjson alone judges what is JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from numba import njit

from trackway.model.event import Reason
from trackway.model.json_text import (
    ESCAPED,
    LONE,
    PLAIN,
    Bytes,
    Ints,
    as_array,
    number_end,
    skip,
    text_end,
    value_end,
    word_end,
)

DEEPEST_OBJECT = 20
"""Levels of objects that become dotted names; what lies deeper stays one JSON value."""
DEEPEST_ARRAY = 100
"""Nesting in arrays the compiled pass reads; a document may be DEEPEST_DOCUMENT deep."""
DEEPEST_DOCUMENT = 200
MOST_PATHS = 4_096
"""Different paths the compiled pass keeps apart in one batch."""
SLOTS = 4 * MOST_PATHS
LONG_NUMBER = 300
"""Bytes from which on a number might be beyond a double."""

TEXT, TEXT_ESCAPED, INTEGER, FLOAT, TRUE, FALSE, ARRAY, OBJECT = range(8)
"""Types of cells. A null is no cell. Texts lie without their quotes."""

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
    count = scan(array, starts, ends, odd, *table.arrays(), *columns)
    cells = Cells(array, array[:0], table.paths(array), *columns, len(starts)).of(slice(count))
    cells = _with_lists(cells, odd)
    return walk(cells, starts, ends, np.flatnonzero(odd).tolist(), defaults or {}) if odd.any() else cells


def _with_lists(cells: Cells, odd: Bools) -> Cells:
    """The cells with every list written in the one way; documents with one that cannot be read are marked odd."""
    side = bytearray()
    start, end = cells.start.copy(), cells.end.copy()
    for cell in np.flatnonzero(cells.type == ARRAY).tolist():
        try:
            text = canonical(cells.raw(cell))
        except ValueError:
            odd[cells.row[cell]] = True
            continue
        start[cell], end[cell] = -1 - len(side), len(side) + len(text)
        side += text
    made = replace(cells, side=as_array(bytes(side)), start=start, end=end)
    return made if not side and not odd.any() else made.of(~odd[made.row])


def _not_utf8(data: bytes, starts: Ints, ends: Ints) -> Bools:
    """Documents whose bytes are not UTF-8."""
    bad = np.zeros(len(starts), dtype=np.bool_)
    try:
        data.decode()
    except UnicodeDecodeError:
        for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            try:
                data[start:end].decode()
            except UnicodeDecodeError:
                bad[row] = True
    return bad


# ── the compiled pass ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Table:
    """Paths by (parent, key): an open-addressed hash table. Path 0 is the document itself."""

    slots: npt.NDArray[np.int32]
    parent: npt.NDArray[np.int32]
    key_start: Ints
    key_end: Ints
    seen: Ints
    """Last row that had the path, to notice a key that comes twice."""
    used: Ints

    @classmethod
    def new(cls) -> _Table:
        return cls(
            np.full(SLOTS, -1, np.int32), np.zeros(MOST_PATHS, np.int32), np.zeros(MOST_PATHS, np.int64),
            np.zeros(MOST_PATHS, np.int64), np.full(MOST_PATHS, -1, np.int64), np.ones(1, np.int64),
        )  # fmt: skip

    def arrays(self) -> tuple[Any, ...]:
        return self.slots, self.parent, self.key_start, self.key_end, self.seen, self.used

    def paths(self, data: Bytes) -> list[Path]:
        made: list[Path] = [()]
        for path in range(1, int(self.used[0])):
            key = data[self.key_start[path] : self.key_end[path]].tobytes().decode("utf-8", "replace")
            made.append((*made[self.parent[path]], key))
        return made


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def same_bytes(data, one, other, length):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Whether the same bytes lie at two places."""
    for place in range(length):
        if data[one + place] != data[other + place]:
            return False
    return True


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def find_path(data, at, end, above, row, table):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, PLR0913
    """The path of a key below `above`; -1 when it comes twice in this row, or there are too many."""
    slots, parent, key_start, key_end, seen, used = table
    mixed = np.uint64(14695981039346656037) ^ np.uint64(above)
    for place in range(at, end):
        mixed = (mixed ^ np.uint64(data[place])) * np.uint64(1099511628211)
    slot = np.int64((mixed ^ (mixed >> np.uint64(29))) & np.uint64(SLOTS - 1))
    path = slots[slot]
    while path >= 0:
        if parent[path] == above and key_end[path] - key_start[path] == end - at:
            if same_bytes(data, key_start[path], at, end - at):
                twice = seen[path] == row
                seen[path] = row
                return -1 if twice else path
        slot = (slot + 1) & (SLOTS - 1)
        path = slots[slot]
    if used[0] == MOST_PATHS:
        return -1
    path = np.int32(used[0])
    used[0] += 1
    slots[slot], parent[path], key_start[path], key_end[path], seen[path] = path, above, at, end, row
    return path


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def read_key(data, at, end, above, row, table):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, PLR0913
    """The path of the key at `at` and where its value begins; -1 when odd."""
    if at >= end or data[at] != 34:
        return -1, at
    close, holds = text_end(data, at + 1, end)
    if close < 0 or holds != PLAIN:
        return -1, at
    path = find_path(data, at + 1, close, above, row, table)
    at = skip(data, close + 1, end)
    if at >= end or data[at] != 58:
        return -1, at
    at = skip(data, at + 1, end)
    return (path if at < end else -1), at


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def read_value(data, at, end, open_):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Start, end and type of the value at `at` that is no object, and where it ends; type -1 for a null, -2 if odd."""
    byte = data[at]
    if byte == 34:
        close, holds = text_end(data, at + 1, end)
        if close < 0 or holds == LONE:
            return at, at, -2, at
        return at + 1, close, (TEXT if holds == PLAIN else TEXT_ESCAPED), close + 1
    if byte == 91:
        close = value_end(data, at, end, open_)
        return at, close, (ARRAY if close >= 0 else -2), close
    if byte == 45 or 48 <= byte <= 57:
        close, whole = number_end(data, at, end)
        if close < 0 or close - at > LONG_NUMBER:
            return at, at, -2, at
        for place in range(at, close):
            if data[place] | 32 == 101 and close - place > 3:
                return at, at, -2, at
        return at, close, (INTEGER if whole else FLOAT), close
    close = word_end(data, at, end)
    kind = -2 if close < 0 else (TRUE if byte == 116 else FALSE if byte == 102 else -1)
    return at, close, kind, close


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def read_document(data, at, end, row, count, open_, above, table, cells):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0913
    """The cells of one document, from cell `count` on; how many there are then, -1 when the document is odd."""
    path_of, row_of, start_of, end_of, type_of = cells
    depth, above[0] = 0, 0
    if at >= end or data[at] != 123:
        return -1
    at = skip(data, at + 1, end)
    closing = at < end and data[at] == 125
    while True:
        if not closing:
            path, at = read_key(data, at, end, above[depth], row, table)
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
            if kind == -2:
                return -1
            if kind >= 0:
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


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def scan(data, starts, ends, odd, slots, parent, key_start, key_end, seen, used,  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, PLR0913
         path_of, row_of, start_of, end_of, type_of):  # fmt: skip
    """Fills the cells of all documents not yet marked `odd`, marks those that are; returns how many cells."""
    open_ = np.empty(DEEPEST_ARRAY, dtype=np.uint8)
    above = np.zeros(DEEPEST_OBJECT + 1, dtype=np.int64)
    table = (slots, parent, key_start, key_end, seen, used)
    cells = (path_of, row_of, start_of, end_of, type_of)
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


# ── one document at a time ──────────────────────────────────────────────────────────────────────────


def walk(cells: Cells, starts: Ints, ends: Ints, rows: list[int], defaults: Mapping[int, Mapping[str, Any]]) -> Cells:
    """The cells with those of `rows` added, or the reason why there are none."""
    paths = {path: number for number, path in enumerate(cells.paths)}
    side = bytearray(cells.side)
    added: list[tuple[int, int, int, int, int]] = []
    refused = dict(cells.refused)
    for row in rows:
        raw = cells.data[starts[row] : ends[row]].tobytes()
        document = _document(raw)
        if isinstance(document, tuple):
            refused[row] = document
            continue
        if row in defaults:
            document = _merged(defaults[row], document)
        leaves: list[tuple[Path, int, bytes]] = []
        try:
            _leaves(document, (), leaves)
        except orjson.JSONEncodeError:
            refused[row] = _TOO_DEEP
            continue
        for path, type_, text in leaves:
            added.append((paths.setdefault(path, len(paths)), row, -1 - len(side), len(side) + len(text), type_))
            side += text
    return _joined(cells, added, list(paths), side, refused)


_TOO_DEEP = (Reason.UNREADABLE, f"nested deeper than {DEEPEST_DOCUMENT} levels")
LONG_INTEGER = re.compile(rb"\d{19}")
BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def _document(raw: bytes) -> dict[str, Any] | tuple[Reason, str]:
    """The object in these bytes, with whole numbers exact; or why there is none."""
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if "UTF-8" in str(error) and not raw.startswith(b"\xef\xbb\xbf"):
            return Reason.ENCODING, "bytes that are not UTF-8"
        return _TOO_DEEP if "depth limit" in str(error) else (Reason.UNREADABLE, f"not JSON: {error}")
    if not isinstance(found, dict):
        return Reason.NO_EVENT, f"not an object but {_what(found)}"
    if _depth(raw) > DEEPEST_DOCUMENT:
        return _TOO_DEEP
    return json.loads(raw) if LONG_INTEGER.search(raw) else found


def _what(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _depth(raw: bytes) -> int:
    """Levels of nesting of what is known to be JSON."""
    if raw.count(b"{") + raw.count(b"[") <= DEEPEST_DOCUMENT:
        return 0
    depth = deepest = 0
    for match in BRACKET.finditer(raw):
        depth += {0x7B: 1, 0x5B: 1, 0x7D: -1, 0x5D: -1}.get(match.group()[0], 0)
        deepest = max(deepest, depth)
    return deepest


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two objects as one; where both have a value that of `above` counts."""
    made = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            made[key] = _merged(below[key], above[key])
    return made


def _leaves(value: Mapping[str, Any], above: Path, found: list[tuple[Path, int, bytes]]) -> None:
    """All values that are no object, with path, cell type and text."""
    for key, inner in value.items():
        path = (*above, key)
        if isinstance(inner, dict):
            if len(path) < DEEPEST_OBJECT:
                _leaves(inner, path, found)
            else:
                found.append((path, OBJECT, dumps(inner)))
        elif isinstance(inner, str):
            found.append((path, TEXT, inner.encode()))
        elif inner is not None:
            found.append((path, _type(inner), dumps(inner)))


def _type(value: Any) -> int:
    if isinstance(value, bool):
        return TRUE if value else FALSE
    return INTEGER if isinstance(value, int) else FLOAT if isinstance(value, float) else ARRAY


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


def _joined(
    cells: Cells, added: list[tuple[int, int, int, int, int]], paths: list[Path], side: bytearray,
    refused: dict[int, tuple[Reason, str]],
) -> Cells:  # fmt: skip
    """The cells and the added ones, by row."""
    new = np.array(added, dtype=np.int64).reshape(-1, 5).T
    whole = replace(
        cells,
        side=as_array(bytes(side)),
        paths=paths,
        path=np.concatenate((cells.path, new[0].astype(np.int32))),
        row=np.concatenate((cells.row, new[1].astype(np.int32))),
        start=np.concatenate((cells.start, new[2])),
        end=np.concatenate((cells.end, new[3])),
        type=np.concatenate((cells.type, new[4].astype(np.uint8))),
        refused=refused,
    )
    return whole.of(np.argsort(whole.row, kind="stable"))


__all__ = ["ARRAY", "ESCAPED", "FALSE", "FLOAT", "INTEGER", "OBJECT", "TEXT", "TEXT_ESCAPED", "TRUE", "Cells",
           "Path", "canonical", "dumps", "read"]  # fmt: skip

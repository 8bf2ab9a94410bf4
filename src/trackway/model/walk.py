"""Odd documents, one at a time: orjson judges what is JSON, and a plain recursion finds the cells.

Slower by far than the compiled pass and only for what that leaves: documents that are no JSON objects, keys
with escapes or that come twice, very deep nesting, very many names, members to be merged in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import orjson

from trackway.model.cells import ARRAY, FALSE, FLOAT, INTEGER, LONG_INTEGER, OBJECT, TEXT, TRUE, Cells, Path, dumps
from trackway.model.event import Reason
from trackway.model.json_text import Ints, as_array

DEEPEST_OBJECT = 20
"""Levels of objects that become dotted names; what lies deeper stays one JSON value."""
DEEPEST_DOCUMENT = 200
"""Levels of nesting in one document; a deeper one is refused."""


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

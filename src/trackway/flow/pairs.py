"""Lines of `key=value` as cells: found in one compiled pass, so that many lines become typed columns as JSON does.

Keys are told apart by a hash and their bytes; a value is a number, `true` or `false` when it is written like one of
JSON's, a text in quotes or up to the next key otherwise.
"""

from __future__ import annotations

import json

import numpy as np
import orjson
from numba import uint64
from numpy.typing import NDArray

from trackway.flow.lines import is_utf8
from trackway.flow.spans import Bytes, Ints, as_array, hashes
from trackway.model.cells import FALSE, FLOAT, INTEGER, TEXT, TEXT_ESCAPED, TRUE, Cells, Path
from trackway.model.event import Reason
from trackway.model.json_text import SPECIAL, number_end
from trackway.model.kernels import kernel, leaf

ODD = 255
"""In place of a type: a text with quotes, backslashes or control characters."""
MESSAGE = "message"
"""Key of what stands before the first pair."""
Types = NDArray[np.uint8]


def pairs(body: bytes, starts: Ints, ends: Ints) -> Cells:
    """The values of lines, and a refusal for every line without a pair or that is no UTF-8."""
    data = as_array(body)
    size = int(np.count_nonzero(data == ord("="))) + int(np.count_nonzero(data == ord(" "))) + 2 * len(starts)
    row, key, value = np.empty(size, np.int32), np.empty((2, size), np.int64), np.empty((2, size), np.int64)
    types, found = np.empty(size, np.uint8), np.zeros(len(starts), np.int64)
    count = _tokens(data, starts, ends, row, key, value, types, found)
    refused = dict.fromkeys(np.flatnonzero(found == 0).tolist(), (Reason.UNREADABLE, "no key=value in the line"))
    if not is_utf8(body):
        for line, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            if not is_utf8(body[start:end]):
                refused[line] = (Reason.ENCODING, "bytes that are not UTF-8")
    row, key, value, types = row[:count], key[:, :count], value[:, :count], types[:count]
    if refused:
        bad = np.zeros(len(starts), dtype=np.bool_)
        bad[list(refused)] = True
        keep = ~bad[row]
        row, key, value, types = row[keep], key[:, keep], value[:, keep], types[keep]
    ids, firsts = _interned(data, key, hashes(data, key[0], key[1]))
    paths: list[Path] = [(body[key[0, first] : key[1, first]].decode() or MESSAGE,) for first in firsts.tolist()]
    side = _side(body, value, types)
    return Cells(data, as_array(side), paths, ids, row, value[0].copy(), value[1].copy(), types, len(starts), refused)


def _side(body: bytes, value: Ints, types: Types) -> bytes:
    """Odd texts as JSON writes them; those that are it already stay where they are."""
    side = bytearray()
    for cell in np.flatnonzero(types == ODD).tolist():
        start, end = value[:, cell].tolist()
        types[cell] = TEXT_ESCAPED
        try:
            orjson.loads(b'"' + body[start:end] + b'"')
        except orjson.JSONDecodeError:
            text = json.dumps(body[start:end].decode(), ensure_ascii=False)[1:-1].encode()
            value[:, cell] = -1 - len(side), len(side) + len(text)
            side += text
    return bytes(side)


@leaf
def _tokens(  # noqa: PLR0913, PLR0917
    data: Bytes, starts: Ints, ends: Ints, row: NDArray[np.int32], key: Ints, value: Ints, types: Types, found: Ints
) -> int:
    """Fills line, key, value and type of every pair, and how many each line has; returns how many in all."""
    count = 0
    for line in range(len(starts)):
        at, end, begin = starts[line], ends[line], count
        while True:
            at = _skip(data, at, end)
            if at >= end:
                break
            stop = _word(data, at, end)
            row[count] = line
            key[0, count], key[1, count] = at, stop
            if stop < end and data[stop] == 61 and stop > at:
                at = _value(data, stop + 1, end, value, types, count)
                found[line] += 1
            elif found[line] == 0:
                at = _text_before(data, at, end)
                key[1, count] = key[0, count]
                value[0, count], value[1, count] = key[0, count], at
                types[count] = _type(data, value[0, count], at)
            else:
                at = stop + 1 if stop == at else stop
                value[0, count], value[1, count], types[count] = key[0, count], stop, TRUE
                count -= 1 if stop == key[0, count] else 0
            count += 1
        if found[line] == 0:
            count = begin
    return count


@leaf
def _skip(data: Bytes, at: int, end: int) -> int:
    while at < end and (data[at] == 32 or data[at] == 9 or data[at] == 44 or data[at] == 59):
        at += 1
    return at


@leaf
def _word(data: Bytes, at: int, end: int) -> int:
    """After a key: before a `=`, white space or a quote."""
    while at < end and not (data[at] == 61 or data[at] == 32 or data[at] == 9 or data[at] == 34):
        at += 1
    return at


@leaf
def _pair_begins(data: Bytes, at: int, end: int) -> bool:
    stop = _word(data, at, end)
    return stop > at and stop < end and data[stop] == 61


@leaf
def _text_before(data: Bytes, at: int, end: int) -> int:
    """The end of a text that goes on to the next pair, without white space there."""
    last = at
    while at < end and not _pair_begins(data, at, end):
        while at < end and data[at] != 32 and data[at] != 9:
            at += 1
        last = at
        while at < end and (data[at] == 32 or data[at] == 9):
            at += 1
    return last


@leaf
def _value(data: Bytes, at: int, end: int, value: Ints, types: Types, cell: int) -> int:  # noqa: PLR0913, PLR0917
    """Fills a value; returns the place after it."""
    if at < end and data[at] == 34:
        stop = at + 1
        odd = False
        while stop < end and data[stop] != 34:
            odd = odd or SPECIAL[data[stop]] != 0
            stop += 2 if data[stop] == 92 else 1
        stop = min(stop, end)
        value[0, cell], value[1, cell], types[cell] = at + 1, stop, ODD if odd else TEXT
        return min(stop + 1, end)
    if at >= end or data[at] == 32 or data[at] == 9:
        value[0, cell], value[1, cell], types[cell] = at, at, TEXT
        return at
    stop = at
    while stop < end and data[stop] != 32 and data[stop] != 9:
        stop += 1
    last = stop - 1 if data[stop - 1] in (44, 59) else stop
    types[cell] = _type(data, at, last)
    if last == stop and types[cell] in (TEXT, ODD) and not _pair_begins(data, at, end):
        stop = last = max(stop, _text_before(data, at, end))
        types[cell] = _type(data, at, last)
    value[0, cell], value[1, cell] = at, last
    return stop


@leaf
def _type(data: Bytes, at: int, end: int) -> int:
    """What is written there: a number, a truth value, or a text."""
    stop, whole = number_end(data, at, end)
    if stop == end and end > at:
        return INTEGER if whole else FLOAT
    if end - at == 4 and data[at] == 116 and data[at + 1] == 114 and data[at + 2] == 117 and data[at + 3] == 101:
        return TRUE
    if end - at == 5 and data[at] == 102 and data[at + 1] == 97 and data[at + 2] == 108 and data[at + 3] == 115:
        return FALSE if data[at + 4] == 101 else TEXT
    for place in range(at, end):
        if SPECIAL[data[place]] != 0:
            return ODD
    return TEXT


@kernel
def _interned(data: Bytes, key: Ints, hashed: NDArray[np.uint64]) -> tuple[NDArray[np.int32], Ints]:
    """A number for every key, the same for the same bytes, and the first place of each."""
    size = 64
    while size < 2 * len(hashed):
        size *= 2
    slots = np.full(size, -1, dtype=np.int64)
    ids = np.empty(len(hashed), dtype=np.int32)
    firsts = np.empty(len(hashed), dtype=np.int64)
    count = 0
    for cell in range(len(hashed)):
        place = np.int64((hashed[cell] >> uint64(7)) & uint64(size - 1))
        while slots[place] >= 0 and not _equal(data, key, hashed, firsts[slots[place]], cell):
            place = (place + 1) & (size - 1)
        if slots[place] < 0:
            slots[place] = count
            firsts[count] = cell
            count += 1
        ids[cell] = slots[place]
    return ids, firsts[:count].copy()


@leaf
def _equal(data: Bytes, key: Ints, hashed: NDArray[np.uint64], one: int, other: int) -> bool:
    if hashed[one] != hashed[other] or key[1, one] - key[0, one] != key[1, other] - key[0, other]:
        return False
    for place in range(key[1, one] - key[0, one]):  # noqa: SIM110 - numba has no all() over a generator
        if data[key[0, one] + place] != data[key[0, other] + place]:
            return False
    return True

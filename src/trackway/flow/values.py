"""Spans of a line taken further apart: numbers, requests, addresses, and texts without their escapes."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numba import uint64
from numpy.typing import NDArray

from trackway.flow.spans import Bytes, Ints, gather, text_spans
from trackway.model.gather import POWERS
from trackway.model.json_text import byte_at
from trackway.model.kernels import kernel, leaf

WELL, MISFIT = 0, 1
Doubles = NDArray[np.float64]
States = NDArray[np.uint8]

DASHED = "-"
HOSTED = "host"
"""Formats of a target: one after which nginx writes a `-` when it has no query, and one that begins with its host."""
PORTED = "port"
"""Format of an address that always has its port."""
MARKS = {"c": r"\\", "json": r"\\", "percent": "[%+]", "hash": "#"}
"""What a text with escapes holds."""
ESCAPE = re.compile(rb'\\(?:x([0-9a-fA-F]{2})|(["\\/bfnrtv]))')
LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


# ── escapes ─────────────────────────────────────────────────────────────────────────────────────────


def unescaped(texts: pa.Array, escape: str, suspects: Ints | None = None) -> pa.Array:
    """Texts without their escapes: `c` (backslashes), `json`, `percent` (`%20`, and `+` for a space), or `none`.

    What would be no UTF-8 without its escapes stays as it is. Only the rows of `suspects` are looked at (all when
    None), and every different text once.
    """
    if escape == "none" or (suspects is not None and not len(suspects)):
        return texts
    undo = {"c": _backslashes, "json": _json, "percent": _percent, "hash": _hashes}[escape]
    some = texts if suspects is None else texts.take(pa.array(suspects))
    marked = pc.match_substring_regex(some, MARKS[escape])
    hits = np.flatnonzero(pc.fill_null(marked, False).to_numpy(zero_copy_only=False))
    return replaced(texts, hits if suspects is None else suspects[hits], undo)


def replaced(texts: pa.Array, rows: Ints, function: Callable[[str], str | None]) -> pa.Array:
    """The texts with a function of them in some rows."""
    if not len(rows):
        return texts
    where = np.zeros(len(texts), dtype=np.bool_)
    where[rows] = True
    words = texts.take(pa.array(rows)).dictionary_encode()
    plain = pa.array([function(word) for word in words.dictionary.to_pylist()], pa.string())
    return pc.replace_with_mask(texts, pa.array(where), plain.take(words.indices))


def _backslashes(text: str) -> str:
    return _decoded(ESCAPE.sub(_plain, text.encode()), text)


def _plain(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return bytes([int(match[1], 16)])
    return LETTERS.get(match[2], match[2])


def _json(text: str) -> str:
    try:
        return str(orjson.loads(f'"{text}"'))
    except orjson.JSONDecodeError:
        return text


def _percent(text: str) -> str:
    return _decoded(unquote_to_bytes(text.replace("+", " ")), text)


def _hashes(text: str) -> str:
    return _decoded(re.sub(rb"#([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), text.encode()), text)


def _decoded(plain: bytes, text: str) -> str:
    try:
        return plain.decode()
    except UnicodeDecodeError:
        return text


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────


@kernel
def integers(data: Bytes, spans: Ints, least: int, most: int) -> tuple[Ints, States]:
    """Whole numbers of `least` to `most` digits; MISFIT for what is none."""
    starts, lengths = spans[0], spans[1]
    values = np.zeros(len(starts), dtype=np.int64)
    state = np.zeros(len(starts), dtype=np.uint8)
    for row in range(len(starts)):
        at, end = starts[row], starts[row] + lengths[row]
        if lengths[row] < 0:
            continue
        negative = least != most and at + 1 < end and data[at] == 45
        at += negative or (least != most and at + 1 < end and data[at] == 43)
        value = 0
        if not least <= end - at <= most:
            state[row] = MISFIT
            continue
        while at < end and 48 <= data[at] <= 57:
            value = value * 10 + (data[at] - 48)
            at += 1
        state[row] = WELL if at == end else MISFIT
        values[row] = -value if negative else value
    return values, state


@kernel
def numbers(data: Bytes, spans: Ints, scale: float) -> tuple[Doubles, States]:
    """Decimal numbers, times `scale`; MISFIT for what is none."""
    starts, lengths = spans[0], spans[1]
    values = np.zeros(len(starts), dtype=np.float64)
    state = np.zeros(len(starts), dtype=np.uint8)
    for row in range(len(starts)):
        if lengths[row] < 0:
            continue
        at, end = starts[row], starts[row] + lengths[row]
        negative = data[at] == 45
        at += 1 if negative or data[at] == 43 else 0
        value, digits, shift, point = 0, 0, 0, False
        while at < end and digits < 18:
            if data[at] == 46 and not point:
                point = True
            elif 48 <= data[at] <= 57:
                value = value * 10 + (data[at] - 48)
                digits += 1
                shift += 1 if point else 0
            else:
                break
            at += 1
        state[row] = WELL if at == end and digits > 0 else MISFIT
        number = value / POWERS[shift]
        if scale != 1.0:
            number = value / (POWERS[shift] / scale)
        values[row] = -number if negative else number
    return values, state


@kernel
def one_of(data: Bytes, spans: Ints, words: Bytes, any_word: bool) -> States:
    """MISFIT for what is none of the words, in capitals or not; `words` are in capitals, each between two `|`.

    With `any_word`, for what holds white space or ends with a colon.
    """
    state = np.zeros(spans.shape[1], dtype=np.uint8)
    for row in range(spans.shape[1]):
        start, length = spans[0, row], spans[1, row]
        if any_word:
            state[row] = MISFIT if length > 0 and data[start + length - 1] == 58 else WELL
            for place in range(start, start + max(length, 0)):
                state[row] |= MISFIT * (data[place] == 32 or data[place] == 9)
            continue
        state[row] = MISFIT
        for place in range(len(words) - length - 1 if length > 0 else 0):
            if words[place] != 124 or words[place + length + 1] != 124:
                continue
            same = True
            for offset in range(length):
                byte = data[start + offset]
                same = same and (byte - 32 if 97 <= byte <= 122 else byte) == words[place + 1 + offset]
            if same:
                state[row] = WELL
    return state


# ── requests, addresses ─────────────────────────────────────────────────────────────────────────────


@leaf
def requests(data: Bytes, spans: Ints, parts: Ints) -> None:
    """Method, path, query and protocol of `METHOD target [HTTP/n]` into `parts`; the whole text when it is not that."""
    for row in range(spans.shape[1]):
        for part in range(parts.shape[0]):
            parts[part, 1, row] = -1
        if spans[1, row] >= 0:
            _request(data, spans[0, row], spans[0, row] + spans[1, row], parts, row)


@leaf
def _request(data: Bytes, at: int, end: int, parts: Ints, row: int) -> None:
    method = _word(data, at, end)
    stop = end
    protocol = end - 1
    while protocol > method and data[uint64(protocol)] != 32:
        protocol -= 1
    if protocol > method and end - protocol > 6 and _is_http(data, protocol + 1):
        stop = protocol
    if method == at or data[at] == 45 or method + 1 >= stop or data[method] != 32:
        _set(data, parts, 4, row, at, end)
        return
    _set(data, parts, 0, row, at, method)
    if stop < end:
        _set(data, parts, 3, row, stop + 1, end)
    if parts.shape[0] > 5:
        _url(data, method + 1, stop, parts, 1, 5, row, False)
    else:
        _target(data, method + 1, stop, parts, 1, row)


@leaf
def _word(data: Bytes, at: int, end: int) -> int:
    """After letters, `-` and `_`."""
    place, stop = uint64(at), uint64(end)
    while place < stop:
        byte = data[place]
        if not (97 <= byte | 32 <= 122 or byte in (45, 95)):
            break
        place += uint64(1)
    return int(np.int64(place))


def as_parts(texts: pa.Array, reads: str, count: int) -> list[pa.Array]:
    """The parts of texts that are requests or urls: as many columns as there are parts."""
    data, spans = text_spans(texts)
    parts = np.zeros((count, 2, len(texts)), dtype=np.int64)
    if reads == "request":
        requests(data, spans, parts)
    else:
        urls(data, spans, parts, False, False)
    return [gather(data, part[0], part[1], pa.string()) for part in parts]


@leaf
def _is_http(data: Bytes, at: int) -> bool:
    letters = data[at] == 72 and data[at + 1] == 84 and data[at + 2] == 84 and data[at + 3] == 80
    return bool(letters and data[at + 4] == 47)


@leaf
def _target(data: Bytes, at: int, end: int, parts: Ints, first: int, row: int) -> None:  # noqa: PLR0913, PLR0917
    """Path and query, without the question mark."""
    query = byte_at(data, at, end, 63)
    _set(data, parts, first, row, at, query)
    if query < end:
        _set(data, parts, first + 1, row, query + 1, end)


@leaf
def _set(data: Bytes, parts: Ints, part: int, row: int, start: int, stop: int) -> None:  # noqa: PLR0913, PLR0917
    if stop > start and not (stop == start + 1 and data[start] == 45):
        parts[part, 0, row] = start
        parts[part, 1, row] = stop - start


@leaf
def urls(data: Bytes, spans: Ints, parts: Ints, dashed: bool, hosted: bool) -> None:
    """Path, query and host of `[scheme://host[:port]]/path[?query]` into `parts`.

    `dashed`: without a query, a `-` at the end is not of the path. `hosted`: without a scheme, what does not begin with
    `/` is the host.
    """
    for row in range(spans.shape[1]):
        for part in range(parts.shape[0]):
            parts[part, 1, row] = -1
        if spans[1, row] < 0:
            continue
        end = spans[0, row] + spans[1, row]
        _url(data, spans[0, row], end, parts, 0, 2, row, hosted)
        if dashed and parts[1, 1, row] < 0 and data[end - 1] == 45:
            parts[0, 1, row] = max(parts[0, 1, row] - 1, -1)


@leaf
def _url(  # noqa: PLR0913, PLR0917
    data: Bytes, at: int, end: int, parts: Ints, path: int, place: int, row: int, hosted: bool
) -> None:
    """Path and query into the parts from `path` on, the host into that of `place`."""
    colon = _word(data, at, end)
    named = colon > at and colon + 2 < end and data[colon] == 58 and data[colon + 1] == 47 and data[colon + 2] == 47
    if named or (hosted and at < end and data[at] != 47):
        host = colon + 3 if named else at
        at = host
        while at < end and data[at] != 47 and data[at] != 63:
            at += 1
        port = at
        while port > host and 48 <= data[port - 1] <= 57:
            port -= 1
        _set(data, parts, place, row, host, port - 1 if port > host and data[port - 1] == 58 else at)
    _target(data, at, end, parts, path, row)


@kernel
def addresses(data: Bytes, spans: Ints, parts: Ints, ported: bool) -> States:
    """Address and port of `address[:port]` into `parts`; MISFIT for what is no IPv4 or IPv6 address.

    With `ported` what follows the last colon is the port. Else an IPv6 address with a port is in brackets, or has all
    its eight groups before it, as some load balancers write.
    """
    state = np.zeros(spans.shape[1], dtype=np.uint8)
    for row in range(spans.shape[1]):
        for part in range(parts.shape[0]):
            parts[part, 1, row] = -1
        if spans[1, row] < 0:
            continue
        at, end = spans[0, row], spans[0, row] + spans[1, row]
        colons, dots, last, other = 0, 0, -1, False
        for place in range(at, end):
            byte = data[place]
            if byte == 58:
                colons, last = colons + 1, place
            elif byte == 46:
                dots += 1
            elif not (48 <= byte <= 57 or 97 <= byte | 32 <= 102 or (byte in (91, 93) and colons + 1 > 0)):
                other = True
        bracket = data[at] == 91
        stop = (
            last if colons in (1, 8) or (ported and colons) or (bracket and last > at and data[last - 1] == 93) else end
        )
        if other or (dots != 3 and colons < 2):
            state[row] = MISFIT
        start = at + 1 if bracket else at
        _set(data, parts, 0, row, start, stop - 1 if bracket and data[stop - 1] == 93 else stop)
        if stop < end:
            _set(data, parts, 1, row, stop + 1, end)
    return state

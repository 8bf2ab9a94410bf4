"""Access logs of Apache and nginx: the formats common and combined.

    [sources.web]
    type = "file"
    paths = ["/var/log/nginx/access.log*"]
    codec = "access_log"    # or "auto", which knows it

Every line that has the shape of the format is one event `request` with the columns `ip user method path query
protocol status bytes referrer user_agent`; `-` is null. `path` is without the query, `query` without its `?`.
The visitor (`anonymous_id`) is the first 16 hex digits of md5(ip || ' ' || user_agent). Escapes are undone
(`\\x22` of nginx, `\\"` of Apache). A request that is not of the form `METHOD target` (a TLS handshake, a `-`) is
still an event, without method and path; its text is in `more`, as are the ident and whatever follows the user agent.
A line of another shape is refused as `unreadable`, one that is not UTF-8 as `encoding` (a file source can be told
another encoding).

One compiled pass over the bytes finds where each field is; Arrow columns are gathered from that.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import orjson
import pyarrow as pa
from numba import intp, njit, uint64
from numpy.typing import NDArray

from trackway.flow.spans import Bytes, Ints, as_array, gather, hashes, line_spans
from trackway.model.event import Block, Reason
from trackway.model.schema import Schema
from trackway.plan.component import Codec

IP, IDENT, USER, REQUEST, METHOD, PATH, QUERY, PROTOCOL, REFERRER, AGENT, REST = range(11)
"""Fields of a line, each a start and a length; a length of -1 is a null."""
TEXTS = {
    "ip": IP, "user": USER, "method": METHOD, "path": PATH, "query": QUERY, "protocol": PROTOCOL,
    "referrer": REFERRER, "user_agent": AGENT,
}  # fmt: skip
GOOD, SHAPELESS, TIMELESS = range(3)
MONTHS = np.array(
    [
        int.from_bytes(name.encode(), "big")
        for name in ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    ]
)
DAYS = np.array([31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)
ESCAPE = re.compile(rb'\\(?:x([0-9a-fA-F]{2})|(["\\/bfnrtv]))')
LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


class AccessLog(Codec):
    """Lines of web servers to events."""

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The lines that are not blank."""
        return len(line_spans(as_array(body))[0])

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:  # noqa: ARG002
        """One row a line; several blocks at once on several cores."""
        if len(blocks) == 1:
            return _table(blocks[0])
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return pa.concat_tables(pool.map(_table, blocks))


def _table(block: Block) -> pa.Table:
    data = as_array(block.body)
    starts, ends = line_spans(data)
    rows = len(starts)
    spans = np.empty((11, 2, rows), dtype=np.int64)
    numbers = np.empty((3, rows), dtype=np.int64)
    state = scan(data, starts, ends, spans, numbers)
    reasons, details = _refusals(block.body, starts, ends, state)
    raw = gather(data, starts, ends - starts)
    for row in reasons:
        spans[:, 1, row] = -1
        numbers[1:, row] = -1
    data = _unescaped(block.body, data, starts, spans)
    none = pa.nulls(rows, pa.string())
    columns: dict[str, pa.Array] = {
        "block": pa.array(np.full(rows, block.seq)),
        "row": pa.array(np.arange(rows)),
        "raw": raw,
        "reason": _sparse(reasons, rows) if reasons else none,
        "detail": _sparse(details, rows) if reasons else none,
        "time": pa.array(numbers[0], mask=_mask(reasons, rows)).cast(pa.timestamp("us", "UTC")),
        "event": pa.repeat("request", rows),
        "anonymous_id": _visitors(data, spans[IP], spans[AGENT], reasons),
        **{name: gather(data, spans[field, 0], spans[field, 1], pa.string()) for name, field in TEXTS.items()},
        "status": pa.array(numbers[1], mask=numbers[1] < 0),
        "bytes": pa.array(numbers[2], mask=numbers[2] < 0),
        "more": _more(data, spans) or none,
    }
    return pa.table(columns)


def _sparse(values: Mapping[int, str], rows: int) -> pa.Array:
    places = np.full(rows, -1)
    places[list(values)] = np.arange(len(values))
    return pa.array(list(values.values()), pa.string()).take(pa.array(places, mask=places < 0))


def _mask(out: Mapping[int, str], rows: int) -> NDArray[np.bool_]:
    mask = np.zeros(rows, dtype=bool)
    mask[list(out)] = True
    return mask


def _refusals(body: bytes, starts: Ints, ends: Ints, state: Ints) -> tuple[dict[int, str], dict[int, str]]:
    """Reason and detail of the lines that are no events."""
    reasons: dict[int, str] = {}
    details: dict[int, str] = {}
    for row in np.flatnonzero(state).tolist():
        shapeless = state[row] == SHAPELESS
        reasons[row] = Reason.UNREADABLE.value if shapeless else Reason.NO_TIME.value
        details[row] = "not a line of an access log" if shapeless else "a time that does not exist"
    if not _is_utf8(body):
        for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            if not _is_utf8(body[start:end]):
                reasons[row], details[row] = Reason.ENCODING.value, "bytes that are not UTF-8"
    return reasons, details


def _is_utf8(data: bytes) -> bool:
    try:
        return data.isascii() or bool(data.decode("utf-8") or True)
    except UnicodeDecodeError:
        return False


def _unescaped(body: bytes, data: Bytes, starts: Ints, spans: Ints) -> Bytes:
    """The bytes with the plain form of every escaped field at their end, and the spans of those fields there."""
    if b"\\" not in body:
        return data
    side = bytearray()
    rows = np.unique(np.searchsorted(starts, np.flatnonzero(data == 92), side="right") - 1)
    for field in (USER, REQUEST, PATH, QUERY, REFERRER, AGENT):
        for row in rows.tolist():
            start, length = spans[field, :, row]
            written = body[start : start + max(length, 0)]
            plain = ESCAPE.sub(_plain, written)
            if plain != written and _is_utf8(plain):
                spans[field, :, row] = len(body) + len(side), len(plain)
                side += plain
    return as_array(body + side) if side else data


def _plain(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return bytes([int(match[1], 16)])
    return LETTERS.get(match[2], match[2])


def _visitors(data: Bytes, ips: Ints, agents: Ints, out: Mapping[int, str]) -> pa.Array:
    """16 hex digits of the md5 of ip and user agent, computed once for each different pair."""
    of_ip, of_agent = (hashes(data, start, start + np.maximum(size, 0)) for start, size in (ips, agents))
    mixed = of_ip * np.uint64(31) + of_agent
    groups, firsts = _groups(data, ips, agents, mixed)
    text = data.tobytes()

    def texts(spans: Ints) -> Iterator[bytes]:
        for start, size in zip(*spans[:, firsts].tolist(), strict=True):
            yield text[start : start + size] if size >= 0 else b"-"

    names = [
        hashlib.md5(ip + b" " + agent, usedforsecurity=False).hexdigest()[:16]
        for ip, agent in zip(texts(ips), texts(agents), strict=True)
    ]
    return pa.array(names, pa.string()).take(pa.array(groups, mask=_mask(out, len(groups))))


def _more(data: Bytes, spans: Ints) -> pa.Array | None:
    """What has no column: ident, what follows the user agent, a request that cannot be taken apart."""
    fields = {"ident": IDENT, "request": REQUEST, "rest": REST}
    filled = np.flatnonzero((spans[list(fields.values()), 1] > 0).any(axis=0)).tolist()
    if not filled:
        return None
    texts: dict[int, str] = {}
    for row in filled:
        parts = {name: spans[field, :, row].tolist() for name, field in fields.items()}
        values = {name: data[at : at + size].tobytes().decode() for name, (at, size) in parts.items() if size > 0}
        texts[row] = orjson.dumps(values).decode()
    return _sparse(texts, spans.shape[2])


# ── the compiled pass ───────────────────────────────────────────────────────────────────────────────


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def scan(data: Bytes, starts: Ints, ends: Ints, spans: Ints, numbers: Ints) -> NDArray[np.uint8]:
    """Fills the spans of the fields and time (microseconds), status and bytes (-1: none) of every line.

    Returns for each line GOOD, SHAPELESS or TIMELESS.
    """
    state = np.zeros(len(starts), dtype=np.uint8)
    for row in range(len(starts)):
        spans[:, 0, row] = 0
        spans[:, 1, row] = -1
        state[row] = _line(data, starts[row], ends[row], spans[:, :, row], numbers[:, row])
    return state


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _line(data: Bytes, at: int, end: int, spans: Ints, numbers: Ints) -> int:  # noqa: PLR0911 - each says what is missing
    for field in (IP, IDENT):
        stop = _until(data, at, end, 32)
        if stop in (at, end):
            return SHAPELESS
        _set(data, spans, field, at, stop)
        at = stop + 1
    stop = at
    while stop + 1 < end and not (data[stop] == 32 and data[stop + 1] == 91):
        stop += 1
    if stop == at or stop + 1 >= end:
        return SHAPELESS
    _set(data, spans, USER, at, stop)
    moment = stop + 2
    stop = _until(data, moment, end, 93)
    if stop + 2 >= end or data[stop + 1] != 32 or data[stop + 2] != 34:
        return SHAPELESS
    known = _time(data, moment, stop, numbers)
    at = stop + 3
    stop = _quoted(data, at, end)
    if stop < 0 or stop + 1 >= end or data[stop + 1] != 32:
        return SHAPELESS
    _request(data, spans, at, stop)
    at = _number(data, stop + 2, end, 3, 3, numbers, 1)
    if at < 0 or at >= end or data[at] != 32:
        return SHAPELESS
    at = _number(data, at + 1, end, 1, 18, numbers, 2)
    if at < 0:
        return SHAPELESS
    at = _visitor(data, at, end, spans)
    if at < 0:
        return SHAPELESS
    _set(data, spans, REST, min(at + 1, end), end)
    return GOOD if known else TIMELESS


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _visitor(data: Bytes, at: int, end: int, spans: Ints) -> int:
    """Referrer and user agent if there are any; the place after them, -1 when the shape is wrong."""
    if at + 1 < end and data[at] == 32 and data[at + 1] == 34:
        for field in (REFERRER, AGENT):
            if at + 1 >= end or data[at] != 32 or data[at + 1] != 34:
                return -1
            stop = _quoted(data, at + 2, end)
            if stop < 0:
                return -1
            _set(data, spans, field, at + 2, stop)
            at = stop + 1
    return at if at == end or data[at] == 32 else -1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _until(data: Bytes, at: int, end: int, byte: int) -> int:
    place, stop = uint64(at), uint64(end)
    while place < stop and data[place] != byte:
        place += uint64(1)
    return intp(place)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _quoted(data: Bytes, at: int, end: int) -> int:
    """The place of the closing quote, -1 when there is none; after an odd number of backslashes it closes nothing."""
    stop = at
    while True:
        stop = _until(data, stop, end, 34)
        if stop == end:
            return -1
        before = stop
        while before > at and data[before - 1] == 92:
            before -= 1
        if (stop - before) % 2 == 0:
            return stop  # type: ignore[no-any-return]
        stop += 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _set(data: Bytes, spans: Ints, field: int, start: int, stop: int) -> None:
    spans[field, 0] = start
    absent = stop == start or (stop == start + 1 and data[start] == 45)
    spans[field, 1] = -1 if absent else stop - start


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _number(  # noqa: PLR0913, PLR0917
    data: Bytes, at: int, end: int, least: int, most: int, numbers: Ints, place: int
) -> int:
    """The place after a number or a `-` (null, kept as -1); -1 when it is neither."""
    if at < end and data[at] == 45:
        numbers[place] = -1
        return at + 1
    value, digits = 0, 0
    while at < end and 48 <= data[at] <= 57 and digits < most:
        value = value * 10 + (data[at] - 48)
        digits += 1
        at += 1
    numbers[place] = value
    return at if digits >= least else -1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _request(data: Bytes, spans: Ints, at: int, end: int) -> None:
    """Method, path, query and protocol of `METHOD target [HTTP/n]`; the whole text when it is not that."""
    method = at
    while method < end and (65 <= data[method] <= 90 or 97 <= data[method] <= 122 or data[method] in (45, 95)):
        method += 1
    stop = end
    protocol = end - 1
    while protocol > method and data[protocol] != 32:
        protocol -= 1
    if protocol > method and end - protocol > 6 and _is_http(data, protocol + 1):
        stop = protocol
    if method == at or method + 1 >= stop or data[method] != 32:
        _set(data, spans, REQUEST, at, end)
        return
    _set(data, spans, METHOD, at, method)
    if stop < end:
        _set(data, spans, PROTOCOL, stop + 1, end)
    query = _until(data, method + 1, stop, 63)
    _set(data, spans, PATH, method + 1, query)
    if query < stop:
        _set(data, spans, QUERY, query + 1, stop)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _is_http(data: Bytes, at: int) -> bool:
    return data[at] == 72 and data[at + 1] == 84 and data[at + 2] == 84 and data[at + 3] == 80 and data[at + 4] == 47  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _digits(data: Bytes, at: int, count: int) -> int:
    """The number these digits make; very negative when one is no digit."""
    value = 0
    for place in range(at, at + count):
        if data[place] < 48 or data[place] > 57:
            return -(1 << 40)
        value = value * 10 + (data[place] - 48)
    return value


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _time(data: Bytes, at: int, end: int, numbers: Ints) -> bool:
    """`17/May/2015:10:05:03 +0000` as microseconds; False when it is no time."""
    numbers[0] = 0
    if end - at != 26 or data[at + 2] != 47 or data[at + 6] != 47 or data[at + 20] != 32:
        return False
    if data[at + 11] != 58 or data[at + 14] != 58 or data[at + 17] != 58 or data[at + 21] not in (43, 45):
        return False
    name = np.int64(data[at + 3]) << 16 | np.int64(data[at + 4]) << 8 | np.int64(data[at + 5])
    month = 1
    while month <= 12 and MONTHS[month - 1] != name:
        month += 1
    day, year = _digits(data, at, 2), _digits(data, at + 7, 4)
    hour, minute, second = _digits(data, at + 12, 2), _digits(data, at + 15, 2), _digits(data, at + 18, 2)
    hours, minutes = _digits(data, at + 22, 2), _digits(data, at + 24, 2)
    if month > 12 or day < 1 or year < 1 or min(hour, minute, second, hours, minutes) < 0:
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > DAYS[month - 1] - (month == 2 and not leap):
        return False
    if hour > 23 or minute > 59 or second > 60 or hours > 23 or minutes > 59:
        return False
    offset = (hours * 60 + minutes) * 60
    seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    numbers[0] = (seconds + (offset if data[at + 21] == 45 else -offset)) * 1_000_000
    return True


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar, counting years from March."""
    if month <= 2:
        year -= 1
    days = (153 * (month + (9 if month <= 2 else -3)) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + days - 719_468


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _groups(data: Bytes, ips: Ints, agents: Ints, mixed: NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """The number of the (ip, agent) pair of every row, and the first row of every pair."""
    size = 16
    while size < 2 * len(mixed):
        size *= 2
    slots = np.full(size, -1, dtype=np.int64)
    groups = np.empty(len(mixed), dtype=np.int64)
    firsts = np.empty(len(mixed), dtype=np.int64)
    count = 0
    for row in range(len(mixed)):
        place = np.int64((mixed[row] ^ (mixed[row] >> np.uint64(32))) & np.uint64(size - 1))
        while slots[place] >= 0:
            first = firsts[slots[place]]
            if mixed[first] == mixed[row] and _same(data, ips, first, row) and _same(data, agents, first, row):
                break
            place = (place + 1) & (size - 1)
        if slots[place] < 0:
            slots[place] = count
            firsts[count] = row
            count += 1
        groups[row] = slots[place]
    return groups, firsts[:count].copy()


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _same(data: Bytes, spans: Ints, one: int, other: int) -> bool:
    if spans[1, one] != spans[1, other]:
        return False
    for place in range(spans[1, one]):  # noqa: SIM110 - numba has no all() over a generator
        if data[spans[0, one] + place] != data[spans[0, other] + place]:
            return False
    return True

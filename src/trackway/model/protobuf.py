"""The logs of OpenTelemetry in protobuf: where the records are, and each as the JSON object that it stands for.

Compiled, over the bytes, without building messages. Of the wire format of protobuf this needs only that a message is
a row of fields, each a number, a wire type and a value; numbers of fields are those of opentelemetry-proto.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import int64, uint64

from trackway.model.json_text import Bytes, Ints
from trackway.model.kernels import kernel

LIST = 0
"""In place of the number of the field in which the pairs of an object are."""
DEEPEST = 60
LONGEST_DOUBLE = 24
"""Characters that any double fits in; white space follows a shorter one."""
ALPHABET = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", dtype=np.uint8)
HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
Doubles = tuple[Ints, npt.NDArray[np.float64], Ints]
"""Places in the text, what belongs there, and how many they are."""
NAMES = np.frombuffer(
    b'"severity_text":"event_name":"severity_number":"trace_id":"span_id":"message":"attributes":"time":',
    dtype=np.uint8,
)
SEVERITY_TEXT, EVENT_NAME, SEVERITY, TRACE, SPAN, BODY, ATTRIBUTES, TIME = (
    (0, 16), (16, 29), (29, 47), (47, 58), (58, 68), (68, 78), (78, 91), (91, 98)
)  # fmt: skip


@kernel
def varint(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """A number and where it ends; -1 when it does not."""
    value, shift = uint64(0), uint64(0)
    while at < end and shift < uint64(70):
        byte = uint64(data[at])
        at += 1
        if shift < uint64(64):
            value |= (byte & uint64(127)) << shift
        if byte < uint64(128):
            return int64(value), at
        shift += uint64(7)
    return int64(0), -1


@kernel
def field_at(data: Bytes, at: int, end: int) -> tuple[int, int, int, int]:
    """Number and wire type of the field at `at`, and from where to where its value is; -1 when there is none."""
    tag, at = varint(data, at, end)
    if at < 0:
        return 0, 0, 0, -1
    number, wire = tag >> 3, tag & 7
    if wire == 0:
        _, after = varint(data, at, end)
        return number, wire, at, after
    if wire in (1, 5):
        size = 8 if wire == 1 else 4
        return number, wire, at, (at + size if at + size <= end else -1)
    if wire != 2:
        return number, wire, at, -1
    size, at = varint(data, at, end)
    return number, wire, at, (at + size if at >= 0 and 0 <= size <= end - at else -1)


@kernel
def inner(data: Bytes, at: int, end: int, wanted: int) -> tuple[int, int]:
    """From where to where the last message under a field number is; (0, 0) when there is none."""
    found, last = 0, 0
    while at < end:
        number, wire, start, after = field_at(data, at, end)
        if after < 0:
            return 0, 0
        if number == wanted and wire == 2:
            found, last = start, after
        at = after
    return found, last


@kernel
def messages(data: Bytes, at: int, end: int, wanted: int) -> tuple[Ints, Ints, bool]:
    """From where to where all messages under a field number are, and whether the whole was one of fields."""
    starts = np.empty(16, dtype=np.int64)
    ends = np.empty(16, dtype=np.int64)
    count = 0
    while at < end:
        number, wire, start, after = field_at(data, at, end)
        if after < 0:
            return starts[:count], ends[:count], False
        if number == wanted and wire == 2:
            if count == len(starts):
                starts = np.concatenate((starts, np.empty_like(starts)))
                ends = np.concatenate((ends, np.empty_like(ends)))
            starts[count], ends[count] = start, after
            count += 1
        at = after
    return starts[:count], ends[:count], True


@kernel
def put_name(place: tuple[int, int], out: Bytes, used: int) -> int:
    """A name and its colon, after a comma when something stands before."""
    if out[used - 1] != 123:
        out[used] = 44
        used += 1
    for at in range(place[0], place[1]):
        out[used] = NAMES[at]
        used += 1
    return used


@kernel
def put_text(data: Bytes, at: int, end: int, out: Bytes, used: int) -> int:
    """A text in quotes."""
    out[used] = 34
    used += 1
    for place in range(at, end):
        byte = data[place]
        if byte in (34, 92):
            out[used], out[used + 1] = 92, byte
            used += 2
        elif byte < 32:
            out[used], out[used + 1], out[used + 2], out[used + 3] = 92, 117, 48, 48
            out[used + 4], out[used + 5] = HEX[byte >> 4], HEX[byte & 15]
            used += 6
        else:
            out[used] = byte
            used += 1
    out[used] = 34
    return used + 1


@kernel
def put_number(value: int, out: Bytes, used: int) -> int:
    """A whole number."""
    left = uint64(value)
    if value < 0:
        out[used] = 45
        used += 1
        left = uint64(0) - left
    first = used
    while left > uint64(0) or used == first:
        out[used] = uint64(48) + left % uint64(10)
        left //= uint64(10)
        used += 1
    for place in range((used - first) // 2):
        other = used - 1 - place
        out[first + place], out[other] = out[other], out[first + place]
    return used


@kernel
def put_bytes(data: Bytes, at: int, end: int, hexadecimal: bool, out: Bytes, used: int) -> int:  # noqa: PLR0913, PLR0917
    """Bytes as a text of hexadecimal digits or of base64."""
    out[used] = 34
    used += 1
    while at < end:
        if hexadecimal:
            out[used], out[used + 1] = HEX[data[at] >> 4], HEX[data[at] & 15]
            at, used = at + 1, used + 2
            continue
        second = data[at + 1] if at + 1 < end else 0
        third = data[at + 2] if at + 2 < end else 0
        word = (int64(data[at]) << 16) | (int64(second) << 8) | int64(third)
        for place in range(4):
            out[used + place] = ALPHABET[(word >> (18 - 6 * place)) & 63]
        if at + 2 >= end:
            out[used + 3] = 61
        if at + 1 >= end:
            out[used + 2] = 61
        at, used = at + 3, used + 4
    out[used] = 34
    return used + 1


@kernel
def fixed64(data: Bytes, at: int) -> int:
    """Eight bytes as a number."""
    value = uint64(0)
    for place in range(8):
        value |= uint64(data[at + place]) << uint64(8 * place)
    return int(int64(value))


@kernel
def put_double(data: Bytes, at: int, out: Bytes, used: int, doubles: Doubles) -> None:
    """Room for a double, which is written later."""
    places, values, count = doubles
    bits = np.empty(1, dtype=np.int64)
    bits[0] = fixed64(data, at)
    places[count[0]], values[count[0]] = used, bits.view(np.float64)[0]
    count[0] += 1
    for place in range(LONGEST_DOUBLE):
        out[used + place] = 32


@kernel
def put_scalar(data: Bytes, number: int, start: int, end: int, out: Bytes, used: int, doubles: Doubles) -> int:  # noqa: PLR0911, PLR0913, PLR0917
    """A value that is no list and no object; null when there is none."""
    if number == 1:
        return int(put_text(data, start, end, out, used))
    if number == 3:
        return int(put_number(varint(data, start, end)[0], out, used))
    if number == 4:
        put_double(data, start, out, used, doubles)
        return used + LONGEST_DOUBLE
    if number == 7:
        return int(put_bytes(data, start, end, False, out, used))
    if number == 2 and data[start] != 0:
        out[used], out[used + 1], out[used + 2], out[used + 3] = 116, 114, 117, 101
        return used + 4
    if number == 2:
        out[used], out[used + 1], out[used + 2], out[used + 3], out[used + 4] = 102, 97, 108, 115, 101
        return used + 5
    out[used], out[used + 1], out[used + 2], out[used + 3] = 110, 117, 108, 108
    return used + 4


@kernel
def which(data: Bytes, at: int, end: int) -> tuple[int, int, int]:
    """The kind of a value of any type (its field number, 0: nothing, -1: it is none), and from where to where it is."""
    kind, first, last = 0, 0, 0
    while at < end:
        number, wire, start, after = field_at(data, at, end)
        if after < 0:
            return -1, 0, 0
        if 1 <= number <= 7 and wire == (0 if number in (2, 3) else 1 if number == 4 else 2):
            kind, first, last = number, start, after
        at = after
    return kind, first, last


@kernel
def put_pairs(data: Bytes, at: int, end: int, form: int, out: Bytes, used: int, doubles: Doubles) -> int:  # noqa: PLR0913, PLR0917
    """The pairs in field `form` of a message as an object, or the values in it as a list (LIST); -1 when it is none.

    Not by recursion, which compiled code cannot be kept on the disk with.
    """
    stack = np.empty((DEEPEST, 3), dtype=np.int64)
    stack[0] = at, end, form
    out[used] = 91 if form == LIST else 123
    depth, used = 1, used + 1
    while depth > 0:
        at, end, form = stack[depth - 1]
        if at >= end:
            out[used] = 93 if form == LIST else 125
            depth, used = depth - 1, used + 1
            continue
        number, wire, start, after = field_at(data, at, end)
        if after < 0:
            return -1
        stack[depth - 1, 0] = after
        if wire != 2 or number != (1 if form == LIST else form):
            continue
        if out[used - 1] != 123 and out[used - 1] != 91:
            out[used] = 44
            used += 1
        if form != LIST:
            key, key_end = inner(data, start, after, 1)
            used = put_text(data, key, key_end, out, used)
            out[used] = 58
            used += 1
            start, after = inner(data, start, after, 2)
        kind, first, last = which(data, start, after)
        if kind < 0 or (kind in (5, 6) and depth == DEEPEST):
            return -1
        if kind in (5, 6):
            stack[depth] = first, last, (LIST if kind == 5 else 1)
            out[used] = 91 if kind == 5 else 123
            depth, used = depth + 1, used + 1
        else:
            used = put_scalar(data, kind, first, last, out, used, doubles)
    return used


@kernel
def put_value(data: Bytes, at: int, end: int, out: Bytes, used: int, doubles: Doubles) -> int:  # noqa: PLR0913, PLR0917
    """A value of any type; -1 when it is none."""
    kind, first, last = which(data, at, end)
    if kind < 0:
        return -1
    if kind in (5, 6):
        return int(put_pairs(data, first, last, LIST if kind == 5 else 1, out, used, doubles))
    return int(put_scalar(data, kind, first, last, out, used, doubles))


@kernel
def put_record(data: Bytes, begin: int, end: int, out: Bytes, used: int, doubles: Doubles) -> int:  # noqa: C901, PLR0913, PLR0917
    """A log record as an object; -1 when it is none."""
    out[used] = 123
    used += 1
    at, time, observed = begin, 0, 0
    while at < end:
        number, wire, start, after = field_at(data, at, end)
        if after < 0:
            return -1
        at = after
        if wire == 1 and number == 1:
            time = fixed64(data, start)
        elif wire == 1 and number == 11:
            observed = fixed64(data, start)
        elif wire == 0 and number == 2:
            used = put_number(varint(data, start, after)[0], out, put_name(SEVERITY, out, used))
        elif wire == 2 and number in (3, 12) and after > start:
            name = SEVERITY_TEXT if number == 3 else EVENT_NAME
            used = put_text(data, start, after, out, put_name(name, out, used))
        elif wire == 2 and number in (9, 10) and after > start:
            name = TRACE if number == 9 else SPAN
            used = put_bytes(data, start, after, True, out, put_name(name, out, used))
        elif wire == 2 and number == 5:
            used = put_value(data, start, after, out, put_name(BODY, out, used), doubles)
            if used < 0:
                return -1
    used = put_pairs(data, begin, end, 6, out, put_name(ATTRIBUTES, out, used), doubles)
    moment = time if time != 0 else observed
    if used > 0 and moment != 0:
        used = put_number(moment // 1000, out, put_name(TIME, out, used))
    if used < 0:
        return -1
    out[used] = 125
    return used + 1


@kernel
def put_records(data: Bytes, starts: Ints, ends: Ints, out: Bytes, edges: Ints, doubles: Doubles) -> int:  # noqa: PLR0913, PLR0917
    """All records one after the other; one that is none stays empty. Returns how many bytes; fills the `edges`."""
    used = 0
    for row in range(len(starts)):
        edges[row] = used
        before = doubles[2][0]
        after = put_record(data, starts[row], ends[row], out, used, doubles)
        if after < 0:
            doubles[2][0] = before
        used = max(after, used)
    edges[len(starts)] = used
    return used


def records_as_json(data: Bytes, starts: Ints, ends: Ints) -> tuple[bytes, Ints]:
    """The text of all records, and the edges between them."""
    size = int((ends - starts).sum())
    out, edges = _room(size, len(starts)), np.zeros(len(starts) + 1, dtype=np.int64)
    doubles = _doubles(size)
    used = put_records(data, starts, ends, out, edges, doubles)
    return _written(out, used, doubles), edges


def pairs_as_json(data: Bytes, start: int, end: int, field: int) -> bytes:
    """The pairs in a field of a message as an object, empty when they are none."""
    out, doubles = _room(end - start, 1), _doubles(end - start)
    used = put_pairs(data, start, end, field, out, 0, doubles)
    return _written(out, used, doubles) if used >= 0 else b"{}"


def _room(size: int, records: int) -> Bytes:
    """Enough for any such text: no byte takes more than twelve (a severity again and again), a record its names."""
    return np.empty(12 * size + 300 * records + 64, dtype=np.uint8)


def _doubles(size: int) -> Doubles:
    most = size // 9 + 1
    return np.empty(most, dtype=np.int64), np.empty(most, dtype=np.float64), np.zeros(1, dtype=np.int64)


def _written(out: Bytes, used: int, doubles: Doubles) -> bytes:
    """The text with its doubles; what is no number is written as a text."""
    places, values, count = doubles
    text = bytearray(out[:used].tobytes())
    for place, value in zip(places[: count[0]].tolist(), values[: count[0]].tolist(), strict=True):
        shown = repr(value) if np.isfinite(value) else '"NaN"' if value != value else '"Infinity"'  # noqa: PLR0124
        shown = '"-Infinity"' if value == -np.inf else shown
        text[place : place + len(shown)] = shown.encode()
    return bytes(text)

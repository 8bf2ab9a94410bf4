"""JSON as bytes: where values, array items and lines begin and end, without building any objects.

Strict by the grammar of RFC 8259, so that what passes here is JSON; only UTF-8, lone surrogates and numbers
beyond a double are left to whoever reads the values. About a nanosecond a byte, outside the interpreter lock.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import orjson

from trackway.model.kernels import inlined, kernel, leaf
from trackway.model.wide import WIDE, equal_to, lowest, specials

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DEEPEST = 1_024
"""Levels of nesting of a payload; the limit of the usual parsers."""
SPECIAL = np.array([byte < 32 or byte in (34, 92) for byte in range(256)], dtype=np.uint8)
"""Bytes that end a run of plain bytes in a text: controls, the quote, the backslash."""
PLAIN, ESCAPED, LONE = 0, 1, 2
"""What a text holds: bytes as they are, escapes, or half a surrogate pair (which is no character)."""


def as_array(data: bytes) -> Bytes:
    """The bytes as an array, not copied."""
    return np.frombuffer(data, dtype=np.uint8)


@inlined
def skip(data: Bytes, at: int, end: int) -> int:
    """The first place that is not white space."""
    while at < end and (data[at] == 32 or data[at] == 10 or data[at] == 13 or data[at] == 9):
        at += 1
    return at


@inlined
def hex4(data: Bytes, at: int) -> int:
    """The value of four hexadecimal digits, -1 when they are none."""
    value = 0
    for place in range(at, at + 4):
        byte = data[place]
        if 48 <= byte <= 57:
            value = value * 16 + byte - 48
        elif 97 <= byte | 32 <= 102:
            value = value * 16 + (byte | 32) - 87
        else:
            return -1
    return value


@leaf
def escape_end(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """After the escape whose backslash is at `at` (-1 when it is none), and ESCAPED or LONE."""
    if at + 1 >= end:
        return -1, ESCAPED
    byte = data[at + 1]
    if byte != 117:
        known = byte in (34, 47, 92, 98, 102, 110, 114, 116)
        return (at + 2 if known else -1), ESCAPED
    code = hex4(data, at + 2) if at + 6 <= end else -1
    if code < 0:
        return -1, ESCAPED
    if code < 0xD800 or code > 0xDFFF:
        return at + 6, ESCAPED
    if code < 0xDC00 and at + 12 <= end and data[at + 6] == 92 and data[at + 7] == 117:
        low = hex4(data, at + 8)
        if 0xDC00 <= low <= 0xDFFF:
            return at + 12, ESCAPED
    return at + 6, LONE


@inlined
def plain_end(data: Bytes, at: int, end: int) -> int:
    """The first place at or after `at` that is no plain byte of a text; `end` or beyond when there is none before."""
    stop = min(end, len(data) - WIDE)
    while at < stop:
        bits = specials(data, at)
        if bits != 0:
            return int(at + lowest(bits))
        at += WIDE
    while at < end and SPECIAL[data[at]] == 0:
        at += 1
    return at


@inlined
def text_end(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """The place of the quote that closes the text beginning at `at` (-1: none), and PLAIN, ESCAPED or LONE."""
    at = plain_end(data, at, end)
    if at < end and data[at] == 34:
        return at, PLAIN
    return odd_text_end(data, at, end)


@inlined
def byte_at(data: Bytes, at: int, end: int, byte: int) -> int:
    """The first place of a byte from `at` on, `end` when it is not there."""
    stop = min(end, len(data) - WIDE)
    while at < stop:
        bits = equal_to(data, at, byte)
        if bits != 0:
            return min(int(at + lowest(bits)), end)
        at += WIDE
    while at < end and data[at] != byte:
        at += 1
    return min(at, end)


@leaf
def odd_text_end(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """The same from a place on that is no plain byte."""
    holds = PLAIN
    while at < end and data[at] == 92:
        at, found = escape_end(data, at, end)
        holds = max(holds, found)
        if at < 0:
            return -1, holds
        at = plain_end(data, at, end)
    return (at if at < end and data[at] == 34 else -1), holds


@inlined
def digits_end(data: Bytes, at: int, end: int) -> int:
    """After a row of digits."""
    while at < end and 48 <= data[at] <= 57:
        at += 1
    return at


@inlined
def number_end(data: Bytes, at: int, end: int) -> tuple[int, bool]:
    """After a number (-1 when it is none), and whether it is an integer."""
    if at < end and data[at] == 45:
        at += 1
    first = at
    at = digits_end(data, at, end)
    if at == first or (data[first] == 48 and at > first + 1):
        return -1, False
    whole = True
    if at < end and data[at] == 46:
        whole = False
        first = at + 1
        at = digits_end(data, first, end)
        if at == first:
            return -1, False
    if at < end and data[at] | 32 == 101:
        whole = False
        at += 1
        if at < end and (data[at] == 43 or data[at] == 45):
            at += 1
        first = at
        at = digits_end(data, first, end)
        if at == first:
            return -1, False
    return at, whole


@inlined
def word_end(data: Bytes, at: int, end: int) -> int:
    """After `true`, `false` or `null`; -1 when it is none of them."""
    left = end - at
    if left >= 4 and data[at] == 116 and data[at + 1] == 114 and data[at + 2] == 117 and data[at + 3] == 101:
        return at + 4
    if left >= 4 and data[at] == 110 and data[at + 1] == 117 and data[at + 2] == 108 and data[at + 3] == 108:
        return at + 4
    if left >= 5 and data[at] == 102 and data[at + 1] == 97 and data[at + 2] == 108:
        return at + 5 if data[at + 3] == 115 and data[at + 4] == 101 else -1
    return -1


@inlined
def scalar_end(data: Bytes, at: int, end: int) -> int:
    """After a text, number or word; -1 when there is none."""
    if data[at] == 34:
        close, _ = text_end(data, at + 1, end)
        return close + 1 if close >= 0 else -1
    if data[at] == 45 or 48 <= data[at] <= 57:
        close, _ = number_end(data, at, end)
        return int(close)
    return int(word_end(data, at, end))


@inlined
def member_value(data: Bytes, at: int, end: int) -> int:
    """Where the value begins of the member whose key begins at or after `at`; -1 when there is none."""
    at = skip(data, at, end)
    if at >= end or data[at] != 34:
        return -1
    close, _ = text_end(data, at + 1, end)
    if close < 0:
        return -1
    at = skip(data, close + 1, end)
    return at + 1 if at < end and data[at] == 58 else -1


@leaf
def value_end(data: Bytes, at: int, end: int, open_: Bytes) -> int:
    """After the JSON value at or after `at`; -1 when there is none. `open_` is scratch of DEEPEST bytes."""
    depth = 0
    while True:
        at = skip(data, at, end)
        if at >= end:
            return -1
        byte = data[at]
        if byte in (123, 91):
            if depth == len(open_):
                return -1
            open_[depth] = byte
            depth += 1
            at = skip(data, at + 1, end)
            if at >= end or data[at] != byte + 2:
                at = at if byte == 91 else member_value(data, at, end)
                if at < 0:
                    return -1
                continue
            depth -= 1
            at += 1
        else:
            at = scalar_end(data, at, end)
            if at < 0:
                return -1
        at, depth = next_value(data, at, end, open_, depth)
        if at < 0 or depth == 0:
            return at


@inlined
def next_value(data: Bytes, at: int, end: int, open_: Bytes, depth: int) -> tuple[int, int]:
    """After a value: closes what closes here; where the next value begins, or the end at depth 0."""
    while depth > 0:
        at = skip(data, at, end)
        if at >= end:
            return -1, depth
        if data[at] == 44:
            return (at + 1 if open_[depth - 1] == 91 else member_value(data, at + 1, end)), depth
        if data[at] != open_[depth - 1] + 2:
            return -1, depth
        depth -= 1
        at += 1
    return at, depth


@kernel
def array_items(data: Bytes, at: int, end: int) -> tuple[Ints, Ints, int]:
    """Starts and ends of the items of the array at or after `at`, and where it ends; -1 when it is no array."""
    open_ = np.empty(DEEPEST, dtype=np.uint8)
    starts = np.empty(128, dtype=np.int64)
    ends = np.empty(128, dtype=np.int64)
    none = starts[:0]
    at = skip(data, at, end)
    if at >= end or data[at] != 91:
        return none, none, -1
    at = skip(data, at + 1, end)
    if at < end and data[at] == 93:
        return none, none, at + 1
    count = 0
    while True:
        if count == len(starts):
            starts = np.concatenate((starts, np.empty_like(starts)))
            ends = np.concatenate((ends, np.empty_like(ends)))
        starts[count] = skip(data, at, end)
        at = value_end(data, at, end, open_)
        if at < 0:
            return none, none, -1
        ends[count] = at
        count += 1
        at = skip(data, at, end)
        if at < end and data[at] == 93:
            return starts[:count], ends[:count], at + 1
        if at >= end or data[at] != 44:
            return none, none, -1
        at += 1


@kernel
def values_in_a_row(data: Bytes, at: int, end: int) -> tuple[Ints, Ints, int]:
    """Starts and ends of JSON values one after another, with or without white space or commas between; and where the
    first begins that is none, or the end.
    """
    open_ = np.empty(DEEPEST, dtype=np.uint8)
    starts = np.empty(128, dtype=np.int64)
    ends = np.empty(128, dtype=np.int64)
    count = 0
    while True:
        at = skip(data, at, end)
        while at < end and data[at] == 44:
            at = skip(data, at + 1, end)
        if at >= end:
            return starts[:count], ends[:count], end
        after = value_end(data, at, end, open_)
        if after < 0:
            return starts[:count], ends[:count], at
        if count == len(starts):
            starts = np.concatenate((starts, np.empty_like(starts)))
            ends = np.concatenate((ends, np.empty_like(ends)))
        starts[count], ends[count] = at, after
        count += 1
        at = after


@kernel
def are_objects(data: Bytes, starts: Ints, ends: Ints) -> Bools:
    """Which spans hold one JSON object and nothing else."""
    found = np.zeros(len(starts), dtype=np.bool_)
    for row in range(len(starts)):
        at = skip(data, starts[row], ends[row])
        found[row] = at < ends[row] and data[at] == 123 and is_value(data, at, ends[row])
    return found


@kernel
def find_member(data: Bytes, at: int, end: int, key: Bytes) -> int:
    """Where the value of a key begins in the object at or after `at`, -1 when not there.

    Only the members before it are checked; a key written with escapes is not found.
    """
    open_ = np.empty(DEEPEST, dtype=np.uint8)
    at = skip(data, at, end)
    if at >= end or data[at] != 123:
        return -1
    at += 1
    while True:
        at = skip(data, at, end)
        value = member_value(data, at, end)
        if value < 0:
            return -1
        if (
            len(key) + 1 < end - at
            and data[at + len(key) + 1] == 34
            and np.all(data[at + 1 : at + 1 + len(key)] == key)
        ):
            return int(skip(data, value, end))
        at = value_end(data, value, end, open_)
        if at < 0:
            return -1
        at = skip(data, at, end)
        if at >= end or data[at] != 44:
            return -1
        at += 1


@kernel
def is_value(data: Bytes, at: int, end: int) -> bool:
    """Whether there is one JSON value and nothing else."""
    after = value_end(data, at, end, np.empty(DEEPEST, dtype=np.uint8))
    return bool(after >= 0 and skip(data, after, end) == end)


@kernel
def text_lines(data: Bytes, at: int, end: int) -> tuple[Ints, Ints]:
    """Starts and ends of the lines that are not blank, without the `\\n` or `\\r\\n` at their end."""
    starts = np.empty(128, dtype=np.int64)
    ends = np.empty(128, dtype=np.int64)
    count = 0
    while at < end:
        first = at
        at = byte_at(data, at, end, 10)
        last = at - 1 if at > first and data[at - 1] == 13 else at
        at += 1
        if skip(data, first, last) == last:
            continue
        if count == len(starts):
            starts = np.concatenate((starts, np.empty_like(starts)))
            ends = np.concatenate((ends, np.empty_like(ends)))
        starts[count], ends[count] = first, last
        count += 1
    return starts[:count], ends[:count]


def complaint(text: bytes) -> str:
    """What is wrong with a text that is not JSON, and where."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return str(error)
    return "nested too deeply"

"""Log records in the JSON of OTLP as plain JSON objects, in one compiled pass: attributes as members, not as pairs.

Only records of the usual form are written here; any other, such as one with lists among its values or without a time,
is left to whoever reads it more slowly.
"""

from __future__ import annotations

import numpy as np

from trackway.model.json_text import Bytes, Ints, as_array, number_end, skip, text_end, value_end, word_end
from trackway.model.kernels import inlined, kernel, leaf

NAMES = {
    "timeUnixNano": "time", "severityNumber": "severity_number", "severityText": "severity_text", "body": "message",
    "eventName": "event_name", "traceId": "trace_id", "spanId": "span_id", "attributes": "attributes",
}  # fmt: skip
"""Members of a record -> what they are called; others are left out."""
KINDS = ("stringValue", "intValue", "boolValue", "doubleValue", "bytesValue")
Texts = tuple[Bytes, Ints]
"""Bytes of words one after another, and where each begins and the last ends."""
Words = tuple[Texts, Texts, Texts, Texts]
"""Members of a record, what they are called, kinds of values, and the members of a pair."""
MOST_GROWTH = 64
"""Bytes by which a plain record may be longer than it was."""


def _words(words: list[str]) -> Texts:
    edges = np.cumsum([0, *(len(word) for word in words)])
    return as_array("".join(words).encode()), edges


WORDS: Words = (_words(list(NAMES)), _words(list(NAMES.values())), _words(list(KINDS)), _words(["key", "value"]))
TIME, NUMBER, BODY, ATTRIBUTES = 0, 1, 3, 7
TEXT, INTEGER, TRUTH, BYTES = 0, 1, 2, 4
DEEPEST = 100


def plain_records(data: Bytes, starts: Ints, ends: Ints) -> tuple[Bytes, Ints]:
    """The records one after another, and where each begins and the last ends; those not of the usual form are empty."""
    return rewritten(data, starts, ends, WORDS)


@kernel
def rewritten(data: Bytes, starts: Ints, ends: Ints, words: Words) -> tuple[Bytes, Ints]:
    """The same, with the words of the protocol."""
    out = np.empty(np.sum(ends - starts) + MOST_GROWTH * len(starts), dtype=np.uint8)
    open_ = np.empty(DEEPEST, dtype=np.uint8)
    edges = np.zeros(len(starts) + 1, dtype=np.int64)
    for row in range(len(starts)):
        used = put_record(data, starts[row], ends[row], out, edges[row], words, open_)
        edges[row + 1] = edges[row] if used < 0 else used
    return out[: edges[len(starts)]], edges


@leaf
def which(data: Bytes, at: int, end: int, words: Texts) -> int:
    """The number of the word that stands there; -1 when it is none."""
    pool, edges = words
    for number in range(len(edges) - 1):
        size = edges[number + 1] - edges[number]
        if size == end - at:
            place = 0
            while place < size and data[at + place] == pool[edges[number] + place]:
                place += 1
            if place == size:
                return number
    return -1


@inlined
def put(data: Bytes, at: int, end: int, out: Bytes, used: int) -> int:
    """Writes bytes; where the next ones go."""
    for place in range(at, end):
        out[used + place - at] = data[place]
    return used + end - at


@inlined
def byte_or(data: Bytes, at: int, end: int, one: int, other: int) -> int:
    """The first place of one of two bytes; `end` when neither is there."""
    while at < end and data[at] != one and data[at] != other:
        at += 1
    return at


@inlined
def key_at(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """The end of the key whose quote is at `at`, and where its value begins; -1 when there is none."""
    if at >= end or data[at] != 34:
        return -1, -1
    close, holds = text_end(data, at + 1, end)
    if close < 0 or holds != 0:
        return -1, -1
    value = skip(data, close + 1, end)
    if value >= end or data[value] != 58:
        return -1, -1
    value = skip(data, value + 1, end)
    return (close, value) if value < end else (-1, -1)


@inlined
def follows(data: Bytes, at: int, end: int, closing: int) -> tuple[int, bool]:
    """Where the next member or item begins, or what is after the last, and whether that was it; -1 when neither."""
    at = skip(data, at, end)
    if at < end and data[at] == closing:
        return at + 1, True
    return (skip(data, at + 1, end), False) if at < end and data[at] == 44 else (-1, False)


@leaf
def put_value(data: Bytes, at: int, end: int, out: Bytes, used: int, kinds: Texts) -> tuple[int, int]:  # noqa: PLR0911, PLR0913, PLR0917
    """Writes what `{"stringValue": "…"}` holds; where it ends and where the next bytes go, -1 when odd."""
    if at >= end or data[at] != 123:
        return -1, used
    at = skip(data, at + 1, end)
    close, value = key_at(data, at, end)
    if close < 0:
        return -1, used
    kind, first, last = which(data, at + 1, close, kinds), value, -1
    if data[value] == 34:
        last, holds = text_end(data, value + 1, end)
        if last < 0 or holds == 2 or kind not in (TEXT, INTEGER, BYTES):
            return -1, used
        last += 1
        if kind == INTEGER:
            stop, whole = number_end(data, value + 1, last - 1)
            if not whole or stop != last - 1 or last - value > 20:
                return -1, used
            first, stop = value + 1, last - 1
            used = put(data, first, stop, out, used)
        else:
            used = put(data, first, last, out, used)
    elif kind in (TEXT, BYTES) or kind < 0:
        return -1, used
    else:
        last, good = word_end(data, value, end), kind == TRUTH and data[value] != 110
        if kind != TRUTH:
            last, good = number_end(data, value, end)
            good = last >= 0 and (good or (kind != INTEGER and byte_or(data, value, last, 101, 69) == last))
        if last < 0 or not good:
            return -1, used
        used = put(data, first, last, out, used)
    at, whole = follows(data, last, end, 125)
    return (at if whole else -1), used


@leaf
def put_attributes(  # noqa: PLR0911, PLR0913, PLR0917
    data: Bytes, at: int, end: int, out: Bytes, used: int, kinds: Texts, pair: Texts
) -> tuple[int, int]:
    """Writes pairs of keys and values as an object; the same."""
    if at >= end or data[at] != 91:
        return -1, used
    out[used] = 123
    used += 1
    at = skip(data, at + 1, end)
    if at < end and data[at] == 93:
        out[used] = 125
        return at + 1, used + 1
    whole = False
    while not whole:
        if at >= end or data[at] != 123:
            return -1, used
        at = skip(data, at + 1, end)
        close, value = key_at(data, at, end)
        if close < 0 or which(data, at + 1, close, pair) != 0 or data[value] != 34:
            return -1, used
        stop, holds = text_end(data, value + 1, end)
        if stop < 0 or holds == 2:
            return -1, used
        used = put(data, value, stop + 1, out, used)
        out[used] = 58
        at, closed = follows(data, stop + 1, end, 125)
        close, value = (-1, -1) if at < 0 or closed else key_at(data, at, end)
        if close < 0 or which(data, at + 1, close, pair) != 1:
            return -1, used
        at, used = put_value(data, value, end, out, used + 1, kinds)
        at, closed = (-1, False) if at < 0 else follows(data, at, end, 125)
        if at < 0 or not closed:
            return -1, used
        at, whole = follows(data, at, end, 93)
        if at < 0:
            return -1, used
        out[used] = 125 if whole else 44
        used += 1
    return at, used


@leaf
def put_record(  # noqa: C901, PLR0911, PLR0912, PLR0913, PLR0917 - the members of a record
    data: Bytes, at: int, end: int, out: Bytes, used: int, words: Words, open_: Bytes
) -> int:
    """Writes one record; where the next one goes, -1 when it is odd."""
    given, (pool, edges), kinds, pair = words
    seen = 0
    at = skip(data, at, end)
    if at >= end or data[at] != 123:
        return -1
    at, whole = skip(data, at + 1, end), False
    while not whole:
        close, value = key_at(data, at, end)
        if close < 0:
            return -1
        name = which(data, at + 1, close, given)
        before = used
        if name >= 0:
            if (seen >> name) & 1:
                return -1
            seen |= 1 << name
            out[used], out[used + 1] = 123 if seen & (seen - 1) == 0 else 44, 34
            used = put(pool, edges[name], edges[name + 1], out, used + 2)
            out[used], out[used + 1] = 34, 58
            used += 2
        if name == BODY:
            at, used = put_value(data, value, end, out, used, kinds)
        elif name == ATTRIBUTES:
            at, used = put_attributes(data, value, end, out, used, kinds, pair)
        else:
            at = value_end(data, value, end, open_)
            if name == TIME:
                first, last = (value + 1, at - 1) if data[value] == 34 else (value, at)
                stop, integer = number_end(data, first, last)
                if at < 0 or not integer or stop != last or not 12 < last - first < 20 or data[first] == 45:
                    return -1
                used = put(data, first, last - 3, out, used)
            elif name >= 0 and at >= 0:
                if data[value] in (91, 123) or (name != NUMBER and data[value] != 34 and data[value] != 110):
                    return -1
                empty = name != NUMBER and data[value] == 34 and at == value + 2
                used = put_null(out, used) if empty else put(data, value, at, out, used)
        if at < 0 or used < before:
            return -1
        at, whole = follows(data, at, end, 125)
        if at < 0:
            return -1
    if not seen & 1 or skip(data, at, end) != end:
        return -1
    out[used] = 125
    return used + 1


@inlined
def put_null(out: Bytes, used: int) -> int:
    """Writes `null`."""
    out[used], out[used + 1], out[used + 2], out[used + 3] = 110, 117, 108, 108
    return used + 4

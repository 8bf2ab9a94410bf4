"""One compiled pass over lines: where every field of a layout begins, how long it is, and which lines do not fit.

The kernel is an interpreter of the program of `flow.layout`. A line of a log has about ten fields, so deciding what
comes next costs a few nanoseconds of a few hundred; in return any format string runs at the speed of the bytes.
It never goes back over a line: a line costs at most its length times its literals.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from trackway.flow.layout import (
    ASKED,
    EMPTY,
    FIELD,
    FINAL,
    LAST,
    LISTS,
    LITERAL,
    MAYBE,
    NEAREST,
    OPEN,
    PASSED,
    QUOTED,
    THEN,
    TO_BLANK,
    TO_END,
    Layout,
    States,
)  # fmt: skip
from trackway.flow.spans import Bytes, Ints
from trackway.model.json_text import byte_at
from trackway.model.kernels import kernel, leaf

GOOD, SHAPELESS, TIMELESS, GARBLED = range(4)
"""What a line is: of the layout, not of it, of it but for its time, or no text in its encoding."""


def scan(data: Bytes, starts: Ints, ends: Ints, layout: Layout) -> tuple[Ints, States]:
    """Spans (field, start or length, line; a length of -1 is a null), and GOOD or SHAPELESS for every line."""
    program, pool = layout.program
    spans = np.empty((len(layout.fields), 2, len(starts)), dtype=np.int64)
    state = _scan(data, starts, ends, program, pool, layout.null_byte, spans)
    return spans, state


@kernel
def _scan(  # noqa: PLR0913, PLR0917
    data: Bytes, starts: Ints, ends: Ints, program: Ints, pool: Bytes, null: int, spans: Ints
) -> States:
    state = np.zeros(len(starts), dtype=np.uint8)
    for row in range(len(starts)):
        at = _line(data, starts[row], ends[row], program, pool, null, spans, row)
        if at != ends[row]:
            state[row] = SHAPELESS
            _absent(spans, 0, spans.shape[0], row)
    return state


@leaf
def _absent(spans: Ints, first: int, last: int, row: int) -> None:
    for slot in range(first, last):
        spans[slot, 0, row] = 0
        spans[slot, 1, row] = -1


@leaf
def _line(  # noqa: C901, PLR0912, PLR0913, PLR0917 - the interpreter
    data: Bytes, at: int, end: int, program: Ints, pool: Bytes, null: int, spans: Ints, row: int
) -> int:
    """How far a line is of the layout: its end, or -1."""
    step = 0
    while step < program.shape[0]:
        what, slot = program[step, 0], program[step, 1]
        text, size, flags = program[step, 2], program[step, 3], program[step, 4]
        if what == FIELD:
            close = _closing(data, at, end, pool, text, size) if flags & OPEN else -1
            if close >= 0:
                nothing = close == at + 1 or (close == at + 2 and data[at + 1] == null)
                spans[slot, 0, row] = at + 1
                spans[slot, 1, row] = -1 if nothing else close - at - 1
                at = close + 1 + (size if flags & THEN and close + 1 < end else 0)
                step += 1
                continue
            stop = _field_end(data, at, end, pool, text, size, flags)
            if stop < 0 or (stop == at and not flags & EMPTY):
                return -1
            null_or_none = stop == at or (stop == at + 1 and data[at] == null)
            spans[slot, 0, row] = at
            spans[slot, 1, row] = -1 if null_or_none else stop - at
            at = stop
            if flags & THEN:
                if size > 1 and not _matches(data, at, end, pool, text, size):
                    return -1
                at += size
        elif what == MAYBE:
            if not _matches(data, at, end, pool, text, size):
                _absent(spans, flags >> 32, flags & 0xFFFFFFFF, row)
                step = slot
                continue
        elif what == LITERAL:
            if not _matches(data, at, end, pool, text, size):
                return -1
            at += size
        else:
            before = at
            while at < end and (data[at] == 32 or data[at] == 9):
                at += 1
            if at - before < size:
                return -1
        step += 1
    return at


@leaf
def _field_end(  # noqa: C901, PLR0911, PLR0912, PLR0913, PLR0917 - the ways a field ends
    data: Bytes, at: int, end: int, pool: Bytes, text: int, size: int, flags: int
) -> int:
    """Where the field that begins at `at` ends; -1 when what must follow it does not."""
    if flags & LISTS:
        return _lists(data, at, end)
    if size == TO_END:
        return end
    if size <= TO_BLANK:
        for word in range(-size):
            while word > 0 and at < end and (data[at] == 32 or data[at] == 9):
                at += 1
            while at < end and data[at] != 32 and data[at] != 9:
                at += 1
        return at if at < end or flags & LAST else -1
    if flags & FINAL:
        return end - size if _matches(data, max(at, end - size), end, pool, text, size) else -1
    first = pool[text]
    place = _asked(data, at, end) if flags & ASKED else at
    passed = flags // PASSED
    while True:
        place = byte_at(data, place, end, first)
        if place == end:
            return end if flags & LAST else -1
        if passed > 0:
            passed -= 1
        elif flags & QUOTED:
            if not _escaped(data, at, place):
                return place
        elif flags & NEAREST or _matches(data, place, end, pool, text, size):
            return place
        place += 1


@leaf
def _closing(data: Bytes, at: int, end: int, pool: Bytes, text: int, size: int) -> int:  # noqa: PLR0913, PLR0917
    """The place of the quote that closes the one at `at`: the next before what ends a field, or before the end; -1 when
    the field is in no quotes."""
    if at + 1 >= end or data[at] != 34:
        return -1
    place = at + 1
    while True:
        place = byte_at(data, place, end, 34)
        if place == end:
            return -1
        after = place + 1
        if _escaped(data, at, place):
            place = after
            continue
        if after == end or (size < 0 and (data[after] == 32 or data[after] == 9)):
            return int(np.int64(place))
        if size > 0 and _matches(data, after, end, pool, text, size):
            return int(np.int64(place))
        place = after


@leaf
def _lists(data: Bytes, at: int, end: int) -> int:
    """After a `-`, or after lists such as `[id name="value"]`, whose quoted texts may hold brackets after a backslash;
    -1 when it is neither."""
    if at < end and data[at] == 45:
        return at + 1
    begin = at
    while at < end and data[at] == 91:
        quoted = False
        at += 1
        while at < end and (quoted or data[at] != 93):
            if quoted and data[at] == 92:
                at += 1
            elif data[at] == 34:
                quoted = not quoted
            at += 1
        at += 1
    return at if begin < at <= end else -1


@leaf
def _asked(data: Bytes, at: int, end: int) -> int:
    """Where the protocol of a request without quotes begins, or the beginning when there is none in sight."""
    place = byte_at(data, at, end, 32)
    while place + 6 < end:
        if data[place + 1] == 72 and data[place + 2] == 84 and data[place + 3] == 84 and data[place + 4] == 80:
            return place + 1
        place = byte_at(data, place + 1, end, 32)
    return at


@leaf
def _escaped(data: Bytes, at: int, place: int) -> bool:
    """Whether an odd number of backslashes stands before a place."""
    first, here = uint64(at), uint64(place)
    while here > first and data[here - uint64(1)] == 92:
        here -= uint64(1)
    return bool((uint64(place) - here) & uint64(1))


@leaf
def _matches(data: Bytes, at: int, end: int, pool: Bytes, text: int, size: int) -> bool:  # noqa: PLR0913, PLR0917
    if end - at < size:
        return False
    here, there, stop = uint64(at), uint64(text), uint64(at + size)
    while here < stop:
        if data[here] != pool[there]:
            return False
        here += uint64(1)
        there += uint64(1)
    return True


@kernel
def frames(data: Bytes) -> tuple[Ints, Ints]:
    """Starts and ends of frames, each after its length in digits and a space; the last may be cut.

    What is no frame goes on to the end of its line.
    """
    starts = np.empty(len(data) // 2 + 1, dtype=np.int64)
    ends = np.empty(len(data) // 2 + 1, dtype=np.int64)
    at, count = 0, 0
    while at < len(data):
        place, size = at, 0
        while place < len(data) and place - at < 9 and 48 <= data[place] <= 57:
            size = size * 10 + data[place] - 48
            place += 1
        if place > at and place < len(data) and data[place] == 32:
            starts[count] = min(place + 1, len(data))
            ends[count] = min(place + 1 + size, len(data))
        else:
            starts[count], ends[count] = at, byte_at(data, at, len(data), 10)
        at = ends[count]
        at += at < len(data) and data[at] == 10
        count += ends[count] > starts[count]
    return starts[:count].copy(), ends[:count].copy()

"""Rows of a table in text, and their fields: found by compiled passes that know quotes, escapes and comments.

A field in quotes may hold newlines, and so may one in which a newline is escaped; a row of several lines counts as
one only when it has as many fields as the header, so that a stray quote costs one row and not the rest of the file.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from trackway.flow.records import Cutter, Found
from trackway.flow.sheet import Style
from trackway.flow.spans import Bytes, Ints, as_array
from trackway.model.kernels import kernel, leaf

Marks = tuple[int, int, int, int]
"""A `Style` as the kernels take it."""
NONE = np.zeros(0, dtype=np.int64)


class Rows(Cutter):
    """Records are the rows of a table; what stands before it, and its header, are none."""

    def __init__(self, limit: int, headers: Mapping[str, str]) -> None:
        """`headers` as `flow.sheet.look` found them."""
        super().__init__(limit)
        self._marks = marks(Style.of(headers))
        self._fields = int(headers["fields"])
        self._before = int(headers.get("skip", 0))
        self._headless = headers.get("heading", "1") == "1"

    def find(self, data: bytes, *, final: bool) -> Found:
        """Whole rows."""
        first = self._preamble(data, final=final)
        if self._before:
            return Found(NONE, NONE, first)
        starts, ends, used = row_spans(as_array(data)[first:], self._marks, self._fields, self.limit, final)
        if self._headless and len(starts):
            self._headless = False
            starts, ends = starts[1:], ends[1:]
        return Found(starts + first, ends + first, used + first)

    def _preamble(self, data: bytes, *, final: bool) -> int:
        """How much of the data stands before the table."""
        at = 0
        while self._before and (end := data.find(b"\n", at)) >= 0:
            at, self._before = end + 1, self._before - 1
        if self._before and final:
            at, self._before = len(data), 0
        return at


def marks(style: Style) -> Marks:
    """A style as the kernels take it."""
    return style.delimiter, style.quote, style.escape, style.comment


def body_rows(data: Bytes, headers: Mapping[str, str], limit: int) -> tuple[Ints, Ints]:
    """The rows of a body that begins with `skip` lines and, when `heading` says so, the names of the columns."""
    first = 0
    for _ in range(int(headers.get("skip", 0))):
        first = line_end(data, first) + 1
    first = min(first, len(data))
    starts, ends, _ = row_spans(data[first:], marks(Style.of(headers)), int(headers["fields"]), limit, True)
    headed = int(headers.get("heading", 0))
    return starts[headed:] + first, ends[headed:] + first


@leaf
def line_end(data: Bytes, at: int) -> int:
    """The place of the next newline, or the end."""
    while at < len(data) and data[at] != 10:
        at += 1
    return at


@kernel
def row_spans(data: Bytes, style: Marks, fields: int, limit: int, final: bool) -> tuple[Ints, Ints, int]:
    """Starts and ends of rows (blank lines and comments left out), and how much of the data they take up."""
    starts = np.empty(len(data) // 2 + 2, dtype=np.int64)
    ends = np.empty(len(data) // 2 + 2, dtype=np.int64)
    rows, start = 0, 0
    while start < len(data):
        if data[start] == style[3]:
            end = line_end(data, start)
            if end == len(data) and not final:
                break
            start = end + 1
            continue
        end, line = _row(data, start, style, fields, limit, final)
        if end < 0:
            if not final and (line < 0 or len(data) - start <= limit):
                break
            end = line if line >= 0 else len(data)
        stop = end
        if stop > start and data[stop - 1] == 13:
            stop -= 1
        if stop > start:
            starts[rows], ends[rows] = start, stop
            rows += 1
        start = end + 1
    return starts[:rows].copy(), ends[:rows].copy(), min(start, len(data))


@leaf
def _row(  # noqa: C901, PLR0913, PLR0917 - one state machine
    data: Bytes, start: int, style: Marks, fields: int, limit: int, final: bool
) -> tuple[int, int]:
    """The end of the row (-1: not in sight) and, if it goes over several lines, the end of the first (else -1)."""
    at, line, count = start, -1, 1
    size, most = len(data), start + limit
    delimiter, quote, escape, _ = style
    while True:
        if at < size and data[at] == quote:
            at, line = _within(data, at + 1, most, quote, escape, line)
            if at >= size or (line >= 0 and at > most):
                return -1, line
            at += 1
            if line >= 0 and at < size and data[at] not in (delimiter, 10, 13):
                return line, line
        while at < size and data[at] != delimiter and data[at] != 10:
            if data[at] == escape:
                at += 1
                if at < size and data[at] == 10 and line < 0:
                    line = at
            at += 1
        if at >= size or data[at] == 10:
            break
        count += 1
        at += 1
    if line >= 0 and at > most:
        return -1, line
    if at >= size and not final:
        return -1, line
    if line >= 0 and count != fields:
        return line, line
    return min(at, size), line


@leaf
def _within(data: Bytes, at: int, most: int, quote: int, escape: int, line: int) -> tuple[int, int]:  # noqa: PLR0913, PLR0917
    """The place of the closing quote, and the end of the first line of its row when that was passed."""
    while at < len(data):
        if data[at] == escape:
            at += 1
        elif data[at] == quote:
            if at + 1 >= len(data) or data[at + 1] != quote:
                break
            at += 1
        if at < len(data) and data[at] == 10 and line < 0:
            line = at
        if line >= 0 and at > most:
            break
        at += 1
    return at, line


@kernel
def split(  # noqa: PLR0913, PLR0917
    data: Bytes, starts: Ints, ends: Ints, style: Marks, spans: Ints, counts: Ints
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Fills the span of every field (length -1: empty) and the number of fields of every row (-1: a stray quote).

    Returns which fields hold something escaped or a quote written twice, and which stand in quotes.
    """
    width = spans.shape[0]
    odd = np.zeros((width, len(starts)), dtype=np.bool_)
    quoted = np.zeros((width, len(starts)), dtype=np.bool_)
    delimiter, quote, escape, _ = style
    for row in range(len(starts)):
        at, end, count = starts[row], ends[row], 0
        spans[:, 1, row] = -1
        while True:
            begin, within, special = at, False, False
            if at < end and data[at] == quote:
                within = True
                at, special = _closing(data, at + 1, end, quote, escape)
            stop = at
            while at < end and data[at] != delimiter:
                if data[at] == escape:
                    special = True
                    at += 1
                at += 1
            at = min(at, end)
            if within and at != stop + 1:
                count = -1
                break
            if count < width:
                begin += within
                stop = stop if within else at
                spans[count, 0, row] = begin
                spans[count, 1, row] = stop - begin if stop > begin else -1
                odd[count, row], quoted[count, row] = special, within
            count += 1
            if at >= end:
                break
            at += 1
        counts[row] = count
    return odd, quoted


@leaf
def _closing(data: Bytes, at: int, end: int, quote: int, escape: int) -> tuple[int, bool]:
    """The place of the closing quote (the end when there is none), and whether something before it is escaped."""
    special = False
    while at < end:
        if data[at] == escape:
            special = True
            at += 1
        elif data[at] == quote:
            if at + 1 < end and data[at + 1] == quote:
                special = True
                at += 1
            else:
                break
        at += 1
    return min(at, end), special

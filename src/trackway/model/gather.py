"""Cells of one column gathered into the buffers of an Arrow array: texts unescaped, numbers and times parsed.

Compiled and exact: a number or time of the usual form is read here, to the last bit as Python reads it;
any other is reported back to be read by Python.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from trackway.model.cells import TEXT_ESCAPED, Cells
from trackway.model.json_text import Bytes, Ints, hex4
from trackway.model.kernels import inlined, kernel, leaf
from trackway.model.wide import WIDE, copy_wide

Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int32] | Ints
Offsets = npt.NDArray[np.int32]
MICROS_A_DAY = 86_400_000_000
ABSENT = np.iinfo(np.int64).min
"""A time that was not read."""
NEAR = 1 << 18
"""Bytes that stay in the nearer caches of a core."""
POWERS = 10.0 ** np.arange(23)
DAYS_BEFORE = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334], dtype=np.int64)


def text_column(  # noqa: PLR0913, PLR0917
    data: Bytes, side: Bytes, start: Ints, end: Ints, escaped: Bools, row: Rows, rows: int
) -> pa.Array:
    """A text column of `rows` rows from cells with ascending rows; rows without a cell are null."""
    size = int(np.where(start < 0, end + 1 + start, end - start).sum())
    offsets = np.empty(rows + 1, dtype=np.int32)
    out = np.empty(size + WIDE, dtype=np.uint8)
    used = copy_texts(data, side, start, end, escaped, row, offsets, out)
    valid, nulls = _validity(row, rows)
    return pa.Array.from_buffers(
        pa.string(), rows, [valid, pa.py_buffer(offsets), pa.py_buffer(out[:used])], null_count=nulls
    )


def text_columns(cells: Cells, firsts: Ints, lasts: Ints, sizes: Ints) -> list[pa.Array]:
    """Text columns of the cells from each of `firsts` to each of `lasts`, which hold so many bytes."""
    bases = np.concatenate(([0], np.cumsum(sizes + WIDE)))
    offsets = np.empty((len(firsts), cells.rows + 1), dtype=np.int32)
    out = np.empty(int(bases[-1]), dtype=np.uint8)
    chunk = max(16, cells.rows * NEAR // max(len(cells.data), 1))
    used = np.zeros(len(firsts), dtype=np.int64)
    escaped = cells.type == TEXT_ESCAPED
    copy_columns(
        cells.data, cells.side, cells.start, cells.end, escaped, cells.row, (firsts.copy(), lasts), chunk, offsets,
        (bases, used), out,
    )  # fmt: skip
    made = []
    for column, (first, last) in enumerate(zip(firsts.tolist(), lasts.tolist(), strict=True)):
        valid, nulls = _validity(cells.row[first:last], cells.rows)
        text = out[bases[column] : bases[column] + used[column]]
        buffers = [valid, pa.py_buffer(offsets[column]), pa.py_buffer(text)]
        made.append(pa.Array.from_buffers(pa.string(), cells.rows, buffers, null_count=nulls))
    return made


def binary_column(data: Bytes, start: Ints, end: Ints) -> pa.Array:
    """The bytes from `start` to `end` of every row."""
    offsets = np.empty(len(start) + 1, dtype=np.int32)
    size = int((end - start).sum())
    out = np.empty(size + WIDE, dtype=np.uint8)
    plain = np.zeros(len(start), dtype=np.bool_)
    copy_texts(data, data[:0], start, end, plain, np.arange(len(start)), offsets, out)
    return pa.Array.from_buffers(pa.binary(), len(start), [None, pa.py_buffer(offsets), pa.py_buffer(out[:size])])


def value_column(values: npt.NDArray[np.generic], row: Rows, rows: int, arrow: pa.DataType) -> pa.Array:
    """A column of fixed width: the values at their rows, the others null."""
    full = np.zeros(rows, dtype=values.dtype)
    full[row] = values
    valid, nulls = _validity(row, rows)
    if pa.types.is_boolean(arrow):
        full = np.packbits(full.astype(np.bool_), bitorder="little")
    return pa.Array.from_buffers(arrow, rows, [valid, pa.py_buffer(full)], null_count=nulls)


def _validity(row: Rows, rows: int) -> tuple[pa.Buffer | None, int]:
    if len(row) == rows:
        return None, 0
    valid = np.zeros(rows, dtype=np.bool_)
    valid[row] = True
    return pa.py_buffer(np.packbits(valid, bitorder="little")), rows - len(row)


@leaf
def copy_texts(  # noqa: PLR0913, PLR0917
    data: Bytes, side: Bytes, start: Ints, end: Ints, escaped: Bools, row: Rows, offsets: Offsets, out: Bytes
) -> int:
    """Fills offsets and bytes of a text column; returns how many bytes. `out` has room for WIDE more."""
    used = 0
    filled = 0
    for cell in range(len(start)):
        while filled <= row[cell]:
            offsets[filled] = used
            filled += 1
        if start[cell] < 0:
            used = copy_text(side, -1 - start[cell], end[cell], escaped[cell], out, used)
        else:
            used = copy_text(data, start[cell], end[cell], escaped[cell], out, used)
    while filled < len(offsets):
        offsets[filled] = used
        filled += 1
    return used


@leaf
def copy_columns(  # noqa: PLR0913, PLR0917
    data: Bytes, side: Bytes, start: Ints, end: Ints, escaped: Bools, row: Rows, spans: tuple[Ints, Ints], chunk: int,
    offsets: Offsets, places: tuple[Ints, Ints], out: Bytes,
) -> None:  # fmt: skip
    """Fills offsets and bytes of several text columns, `chunk` rows of all of them at a time: values of one row lie
    near each other. The places of the next cells move on, and those of the next bytes.
    """
    cells, lasts = spans
    bases, used = places
    rows = offsets.shape[1] - 1
    for begin in range(0, rows, chunk):
        stop = min(begin + chunk, rows)
        for column in range(len(cells)):
            cell, to, filled = cells[column], bases[column] + used[column], begin
            while cell < lasts[column] and row[cell] < stop:
                while filled <= row[cell]:
                    offsets[column, filled] = to - bases[column]
                    filled += 1
                if start[cell] < 0:
                    to = copy_text(side, -1 - start[cell], end[cell], escaped[cell], out, to)
                else:
                    to = copy_text(data, start[cell], end[cell], escaped[cell], out, to)
                cell += 1
            while filled <= stop:
                offsets[column, filled] = to - bases[column]
                filled += 1
            cells[column], used[column] = cell, to - bases[column]


@inlined
def copy_text(data: Bytes, at: int, end: int, escaped: bool, out: Bytes, used: int) -> int:  # noqa: PLR0913, PLR0917
    """Writes a text to `out`; returns where the next one goes."""
    if escaped:
        return unescape(data, at, end, out, used)
    if end + WIDE > len(data):
        for place in range(at, end):
            out[used + place - at] = data[place]
    else:
        for place in range(at, end, WIDE):
            copy_wide(data, place, out, used + place - at)
    return used + end - at


@leaf
def unescape(data: Bytes, at: int, end: int, out: Bytes, used: int) -> int:
    """Writes a JSON text without its escapes to `out`; returns where the next one goes."""
    while at < end:
        byte = data[at]
        if byte != 92:
            out[used] = byte
            at, used = at + 1, used + 1
            continue
        byte = data[at + 1]
        if byte == 117:
            code = hex4(data, at + 2)
            at += 6
            if 0xD800 <= code <= 0xDBFF:
                code = 0x10000 + ((code - 0xD800) << 10) + hex4(data, at + 2) - 0xDC00
                at += 6
            used = encode(code, out, used)
        else:
            plain = 8 if byte == 98 else 12 if byte == 102 else 10 if byte == 110 else 13 if byte == 114 else byte
            out[used] = 9 if byte == 116 else plain
            at, used = at + 2, used + 1
    return used


@inlined
def encode(code: int, out: Bytes, used: int) -> int:
    """Writes one character as UTF-8."""
    if code < 0x80:
        out[used] = code
        return used + 1
    if code < 0x800:
        out[used] = 0xC0 | (code >> 6)
        used += 1
    else:
        if code < 0x10000:
            out[used] = 0xE0 | (code >> 12)
        else:
            out[used] = 0xF0 | (code >> 18)
            used += 1
            out[used] = 0x80 | ((code >> 12) & 0x3F)
        used += 1
        out[used] = 0x80 | ((code >> 6) & 0x3F)
        used += 1
    out[used] = 0x80 | (code & 0x3F)
    return used + 1


@inlined
def number_at(data: Bytes, at: int, end: int) -> tuple[float, bool]:
    """A number as a double, and whether it could not be read exactly here.

    Up to 15 digits and a power of ten up to 22 are both exact doubles, so one division rounds correctly; so is a whole
    number up to 2**53.
    """
    negative = data[at] == 45
    at += 1 if negative else 0
    digits, shift, number, point = 0, 0, 0, False
    while at < end:
        byte = data[at]
        if byte == 46:
            point = True
        elif 48 <= byte <= 57 and digits < 16:
            number = number * 10 + byte - 48
            digits += 1 if number > 0 else 0
            shift += 1 if point else 0
        else:
            digits = 99
            break
        at += 1
    exact = digits <= 15 or (digits == 16 and shift == 0 and number <= 2**53)
    value = number / POWERS[min(shift, 22)]
    return (-value if negative else value), not exact or shift > 22


@kernel
def parse_numbers(data: Bytes, side: Bytes, start: Ints, end: Ints) -> tuple[npt.NDArray[np.float64], Bools]:
    """Numbers as doubles, and which ones could not be read exactly here (too many digits, an exponent)."""
    values = np.empty(len(start), dtype=np.float64)
    left = np.zeros(len(start), dtype=np.bool_)
    for cell in range(len(start)):
        if start[cell] < 0:
            values[cell], left[cell] = number_at(side, -1 - start[cell], end[cell])
        else:
            values[cell], left[cell] = number_at(data, start[cell], end[cell])
    return values, left


@inlined
def two_digits(data: Bytes, at: int) -> int:
    """The number of two digits, -1 when they are none."""
    high, low = data[at], data[at + 1]
    return (high - 48) * 10 + low - 48 if 48 <= high <= 57 and 48 <= low <= 57 else -1


@leaf
def day_number(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a date of the Gregorian calendar; ABSENT when there is none."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if month < 1 or month > 12 or day < 1 or year < 1:
        return ABSENT
    length = 31 if month in (1, 3, 5, 7, 8, 10, 12) else 30 if month != 2 else 29 if leap else 28
    if day > length:
        return ABSENT
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - 719162
    return int(days + DAYS_BEFORE[month - 1] + (1 if leap and month > 2 else 0) + day - 1)


@leaf
def parse_time(data: Bytes, at: int, end: int) -> int:
    """Microseconds since 1970 UTC of `YYYY-MM-DDThh:mm:ss[.f][Z|±hh[:mm]]`; ABSENT for any other form."""
    if end - at < 19 or data[at + 4] != 45 or data[at + 7] != 45 or data[at + 13] != 58 or data[at + 16] != 58:
        return ABSENT
    if data[at + 10] != 84 and data[at + 10] != 32:
        return ABSENT
    century, year, month = two_digits(data, at), two_digits(data, at + 2), two_digits(data, at + 5)
    day, hour = two_digits(data, at + 8), two_digits(data, at + 11)
    minute, second = two_digits(data, at + 14), two_digits(data, at + 17)
    if century < 0 or year < 0 or not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return ABSENT
    days = day_number(century * 100 + year, month, day)
    if days == ABSENT:
        return ABSENT
    micros = days * MICROS_A_DAY + (hour * 3600 + minute * 60 + second) * 1_000_000
    at += 19
    if at < end and data[at] == 46:
        at, unit = at + 1, 100_000
        if at >= end or not 48 <= data[at] <= 57:
            return ABSENT
        while at < end and 48 <= data[at] <= 57:
            micros += (data[at] - 48) * unit
            at, unit = at + 1, unit // 10
    shift = offset_micros(data, at, end)
    return ABSENT if shift == ABSENT else micros - shift


@leaf
def offset_micros(data: Bytes, at: int, end: int) -> int:
    """Microseconds ahead of UTC of what is left of a time: nothing, `Z`, `±hh`, `±hhmm` or `±hh:mm`."""
    left = end - at
    if left == 0 or (left == 1 and data[at] == 90):
        return 0
    if left not in (3, 5, 6) or (data[at] != 43 and data[at] != 45) or (left == 6 and data[at + 3] != 58):
        return ABSENT
    hours = two_digits(data, at + 1)
    minutes = 0 if left == 3 else two_digits(data, end - 2)
    if not (0 <= hours < 24 and 0 <= minutes < 60):
        return ABSENT
    micros = (hours * 3600 + minutes * 60) * 1_000_000
    return int(micros) if data[at] == 43 else -int(micros)


@inlined
def epoch_at(data: Bytes, at: int, end: int) -> int:
    """The number of 9 to 15 digits and nothing else; -1 of any other text."""
    number = 0 if 9 <= end - at <= 15 else -1
    while number >= 0 and at < end:
        number = number * 10 + data[at] - 48 if 48 <= data[at] <= 57 else -1
        at += 1
    return number


@kernel
def parse_epochs(data: Bytes, side: Bytes, start: Ints, end: Ints) -> npt.NDArray[np.float64]:
    """Numbers of texts that are 9 to 15 digits and nothing else; -1 for any other."""
    found = np.empty(len(start))
    for cell in range(len(start)):
        if start[cell] < 0:
            found[cell] = epoch_at(side, -1 - start[cell], end[cell])
        else:
            found[cell] = epoch_at(data, start[cell], end[cell])
    return found


@kernel
def parse_times(data: Bytes, side: Bytes, start: Ints, end: Ints) -> Ints:
    """Microseconds since 1970 UTC of texts; ABSENT for those that must be read otherwise."""
    micros = np.empty(len(start), dtype=np.int64)
    for cell in range(len(start)):
        if start[cell] < 0:
            micros[cell] = parse_time(side, -1 - start[cell], end[cell])
        else:
            micros[cell] = parse_time(data, start[cell], end[cell])
    return micros

"""Times written in any one format, read from spans of bytes: a format is compiled to a few steps for one kernel.

Formats are written with the letters of strftime. Two things are more forgiving than there: `%f` is a fraction with
its point or comma, or nothing, and `%z` is `Z`, `+02`, `+0200`, `+02:00`, or nothing. A time may lie in several
fields, a date here and an hour there; each gives its part and they are added up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import uint64
from numpy.typing import NDArray

from trackway.flow.layout import CLF, FormatError
from trackway.flow.spans import Bytes, Ints, text_spans
from trackway.flow.times import read_times
from trackway.model.gather import ABSENT, MICROS_A_DAY, day_number
from trackway.model.kernels import kernel, leaf

YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, FRACTION, OFFSET, TOLD, HALF = range(10)
"""Parts of a time as they are read; those from month to second are two digits each."""
BYTE, YEAR_2, MONTH_NAME, DAY_PADDED, DIGITS, ZONE, ZONE_NAME, WEEKDAY, HOUR_12 = range(10, 19)
EPOCH, EPOCH_MILLIS, EPOCH_MICROS, MONTH_SHORT = range(19, 23)
PARTS = 10
LETTERS: Mapping[str, tuple[int, ...]] = {
    "Y": (YEAR,), "y": (YEAR_2,), "m": (MONTH,), "b": (MONTH_SHORT,), "B": (MONTH_NAME,), "h": (MONTH_SHORT,),
    "d": (DAY,), "e": (DAY_PADDED,), "H": (HOUR,), "k": (HOUR,), "M": (MINUTE,), "S": (SECOND,), "f": (FRACTION,),
    "L": (DIGITS,), "N": (DIGITS,), "z": (ZONE,), "Z": (ZONE_NAME,), "a": (WEEKDAY,), "A": (WEEKDAY,), "I": (HOUR_12,),
    "l": (HOUR_12,), "p": (HALF,), "s": (EPOCH,), "Q": (EPOCH_MILLIS,), "q": (EPOCH_MICROS,), "%": (BYTE,),
}  # fmt: skip
"""`%L` and `%N` are the digits of a fraction without its point; `%Q` and `%q` epochs in milli- and microseconds."""
SHORT = {
    "T": "%H:%M:%S",
    "F": "%Y-%m-%d",
    "D": "%m/%d/%y",
    "R": "%H:%M",
    "c": "%a %b %e %H:%M:%S %Y",
    "r": "%I:%M:%S %p",
}
MONTHS = np.array(
    [[ord(letter) for letter in name] for name in "jan feb mar apr may jun jul aug sep oct nov dec".split()]  # noqa: SIM905
)
MONTH_OF = np.ones(512, dtype=np.int64)
for _number, _name in enumerate(MONTHS.tolist()):
    MONTH_OF[[_name[1] + _name[2], _name[1] + _name[2] - 64]] = _number + 1
"""The month of the sum of the second and third letter of its name, in small letters or in capitals: all differ."""
DATED, ZONED, YEARLESS = 1, 2, 4
"""What a format holds: a date, a zone or an epoch, a date without its year."""


@cache
def compiled(format_: str) -> tuple[Ints, int]:
    """The steps of a format (a piece of a time, and the byte after it or -1), and what it holds.

    Raises FormatError for a letter that has no meaning."""
    steps: list[list[int]] = []
    text = format_
    for letter, long in SHORT.items():
        text = text.replace(f"%{letter}", long)
    at = 0
    while at < len(text):
        if text[at] != "%" or text[at + 1 : at + 2] == "%":
            for byte in text[at].encode():
                if steps and steps[-1][1] < 0:
                    steps[-1][1] = byte
                else:
                    steps.append([BYTE, byte])
            at += 1 + (text[at] == "%")
            continue
        letter = text[at + 1 : at + 2]
        if letter not in LETTERS:
            raise FormatError(f"unknown '%{letter}' in the time format '{format_}'")
        steps.append([LETTERS[letter][0], -1])
        at += 2
    kinds = {step for step, _ in steps}
    year = bool(kinds & {YEAR, YEAR_2})
    holds = DATED * bool(kinds & {MONTH, MONTH_NAME, MONTH_SHORT}) + ZONED * bool(
        kinds & {EPOCH, EPOCH_MILLIS, EPOCH_MICROS}
    )
    return np.array(steps, dtype=np.int64).reshape(-1, 2), holds + YEARLESS * bool(holds & DATED and not year)


def moments(data: Bytes, spans: Ints, format_: str, received: int) -> tuple[Ints, NDArray[np.bool_]]:
    """Microseconds since 1970 of every span (ABSENT when it is no such time), and whether a zone was told.

    A date without its year is the latest one that is not more than a day after `received`.
    """
    (starts, lengths), (steps, holds) = spans, compiled(format_)
    zoned = np.full(len(starts), bool(holds & ZONED))
    year = _year(received) if holds & YEARLESS else 0
    return _moments(data, starts, lengths, steps, year, received + MICROS_A_DAY, zoned, format_ == CLF), zoned


def _year(micros: int) -> int:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=max(micros, 0))).year


def as_utc(micros: Ints, local: NDArray[np.bool_], zone: str) -> Ints:
    """The times with those that are `local` moved from the wall clock of a zone to UTC.

    Of an hour that comes twice the first is meant; one that does not exist is read as if the clock had not moved yet.
    """
    if zone == "UTC" or not local.any():
        return micros
    quarter = 15 * 60 * 1_000_000
    places = np.flatnonzero(local & (micros != ABSENT))
    steps, which = np.unique(micros[places] // quarter, return_inverse=True)
    clock, start = ZoneInfo(zone), datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock
    last = (datetime(9999, 12, 30) - start) // timedelta(microseconds=quarter)  # noqa: DTZ001
    ahead = [
        (
            (start + timedelta(microseconds=min(max(step, 0), last) * quarter)).replace(tzinfo=clock).utcoffset()
            or timedelta()
        )
        // timedelta(microseconds=1)
        for step in steps.tolist()
    ]
    moved = micros.copy()
    moved[places] -= np.array(ahead, dtype=np.int64)[which]
    return moved


def times_of(texts: pa.Array, formats: Sequence[str]) -> pa.Array:
    """The instants of texts in one of some formats, in UTC when they tell no zone; others are read by `flow.times`."""
    data, spans = text_spans(texts)
    micros = np.full(len(texts), ABSENT, dtype=np.int64)
    for format_ in formats:
        left = np.flatnonzero((micros == ABSENT) & (spans[1] > 0))
        if len(left):
            micros[left] = moments(data, spans[:, left], format_, 0)[0]
    known = micros != ABSENT
    times = pa.array(np.where(known, micros, 0), mask=~known).cast(pa.timestamp("us", "UTC"))
    rest = (~known) & (spans[1] > 0)
    if not rest.any():
        return times
    others = read_times(pa.chunked_array([texts.filter(pa.array(rest))])).combine_chunks()
    return pc.replace_with_mask(times, pa.array(rest), others)


@kernel
def _moments(  # noqa: PLR0913, PLR0917
    data: Bytes, starts: Ints, lengths: Ints, steps: Ints, year: int, latest: int, zoned: NDArray[np.bool_], clf: bool
) -> Ints:
    found = np.empty(len(starts), dtype=np.int64)
    parts = np.zeros(PARTS, dtype=np.int64)
    for row in range(len(starts)):
        if row > 0 and _same(data, starts, lengths, row):
            found[row], zoned[row] = found[row - 1], zoned[row - 1]
            continue
        found[row] = _clf(data, starts[row]) if clf and lengths[row] == 26 else ABSENT
        if found[row] != ABSENT:
            zoned[row] = True
        elif lengths[row] > 0 and _read(data, starts[row], starts[row] + lengths[row], steps, parts):
            zoned[row] |= parts[TOLD] != 0
            found[row] = _sum(parts, year, latest)
    return found


@leaf
def _clf(data: Bytes, start: int) -> int:
    """A time of access logs in its 26 bytes, as nearly all are written; ABSENT for one to be read step by step."""
    at = uint64(start)
    if data[at + uint64(2)] != 47 or data[at + uint64(6)] != 47 or data[at + uint64(11)] != 58:
        return ABSENT
    if data[at + uint64(14)] != 58 or data[at + uint64(17)] != 58 or data[at + uint64(20)] != 32:
        return ABSENT
    letter = data[at + uint64(4)] + data[at + uint64(5)]
    month = MONTH_OF[letter]
    for place in range(3):
        if data[at + uint64(3 + place)] | 32 != MONTHS[month - 1, place]:
            return ABSENT
    sign = data[at + uint64(21)]
    day, century, year = _pair(data, at), _pair(data, at + uint64(7)), _pair(data, at + uint64(9))
    hour, minute, second = _pair(data, at + uint64(12)), _pair(data, at + uint64(15)), _pair(data, at + uint64(18))
    hours, minutes = _pair(data, at + uint64(22)), _pair(data, at + uint64(24))
    if min(day, century, year, hour, minute, second, hours, minutes) < 0 or sign not in (43, 45):
        return ABSENT
    if hour > 23 or minute > 59 or second > 60 or hours > 23 or minutes > 59:
        return ABSENT
    days = day_number(century * 100 + year, month, day)
    ahead = hours * 60 + minutes
    minute += hour * 60 - (ahead if sign == 43 else -ahead)
    return ABSENT if days == ABSENT else days * MICROS_A_DAY + (minute * 60 + second) * 1_000_000


@leaf
def _pair(data: Bytes, at: int) -> int:
    """The number of two digits, -1 when they are none."""
    high, low = data[at] - 48, data[at + uint64(1)] - 48
    return high * 10 + low if 0 <= high <= 9 and 0 <= low <= 9 else -1


@leaf
def _same(data: Bytes, starts: Ints, lengths: Ints, row: int) -> bool:
    """Whether a time is written as the one before it: many lines of a second say the same."""
    if lengths[row] != lengths[row - 1] or lengths[row] <= 0:
        return False
    here, there, stop = uint64(starts[row]), uint64(starts[row - 1]), uint64(starts[row] + lengths[row])
    while here < stop:
        if data[here] != data[there]:
            return False
        here += uint64(1)
        there += uint64(1)
    return True


@leaf
def _read(data: Bytes, at: int, end: int, steps: Ints, parts: Ints) -> bool:
    """Fills the parts of a time; a year of -1 and a month of 0 are none."""
    parts[:] = 0
    parts[YEAR], parts[DAY] = -1, 1
    for step in range(steps.shape[0]):
        what = steps[step, 0]
        if MONTH <= what <= SECOND:
            value = _digits(data, at, 2, end)
            if value < 0:
                return False
            parts[what] = value
            at += 2
        elif what == YEAR:
            parts[YEAR] = _digits(data, at, 4, end)
            if parts[YEAR] < 1:
                return False
            at += 4
        elif what != BYTE:
            at = _rarer(data, at, end, parts, what)
            if at < 0:
                return False
        if steps[step, 1] >= 0:
            if at >= end or data[uint64(at)] != steps[step, 1]:
                return False
            at += 1
    return at == end and parts[HOUR] < 24 and parts[MINUTE] < 60 and parts[SECOND] <= 60


@leaf
def _rarer(data: Bytes, at: int, end: int, parts: Ints, what: int) -> int:  # noqa: PLR0911 - one a letter
    """After any other piece of a time; -1 when it is not there."""
    if what in (MONTH_NAME, MONTH_SHORT):
        return _month(data, at, end, parts, what == MONTH_NAME)
    if what in (FRACTION, DIGITS):
        return _fraction(data, at, end, parts, what == FRACTION)
    if what == ZONE:
        return _zone(data, at, end, parts)
    if what in (WEEKDAY, ZONE_NAME):
        return _letters(data, at, end, parts, what == ZONE_NAME)
    if what == HALF:
        return _half(data, at, end, parts)
    if what in (EPOCH, EPOCH_MILLIS, EPOCH_MICROS):
        return _epoch(data, at, end, parts, what)
    at += at < end and data[at] == 32
    value = _digits(data, at, 2, end)
    size = 2
    if value < 0 and what != YEAR_2:
        value, size = _digits(data, at, 1, end), 1
    if what == YEAR_2:
        parts[YEAR] = value + (2000 if value < 69 else 1900)
    elif what == DAY_PADDED:
        parts[DAY] = value
    else:
        parts[HOUR] = value % 12 + parts[HALF]
    return at + size if value >= 0 else -1


@leaf
def _digits(data: Bytes, at: int, count: int, end: int) -> int:
    """The number these digits make; -1 when one is no digit."""
    if at + count > end:
        return -1
    value = 0
    for place in range(uint64(at), uint64(at + count)):
        digit = data[place] - 48
        if not 0 <= digit <= 9:
            return -1
        value = value * 10 + digit
    return value


@leaf
def _month(data: Bytes, at: int, end: int, parts: Ints, whole: bool) -> int:
    """After the name of a month, three letters or `whole`; -1 when it is none."""
    if at + 3 > end:
        return -1
    month = 0
    for number in range(12):
        same = True
        for letter in range(3):
            same = same and (data[at + letter] | 32) == MONTHS[number, letter]
        month = number + 1 if same else month
    parts[MONTH] = month
    at += 3
    while whole and at < end and 97 <= data[at] <= 122:
        at += 1
    return at if month else -1


@leaf
def _fraction(data: Bytes, at: int, end: int, parts: Ints, pointed: bool) -> int:
    """After a fraction of a second; with `pointed` it begins with a point or a comma, or is missing."""
    if pointed:
        if at >= end or data[at] not in (44, 46):
            return at
        at += 1
    first, unit = at, 100_000
    while at < end and 48 <= data[at] <= 57:
        parts[FRACTION] += (data[at] - 48) * unit
        at, unit = at + 1, unit // 10
    return at if at > first else -1


@leaf
def _zone(data: Bytes, at: int, end: int, parts: Ints) -> int:
    """After an offset, if there is one."""
    if at >= end:
        return at
    if data[at] == 90:
        parts[TOLD] = 1
        return at + 1
    if data[at] not in (43, 45):
        return at
    hours, minutes, size = _digits(data, at + 1, 2, end), 0, 3
    if at + 3 < end and data[at + 3] == 58:
        minutes, size = _digits(data, at + 4, 2, end), 6
    elif at + 3 < end and 48 <= data[at + 3] <= 57:
        minutes, size = _digits(data, at + 3, 2, end), 5
    if not (0 <= hours < 24 and 0 <= minutes < 60):
        return -1
    ahead = (hours * 60 + minutes) * 60_000_000
    parts[OFFSET] = ahead if data[at] == 43 else -ahead
    parts[TOLD] = 1
    return at + size


@leaf
def _letters(data: Bytes, at: int, end: int, parts: Ints, zone: bool) -> int:
    """After a word: the day of the week, or the name of a zone (UTC and GMT tell the zone, others are not known)."""
    first = at
    while at < end and (65 <= data[at] <= 90 or 97 <= data[at] <= 122):
        at += 1
    if zone and at - first == 3 and data[at - 1] | 32 in (99, 116) and data[first] | 32 in (117, 103):
        parts[TOLD] = 1
    return at if at > first else -1


@leaf
def _half(data: Bytes, at: int, end: int, parts: Ints) -> int:
    """After `AM` or `PM`."""
    if at + 2 > end or data[at] | 32 not in (97, 112) or data[at + 1] | 32 != 109:
        return -1
    if data[at] | 32 == 112:
        parts[HOUR] += 12
        parts[HALF] = 12
    return at + 2


@leaf
def _epoch(data: Bytes, at: int, end: int, parts: Ints, what: int) -> int:
    """After a count of seconds (or less) since 1970."""
    first, value = at, 0
    while at < end and 48 <= data[at] <= 57 and at - first < 16:
        value = value * 10 + (data[at] - 48)
        at += 1
    unit = 1_000_000 if what == EPOCH else 1_000 if what == EPOCH_MILLIS else 1
    if at == first or value > 253_402_300_799_999_999 // unit:
        return -1
    parts[FRACTION] += value * unit
    return at


@leaf
def _sum(parts: Ints, year: int, latest: int) -> int:
    """Microseconds of what was read; ABSENT for a day that does not exist."""
    micros = ((parts[HOUR] * 60 + parts[MINUTE]) * 60 + parts[SECOND]) * 1_000_000 + parts[FRACTION] - parts[OFFSET]
    if parts[MONTH] == 0:
        return int(micros)
    if parts[YEAR] >= 0:
        days = day_number(parts[YEAR], parts[MONTH], parts[DAY])
        return ABSENT if days == ABSENT else int(days * MICROS_A_DAY + micros)
    for back in range(9):
        days = day_number(year - back, parts[MONTH], parts[DAY])
        if days != ABSENT and days * MICROS_A_DAY + micros <= latest:
            return int(days * MICROS_A_DAY + micros)
    return ABSENT

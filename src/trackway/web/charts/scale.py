"""Round numbers for axes, and words for numbers, shares, lengths of time and instants."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

TINY = 1e-300
"""A number as good as zero."""
LOPSIDED = 1.6
"""How much longer one side of an interval may be for it to be said as ±."""
ONE_EVENT = re.compile(r"^\s*event\s*=\s*'((?:[^']|'')+)'\s*$")


def ticks(top: float, most: int = 5) -> list[float]:
    """Round numbers from 0 to at least `top`, at most `most` steps.

    >>> ticks(87)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    """
    if not TINY < top < math.inf:
        return [0.0, 1.0]
    rough = top / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))
    return [i * step for i in range(math.ceil(top / step - 1e-9) + 1)]


def levels(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from at most `low` (or 0) to at least `high` (or 0).

    >>> levels(-3, 9), levels(2, 9)
    ([-5.0, -2.5, 0.0, 2.5, 5.0, 7.5, 10.0], [0.0, 2.0, 4.0, 6.0, 8.0, 10.0])
    """
    if low >= 0:
        return ticks(high, most)
    step = ticks(max(high, 0) - low, most)[1]
    return [i * step for i in range(math.floor(low / step + 1e-9), math.ceil(max(high, 0) / step - 1e-9) + 1)]


def counted(row: Mapping[str, Any]) -> str:
    """What the numbers of a row or bar of a funnel count.

    >>> counted({"step": 1, "entries": 7, "actors": 3}), counted({"step": 1, "actors": 3})
    ('entries', 'actors')
    """
    return next((name for name in ("entries", "sessions", "matches") if name in row), "actors")


def compact(value: float) -> str:
    """A number for an axis.

    >>> compact(1250), compact(3_400_000), compact(0.25), compact(12)
    ('1.25k', '3.4M', '0.25', '12')
    """
    for size, mark in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{mark}"
    return f"{value:.4g}"


def full(value: object) -> str:
    """A value of an answer for people: thousands apart, few decimals.

    >>> full(12345), full(2.5), full(None), full("a")
    ('12,345', '2.5', '—', 'a')
    """
    if value is None:
        return "—"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"


def share(value: float | None) -> str:
    """A share between 0 and 1 as per cent.

    >>> share(0.4567), share(0.0012), share(1.0), share(None)
    ('45.7 %', '0.12 %', '100 %', '—')
    """
    if value is None:
        return "—"
    per_cent = value * 100
    if per_cent in {0.0, 100.0}:
        return f"{per_cent:.0f} %"
    return f"{per_cent:.2g} %" if abs(per_cent) < 1 else f"{per_cent:.1f} %"


def around(value: Any, between: Sequence[float] | None, write: Callable[[Any], str] = full) -> str:
    """A number of a sample with how sure it is: both its ends when it may be off by more on one side.

    >>> around(1234, [1180, 1290]), around(0.25, [0.24, 0.26], share), around(3, [1, 9]), around(3, None)
    ('1,234 ± 55', '25.0 % ± 1.0 %', '3 (1 to 9)', 'about 3')
    """
    if between is None or value is None:
        return f"about {write(value)}" if value is not None else write(value)
    low, high = between
    down, up = value - low, high - value
    if down < 0 or up < 0 or max(down, up) > LOPSIDED * max(min(down, up), TINY):
        return f"{write(value)} ({write(low)} to {write(high)})" if high > low else write(value)
    half = (high - low) / 2
    return f"{write(value)} ± {write(float(f'{half:.2g}'))}"


def sure(row: Mapping[str, Any], key: str, write: Callable[[Any], str] = full) -> str:
    """A number of a row, with how sure it is if the row is of a sample.

    >>> sure({"actors": 120, "intervals": {"actors": [100, 140]}}, "actors"), sure({"actors": 120}, "actors")
    ('120 ± 20', '120')
    """
    if key not in row.get("intervals", {}):
        return write(row.get(key))
    return around(row.get(key), row["intervals"][key], write)


def between(row: Mapping[str, Any], key: str) -> tuple[float, float] | None:
    """The ends of the interval of a number of a sample; None for an exact number, or one nobody can be sure of."""
    ends = row.get("intervals", {}).get(key)
    return (ends[0], ends[1]) if ends else None


def lasting(seconds: float | None) -> str:
    """A length of time in its two largest units.

    >>> lasting(42), lasting(7860), lasting(201_600), lasting(None), lasting(0.36)
    ('42 s', '2 h 11 min', '2 d 8 h', '—', '0.4 s')
    """
    if seconds is None or not math.isfinite(seconds):
        return "—"
    if seconds < 10 and not float(seconds).is_integer():
        return f"{seconds:.1f} s"
    left = round(seconds)
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count:,} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def plain(condition: str) -> str:
    """A condition as short as it can be said: an event by its name alone.

    >>> plain("event = 'Signed Up'"), plain("status >= 500")
    ('Signed Up', 'status >= 500')
    """
    found = ONE_EVENT.match(condition)
    return found[1].replace("''", "'") if found else condition


def moment(iso: object) -> datetime | None:
    """The datetime of an ISO text (or of a datetime), None for anything else."""
    if isinstance(iso, datetime):
        return iso
    try:
        return datetime.fromisoformat(str(iso))
    except ValueError:
        return None


def day(iso: object, *, clock: bool = False) -> str:
    """An instant for people: `17 May 2015`, with the time of day when asked for or not midnight.

    >>> day("2015-05-17T00:00:00Z"), day("2015-05-17T14:30:00Z")
    ('17 May 2015', '17 May 2015 14:30')
    """
    when = moment(iso)
    if when is None:
        return str(iso)
    date = f"{when.day} {when:%b %Y}"
    return f"{date} {when:%H:%M}" if clock or when.hour or when.minute else date


def labels(times: Sequence[object], most: int) -> dict[int, str]:
    """Short labels for at most about `most` of these instants: index to text.

    >>> labels(["2015-05-17T00:00:00Z", "2015-05-18T00:00:00Z"], 6)
    {0: '17 May', 1: '18 May'}
    """
    moments = [moment(time) for time in times]
    known = [when for when in moments if when is not None]
    if len(known) != len(times) or not known:
        return {}
    step = max(1, math.ceil(len(times) / max(1, most)))
    hours = any(when.hour or when.minute for when in known)
    long = known[-1].year != known[0].year
    months = all(when.day == 1 for when in known) and len(known) > 1 and not hours
    shown = {}
    last = None
    for index in range(0, len(times), step):
        when = known[index]
        if months:
            shown[index] = f"{when:%b %Y}"
        elif hours and last == when.date():
            shown[index] = f"{when:%H:%M}"
        else:
            shown[index] = f"{when.day} {when:%b}" + (f" {when:%y}" if long else "")
        last = when.date()
    return shown

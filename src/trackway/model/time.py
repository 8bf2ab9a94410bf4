"""Durations, intervals and instants, without a clock.

Instants are integers: microseconds since 1970-01-01 UTC. Calendar intervals (`1d`, `1w`, `1mo`)
follow a time zone, so a day in Berlin is 23, 24 or 25 hours long; weeks start on Monday.

>>> Duration("90m").seconds
5400
>>> instant("2015-05-17")
1431820800000000
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Self
from zoneinfo import ZoneInfo

from trackway.model.written import Written

MICROS = 1_000_000
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
SHAPE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|mo|s|m|h|d|w)\s*$")
EARLIEST = -(10**9) * MICROS * 60
"""No event is kept with a time before this (about the year 68)."""


class Duration(Written):
    """A length of time as people write it: `500ms 30s 15m 2h 7d 2w`, and `1mo` as a calendar interval."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if not SHAPE.match(str(text)):
            raise ValueError(f"expected a duration such as '15m' or '14d', got {str(text)!r}")
        return super().__new__(cls, str(text).strip())

    @property
    def number(self) -> float:
        """The count in front of the unit."""
        return float(SHAPE.match(self)[1])  # type: ignore[index]

    @property
    def unit(self) -> str:
        """One of `ms s m h d w mo`."""
        return str(SHAPE.match(self)[2])  # type: ignore[index]

    @property
    def seconds(self) -> float:
        """Length in seconds; a month counts as 30 days."""
        return self.number * (30 * 86_400 if self.unit == "mo" else UNITS[self.unit])

    @property
    def micros(self) -> int:
        """Length in microseconds."""
        return round(self.seconds * MICROS)


SESSIONS = re.compile(r"^\s*(\d+)\s+sessions?\s*$")
MOST_SESSIONS = 1000


class Window(Duration):
    """A length of time, or a number of sessions: `14d`, `1 session`, `3 sessions`."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if not SESSIONS.match(str(text)):
            try:
                return super().__new__(cls, text)
            except ValueError as error:
                raise ValueError(f"{error} or '1 session'") from None
        window = str.__new__(cls, " ".join(str(text).split()))
        if not 1 <= window.sessions <= MOST_SESSIONS:
            raise ValueError(f"expected 1 to {MOST_SESSIONS:,} sessions, got {str(text)!r}")
        return window

    @property
    def sessions(self) -> int:
        """How many sessions; 0 for a length of time, and then `micros` says how long."""
        found = SESSIONS.match(self)
        return int(found[1]) if found else 0


def instant(value: str | float | datetime, zone: str = "UTC") -> int:
    """Microseconds since 1970 UTC of an ISO date or time, an epoch (s or ms), or a datetime.

    A text without an offset is read in `zone`. Raises ValueError for anything else.
    """
    if isinstance(value, bool):
        raise ValueError(f"expected a date or time, got {value!r}")  # noqa: TRY004
    if isinstance(value, int | float):
        seconds = value / 1000 if abs(value) >= 1e11 else value
        return round(seconds * MICROS)
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip().replace(" UTC", "Z"))
    if value.tzinfo is None:
        value = value.replace(tzinfo=ZoneInfo(zone))
    return (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@lru_cache(maxsize=4096)
def iso(micros: int, zone: str = "UTC") -> str:
    """The ISO 8601 text of an instant in `zone`, in seconds when whole, with `Z` for UTC.

    >>> iso(1431820800000000)
    '2015-05-17T00:00:00Z'
    """
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(micros))
    text = moment.astimezone(ZoneInfo(zone)).isoformat()
    return text.removesuffix("+00:00") + "Z" if zone == "UTC" else text


def floor(micros: int, every: Duration, zone: str = "UTC") -> int:
    """The start of the interval that holds an instant.

    Intervals of days, weeks and months follow the calendar of `zone` (several days: counted from
    Monday 1970-01-05; multiples of 7 days are weeks); shorter ones are counted from local midnight.
    """
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(micros))).astimezone(ZoneInfo(zone))
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if every.unit == "mo":
        months = (moment.year * 12 + moment.month - 1) // int(every.number) * int(every.number)
        return instant(midnight.replace(year=months // 12, month=months % 12 + 1, day=1, tzinfo=None), zone)
    if every.seconds >= UNITS["d"]:
        days = max(1, round(every.seconds / UNITS["d"]))
        since = (midnight.replace(tzinfo=None) - datetime(1970, 1, 5)).days
        start = datetime(1970, 1, 5) + timedelta(days=since // days * days)
        return instant(start, zone)
    base = instant(midnight.replace(tzinfo=None), zone)
    return base + (micros - base) // every.micros * every.micros


def following(start: int, every: Duration, zone: str = "UTC") -> int:
    """The start of the interval after the one that starts at `start`."""
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=start)).astimezone(ZoneInfo(zone))
    naive = local.replace(tzinfo=None)
    if every.unit == "mo":
        months = naive.year * 12 + naive.month - 1 + int(every.number)
        return instant(naive.replace(year=months // 12, month=months % 12 + 1), zone)
    if every.seconds >= UNITS["d"]:
        return instant(naive + timedelta(days=max(1, round(every.seconds / UNITS["d"]))), zone)
    midnight = instant((naive + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0), zone)
    return min(start + every.micros, midnight)


@lru_cache(maxsize=16)
def intervals(start: int, end: int, every: Duration, zone: str = "UTC", most: int = 100_000) -> tuple[int, ...]:
    """The starts of all intervals that touch [start, end), and the end of the last one.

    At most `most` intervals; more raise ValueError, since nobody reads such a chart.
    """
    edges = [floor(start, every, zone)]
    while edges[-1] < end:
        if len(edges) > most:
            raise ValueError(f"more than {most:,} intervals of {every}; choose a longer one")
        edges.append(following(edges[-1], every, zone))
    if len(edges) == 1:
        edges.append(following(edges[0], every, zone))
    return tuple(edges)

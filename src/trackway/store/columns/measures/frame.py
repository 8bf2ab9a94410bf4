"""The intervals a measure is worked out for: those of a range, trailing windows, and the same some time before."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

from trackway.model.time import MICROS, Duration, floor, instant

DAYS = {"d": 1, "w": 7}
PREVIOUS = "previous period"


@dataclass(frozen=True)
class Frame:
    """The intervals [edges[i], edges[i + 1]), of which the first `lead` lie before the range.

    An event counts in the window of its own interval and of the `reach - 1` after it. Events outside
    [start, stop) are not read.
    """

    edges: tuple[int, ...]
    start: int
    stop: int
    lead: int = 0
    reach: int = 1

    @property
    def intervals(self) -> int:
        """How many there are, those before the range included."""
        return len(self.edges) - 1

    @property
    def shown(self) -> int:
        """How many lie in the range."""
        return self.intervals - self.lead

    @property
    def begin(self) -> int:
        """Where the range itself begins."""
        return self.edges[self.lead] if self.lead else self.start

    def windows(self) -> list[tuple[int, int]]:
        """[from, to) of each window."""
        firsts = (max(0, i - self.reach + 1) for i in range(self.lead, self.intervals))
        return [
            (max(self.edges[first], self.start), min(self.edges[last], self.stop))
            for first, last in zip(firsts, range(self.lead + 1, self.intervals + 1), strict=True)
        ]

    def whole(self) -> Frame:
        """The range as one interval."""
        return Frame((self.begin, max(self.stop, self.begin + 1)), self.begin, self.stop)

    def trailing(self, number: int, every: Duration, zone: str) -> Frame:
        """With windows of so many intervals, which look back before the range: it begins at an interval then."""
        edges = list(self.edges)
        for _ in range(number - 1):
            edges.insert(0, floor(edges[0] - 1, every, zone))
        return replace(self, edges=tuple(edges), start=edges[0], lead=number - 1, reach=number)

    def cumulative(self) -> Frame:
        """With windows that all begin where the range does."""
        return replace(self, reach=self.intervals)

    def moved(self, earlier: Callable[[int], int]) -> Frame:
        """The same intervals earlier: those that the clock skipped then are empty."""
        moved = list(accumulate(map(earlier, reversed(self.edges)), min))[::-1]
        moved[-1] = max(moved[-1], moved[0] + 1)
        return replace(self, edges=tuple(moved), start=earlier(self.start), stop=earlier(self.stop))

    def place(self, moment: int) -> int | None:
        """The shown interval that holds an instant; None outside the range."""
        inside = self.begin <= moment < self.stop
        return bisect_right(self.edges, moment) - 1 - self.lead if inside else None


def span_of(every: Duration, window: Duration) -> int | None:
    """How many intervals make one window; None when they do not go in evenly."""
    if (every.unit == "mo") != (window.unit == "mo"):
        return None
    number = window.micros / every.micros
    return int(number) if number == int(number) and number >= 1 else None


def earlier(length: Duration, zone: str) -> Callable[[int], int]:
    """The instant so long before: by the calendar for days, weeks and months, else by the clock."""
    if length.unit in DAYS and length.number == int(length.number):
        return by_days(int(length.number) * DAYS[length.unit], zone)
    if length.unit != "mo":
        return lambda moment: moment - length.micros
    months = int(length.number)

    def moved(moment: int) -> int:
        local = _local(moment, zone)
        year, month = divmod(local.year * 12 + local.month - 1 - months, 12)
        try:
            return instant(local.replace(year=year, month=month + 1), zone)
        except ValueError:
            year, month = divmod(year * 12 + month + 1, 12)
            return instant(
                local.replace(year=year, month=month + 1, day=1, hour=0, minute=0, second=0, microsecond=0), zone
            )

    return moved


def by_days(days: int, zone: str) -> Callable[[int], int]:
    """The instant of the same local time so many days before."""
    return lambda moment: instant(_local(moment, zone) - timedelta(days=days), zone)


def distance(begin: int, end: int, zone: str) -> Callable[[int], int]:
    """Moves `end` to `begin`: by days of the calendar when both are the same local time, else by the clock."""
    first, last = _local(begin, zone), _local(end, zone)
    if first.time() == last.time():
        return by_days((last.date() - first.date()).days, zone)
    return lambda moment: moment - (end - begin)


def _local(moment: int, zone: str) -> datetime:
    """The local time of an instant, without its zone."""
    since = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment // MICROS, microseconds=moment % MICROS)
    return since.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def edges_of(edges: Sequence[int], start: int, stop: int) -> Frame:
    """The frame of a range without windows."""
    return Frame(tuple(edges), start, stop)

"""A simulated software company that lives on leads: web forms, sign-ups, scoring, CRM sync, nurture mails.

Visitors come anonymous and some sign up later, a few on two devices; they come by day and on weekdays in
their own country; and a little of what they send arrives late, twice or broken. All of it follows from
`seed` and `until`: the same company in every run, to the last byte.

>>> from datetime import UTC, datetime
>>> calls = leads(days=1, visitors=100, seed=7, until=datetime(2026, 1, 31, tzinfo=UTC))
>>> next(call for call in calls if call["type"] == "page")["properties"]["path"]
'/trial'
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from datetime import UTC, datetime

from trackway.worlds import faults
from trackway.worlds.calls import Call
from trackway.worlds.people import visitor
from trackway.worlds.story import DAY, HOUR, Story

VISITORS_PER_DAY = 640
WEEK = (1.0, 1.08, 1.1, 1.05, 0.9, 0.42, 0.38)
"""How busy each day of the week is, Monday first."""
CLOCK = (1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 20, 19, 15, 17, 20, 20, 18, 15, 12, 11, 11, 9, 5, 2)
"""How busy each hour of a visitor's own day is."""


def leads(days: int = 30, visitors: int | None = None, seed: int = 1, *, until: datetime) -> Iterator[Call]:
    """The calls of `days` days up to `until`, in the order in which they reach the collector.

    `visitors` (about 640 a day when left out) each bring six calls on average. Every call is a dict as an
    official Segment library sends it: `track`, `page`, `identify` or `alias`, with `messageId` and `timestamp`.
    """
    for _, call in timeline(days, visitors, seed, until=until):
        yield call


def timeline(
    days: int = 30, visitors: int | None = None, seed: int = 1, *, until: datetime
) -> Iterator[tuple[float, Call]]:
    """The same calls, each with the second (since 1970) at which it reaches the collector."""
    end = until.astimezone(UTC).timestamp()
    rng = random.Random(f"faults of {seed}")  # noqa: S311 - a simulation, not a secret
    pending: list[tuple[float, int, Call]] = []
    number = 0
    for start, calls in _stories(days, VISITORS_PER_DAY * days if visitors is None else visitors, seed, end):
        yield from _due(pending, min(start, end))
        for at, call in calls:
            for arrives, sent in faults.delivered(rng, at, call):
                if arrives < end:
                    number += 1
                    heapq.heappush(pending, (arrives, number, sent))
    yield from _due(pending, end)


def _due(pending: list[tuple[float, int, Call]], now: float) -> Iterator[tuple[float, Call]]:
    while pending and pending[0][0] < now:
        at, _, call = heapq.heappop(pending)
        yield at, call


def _stories(days: int, visitors: int, seed: int, end: float) -> Iterator[tuple[float, list[tuple[float, Call]]]]:
    """Every visitor's story in order of its first moment, and the pings of the monitor between them."""
    moments = [
        (at, number) for number in range(visitors) for at in (_first_visit(days, seed, number, end),) if at < end
    ]
    first = end - days * DAY
    pings = [(first + count * faults.PING_EVERY, -1) for count in range(int(days * DAY / faults.PING_EVERY))]
    watcher = random.Random(f"pings of {seed}")  # noqa: S311
    for at, number in sorted(moments + pings):
        if number < 0:
            yield at, [(at, faults.ping(watcher, at))]
        else:
            rng = random.Random(f"visitor {number} of {seed}")  # noqa: S311
            yield at, Story(rng, visitor(rng, number)).write(at)


def _first_visit(days: int, seed: int, number: int, end: float) -> float:
    """When a visitor comes first: on a busy day rather, at an hour of its own clock, more of them lately."""
    rng = random.Random(f"visitor {number} of {seed}")  # noqa: S311
    offset = visitor(rng, number).country.offset
    midnight = end // DAY * DAY
    back = range(days + 1)
    weights = [_busy(midnight - day * DAY) * (1 - 0.012 * day) for day in back]
    day = rng.choices(back, weights)[0]
    hour = rng.choices(range(24), CLOCK)[0] + rng.random()
    at = midnight - day * DAY + (hour - offset) * HOUR
    return at if at >= end - days * DAY else at + DAY


def _busy(midnight: float) -> float:
    return WEEK[datetime.fromtimestamp(midnight, UTC).weekday()]

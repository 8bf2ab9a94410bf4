"""What goes wrong on the way to the collector: calls that come late, twice, or broken, and noise.

A flow that never saw any of these cannot show that it copes, so the simulated company has all of them,
at rates one meets in the field: few, every day.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from trackway.worlds.calls import Call, service
from trackway.worlds.people import identifier

LATE, TWICE, BROKEN = 0.003, 0.004, 0.0012
"""Shares of all calls."""

PING_EVERY = 900.0
"""Seconds between two pings of the uptime monitor, which somebody pointed at the collector."""


def delivered(rng: random.Random, at: float, call: Call) -> Iterator[tuple[float, Call]]:
    """When a call made at `at` reaches the collector: now, hours later, twice; and at times a broken one beside it."""
    arrives = at
    if rng.random() < LATE:
        arrives = at + rng.uniform(1, 72) * 3_600
    yield arrives, call
    if rng.random() < TWICE:
        yield arrives + rng.uniform(1, 600), call
    if rng.random() < BROKEN:
        yield arrives, broken(rng, call)


def broken(rng: random.Random, call: Call) -> Call:
    """A call as a faulty page sends it: without a name, ids or mail, or with a time that cannot be."""
    faulty = {**call, "type": "track", "messageId": identifier(rng), "event": call.get("event", "Page Viewed")}
    return rng.choice(FAULTS)(faulty)


def ping(rng: random.Random, at: float) -> Call:
    """The uptime monitor: an event nobody wants to keep."""
    return service(rng, at, "Ping", {"anonymousId": "uptime-monitor"}, region="eu")


def _without(*names: str) -> Callable[[Call], Call]:
    return lambda call: {name: value for name, value in call.items() if name not in names}


def _changed(**fields: object) -> Callable[[Call], Call]:
    return lambda call: call | fields


FAULTS: tuple[Callable[[Call], Call], ...] = (
    _without("event"),
    _without("userId", "anonymousId"),
    _changed(timestamp="yesterday, around noon"),
    _changed(timestamp="2099-01-01T00:00:00.000Z"),
    _changed(event="Form Submitted", properties={"form_id": "guide", "company_size": "50-200"}),
)

"""Naive sessions, metrics and cohorts: plain loops over event dicts, from docs/reference/semantics.md alone.

`journeys` are lists of events of one actor. Every function gives one value for each event or actor; what a test
names a derived column it writes into the event dicts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Event = dict[str, Any]
Test = Callable[[Event], Any]
DAY = 86_400_000_000


def in_order(events: Sequence[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event["time"], event["tie"]))


def inside(event: Event, start: int | None, end: int | None) -> bool:
    return (start is None or event["time"] >= start) and (end is None or event["time"] < end)


def measured(measure: str, of: str | None, events: Sequence[Event]) -> Any:  # noqa: PLR0911 - one for each measure
    """One measure of the events that count, of UTC days."""
    events = in_order(events)
    if of is not None:
        events = [event for event in events if event[of] is not None]
    values = [event[of] for event in events] if of is not None else []
    if measure == "count":
        return len(events)
    if measure == "distinct":
        return len(set(values))
    if measure == "active_days":
        return len({event["time"] // DAY for event in events})
    if measure == "sum":
        return sum(values)
    if not events:
        return None
    if measure == "average":
        return sum(values) / len(values)
    if measure == "seconds":
        return (events[-1]["time"] - events[0]["time"]) / 1_000_000
    if measure in ("first_time", "last_time"):
        return events[0 if measure == "first_time" else -1]["time"]
    return {"min": min, "max": max, "first": lambda v: v[0], "last": lambda v: v[-1]}[measure](values)


def cut(
    events: Sequence[Event], *, timeout: int | None, where: Test, start: Test | None, end: Test | None,
    change: str | None,
) -> None:  # fmt: skip
    """Give the events of one actor `number` and `position`."""
    number = position = 0
    before, known = None, None
    for event in events:
        event["number"] = event["position"] = None
    for event in in_order([event for event in events if where(event)]):
        fresh = before is None
        if before is not None:
            fresh = timeout is not None and event["time"] - before["time"] > timeout
            fresh = fresh or bool(start and start(event)) or bool(end and end(before))
        if change is not None and event[change] is not None:
            fresh = fresh or (known is not None and event[change] != known)
            known = event[change]
        number, position = (number + 1, 1) if fresh else (number, position + 1)
        event["number"], event["position"], before = number, position, event


def took(events: Sequence[Event], steps: Sequence[Test], within: int | None) -> bool:
    """Whether there is a chain: from some first step, each next step at the earliest event after it."""

    def lowest(event: Event) -> int:
        return next((k for k, step in enumerate(steps) if step(event)), len(steps))

    line = sorted(events, key=lambda event: (event["time"], lowest(event), event["tie"]))
    for begin, first in enumerate(line):
        if not steps[0](first):
            continue
        wanted, last = 1, first
        for event in line[begin + 1 :]:
            if wanted < len(steps) and steps[wanted](event):
                wanted, last = wanted + 1, event
        if wanted == len(steps) and (within is None or last["time"] - first["time"] <= within):
            return True
    return False

"""The naive answers: plain loops over a list of events, written from docs/reference/semantics.md alone.

Conditions are pairs of SQL and the Python that says when it is true. Nothing here is fast or shared with
the product.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

Event = dict[str, Any]
Test = Callable[[Event], bool]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000


def iso(micros: int) -> str:
    return (EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")


def floor(micros: int, days: int) -> int:
    """Start of the interval of so many days, counted from Monday 1970-01-05."""
    monday = 4 * DAY
    return (micros - monday) // (days * DAY) * days * DAY + monday


def by_actor(events: Sequence[Event]) -> dict[str, list[Event]]:
    journeys: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        journeys[event["actor"]].append(event)
    return journeys


# ── funnel ──────────────────────────────────────────────────────────────────────────────────────────


def funnel(events: Sequence[Event], steps: Sequence[Test], within: int) -> list[tuple[Event, list[int]]]:
    """The per-actor table of whoever took step one: their first such event, and the times of the chain that counts."""
    found = []
    for journey in by_actor(events).values():
        chosen = chain_of(journey, steps, within)
        if chosen:
            touch = min(
                (event for event in journey if steps[0](event)), key=lambda event: (event["time"], event["tie"])
            )
            found.append((touch, [event["time"] for event in chosen]))
    return found


def chain_of(journey: Sequence[Event], steps: Sequence[Test], within: int) -> list[Event]:
    def lowest(event: Event) -> int:
        return next((k for k, step in enumerate(steps) if step(event)), len(steps))

    line = sorted(journey, key=lambda event: (event["time"], lowest(event), event["tie"]))
    chains: list[tuple[int, ...]] = []

    def follow(chain: tuple[int, ...]) -> None:
        if chain:
            chains.append(chain)
        if len(chain) == len(steps):
            return
        for place in range(chain[-1] + 1 if chain else 0, len(line)):
            late = chain and line[place]["time"] - line[chain[0]]["time"] > within
            if steps[len(chain)](line[place]) and not late:
                follow((*chain, place))

    follow(())
    if not chains:
        return []
    deepest = max(map(len, chains))
    best = min(
        (chain for chain in chains if len(chain) == deepest),
        key=lambda chain: (chain[-1], -line[chain[0]]["time"], *reversed(chain[:-1])),
    )
    return [line[place] for place in best]


def funnel_rows(journeys: Sequence[tuple[Event, list[int]]], steps: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for k in range(steps):
        there = [times for _, times in journeys if len(times) > k]
        before = rows[-1]["actors"] if rows else 0
        rows.append(
            {
                "step": k + 1, "actors": len(there), "rate": len(there) / len(journeys) if journeys else None,
                "median_seconds": seconds(times[k] - times[0] for times in there) if k else None,
                "step_rate": len(there) / before if before else None,
                "step_median_seconds": seconds(times[k] - times[k - 1] for times in there) if k else None,
            }
        )  # fmt: skip
    return rows


def seconds(micros: Any) -> float | None:
    values = list(micros)
    return statistics.median(values) / 1_000_000 if values else None


# ── trend ───────────────────────────────────────────────────────────────────────────────────────────


def trend(  # noqa: PLR0917
    events: Sequence[Event], where: Test, measure: str, days: int | None, by: str | None, top: int | None
) -> list[dict[str, Any]]:
    mine = [event for event in events if where(event)]
    if not mine:
        return []
    oldest, newest = min(e["time"] for e in mine), max(e["time"] for e in mine)

    def start(event: Event) -> int:
        return floor(event["time"], days) if days else oldest

    def value(some: Sequence[Event]) -> int:
        return len(some) if measure == "events" else len({event["actor"] for event in some})

    if by is None:
        starts = range(floor(oldest, days), newest + 1, days * DAY) if days else [oldest]
        return [{"time": iso(s), "value": value([e for e in mine if start(e) == s])} for s in starts]
    groups: dict[Any, list[Event]] = defaultdict(list)
    for event in mine:
        groups[event.get(by)].append(event)
    order = sorted(groups, key=lambda key: (-value(groups[key]), key is None, key or 0))
    shown = order if top is None else order[:top]
    cells: dict[tuple[int, Any], list[Event]] = defaultdict(list)
    for event in mine:
        key = event.get(by)
        cells[start(event), (0, key) if key in shown else (1, "other")].append(event)
    ordered = sorted(
        cells.items(), key=lambda c: (c[0][0], -value(c[1]), c[0][1][0], c[0][1][1] is None, c[0][1][1] or 0)
    )
    return [{"time": iso(start), "value": value(some), by: key} for (start, (_, key)), some in ordered]


# ── retention ───────────────────────────────────────────────────────────────────────────────────────


def retention(events: Sequence[Event], start: Test, back: Test, days: int, periods: int) -> list[dict[str, Any]]:
    size: Counter[int] = Counter()
    returned: Counter[tuple[int, int]] = Counter()
    newest = max((event["time"] for event in events), default=0)
    for journey in by_actor(events).values():
        begun = min((event["time"] for event in journey if start(event)), default=None)
        if begun is None:
            continue
        cohort = floor(begun, days)
        size[cohort] += 1
        came = {(floor(e["time"], days) - cohort) // (days * DAY) for e in journey if back(e) and e["time"] >= begun}
        returned.update((cohort, period) for period in came)
    return [
        {
            "cohort": iso(cohort), "actors": size[cohort], "period": period, "returned": returned[cohort, period],
            "rate": returned[cohort, period] / size[cohort],
            "complete": cohort + (period + 1) * days * DAY <= newest,
        }
        for cohort in sorted(size)
        for period in range(periods)
        if cohort + period * days * DAY <= newest
    ]  # fmt: skip

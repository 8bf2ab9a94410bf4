"""The naive answers about activity: lifecycle and stickiness, written from docs/reference/semantics.md alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Event = dict[str, Any]
Test = Callable[[Event], bool]


def moment(micros: int, zone: str) -> datetime:
    """The wall clock of an instant, without a zone."""
    utc = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC")) + timedelta(microseconds=micros)
    return utc.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def begin(micros: int, every: str, zone: str) -> datetime:
    """The first day of the interval (`1d`, `7d`, `1mo`) that holds an instant."""
    day = moment(micros, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    if every == "1mo":
        return day.replace(day=1)
    return day - timedelta(days=(day - datetime(1970, 1, 5)).days % int(every[:-1]))


def after(day: datetime, every: str) -> datetime:
    if every == "1mo":
        return (day + timedelta(days=32)).replace(day=1)
    return day + timedelta(days=int(every[:-1]))


def micros_of(day: datetime, zone: str) -> int:
    since = day.replace(tzinfo=ZoneInfo(zone)) - datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))
    return since // timedelta(microseconds=1)


def iso(day: datetime, zone: str) -> str:
    text = day.replace(tzinfo=ZoneInfo(zone)).isoformat()
    return text.replace("+00:00", "Z") if zone == "UTC" else text


def line(first: datetime, last: datetime, every: str) -> list[datetime]:
    """The intervals from one to another."""
    found = [first]
    while found[-1] < last:
        found.append(after(found[-1], every))
    return found


def in_order(events: Sequence[Event]) -> dict[str, list[Event]]:
    """Each actor's events by time, then tie."""
    found: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda e: (e["time"], e["tie"])):
        found[event["actor"]].append(event)
    return found


def groups(journeys: dict[str, list[Event]], by: str | None, top: int | None) -> list[tuple[dict[str, Any], set[str]]]:
    """The groups of an answer and who is in them, by the value at the first event of each journey."""
    if by is None:
        return [({}, set(journeys))]
    found: dict[Any, set[str]] = defaultdict(set)
    for actor, journey in journeys.items():
        found[journey[0].get(by)].add(actor)
    ranked = sorted(found, key=lambda value: (-len(found[value]), value is None, value or 0))
    cut = len(ranked) if top is None else top
    shown = [({by: value}, found[value]) for value in ranked[:cut]]
    rest = [actor for value in ranked[cut:] for actor in found[value]]
    return [*shown, ({by: "other"}, set(rest))] if rest else shown


def reach(events: Sequence[Event], ends: tuple[int | None, int | None]) -> tuple[int, int] | None:
    """The first and the last instant of a range; None when an end is open and nothing matches."""
    lowest, highest = ends[0], None if ends[1] is None else ends[1] - 1
    times = [
        e["time"] for e in events
        if (lowest is None or e["time"] >= lowest) and (highest is None or e["time"] <= highest)
    ]  # fmt: skip
    if None in ends and not times:
        return None
    return min(times) if lowest is None else lowest, max(times) if highest is None else highest


def lifecycle(  # noqa: PLR0917
    events: Sequence[Event], when: Test, every: str, zone: str, ends: tuple[int | None, int | None],
    by: str | None, top: int | None,
) -> tuple[list[dict[str, Any]], int]:  # fmt: skip
    """Rows, and how many actors were active in the intervals shown."""
    matching = [event for event in events if when(event)]
    span = reach(matching, ends)
    if span is None:
        return [], 0
    newest = max(event["time"] for event in events)
    shown = line(begin(span[0], every, zone), begin(span[1], every, zone), every)
    over = micros_of(after(shown[-1], every), zone)
    journeys = in_order([event for event in matching if event["time"] < over])
    active = {actor: {begin(e["time"], every, zone) for e in journey} for actor, journey in journeys.items()}
    rows = []
    for labels, members in groups(journeys, by, top):
        for day in shown:
            was = {actor for actor in members if any(after(d, every) == day for d in active[actor])}
            now = {actor for actor in members if day in active[actor]}
            new = {actor for actor in now if min(active[actor]) == day}
            rows.append(
                {
                    "time": iso(day, zone), **labels, "active": len(now), "new": len(new), "returning": len(now & was),
                    "resurrected": len(now - was - new), "dormant": len(was - now),
                    "complete": micros_of(after(day, every), zone) <= newest,
                }
            )  # fmt: skip
    return rows, sum(1 for days in active.values() if days & set(shown))


def histogram(often: Sequence[int]) -> list[dict[str, Any]]:
    """How many actors were active in exactly, and in at least, so many intervals."""
    return [
        {
            "active_intervals": n, "actors": often.count(n), "share": often.count(n) / len(often),
            "at_least": sum(1 for m in often if m >= n), "at_least_share": sum(1 for m in often if m >= n) / len(often),
        }
        for n in range(1, max(often, default=0) + 1)
    ]  # fmt: skip


def stickiness(  # noqa: PLR0917
    events: Sequence[Event], when: Test, every: str, window: str | None, zone: str,
    ends: tuple[int | None, int | None], by: str | None, top: int | None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:  # fmt: skip
    """Rows of the histogram, and its totals."""
    matching = [event for event in events if when(event)]
    span = reach(matching, ends)
    if span is None:
        return [], {"actors": 0, "mean": None, "windows": []} | ({"groups": []} if by else {})
    oldest, newest = min(event["time"] for event in events), max(event["time"] for event in events)
    first, last = (begin(at, window or every, zone) for at in span)
    over = after(last, window or every)
    begins = line(first, last, window) if window else [first]

    def window_of(day: datetime) -> datetime | None:
        return max((start for start in begins if start <= day), default=None) if day < over else None

    days_end = min(
        after(day, every) for day in line(begin(span[0], every, zone), over, every) if after(day, every) >= over
    )
    journeys = in_order([event for event in matching if event["time"] < micros_of(days_end, zone)])
    days = {actor: {begin(e["time"], every, zone) for e in journey} for actor, journey in journeys.items()}
    rows, pooled, each = [], [], []
    for labels, members in groups(journeys, by, top):
        mine = []
        for start in begins:
            counts = [Counter(window_of(day) for day in days[actor])[start] for actor in sorted(members)]
            often = [count for count in counts if count]
            first_day = next(
                day for day in line(begin(micros_of(start, zone), every, zone), over, every) if day >= start
            )
            covered = oldest < micros_of(after(first_day, every), zone)
            complete = not window or (covered and micros_of(after(start, window), zone) <= newest)
            rows += [{"time": iso(start, zone), **labels, **cell, "complete": complete} for cell in histogram(often)]
            mine += often if complete else []
        pooled += mine
        each.append({**labels, "mean": sum(mine) / len(mine) if mine else None, "windows": histogram(mine)})
    seen = sum(1 for mine in days.values() if any(window_of(day) for day in mine))
    totals = {"actors": seen, "mean": sum(pooled) / len(pooled) if pooled else None, "windows": histogram(pooled)}
    return rows, totals | ({"groups": each} if by else {})


def ratio(  # noqa: PLR0917
    events: Sequence[Event], when: Test, every: str, trailing: int, zone: str,
    ends: tuple[int | None, int | None], by: str | None, top: int | None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:  # fmt: skip
    """Rows of the ratio, and its totals."""
    matching = [event for event in events if when(event)]
    span = reach(matching, ends)
    if span is None:
        return [], {"actors": 0}
    oldest, newest = min(event["time"] for event in events), max(event["time"] for event in events)
    shown = line(begin(span[0], every, zone), begin(span[1], every, zone), every)
    journeys = in_order([e for e in matching if e["time"] < micros_of(after(shown[-1], every), zone)])
    days = {actor: {begin(e["time"], every, zone) for e in journey} for actor, journey in journeys.items()}
    rows = []
    for labels, members in groups(journeys, by, top):
        for day in shown:
            back = day
            lately = [back]
            for _ in range(trailing - 1):
                back = begin(micros_of(back, zone) - 1, every, zone)
                lately.append(back)
            now = sum(1 for actor in members if day in days[actor])
            those = sum(1 for actor in members if days[actor] & set(lately))
            complete = oldest < micros_of(after(back, every), zone) and micros_of(after(day, every), zone) <= newest
            rows.append(
                {
                    "time": iso(day, zone), **labels, "active": now, "lately": those,
                    "ratio": now / those if those else None, "complete": complete,
                }
            )  # fmt: skip
    return rows, {"actors": sum(1 for mine in days.values() if mine & set(shown))}

"""The naive distribution: plain loops over a list of events, written from docs/reference/semantics.md alone. UTC."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

Event = dict[str, Any]
Test = Callable[[Event], bool]
PERCENT = (5, 10, 25, 50, 75, 90, 95, 99)


def distribution(
    events: Sequence[Event], asked: Mapping[str, Any], conditions: Mapping[str, Test]
) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, tuple[Any, float]]]:
    """Rows, totals, and the group and number of each actor who has one."""
    start, stop = (moment(asked[end]) if asked.get(end) else None for end in ("from", "to"))
    inside = [
        event
        for event in sorted(events, key=lambda event: (event["time"], event["tie"]))
        if (start is None or event["time"] >= start) and (stop is None or event["time"] < stop)
    ]
    where = conditions[asked.get("where") or "true"]
    among = asked.get("among")
    asks = conditions[among] if among else conditions["true"] if asked.get("zeros") else where
    by = asked.get("by") or []
    group_of: dict[str, Any] = {}
    for event in inside:
        if asks(event):
            group_of.setdefault(event["actor"], tuple(event[name] for name in by))
    number_of = {}
    for actor in group_of:
        mine = [event for event in inside if event["actor"] == actor and where(event)]
        if mine or asked.get("zeros"):
            number = measured(asked.get("measure", "events"), mine)
            if number is not None:
                number_of[actor] = float(number)
    shown, rest = groups(list(group_of.values()), asked.get("top", 10))
    place = {actor: key if key in shown else "rest" for actor, key in group_of.items()}
    bins = boundaries(sorted(number_of.values()), asked)
    rows, described = [], []
    for key in [*shown, *(["rest"] if rest else [])]:
        labels = dict(zip(by, ["other"] * len(by) if key == "rest" else key, strict=True))
        mine = sorted(number for actor, number in number_of.items() if place[actor] == key)
        rows += [labels | line for line in lines(mine, bins)]
        size = sum(one == key for one in place.values())
        described.append({**labels, "actors": len(mine), "without": size - len(mine), **figures(mine, asked)})
    every = sorted(number_of.values())
    totals = {"actors": len(every), "without": len(group_of) - len(every), **figures(every, asked)}
    totals["whole"] = all(number == int(number) for number in every)
    if by:
        totals["groups"] = described
    return rows, totals, {actor: (place[actor], number) for actor, number in number_of.items()}


def measured(measure: str, events: Sequence[Event]) -> float | None:  # noqa: PLR0911
    if measure == "events":
        return len(events)
    days = [datetime.fromtimestamp(event["time"] / 1_000_000, UTC).date() for event in events]
    if measure.startswith("active"):
        of = {"days": lambda day: day, "weeks": lambda day: day.isocalendar()[:2], "months": lambda day: str(day)[:7]}
        return len({of[measure.removeprefix("active_")](day) for day in days})
    name, column = re.fullmatch(r"([\w.]+)\((\w+)\)", measure).groups()
    values = [event[column] for event in events if event[column] is not None]
    if name == "distinct":
        return len(set(values))
    values = [float(value) for value in values if math.isfinite(value)]
    if name == "sum":
        return math.fsum(values)
    if not values:
        return None
    if name == "average":
        return math.fsum(values) / len(values)
    if name in ("first", "last"):
        return values[0 if name == "first" else -1]
    if name in ("median", "p50"):
        return statistics.median(values)
    ordered = sorted(values)
    return {"min": ordered[0], "max": ordered[-1]}[name] if name in ("min", "max") else ordered[rank(name[1:], ordered)]


def rank(percent: float | str, ordered: Sequence[float]) -> int:
    """The place, from 0, of the smallest number that at least so many per cent are at or below."""
    least = Fraction(percent) * len(ordered) / 100
    return next(place for place in range(len(ordered)) if place + 1 >= least)


def quantile(percent: int, ordered: Sequence[float]) -> float:
    return statistics.median(ordered) if percent == 50 else ordered[rank(percent, ordered)]


def groups(keys: Sequence[tuple[Any, ...]], top: int | None) -> tuple[list[Any], bool]:
    order = sorted(
        set(keys),
        key=lambda key: (-keys.count(key), *((value is None, 0 if value is None else value) for value in key)),
    )
    chosen = order if top is None else order[:top]
    return chosen, len(order) > len(chosen)


def figures(ordered: Sequence[float], asked: Mapping[str, Any]) -> dict[str, Any]:
    n, total = len(ordered), math.fsum(ordered)
    found: dict[str, Any] = {
        "mean": plain(total / n) if n else None, "min": plain(ordered[0]) if n else None,
        "max": plain(ordered[-1]) if n else None,
        "quantiles": {f"p{p}": plain(quantile(p, ordered)) for p in PERCENT} if n else {},
    }  # fmt: skip
    if not re.match(r"events|active|sum|distinct", asked.get("measure", "events")):
        return found
    found = {"sum": plain(total), **found}
    for percent in (1, 10):
        largest = [number for place, number in enumerate(reversed(ordered)) if place < Fraction(n * percent, 100)]
        parts = n and ordered[0] >= 0 and total
        found[f"top_{percent}_share"] = math.fsum(largest) / total if parts else None
    return found


def plain(number: float) -> float:
    return int(number) if float(number).is_integer() else number


# ── bins ────────────────────────────────────────────────────────────────────────────────────────────


Bin = tuple[float | None, float | None]


def lines(ordered: Sequence[float], bins: Sequence[Bin]) -> list[dict[str, Any]]:
    found, below = [], 0
    for place, (low, high) in enumerate(bins):
        final = place == len(bins) - 1
        mine = [
            number for number in ordered if (low is None or number >= low) and (high is None or number < high or final)
        ]
        below += len(mine)
        found.append({
            "low": None if low is None else plain(low), "high": None if high is None else plain(high),
            "actors": len(mine), "share": len(mine) / len(ordered) if ordered else None,
            "cumulative_share": below / len(ordered) if ordered else None,
        })  # fmt: skip
    return found


def boundaries(ordered: Sequence[float], asked: Mapping[str, Any]) -> list[Bin]:
    if not ordered:
        return []
    if asked.get("edges"):
        return between(asked["edges"], ordered[0], ordered[-1])
    how = asked.get("bins", "auto")
    most = asked.get("most") or (10 if how == "quantiles" else 20)
    if how == "quantiles":
        starts = sorted({ordered[len(ordered) * part // most] for part in range(most)})
        return list(zip(starts, [*starts[1:], ordered[-1]], strict=True))
    if how == "log":
        return logarithmic(ordered, most)
    if asked.get("width"):
        return regular(ordered, Decimal(repr(asked["width"])), 1000)
    return regular(ordered, nice(ordered, most), most)


def between(edges: Sequence[float], least: float, largest: float) -> list[Bin]:
    below: list[Bin] = [(None, edges[0])] if least < edges[0] else []
    above: list[Bin] = [(edges[-1], None)] if largest >= edges[-1] else []
    return [*below, *pairwise(edges), *above]


def nice(ordered: Sequence[float], most: int) -> Decimal:
    low, high = ordered[rank(1, ordered)], ordered[rank(99, ordered)]
    whole = all(number == int(number) for number in ordered)
    if low == high:
        return Decimal(1) if whole else Decimal(10) ** Decimal(repr(abs(low))).adjusted()
    return next(
        width
        for exponent in range(-30, 30)
        for width in (Decimal(step).scaleb(exponent) for step in (1, 2, 5))
        if not (whole and width < 1) and place_of(high, width) - place_of(low, width) < most
    )


def place_of(number: float, width: Decimal) -> int:
    """The bin of a number, its boundaries being the floats nearest to multiples of the width."""
    place = math.floor(Fraction(number) / Fraction(width))
    return place + 1 if float(Fraction(width) * (place + 1)) <= number else place


def regular(ordered: Sequence[float], width: Decimal, most: int) -> list[Bin]:
    first, last = place_of(ordered[0], width), place_of(ordered[-1], width)
    if last - first + 1 > most:
        first, last = (place_of(ordered[rank(percent, ordered)], width) for percent in (1, 99))
    edges = [float(Fraction(width) * place) for place in range(first, last + 2)]
    return between(edges, ordered[0], ordered[-1])


def logarithmic(ordered: Sequence[float], most: int) -> list[Bin]:
    above = [number for number in ordered if number > 0]
    if not above:
        return [(ordered[0], ordered[-1])]
    for steps, every in [("125", 1), *(("1", every) for every in range(1, 60))]:
        powers = [float(f"{step}e{e}") for e in range(-60 // every * every, 60, every) for step in steps]
        first = max(power for power in powers if power <= above[0])
        edges = [power for power in powers if power >= first]
        edges = edges[: next(place for place, power in enumerate(edges) if power > above[-1]) + 1]
        if len(edges) - 1 <= most:
            break
    below: list[Bin] = [(None if ordered[0] < 0 else 0, edges[0])] if ordered[0] <= 0 else []
    return below + list(pairwise(edges))


def moment(text: str) -> int:
    return round(datetime.fromisoformat(text + "+00:00").timestamp()) * 1_000_000

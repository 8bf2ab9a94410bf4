"""The naive trend: plain loops over a list of events, written from docs/reference/semantics.md alone. UTC days only."""

from __future__ import annotations

import math
import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from oracle import DAY, Event, floor, iso

Test = Callable[[Event], bool]
HOUR = DAY // 24


def plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def summed(values: Sequence[float]) -> float:
    return math.fsum(values)


def averaged(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def quantile(values: Sequence[float], percent: float) -> float | None:
    if not values:
        return None
    if percent == 50:
        return statistics.median(values)
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def over(name: str, values: Sequence[float]) -> float | None:
    """A statistic of numbers."""
    if name == "sum":
        return summed(values)
    if name == "average":
        return averaged(values)
    if name in ("min", "max"):
        return {"min": min, "max": max}[name](values, default=None)
    return quantile(values, 50 if name == "median" else float(name[1:]))


def measured(measure: str, events: Sequence[Event]) -> Any:
    """A measure of some events."""
    if measure == "per_actor":
        measure = "events per actor"
    if per := re.fullmatch(r"(?:(\w+) of )?(.+) per actor", measure):
        each = defaultdict(list)
        for event in events:
            each[event["actor"]].append(event)
        values = [measured(per[2], mine) for mine in each.values()]
        return plain(over(per[1] or "average", [value for value in values if value is not None]))
    if measure == "events":
        return len(events)
    if measure == "actors":
        return len({event["actor"] for event in events})
    name, column = re.fullmatch(r"(\w+)\((\w+)\)", measure).groups()
    line = sorted(events, key=lambda event: (event["time"], event["tie"]))
    values = [event[column] for event in line if event.get(column) is not None]
    if name in ("first", "last"):
        return plain(values[0 if name == "first" else -1]) if values else None
    if name == "distinct":
        return len(set(values))
    return plain(over(name, values))


def trend(events: Sequence[Event], asked: Mapping[str, Any], conditions: Mapping[str, Test]) -> tuple[Any, Any]:
    """Rows and totals."""
    return Naive(events, asked, conditions).answer()


class Naive:
    def __init__(self, events: Sequence[Event], asked: Mapping[str, Any], conditions: Mapping[str, Test]) -> None:
        self.asked = asked
        where = conditions[asked.get("where") or "true"]
        named = asked.get("measures") or [{"name": "value", "measure": asked.get("measure", "events")}]
        self.names = [part["name"] for part in named]
        self.measures = [part.get("measure", "events") for part in named]
        tests = [conditions[part.get("where") or "true"] for part in named]
        self.of = [[event for event in events if test(event) and where(event)] for test in tests]
        self.begin = moment(asked["from"]) if asked.get("from") else None
        self.end = moment(asked["to"]) if asked.get("to") else None
        if self.begin is not None and asked.get("rolling"):
            self.begin = floor(self.begin, int(asked["every"][:-1]))
        self.by = asked.get("by") or []
        self.range()

    def range(self) -> None:
        times = [e["time"] for part in self.of for e in part if self.given(e["time"])]
        self.empty = not times
        start = self.begin if self.begin is not None else min(times, default=0)
        stop = self.end if self.end is not None else max(times, default=-1) + 1
        every = self.asked.get("every", "1d")
        days = int(every[:-1]) if every else None
        self.windows = [(start, max(stop, start + 1))]
        if days:
            firsts = range(floor(start, days), max(stop, start + 1), days * DAY)
            self.windows = [(first, first + days * DAY) for first in firsts]
        if self.asked.get("compare"):
            start = start if self.begin is not None else self.windows[0][0]
            stop = stop if self.end is not None else self.windows[-1][1]
        back = 0
        if self.asked.get("rolling"):
            start = self.windows[0][0]
            back = int(self.asked["rolling"][:-1]) * DAY - days * DAY
        self.start, self.stop = start, stop
        self.starts = [first for first, _ in self.windows]
        if self.asked.get("cumulative"):
            self.windows = [(start, last) for _, last in self.windows]
        self.windows = [(max(first, start) - back, min(last, stop)) for first, last in self.windows]
        self.shift = self.moved() if self.asked.get("compare") else 0

    def given(self, time: int) -> bool:
        return (self.begin is None or time >= self.begin) and (self.end is None or time < self.end)

    def moved(self) -> int:
        compare = self.asked["compare"]
        if compare == "previous period":
            return self.stop - self.start
        if compare[-1] in "dh":
            return int(compare[:-1]) * (DAY if compare[-1] == "d" else HOUR)
        return self.start - moment(compare)

    def key(self, event: Event) -> tuple[Any, ...]:
        return tuple(event.get(name) for name in self.by)

    def within(self, part: int, first: int, last: int) -> list[Event]:
        return [event for event in self.of[part] if first <= event["time"] < last]

    def shown(self) -> list[tuple[Any, ...]]:
        """The groups by rank."""
        weight: dict[tuple[Any, ...], Any] = defaultdict(int)
        first, last = self.windows[0][0] if self.asked.get("rolling") else self.start, self.stop
        for part in range(len(self.of)):
            for begin, end in ((first, last), (first - self.shift, last - self.shift)):
                for event in self.within(part, begin, end):
                    weight[self.key(event)] += 0
        single = self.measures[0] if len(self.of) == 1 else "events"
        rule = single if single in ("events", "actors") or re.fullmatch(r"sum\(\w+\)", single) else "events"
        for key in weight:
            for part in range(len(self.of)):
                mine = [event for event in self.within(part, self.start, self.stop) if self.key(event) == key]
                weight[key] += measured(rule, mine)
        return sorted(weight, key=lambda key: (-weight[key], *((value is None, value or 0) for value in key)))

    def values(self, first: int, last: int, mine: Callable[[Event], bool]) -> tuple[list[Any], bool]:
        some = [[e for e in self.within(part, first, last) if mine(e)] for part in range(len(self.of))]
        return [measured(name, found) for name, found in zip(self.measures, some, strict=True)], any(some)

    def value(self, values: Sequence[Any]) -> Any:
        if not self.asked.get("formula"):
            return values[0]
        try:
            return plain(eval(self.asked["formula"], {}, dict(zip(self.names, values, strict=True))))
        except (TypeError, ZeroDivisionError):
            return None

    def keys(self, values: Sequence[Any], before: Any) -> dict[str, Any]:
        keys = {"value": self.value(values)}
        if self.asked.get("measures"):
            keys |= dict(zip(self.names, values, strict=True))
        if self.asked.get("compare"):
            numbers = all(isinstance(one, int | float) for one in (keys["value"], before))
            change = plain((keys["value"] - before) / abs(before)) if numbers and before else None
            keys |= {"before": before, "change": change}
        return keys

    def answer(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        rows = []
        order = self.shown() if self.by else []
        top = self.asked.get("top", 10)
        chosen = order if top is None else order[:top]
        groups = [((0, key), key.__eq__) for key in chosen] + [((1, None), lambda key: key not in chosen)]
        for start, (first, last) in zip(self.starts, self.windows, strict=True):
            for place, belongs in groups if self.by else [((0, ()), lambda _: True)]:
                mine = lambda event, belongs=belongs: belongs(self.key(event))  # noqa: E731
                values, some = self.values(first, last, mine)
                before, had = self.values(first - self.shift, last - self.shift, mine)
                if (some or (self.shift and had) or not self.by) and not (self.empty and self.open):
                    rows.append((start, place, self.keys(values, self.value(before))))
        rows.sort(key=lambda row: (row[0], *larger(row[2]["value"]), row[1][0], *sortable(row[1][1])))
        totals = self.keys(
            self.values(self.start, self.stop, lambda _: True)[0],
            self.value(self.values(self.start - self.shift, self.stop - self.shift, lambda _: True)[0]),
        )
        written = [
            {"time": iso(start)} | keys | dict(zip(self.by, ["other"] * 3 if rest else key, strict=False))
            for start, (rest, key), keys in rows
        ]
        return written, totals

    @property
    def open(self) -> bool:
        return self.begin is None or self.end is None


def larger(value: Any) -> tuple[bool, float]:
    number = isinstance(value, int | float)
    return (not number, -value if number else 0)


def sortable(key: tuple[Any, ...] | None) -> list[tuple[bool, Any]]:
    return [(value is None, value or 0) for value in key or ()]


def moment(text: str) -> int:
    return round(datetime.fromisoformat(text + "+00:00").timestamp()) * 1_000_000

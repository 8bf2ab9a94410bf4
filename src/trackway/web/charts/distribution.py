"""A histogram of actors: bars for one group, outlines over each other for several, and where the quantiles are."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trackway.web.charts.scale import compact, full, share, ticks
from trackway.web.charts.svg import SERIES, Drawing, clip, element, number, text
from trackway.web.charts.trend import group

MEASURED = ("low", "high", "actors", "share", "cumulative_share")
OFTEN = ("time", "active_intervals", "actors", "share", "at_least", "at_least_share", "complete", "mean", "windows")
POINTS = {"p50": "median", "p90": "90 %", "p25": "25 %", "p75": "75 %", "p99": "99 %"}
"""The quantiles that are shown, those before others where there is no room for all."""
APART = 74.0
"""Pixels between two labels of quantiles."""

Row = Mapping[str, Any]
Bars = list[tuple[int, float]]
"""Actors in each bin, and which share of their group they are."""


@dataclass(frozen=True)
class Histogram:
    """What is drawn, whatever question it answers."""

    ends: list[tuple[float | None, float | None]]
    groups: dict[str, Bars]
    """The largest groups; one without a name when there is no breakdown."""
    left: int
    """How many groups are left out."""
    points: dict[str, float]
    """Numbers to be marked, by what they are called; the first ones first."""
    whole: bool
    """Whether only whole numbers are counted."""
    largest: float | None = None

    @property
    def labels(self) -> list[str]:
        """What is in each bin, in words."""
        final = len(self.ends) - 1
        return [self._label(low, high, place == final) for place, (low, high) in enumerate(self.ends)]

    def _label(self, low: float | None, high: float | None, final: bool) -> str:
        if low is None or high is None:
            return f"below {full(high)}" if low is None else f"{full(low)} and more"
        last = high if not self.whole or (final and high == self.largest) else high - 1
        return full(low) if last == low else f"{full(low)} to {full(last)}"

    @property
    def single(self) -> bool:
        """Whether every bin is one whole number; but for open ones."""
        closed = [(low, high) for low, high in self.ends if low is not None and high is not None]
        return self.whole and bool(closed) and all(high == low + 1 for low, high in closed)


def histogram(type_: str, rows: Sequence[Row], totals: Row, most: int = SERIES) -> Histogram | None:
    """The histogram of an answer, None of one that has none."""
    if type_ == "distribution" and rows:
        return _of_distribution(rows, totals, most)
    return _of_stickiness(rows, totals, most) if type_ == "stickiness" and rows and "at_least" in rows[0] else None


def _of_distribution(rows: Sequence[Row], totals: Row, most: int) -> Histogram:
    ends: dict[tuple[float | None, float | None], None] = {}
    groups: dict[str, Bars] = {}
    for row in rows:
        ends[row["low"], row["high"]] = None
        groups.setdefault(group(dict(row), MEASURED), []).append((row["actors"], row["share"] or 0.0))
    found = totals.get("quantiles") or {}
    points = {said: found[key] for key, said in POINTS.items() if found.get(key) is not None}
    shown = dict(list(groups.items())[:most])
    return Histogram(list(ends), shown, len(groups) - len(shown), points, bool(totals.get("whole")), totals.get("max"))


def _of_stickiness(rows: Sequence[Row], totals: Row, most: int) -> Histogram:
    """Of all complete windows together; of all there are when none is complete."""
    whole = totals.get("windows") or []
    lines: list[tuple[Row, Sequence[Row]]] = [({}, whole)] if whole else [({}, rows)]
    if totals.get("groups") and whole:
        lines = [(line, line["windows"]) for line in totals["groups"]]
    counts: dict[str, dict[int, int]] = {}
    for labels, bars in lines:
        for bar in bars:
            mine = counts.setdefault(group({**labels, **bar}, OFTEN), {})
            mine[bar["active_intervals"]] = mine.get(bar["active_intervals"], 0) + bar["actors"]
    last = max(n for mine in counts.values() for n in mine)
    groups = {
        name: [(mine.get(n, 0), mine.get(n, 0) / max(1, sum(mine.values()))) for n in range(1, last + 1)]
        for name, mine in list(counts.items())[:most]
    }
    points = {} if totals.get("mean") is None else {"mean": totals["mean"]}
    return Histogram([(n, n + 1) for n in range(1, last + 1)], groups, len(counts) - len(groups), points, whole=True)


@dataclass(frozen=True)
class Place:
    """Where things are in a drawing, in pixels."""

    left: float
    right: float
    top: float
    bottom: float
    step: float
    highest: float

    def x(self, bin_: float) -> float:
        """The place of a bin, or of somewhere within it."""
        return self.left + self.step * bin_

    def y(self, value: float) -> float:
        """The place of a height."""
        return self.bottom - (self.bottom - self.top) * value / self.highest


def draw(found: Histogram, width: float) -> Drawing:
    """The drawing of a histogram, `width` pixels wide."""
    wide, alone = width > 600, len(found.groups) == 1
    height = 300.0 if wide else 220.0
    heights = [bar[0 if alone else 1] for bars in found.groups.values() for bar in bars]
    levels = ticks(max(heights, default=0), 5 if wide else 4)
    left, right = 52.0 if wide else 40.0, width - 10
    at = Place(left, right, 30.0, height - 28, (right - left) / len(found.ends), levels[-1])
    marks = ""
    for level in levels:
        y = round(at.y(level)) + 0.5
        marks += element("line", x1=left, x2=right, y1=y, y2=y, class_="axis" if level == 0 else "grid")
        said = compact(level) if alone else f"{level * 100:.3g} %"
        marks += text(left - 8, y + 4, said, text_anchor="end", class_="muted")
    marks += under(found, at)
    if not alone:
        marks += "".join(outline(bars, at, place) for place, bars in enumerate(found.groups.values()))
    marks += slots(found, at, alone=alone) + marked(found, at)
    counted = sum(actors for bars in found.groups.values() for actors, _ in bars)
    words = f"{full(counted)} actors in {len(found.ends)} bins, {found.labels[0]} to {found.labels[-1]}"
    told = "".join(f", {name} {full(value)}" for name, value in list(found.points.items())[:1])
    return Drawing(width, height, marks, "Distribution", f"{words}{told}.")


def under(found: Histogram, at: Place) -> str:
    """Where bins begin, or which whole number each of them is; open ones say so in their middle."""
    shown: list[tuple[float, str]] = []
    for index, (low, high) in enumerate(found.ends):
        if low is not None and high is not None:
            shown.append((index + 0.5 * found.single, compact(low)))
        else:
            shown.append((index + 0.5, f"< {compact(high or 0)}" if low is None else f"{compact(low)}+"))
    if not found.single and found.ends[-1][1] is not None:
        shown.append((len(found.ends), compact(found.ends[-1][1])))
    every = max(1, math.ceil((7.0 * max(len(said) for _, said in shown) + 14) / at.step))
    marks = ""
    for index, (place, said) in enumerate(shown):
        if index % every == 0:
            anchor = "end" if at.x(place) > at.right - 12 else "middle"
            marks += text(at.x(place), at.bottom + 18, said, text_anchor=anchor, class_="muted")
    return marks


def outline(bars: Bars, at: Place, place: int) -> str:
    """One group as the line over its bars."""
    points = [(at.x(0), at.bottom)]
    for index, (_, height) in enumerate(bars):
        points += [(at.x(index), at.y(height)), (at.x(index + 1), at.y(height))]
    points.append((at.x(len(bars)), at.bottom))
    path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return element("path", d=path, class_=f"line s{place}")


def slots(found: Histogram, at: Place, *, alone: bool) -> str:
    """One place per bin that answers the pointer; its bar, when there is one group."""
    marks = ""
    gap = min(2.0, at.step / 4)
    for index, label in enumerate(found.labels):
        tip: list[Any] = [label]
        inner = element("rect", x=at.x(index), y=at.top, width=at.step, height=at.bottom - at.top, class_="hit")
        for place, (name, bars) in enumerate(found.groups.items()):
            actors, part = bars[index]
            tip.append([clip(name or "actors", 220), f"{full(actors)} · {share(part)}", place])
            if alone:
                y = at.y(actors)
                wide, round_ = max(0.5, at.step - gap), min(2.0, at.step / 4)
                x = at.x(index) + gap / 2
                inner += element("rect", x=x, y=y, width=wide, height=at.bottom - y, rx=round_, class_="f0")
        marks += element("g", inner, class_="slot", data_tip=json.dumps(tip))
    return marks


def marked(found: Histogram, at: Place) -> str:
    """The quantiles as dashed lines with their numbers, as far as there is room."""
    marks, taken = "", list[float]()
    for said, value in found.points.items():
        place = position(found, value)
        if place is None or any(abs(at.x(place) - x) < APART for x in taken):
            continue
        x = at.x(place)
        taken.append(x)
        anchor = "start" if x < at.left + 30 else "end" if x > at.right - 40 else "middle"
        marks += element("line", x1=x, x2=x, y1=at.top - 8, y2=at.bottom, class_="axis dashed")
        marks += text(x, at.top - 13, f"{said} {full(value)}", text_anchor=anchor, class_="muted")
    return marks


def position(found: Histogram, value: float) -> float | None:
    """Where a number is, in bins: within its bin by its size, in the middle of an open or single one."""
    for index, (low, high) in enumerate(found.ends):
        final = index == len(found.ends) - 1
        if high is None or value < high or (final and value == high):
            if low is None or high is None or high == low or value < low:
                return index + 0.5
            return index + 0.5 * found.single + (value - low) / (high - low)
    return None

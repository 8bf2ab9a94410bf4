"""A trend as lines over time; one line is filled down to zero, since its height is the number."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trackway.model.time import Duration, instant, intervals, iso
from trackway.web.charts.scale import compact, day, full, labels, moment, ticks
from trackway.web.charts.svg import SERIES, Drawing, clip, element, number, text

Series = dict[str, list[float | None]]
MOST_INTERVALS = 5_000
"""Intervals up to which missing ones are filled in."""
MOST_SLOTS = 400
"""Places that answer the pointer; of more intervals each so-manieth does."""


def lined(rows: Sequence[dict[str, Any]], totals: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of `time`, `value` and groups alone, in which several measures, and the time before, are lines of their own.

    Of a breakdown there is only the value. What is no number has no place on an axis.
    """
    if not rows:
        return []
    more = [key for key in rows[0] if key in totals and key not in {"value", "change", "annotations"}]
    groups = [key for key in rows[0] if key not in {"time", "value", "change", *more}]
    if groups or not more:
        return [{"time": row["time"], "value": drawn(row["value"]), **{k: row[k] for k in groups}} for row in rows]
    named = [key for key in more if key != "before"]
    alone = not named or any(row["value"] != row[named[0]] for row in rows)
    shown = (["value"] if alone else named) + [key for key in more if key == "before"]
    return [{"time": row["time"], "value": drawn(row[key]), "measure": key} for row in rows for key in shown]


def drawn(value: Any) -> float | None:
    """A number, or None of anything else."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def nothing(rows: Sequence[dict[str, Any]]) -> int | None:
    """What a missing interval holds: 0 of counts, nothing of other measures."""
    return 0 if all(isinstance(row["value"], int) for row in rows) else None


def padded(rows: list[dict[str, Any]], every: str | None, zone: str) -> list[dict[str, Any]]:
    """The rows with an empty interval for each that is missing between the first and the last.

    A breakdown has rows only where there is something to count; on a time axis nothing is a zero.
    """
    known = [when for row in rows if (when := moment(row["time"])) is not None]
    if not every or not known or len(known) < len(rows):
        return rows
    last_known = max(known)
    first, last = instant(min(known)), instant(last_known)
    if (last - first) / Duration(every).micros > MOST_INTERVALS:
        return rows
    times = {str(row["time"]) for row in rows}
    missing = [time for edge in intervals(first, last, Duration(every), zone) if (time := iso(edge, zone)) not in times]
    added = [
        {**rows[0], "time": time, "value": nothing(rows)}
        for time in missing
        if (moment(time) or last_known) <= last_known
    ]
    return sorted([*rows, *added], key=lambda row: str(row["time"]))


def series(rows: Sequence[dict[str, Any]], most: int = SERIES) -> tuple[list[str], Series, int]:
    """The instants, the values of the `most` largest groups at each of them, and how many groups were left out."""
    times = sorted({str(row["time"]) for row in rows})
    place = {time: index for index, time in enumerate(times)}
    found: Series = {}
    empty = [nothing(rows)] * len(times)
    for row in rows:
        line = found.setdefault(group(row, ("time", "value")), list(empty))
        line[place[str(row["time"])]] = row["value"]
    ranked = sorted(found, key=lambda name: -sum(value or 0 for value in found[name]))
    return times, {name: found[name] for name in ranked[:most]}, max(0, len(ranked) - most)


def group(row: dict[str, Any], measured: Sequence[str]) -> str:
    """The name of the group of a row: the values of its breakdown columns."""
    return " · ".join("(none)" if v is None else str(v) for k, v in row.items() if k not in measured)


def draw(rows: Sequence[dict[str, Any]], width: float, *, open_end: bool = False) -> Drawing:
    """The drawing of the rows of a trend, `width` pixels wide; an interval not over yet is reached by dashes."""
    times, lines, _ = series(rows)
    wide = width > 600
    left, right, top = (52.0, 12.0, 12.0) if wide else (40.0, 8.0, 10.0)
    height = 300.0 if wide else 220.0
    bottom = height - 28
    highest = max((value for line in lines.values() for value in line if value is not None), default=0)
    levels = ticks(highest, 5 if wide else 4)
    xs = places(len(times), left, width - right)

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / levels[-1]

    marks = axes(levels, y, left, width - right)
    marks += under(labels(times, 9 if wide else 4), xs, bottom + 19, width)
    for index, line in enumerate(lines.values()):
        marks += stroke(line, xs, y, index, filled=len(lines) == 1, open_end=open_end)
    marks += slots(times, lines, xs, y, (top, bottom))
    span = f"from {day(times[0])} to {day(times[-1])}" if times else "without a single interval"
    words = f"{len(lines)} line{'s' if len(lines) != 1 else ''} {span}, highest value {full(highest)}."
    return Drawing(width, height, marks, "Trend", words)


def places(count: int, left: float, right: float) -> list[float]:
    """Where instants stand: from edge to edge, one alone in the middle."""
    if count == 1:
        return [(left + right) / 2]
    return [left + 6 + (right - left - 12) * index / max(1, count - 1) for index in range(count)]


def axes(levels: list[float], y: Any, left: float, right: float) -> str:
    """Lines across at round numbers, each with its number."""
    marks = ""
    for level in levels:
        at = round(y(level)) + 0.5
        marks += element("line", x1=left, x2=right, y1=at, y2=at, class_="axis" if level == 0 else "grid")
        marks += text(left - 8, at + 4, compact(level), text_anchor="end", class_="muted")
    return marks


def under(shown: dict[int, str], xs: list[float], at: float, width: float) -> str:
    """The labels of the instants; those at the edges turn inwards."""
    marks = ""
    for index, label in shown.items():
        half = len(label) * 3.2
        anchor = "start" if xs[index] < half + 20 else "end" if xs[index] > width - half else "middle"
        marks += text(xs[index], at, label, text_anchor=anchor, class_="muted")
    return marks


def stroke(  # noqa: PLR0913 - what one line is drawn from
    line: list[float | None], xs: list[float], y: Any, index: int, *, filled: bool, open_end: bool
) -> str:
    """One line with gaps where there is no value, and its area when it is the only one."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, value in zip(xs, line, strict=True):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((x, y(value)))
    marks = ""
    for run in filter(None, runs):
        path = "M" + "L".join(f"{number(x)} {number(at)}" for x, at in run)
        if filled and len(run) > 1:
            closed = f"{path}L{number(run[-1][0])} {number(y(0))}L{number(run[0][0])} {number(y(0))}Z"
            marks += element("path", d=closed, class_=f"area f{index}")
        solid = path
        if open_end and len(run) > 1 and run is runs[-1]:
            solid = path[: path.rindex("L")]
            marks += element("path", d="M" + "L".join(path[1:].split("L")[-2:]), class_=f"line s{index} dashed")
        marks += element("path", d=solid, class_=f"line s{index}")
        if len(run) == 1 or len(line) <= 31:
            marks += "".join(element("circle", cx=x, cy=at, r=3.0, class_=f"f{index}") for x, at in run)
    return marks


def slots(times: list[str], lines: Series, xs: list[float], y: Any, edges: tuple[float, float]) -> str:
    """One place per instant that answers the pointer: a guide, a spot on each line, and the numbers."""
    top, bottom = edges
    marks = ""
    every = -(-len(times) // MOST_SLOTS)
    for index in range(0, len(times), every):
        time = times[index]
        before = (xs[index - every] + xs[index]) / 2 if index else xs[index] - 12
        after = (xs[index + every] + xs[index]) / 2 if index + every < len(xs) else xs[-1] + 12
        values = [(name, line[index]) for name, line in lines.items()]
        tip = json.dumps([day(time), *[[clip(name or "value", 220), full(v), i] for i, (name, v) in enumerate(values)]])
        inner = element("rect", x=before, y=top, width=after - before, height=bottom - top, class_="hit")
        inner += element("line", x1=xs[index], x2=xs[index], y1=top, y2=bottom, class_="guide")
        for place, (_, value) in enumerate(values):
            if value is not None:
                inner += element("circle", cx=xs[index], cy=y(value), r=4.5, class_=f"spot f{place}")
        marks += element("g", inner, class_="slot", data_tip=tip)
    return marks

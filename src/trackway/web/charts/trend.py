"""A trend as lines over time; one line is filled down to zero, since its height is the number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trackway.model.time import Duration, instant, intervals, iso
from trackway.web.charts.scale import around, between, compact, day, full, labels, levels, moment, share
from trackway.web.charts.svg import SERIES, Drawing, clip, element, number, slot, text

Series = dict[str, list[float | None]]
MEASURED = ("time", "value", "sure")
"""Keys of a row to draw that do not name its line; `sure` are the ends of the interval of a sample, or None."""
BEFORE = "before"
"""The line of the earlier period a trend is compared with."""
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
    groups = [key for key in rows[0] if key not in {*MEASURED, "change", "intervals", *more}]
    if groups or not more:
        return [
            {"time": row["time"], "value": drawn(row["value"]), **{key: row[key] for key in groups}}
            | {"sure": between(row, "value")}
            for row in rows
        ]
    named = [key for key in more if key != "before"]
    alone = not named or any(row["value"] != row[named[0]] for row in rows)
    shown = (["value"] if alone else named) + [key for key in more if key == "before"]
    return [
        {"time": row["time"], "value": drawn(row[key]), "measure": key, "sure": between(row, key)}
        for row in rows
        for key in shown
    ]


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
        {**rows[0], "time": time, "value": nothing(rows), "sure": None}
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
        line = found.setdefault(group(row, MEASURED), list(empty))
        line[place[str(row["time"])]] = row["value"]
    ranked = sorted(found, key=lambda name: (name == BEFORE, -sum(value or 0 for value in found[name])))
    return times, {name: found[name] for name in ranked[:most]}, max(0, len(ranked) - most)


def group(row: dict[str, Any], measured: Sequence[str]) -> str:
    """The name of the group of a row: the values of its breakdown columns."""
    named = [value for key, value in row.items() if key not in measured and key != "intervals"]
    return " · ".join("(none)" if value is None else str(value) for value in named)


@dataclass(frozen=True)
class Look:
    """How lines over time are drawn."""

    open_end: bool = False
    """The last interval is not over yet: it is reached by dashes."""
    shares: bool = False
    """Values are shares of a whole, written as per cent."""
    notes: Sequence[tuple[str, str]] = ()
    """Instants with what happened then."""
    height: float = 300.0
    """Of a wide drawing, in pixels."""

    def short(self, value: float) -> str:
        """A value at the axis."""
        return f"{value * 100:.4g} %" if self.shares else compact(value)

    def full(self, value: float | None) -> str:
        """A value in words."""
        return share(value) if self.shares else full(value)


PLAIN = Look()


@dataclass(frozen=True)
class Frame:
    """Where things stand in a drawing of lines."""

    xs: list[float]
    levels: list[float]
    left: float
    right: float
    top: float
    bottom: float

    def y(self, value: float) -> float:
        """The height of a value."""
        low, high = self.levels[0], self.levels[-1]
        return self.bottom - (self.bottom - self.top) * (value - low) / (high - low)


def draw(rows: Sequence[dict[str, Any]], width: float, look: Look = PLAIN) -> Drawing:
    """The drawing of the rows of a trend, `width` pixels wide."""
    times, lines, _ = series(rows)
    wide = width > 600
    left, right, top = (58.0, 12.0, 12.0) if wide else (44.0, 8.0, 10.0)
    height = look.height if wide else min(220.0, look.height)
    sure = bands(rows, times)
    seen = [v for line in lines.values() for v in line if v is not None]
    ends = [end for name in lines for pair in sure.get(name, []) if pair for end in pair]
    highest = max(seen, default=0)
    found = levels(min([*seen, *ends], default=0), max([*seen, *ends], default=0), 5 if wide else 4)
    frame = Frame(places(len(times), left, width - right), found, left, width - right, top, height - 28)
    marks = axes(frame, look)
    marks += under(labels(times, 9 if wide else 4), frame.xs, frame.bottom + 19, width)
    for place, (name, line) in enumerate(lines.items()):
        index = colour(place, name)
        if name in sure:
            marks += band(sure[name], frame, index)
        filled = len(lines) == 1 and frame.levels[0] == 0
        marks += stroke(line, frame, index, filled=filled, open_end=look.open_end, pale=name == BEFORE)
    marks += flags(times, frame, look.notes)
    marks += slots(times, lines, sure, frame, look)
    span = f"from {day(times[0])} to {day(times[-1])}" if times else "without a single interval"
    words = f"{len(lines)} line{'s' if len(lines) != 1 else ''} {span}, highest value {look.full(highest)}."
    return Drawing(width, height, marks, "Trend", words)


def colour(place: int, name: str) -> int:
    """The number of the colour of a line; that of the earlier period is grey."""
    return SERIES - 1 if name == BEFORE else place


def bands(rows: Sequence[dict[str, Any]], times: Sequence[str]) -> dict[str, list[Any]]:
    """The interval of each line of a sample at each instant; nothing for exact numbers."""
    place = {time: index for index, time in enumerate(times)}
    found: dict[str, list[Any]] = {}
    for row in rows:
        if row.get("sure"):
            found.setdefault(group(row, MEASURED), [None] * len(times))[place[str(row["time"])]] = row["sure"]
    return found


def band(ends: Sequence[Any], frame: Frame, index: int) -> str:
    """How sure the numbers of a line are, as the ground around it."""
    marks, run = "", []
    for x, pair in [*zip(frame.xs, ends, strict=True), (0.0, None)]:
        if pair is not None:
            run.append((x, frame.y(pair[0]), frame.y(pair[1])))
        elif run:
            if len(run) == 1:
                run = [(run[0][0] - 3, *run[0][1:]), (run[0][0] + 3, *run[0][1:])]
            over = "L".join(f"{number(x)} {number(high)}" for x, _, high in run)
            below = "L".join(f"{number(x)} {number(low)}" for x, low, _ in reversed(run))
            marks += element("path", d=f"M{over}L{below}Z", class_=f"band f{index}")
            run = []
    return marks


def places(count: int, left: float, right: float) -> list[float]:
    """Where instants stand: from edge to edge, one alone in the middle."""
    if count == 1:
        return [(left + right) / 2]
    return [left + 6 + (right - left - 12) * index / max(1, count - 1) for index in range(count)]


def axes(frame: Frame, look: Look) -> str:
    """Lines across at round numbers, each with its number."""
    marks = ""
    for level in frame.levels:
        at = round(frame.y(level)) + 0.5
        kind = "axis" if level == 0 else "grid"
        marks += element("line", x1=frame.left, x2=frame.right, y1=at, y2=at, class_=kind)
        marks += text(frame.left - 8, at + 4, look.short(level), text_anchor="end", class_="muted")
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
    line: list[float | None], frame: Frame, index: int, *, filled: bool, open_end: bool, pale: bool = False
) -> str:
    """One line with gaps where there is no value, and its area when it is the only one."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, value in zip(frame.xs, line, strict=True):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((x, frame.y(value)))
    marks, kind = "", f"line s{index} dashed" if pale else f"line s{index}"
    for run in filter(None, runs):
        path = "M" + "L".join(f"{number(x)} {number(at)}" for x, at in run)
        if filled and len(run) > 1:
            closed = f"{path}L{number(run[-1][0])} {number(frame.y(0))}L{number(run[0][0])} {number(frame.y(0))}Z"
            marks += element("path", d=closed, class_=f"area f{index}")
        solid = path
        if open_end and len(run) > 1 and run is runs[-1]:
            solid = path[: path.rindex("L")]
            marks += element("path", d="M" + "L".join(path[1:].split("L")[-2:]), class_=f"line s{index} dashed")
        marks += element("path", d=solid, class_=kind)
        if (len(run) == 1 or len(line) <= 31) and not pale:
            marks += "".join(element("circle", cx=x, cy=at, r=3.0, class_=f"f{index}") for x, at in run)
    return marks


def flags(times: Sequence[str], frame: Frame, notes: Sequence[tuple[str, str]]) -> str:
    """What happened when: a line down at the interval it happened in, with its words."""
    marks = ""
    known = [when for time in times if (when := moment(time)) is not None]
    for time, said in notes:
        when = moment(time)
        index = -1 if when is None else sum(one <= when for one in known) - 1
        if index >= 0 and len(known) == len(times):
            x = frame.xs[index]
            room = max(x - frame.left, frame.right - x) - 8
            side = "start" if frame.right - x >= x - frame.left else "end"
            marks += element("line", x1=x, x2=x, y1=frame.top, y2=frame.bottom, class_="flag")
            words = clip(said, min(room, 220))
            beside = x + (5 if side == "start" else -5)
            marks += text(beside, frame.top + 9, words, text_anchor=side, class_="muted halo")
    return marks


def slots(times: list[str], lines: Series, sure: dict[str, list[Any]], frame: Frame, look: Look) -> str:
    """One place per instant that answers the pointer: a guide, a spot on each line, and the numbers."""
    marks, xs = "", frame.xs
    every = -(-len(times) // MOST_SLOTS)
    for index in range(0, len(times), every):
        before = (xs[index - every] + xs[index]) / 2 if index else xs[index] - 12
        after = (xs[index + every] + xs[index]) / 2 if index + every < len(xs) else xs[-1] + 12
        values = [(name, line[index]) for name, line in lines.items()]
        tip: list[Any] = [day(times[index])]
        for place, (name, value) in enumerate(values):
            ends = sure[name][index] if name in sure else None
            said = around(value, ends, look.full) if name in sure else look.full(value)
            tip.append([clip(name or "value", 220), said, colour(place, name)])
        tip += [[said, "", -1] for time, said in look.notes if str(time) == times[index]]
        high = frame.bottom - frame.top
        inner = element("rect", x=before, y=frame.top, width=after - before, height=high, class_="hit")
        inner += element("line", x1=xs[index], x2=xs[index], y1=frame.top, y2=frame.bottom, class_="guide")
        for place, (name, value) in enumerate(values):
            if value is not None:
                kind = f"spot f{colour(place, name)}"
                inner += element("circle", cx=xs[index], cy=frame.y(value), r=4.5, class_=kind)
        marks += slot(inner, tip)
    return marks

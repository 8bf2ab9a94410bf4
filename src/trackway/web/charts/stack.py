"""Actors by interval as stacked bars: where the active came from above the line, who went below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trackway.web.charts.scale import between, compact, day, full, labels, levels, share, sure
from trackway.web.charts.svg import Drawing, element, slot, text
from trackway.web.charts.trend import Frame, places, under

COLOURS = {"returning": 0, "new": 2, "resurrected": 5, "dormant": 7}
"""The parts of an interval, from the line up and, the last one, down; and the colour of each."""


def draw(rows: Sequence[dict[str, Any]], width: float) -> Drawing:
    """The drawing of the rows of a lifecycle without groups, `width` pixels wide."""
    wide = width > 600
    left, height = (58.0, 320.0) if wide else (44.0, 240.0)
    lowest, highest = (max((row[key] for row in rows), default=0) for key in ("dormant", "active"))
    found = levels(-lowest, highest, 6)
    frame = Frame(places(len(rows), left + 24, width - 34), found, left, width - 8, 12.0, height - 28)
    marks = ""
    for level in frame.levels:
        at = round(frame.y(level)) + 0.5
        marks += element("line", x1=left, x2=width - 8, y1=at, y2=at, class_="axis" if level == 0 else "grid")
        marks += text(left - 8, at + 4, compact(abs(level)), text_anchor="end", class_="muted")
    step = (frame.xs[1] - frame.xs[0]) if len(rows) > 1 else 60.0
    for x, row in zip(frame.xs, rows, strict=True):
        marks += bar(row, x, step, frame)
    marks += under(labels([row["time"] for row in rows], 9 if wide else 4), frame.xs, frame.bottom + 19, width)
    last = rows[-1]
    words = ", ".join(f"{full(last[part])} {part}" for part in COLOURS)
    return Drawing(width, height, marks, "Lifecycle", f"{len(rows)} intervals; in the last: {words}.")


def bar(row: dict[str, Any], x: float, step: float, frame: Frame) -> str:
    """One interval; one that is not over yet is paler."""
    thick = max(1.0, min(46.0, step * 0.72))
    at, pale = 0.0, None if row.get("complete", True) else 0.5
    inner = element("rect", x=x - step / 2, y=frame.top, width=step, height=frame.bottom - frame.top, class_="hit")
    for part, colour in COLOURS.items():
        value = row[part]
        low, high = (0.0, -float(value)) if part == "dormant" else (at, at + value)
        top, bottom = frame.y(max(low, high)), frame.y(min(low, high))
        at = at if part == "dormant" else high
        if value:
            inner += element(
                "rect", x=x - thick / 2, y=top, width=thick, height=max(0.5, bottom - top), class_=f"f{colour}",
                fill_opacity=pale,
            )  # fmt: skip
    for key, sign in (("active", 1), ("dormant", -1)):
        if ends := between(row, key):
            low, high = (frame.y(sign * end) for end in ends)
            inner += element("line", x1=x, x2=x, y1=low, y2=high, class_="whisker")
    tip: list[Any] = [day(row["time"]) + ("" if row.get("complete", True) else ", so far")]
    tip += [[part, sure(row, part), colour] for part, colour in COLOURS.items()]
    tip.append(["active", sure(row, "active"), -1])
    if row["active"]:
        tip.append(["new, of the active", share(row["new"] / row["active"]), -1])
    return slot(inner, tip)

"""A survival curve: the share of those who started that is still there, with the ground on which it is sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trackway.web.charts.scale import full, lasting, share
from trackway.web.charts.svg import SERIES, Drawing, clip, element, number, slot, text

LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)


def draw(curves: Mapping[str, Sequence[dict[str, Any]]], width: float) -> Drawing:
    """The drawing of curves by name, each of rows `seconds at_risk survival low high`, `width` pixels wide."""
    shown = dict(list(curves.items())[:SERIES])
    left, right, top, bottom = (58.0 if width > 600 else 44.0), width - 12, 12.0, 212.0
    last = max((row["seconds"] for curve in shown.values() for row in curve), default=0) or 1.0

    def x(seconds: float) -> float:
        return left + (right - left) * seconds / last

    def y(part: float) -> float:
        return bottom - (bottom - top) * part

    marks = ""
    for level in LEVELS:
        at = round(y(level)) + 0.5
        marks += element("line", x1=left, x2=right, y1=at, y2=at, class_="axis" if level == 0 else "grid")
        marks += text(left - 8, at + 4, f"{level * 100:.0f} %", text_anchor="end", class_="muted")
    for index, curve in enumerate(shown.values()):
        known = [row for row in curve if row["survival"] is not None]
        if len(shown) == 1:
            marks += ground(known, x, y)
        marks += element("path", d=steps([(x(r["seconds"]), y(r["survival"])) for r in known]), class_=f"line s{index}")
    marks += instants(shown, x, y, (top, bottom), right)
    first = next(iter(shown.values()), [])
    ends = f"{share(first[-1]['survival'])} after {lasting(first[-1]['seconds'])}" if first else "nothing"
    return Drawing(width, bottom + 28, marks, "Survival", f"Still there: {ends}.")


def steps(points: Sequence[tuple[float, float]]) -> str:
    """A path that stays level until the next point, as what is estimated does."""
    if not points:
        return "M0 0"
    path = f"M{number(points[0][0])} {number(points[0][1])}"
    return path + "".join(f"H{number(px)}V{number(py)}" for px, py in points[1:])


def ground(rows: Sequence[dict[str, Any]], x: Any, y: Any) -> str:
    """The interval around a curve."""
    known = [row for row in rows if row["low"] is not None and row["high"] is not None]
    sides = [(x(row["seconds"]), y(row["low"]), y(row["high"])) for row in known]
    if len(sides) < 2:
        return ""
    upper = steps([(at, high) for at, _, high in sides])
    lower = f"V{number(sides[-1][1])}" + "".join(
        f"H{number(after[0])}V{number(before[1])}" for before, after in zip(sides[-2::-1], sides[:0:-1], strict=False)
    )  # fmt: skip
    return element("path", d=f"{upper}{lower}H{number(sides[0][0])}Z", class_="band f0")


def instants(
    shown: Mapping[str, Sequence[dict[str, Any]]], x: Any, y: Any, edges: tuple[float, float], right: float
) -> str:
    """A place for the pointer at every instant of the curves, with its length of time below."""
    top, bottom = edges
    rows = next(iter(shown.values()), [])
    gap = x(rows[1]["seconds"]) - x(rows[0]["seconds"]) if len(rows) > 1 else 40.0
    every, marks = max(1, round(62 / max(gap, 1.0))), ""
    for index, row in enumerate(rows):
        at = x(row["seconds"])
        tip: list[Any] = [f"after {lasting(row['seconds'])}"]
        inner = element("rect", x=at - gap / 2, y=top, width=gap, height=bottom - top, class_="hit")
        inner += element("line", x1=at, x2=at, y1=top, y2=bottom, class_="guide")
        for place, (name, curve) in enumerate(shown.items()):
            one = curve[index] if index < len(curve) else None
            if one is None or one["survival"] is None:
                continue
            ends = f" ({share(one['low'])} to {share(one['high'])})" if one["low"] is not None else ""
            tip.append([clip(name or "still there", 200), share(one["survival"]) + ends, place])
            tip += [["watched", full(one["at_risk"]), -1]] if len(shown) == 1 else []
            inner += element("circle", cx=at, cy=y(one["survival"]), r=4.5, class_=f"spot f{place}")
        marks += slot(inner, tip)
        if index % every == 0:
            anchor = "start" if index == 0 else "end" if at > right - 24 else "middle"
            marks += text(at, bottom + 19, lasting(row["seconds"]), text_anchor=anchor, class_="muted")
    return marks

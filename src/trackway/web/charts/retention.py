"""Retention as a heat map: a line per cohort, a column per period, the share that came back in each cell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from trackway.web.charts.scale import day, full, share
from trackway.web.charts.svg import Drawing, element, text

COHORTS = 40
"""Most cohorts drawn; the table has all of them."""

Cohorts = dict[str, dict[int, dict[str, Any]]]


def cohorts(rows: Sequence[dict[str, Any]]) -> Cohorts:
    """Cohort to period to row, in order of time."""
    found: Cohorts = {}
    for row in sorted(rows, key=lambda row: str(row["cohort"])):
        found.setdefault(str(row["cohort"]), {})[row["period"]] = row
    return found


def overall(found: Cohorts) -> dict[int, float]:
    """The share of all actors whose cohort can be seen in a period that came back in it."""
    came: dict[int, list[int]] = {}
    for periods in found.values():
        for period, row in periods.items():
            if row["rate"] is not None and row.get("complete", True):
                seen = came.setdefault(period, [0, 0])
                seen[0] += row["returned"]
                seen[1] += row["actors"]
    return {period: back / actors for period, (back, actors) in sorted(came.items()) if actors}


def draw(rows: Sequence[dict[str, Any]], width: float, unit: str = "Period") -> Drawing:
    """The drawing of the rows of a retention, at least `width` pixels wide."""
    found = cohorts(rows)
    periods = sorted({row["period"] for row in rows})
    left, high, gap = (170.0, 32.0, 2.0) if width > 600 else (96.0, 28.0, 1.5)
    cell = max((width - left) / max(1, len(periods)), 38.0)
    marks = "".join(
        text(left + cell * (i + 0.5), 16, f"{unit} {p}" if cell > 60 else str(p), text_anchor="middle", class_="muted")
        for i, p in enumerate(periods)
    )
    at = 26.0
    summary = overall(found)
    highest = max((r["rate"] or 0 for r in rows if r["period"] > 0), default=0) or 1.0
    lines: list[tuple[str, str, dict[int, tuple[float | None, str]]]] = [
        ("All", full(sum(next(iter(p.values()))["actors"] for p in found.values())),
         {p: (rate, f"all cohorts, {unit.lower()} {p}") for p, rate in summary.items()}),
    ]  # fmt: skip
    for cohort, row in list(found.items())[-COHORTS:]:
        tips = {p: (r["rate"], came(r)) for p, r in row.items()}
        lines.append((day(cohort), full(next(iter(row.values()))["actors"]), tips))
    for index, (name, size, cells) in enumerate(lines):
        marks += text(0, at + high / 2 + 4, name, class_="strong" if index == 0 else "ink")
        marks += text(left - 12, at + high / 2 + 4, size, text_anchor="end", class_="muted") if width > 600 else ""
        for column, period in enumerate(periods):
            if period in cells:
                box = (left + cell * column, at, cell - gap, high - gap)
                marks += square(box, cells[period], f"{name} · {unit} {period}", highest)
        at += high + (8 if index == 0 else 0)
    shown = ", ".join(f"{unit.lower()} {p}: {share(r)}" for p, r in list(summary.items())[:6])
    words = f"{len(found)} cohorts. Of all actors came back in {shown}."
    return Drawing(max(width, left + cell * len(periods)), at + 4, marks, "Retention", words)


def came(row: dict[str, Any]) -> str:
    """How many of how many came back, and whether more still may."""
    later = "" if row.get("complete", True) else ", so far"
    return f"{full(row['returned'])} of {full(row['actors'])} came back{later}"


def square(box: tuple[float, float, float, float], cell: tuple[float | None, str], name: str, highest: float) -> str:
    """One cell, darker the more came back (relative to `highest`); a period that is not over yet stays pale."""
    x, y, width, height = box
    rate, said = cell
    if rate is None:
        back = element("rect", x=x, y=y, width=width, height=height, rx=3.0, class_="rest", fill_opacity=0.35)
        return element("g", back, class_="slot", data_tip=json.dumps([name, ["not over yet", "", -1]]))
    heat = 0.06 + 0.94 * min(1.0, rate / highest)
    back = element("rect", x=x, y=y, width=width, height=height, rx=3.0, class_="heat", fill_opacity=heat)
    if said.endswith("so far"):
        back = element("rect", x=x, y=y, width=width, height=height, rx=3.0, class_="open", fill_opacity=heat)
    label = share(rate) if width >= 56 else f"{rate * 100:.0f}" + (" %" if width >= 42 else "")
    shade = "inverse" if heat > 0.55 else "ink"
    back += text(x + width / 2, y + height / 2 + 4, label, text_anchor="middle", class_=shade)
    return element("g", back, class_="slot", data_tip=json.dumps([name, [said, share(rate), -1]]))

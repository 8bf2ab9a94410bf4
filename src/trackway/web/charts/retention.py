"""Retention as a heat map: a line per cohort, a column per period, the share that came back in each cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trackway.web.charts.scale import day, full, share, sure
from trackway.web.charts.svg import Drawing, clip, element, slot, text
from trackway.web.charts.trend import group

COHORTS = 40
"""Most cohorts drawn; the table has all of them."""

MEASURED = frozenset({
    "cohort", "actors", "period", "from", "to", "returned", "observed", "rate", "complete", "values", "value",
    "value_average", "value_per_returned", "value_per_actor", "intervals",
})  # fmt: skip
"""Keys of a row that do not name its group."""
Cohorts = dict[str, dict[int, dict[str, Any]]]


def grouped(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The rows of each group, in their order: the largest group first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(group(row, list(MEASURED)), []).append(row)
    return found


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


@dataclass(frozen=True)
class Line:
    """One line of a heat map."""

    name: str
    size: float
    cells: dict[int, tuple[float | None, str]]
    """Period to share and what it says."""


def draw(rows: Sequence[dict[str, Any]], width: float, unit: str = "Period") -> Drawing:
    """The drawing of the rows of a retention of one group, at least `width` pixels wide."""
    found = cohorts(rows)
    lines = [whole(found, "All", unit)]
    for cohort, periods in list(found.items())[-COHORTS:]:
        cells = {period: (row["rate"], came(row)) for period, row in periods.items()}
        lines.append(Line(day(cohort), next(iter(periods.values()))["actors"], cells))
    return heat(lines, rows, width, unit, f"{len(found)} cohorts.")


def compared(rows: Sequence[dict[str, Any]], width: float, unit: str = "Period") -> Drawing:
    """The drawing of all groups of a retention, a line for each with all its cohorts together."""
    found = grouped(rows)
    lines = [whole(cohorts(some), name, unit) for name, some in found.items()]
    return heat(lines, rows, width, unit, f"{len(found)} groups.")


def whole(found: Cohorts, name: str, unit: str) -> Line:
    """All cohorts together, as far as their periods are over."""
    size = sum(next(iter(periods.values()))["actors"] for periods in found.values())
    cells = {period: (rate, f"all cohorts, {unit.lower()} {period}") for period, rate in overall(found).items()}
    return Line(name, size, dict(cells))


def heat(lines: Sequence[Line], rows: Sequence[dict[str, Any]], width: float, unit: str, words: str) -> Drawing:
    """Lines of cells, the first of them the whole."""
    called = {row["period"]: titled(row) for row in rows}
    periods = sorted(called)
    left, high, gap = (170.0, 32.0, 2.0) if width > 600 else (96.0, 28.0, 1.5)
    cell = max((width - left) / max(1, len(periods)), 38.0)
    marks = "".join(
        text(left + cell * (i + 0.5), 16, f"{unit} {called[p]}" if cell > 64 else called[p], text_anchor="middle",
             class_="muted")
        for i, p in enumerate(periods)
    )  # fmt: skip
    at = 26.0
    highest = max((rate or 0 for line in lines for p, (rate, _) in line.cells.items() if p > 0), default=0) or 1.0
    for index, line in enumerate(lines):
        first = index == 0 and line.name == "All"
        marks += text(0, at + high / 2 + 4, clip(line.name, left - 60), class_="strong" if first else "ink")
        if width > 600:
            marks += text(left - 12, at + high / 2 + 4, full(line.size), text_anchor="end", class_="muted")
        for column, period in enumerate(periods):
            if period in line.cells:
                box = (left + cell * column, at, cell - gap, high - gap)
                marks += square(box, line.cells[period], f"{line.name} · {unit} {called[period]}", highest)
        at += high + (8 if first else 0)
    rates = [(called[p], rate) for p, (rate, _) in lines[0].cells.items()] if lines else []
    shown = ", ".join(f"{unit.lower()} {p}: {share(rate)}" for p, rate in rates[:6])
    return Drawing(max(width, left + cell * len(periods)), at + 4, marks, "Retention", f"{words} Came back in {shown}.")


def titled(row: dict[str, Any]) -> str:
    """What a period is called: its number, or from which to which interval it reaches.

    >>> titled({"period": 2, "from": 2, "to": 3}), titled({"period": 2})
    ('2 to 3', '2')
    """
    begin, end = row.get("from", row["period"]), row.get("to", row["period"])
    return str(begin) if begin == end else f"{begin} to {end}"


def came(row: dict[str, Any]) -> str:
    """How many of how many came back, and whether more still may."""
    later = "" if row.get("complete", True) else ", so far"
    return f"{sure(row, 'returned')} of {sure(row, 'actors')} came back{later}"


def square(box: tuple[float, float, float, float], cell: tuple[float | None, str], name: str, highest: float) -> str:
    """One cell, darker the more came back (relative to `highest`); a period that is not over yet stays pale."""
    x, y, width, height = box
    rate, said = cell
    if rate is None:
        back = element("rect", x=x, y=y, width=width, height=height, rx=3.0, class_="rest", fill_opacity=0.35)
        return slot(back, [name, ["not over yet", "", -1]])
    heat = 0.06 + 0.94 * min(1.0, rate / highest)
    back = element("rect", x=x, y=y, width=width, height=height, rx=3.0, class_="heat", fill_opacity=heat)
    if said.endswith("so far"):
        back = element("rect", x=x, y=y, width=width, height=height, rx=3.0, class_="open", fill_opacity=heat)
    label = share(rate) if width >= 56 else f"{rate * 100:.0f}" + (" %" if width >= 42 else "")
    shade = "inverse" if heat > 0.55 else "ink"
    back += text(x + width / 2, y + height / 2 + 4, label, text_anchor="middle", class_=shade)
    return slot(back, [name, [said, share(rate), -1]])

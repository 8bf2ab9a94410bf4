"""A funnel as bars: who arrived at each step, who was lost before it, and how long it took."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from trackway.web.charts.scale import counted, full, lasting, plain, share
from trackway.web.charts.svg import Drawing, clip, element, text
from trackway.web.charts.trend import group

MEASURED = ("step", "name", "actors", "entries", "sessions", "rate", "median_seconds", "step_rate",
            "step_median_seconds")  # fmt: skip
GROUPS = 6
"""Most groups drawn side by side; the table has all of them."""

Steps = list[dict[str, Any]]


def groups(rows: Sequence[dict[str, Any]], most: int = GROUPS) -> tuple[dict[str, Steps], int]:
    """The steps of the largest groups, largest first, and how many groups were left out."""
    found: dict[str, Steps] = {}
    for row in rows:
        found.setdefault(group(row, MEASURED), []).append(row)
    for steps in found.values():
        steps.sort(key=lambda row: row["step"])
    ranked = sorted(found, key=lambda name: -found[name][0][counted(found[name][0])])
    return {name: found[name] for name in ranked[:most]}, max(0, len(ranked) - most)


def draw(rows: Sequence[dict[str, Any]], width: float) -> Drawing:
    """The drawing of the rows of a funnel, `width` pixels wide."""
    shown, _ = groups(rows)
    single = len(shown) == 1
    thick = 34.0 if single else 20.0
    marks, at = "", 0.0
    count = max((len(steps) for steps in shown.values()), default=0)
    for index in range(count):
        rows_here = [(name, steps[index], steps) for name, steps in shown.items() if index < len(steps)]
        marks += heading(rows_here[0][1], at, width, single=single)
        at += 26
        for place, (name, row, steps) in enumerate(rows_here):
            marks += bar((name, place), row, steps, at, (width, thick))
            at += thick + 5
        if single and index + 1 < count:
            marks += lost(row, shown[name][index + 1], at, width)
        at += 34 if single else 18
    first, last = next(iter(shown.values()), [{}])[0], next(iter(shown.values()), [{}])[-1]
    unit = counted(first)
    words = f"{full(first.get(unit))} {unit} began, {full(last.get(unit))} reached the last of {count} steps."
    return Drawing(width, max(40.0, at - (30 if single else 14)), marks, "Funnel", words)


def heading(row: dict[str, Any], at: float, width: float, *, single: bool) -> str:
    """The name of a step and, when there is one group, its numbers at the right."""
    room = width - (170 if single else 10)
    marks = text(0, at + 15, clip(f"{row['step']}  {plain(row['name'])}", room, 6.6), class_="strong")
    if single:
        numbers = f"{full(row[counted(row)])}  ·  {share(row['rate'])}"
        marks += text(width, at + 15, numbers, text_anchor="end", class_="strong")
    return marks


def bar(named: tuple[str, int], row: dict[str, Any], steps: Steps, at: float, size: tuple[float, float]) -> str:
    """One bar over the full width of those who began."""
    (name, place), (width, thick) = named, size
    unit = counted(row)
    begun = steps[0][unit] or 0
    length = width * (row[unit] / begun) if begun else 0.0
    tip = [plain(row["name"]) + (f" · {name}" if name else ""), [unit, full(row[unit]), place],
           ["of those who began", share(row["rate"]), -1]]  # fmt: skip
    if row["step"] > 1:
        tip.append(["median from the start", lasting(row.get("median_seconds")), -1])
    inner = element("rect", x=0.0, y=at, width=float(width), height=thick, rx=4.0, class_="rest")
    inner += element("rect", x=0.0, y=at, width=max(length, 2.0), height=thick, rx=4.0, class_=f"f{place}")
    if name:
        label = f"{clip(name, width * 0.55)}  {full(row[unit])} · {share(row['rate'])}"
        inside = length > len(label) * 6.6 + 20
        inner += text(10 if inside else length + 10, at + thick / 2 + 4, label, class_="inverse" if inside else "ink")
    return element("g", inner, class_="slot", data_tip=json.dumps(tip))


def lost(row: dict[str, Any], after: dict[str, Any], at: float, width: float) -> str:
    """Between two steps: how many did not come along, and how long the others took."""
    unit = counted(row)
    gone = row[unit] - after[unit]
    part = gone / row[unit] if row[unit] else 0.0
    marks = text(10, at + 11, f"↓ {full(gone)} lost ({share(part)})" if gone >= 0 else "", class_="muted")
    took = after.get("step_median_seconds", after.get("median_seconds"))
    if took is not None:
        marks += text(width, at + 11, f"median {lasting(took)}", text_anchor="end", class_="muted")
    return marks

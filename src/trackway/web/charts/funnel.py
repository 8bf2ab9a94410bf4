"""A funnel as bars: who arrived at each step, who was lost before it, and how long it took."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from trackway.web.charts.lanes import interval
from trackway.web.charts.scale import between, counted, full, lasting, plain, share, sure
from trackway.web.charts.svg import Drawing, clip, element, slot, text
from trackway.web.charts.trend import group

MEASURED = ("step", "name", "actors", "entries", "sessions", "rate", "median_seconds", "step_rate",
            "step_median_seconds", "low_actors", "high_actors", "low_rate", "high_rate", "time",
            "complete")  # fmt: skip
Link = Callable[[dict[str, Any], bool], str]
"""The address of those who reached the step of a row, or (true) of those who went no further."""
GROUPS = 6
"""Most groups drawn side by side; the table has all of them."""

Steps = list[dict[str, Any]]


def nowhere(_row: dict[str, Any], _dropped: bool) -> str:
    """No address: nobody can be listed."""
    return ""


def pooled(rows: Sequence[dict[str, Any]]) -> Steps:
    """The rows of a funnel over time as those of one funnel, of the intervals that are over (or of all, if none is)."""
    if not rows or "time" not in rows[0]:
        return list(rows)
    over = [row for row in rows if row["complete"]] or list(rows)
    kept = [key for key in over[0] if key not in MEASURED or key in {"step", "name"}]
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in over:
        same = tuple(row[key] for key in kept if key != "intervals")
        unit, one = counted(row), found.setdefault(same, {key: row[key] for key in kept if key != "intervals"})
        one[unit] = one.get(unit, 0) + row[unit]
    for steps in groups(list(found.values()), most=len(found))[0].values():
        for before, row in zip([steps[0], *steps], steps, strict=False):
            unit = counted(row)
            row["rate"] = row[unit] / steps[0][unit] if steps[0][unit] else None
            row["step_rate"] = row[unit] / before[unit] if before[unit] and row is not before else None
    return list(found.values())


def groups(rows: Sequence[dict[str, Any]], most: int = GROUPS) -> tuple[dict[str, Steps], int]:
    """The steps of the largest groups, largest first, and how many groups were left out."""
    found: dict[str, Steps] = {}
    for row in rows:
        found.setdefault(group(row, MEASURED), []).append(row)
    for steps in found.values():
        steps.sort(key=lambda row: row["step"])
    ranked = sorted(found, key=lambda name: -found[name][0][counted(found[name][0])])
    return {name: found[name] for name in ranked[:most]}, max(0, len(ranked) - most)


def draw(rows: Sequence[dict[str, Any]], width: float, link: Link = nowhere) -> Drawing:
    """The drawing of the rows of a funnel, `width` pixels wide; numbers lead to `link`."""
    rows = pooled(rows)
    shown, _ = groups(rows)
    single = len(shown) == 1
    thick = 34.0 if single else 20.0
    marks, at = "", 0.0
    count = max((len(steps) for steps in shown.values()), default=0)
    for index in range(count):
        rows_here = [(name, steps[index], steps) for name, steps in shown.items() if index < len(steps)]
        marks += heading(rows_here[0][1], at, width, link if single else None)
        at += 26
        for place, (name, row, steps) in enumerate(rows_here):
            marks += bar((name, place), row, steps, at, (width, thick))
            at += thick + 5
        if single and index + 1 < count:
            marks += lost(row, shown[name][index + 1], at, width, link)
        at += 34 if single else 18
    first, last = next(iter(shown.values()), [{}])[0], next(iter(shown.values()), [{}])[-1]
    unit = counted(first)
    words = f"{full(first.get(unit))} {unit} began, {full(last.get(unit))} reached the last of {count} steps."
    return Drawing(width, max(40.0, at - (30 if single else 14)), marks, "Funnel", words)


def heading(row: dict[str, Any], at: float, width: float, link: Link | None) -> str:
    """The name of a step and, when there is one group, its numbers at the right."""
    numbers = f"{sure(row, counted(row))}  ·  {sure(row, 'rate', share)}"
    room = width - (7.4 * len(numbers) + 14 if link else 10)
    marks = text(0, at + 15, clip(f"{row['step']}  {plain(row['name'])}", room, 6.6), class_="strong")
    if link:
        drawn = text(width, at + 15, numbers, text_anchor="end", class_="strong")
        marks += linked(drawn, link(row, False), f"The {counted(row)} who reached {plain(row['name'])}")
    return marks


def linked(marks: str, address: str, said: str) -> str:
    """Marks that lead to an address, if there is one."""
    return element("a", element("title", escape(said)) + marks, href=address, class_="to") if address else marks


def bar(named: tuple[str, int], row: dict[str, Any], steps: Steps, at: float, size: tuple[float, float]) -> str:
    """One bar over the full width of those who began."""
    (name, place), (width, thick) = named, size
    unit = counted(row)
    begun = steps[0][unit] or 0
    length = width * (row[unit] / begun) if begun else 0.0
    tip = [plain(row["name"]) + (f" · {name}" if name else ""), [unit, sure(row, unit), place],
           ["of those who began", sure(row, "rate", share), -1]]  # fmt: skip
    if row["step"] > 1 and "median_seconds" in row:
        tip.append(["median from the start", lasting(row.get("median_seconds")), -1])
    inner = element("rect", x=0.0, y=at, width=float(width), height=thick, rx=4.0, class_="rest")
    inner += element("rect", x=0.0, y=at, width=max(length, 2.0), height=thick, rx=4.0, class_=f"f{place}")
    ends = between(row, "rate") or open_order(row)
    ends = ends if ends and ends[1] > ends[0] and row["step"] > 1 else None
    if name:
        label = f"{clip(name, width * 0.55)}  {sure(row, unit)} · {share(row['rate'])}"
        inside = length > len(label) * 6.6 + 20
        x = 10 if inside else max(length, width * ends[1] if ends else 0.0) + 10
        inner += text(x, at + thick / 2 + 4, label, class_="inverse" if inside else "ink")
    if ends:
        inner += interval(*ends, lambda part: width * part, at + thick / 2, (0.0, float(width)))
    if "low_actors" in row:
        tip.append(["in whichever order", f"{full(row['low_actors'])} to {full(row['high_actors'])}", -1])
    return slot(inner, tip)


def open_order(row: Mapping[str, Any]) -> tuple[float, float] | None:
    """The lowest and highest rate over all orders of events that are possible, if that was asked."""
    return (row["low_rate"], row["high_rate"]) if row.get("low_rate") is not None else None


def lost(row: dict[str, Any], after: dict[str, Any], at: float, width: float, link: Link) -> str:
    """Between two steps: how many did not come along, and how long the others took."""
    unit = counted(row)
    gone = row[unit] - after[unit]
    part = gone / row[unit] if row[unit] else 0.0
    about = "about " if between(row, unit) else ""
    drawn = text(10, at + 11, f"↓ {about}{full(gone)} lost ({share(part)})" if gone >= 0 else "", class_="muted")
    marks = linked(drawn, link(row, True) if gone > 0 else "", f"The {unit} who went no further")
    took = after.get("step_median_seconds", after.get("median_seconds"))
    if took is not None:
        marks += text(width, at + 11, f"median {lasting(took)}", text_anchor="end", class_="muted")
    return marks

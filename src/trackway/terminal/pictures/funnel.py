"""A funnel as bars, a table for each group; over time also its conversion."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from trackway.plan.query import Answer
from trackway.terminal.pictures.canvas import bar, grid
from trackway.web.charts.funnel import MEASURED, groups, pooled
from trackway.web.charts.scale import counted, day, full, lasting, plain, share, sure
from trackway.web.charts.trend import group


def draw(found: Answer, out: Console) -> None:
    """The steps of each group, and how many were lost before each."""
    shown, left = groups(pooled(found.rows), most=20)
    for name, steps in shown.items():
        if name:
            out.print(Text(name, "bold"))
        unit = counted(steps[0])
        table = grid("", "step", f">{unit}", ">of first", "", ">lost", ">median")
        before = None
        for row in steps:
            lost = f"-{full(before - row[unit])}" if before is not None and before >= row[unit] else ""
            median = sure(row, "median_seconds", lasting) if row["step"] > 1 else ""
            drawn = bar(row["rate"] or 0, max(10, min(40, out.width - 70)))
            table.add_row(
                str(row["step"]), plain(row["name"]), sure(row, unit), sure(row, "rate", share), drawn, lost, median
            )
            before = row[unit]
        out.print(table)
    if left:
        out.print(Text(f"and {left:,} smaller groups", "dim"))
    if "time" in found.rows[0]:
        over_time(found, out)


def over_time(found: Answer, out: Console) -> None:
    """The conversion of each interval."""
    last = max(row["step"] for row in found.rows)
    ends = [row for row in found.rows if row["step"] == last]
    top = max((row["rate"] or 0 for row in ends), default=0) or 1.0
    table = grid("began", *([""] if len(groups(ends)[0]) > 1 else []), ">converted", ">rate", "", "")
    for row in ends:
        name = [group(row, MEASURED)] if len(groups(ends)[0]) > 1 else []
        drawn = bar((row["rate"] or 0) / top, max(10, min(40, out.width - 60)))
        still = Text("" if row["complete"] else "not over yet", "dim")
        table.add_row(day(row["time"]), *name, sure(row, counted(row)), sure(row, "rate", share), drawn, still)
    out.print(table)

"""A trend as bars, one for each interval; of several lines a line of bars each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from trackway.plan.query import Answer
from trackway.terminal.pictures.canvas import ACCENT, MOST, bar, grid
from trackway.web.charts.scale import day, full, sure
from trackway.web.charts.trend import lined, series

BLOCKS = " ▁▂▃▄▅▆▇█"


def draw(found: Answer, out: Console) -> None:
    """The lines of a trend."""
    rows_ = lined(found.rows, found.totals)
    times, lines, left = series(rows_, most=20)
    if len(lines) == 1 and not left and len(times) <= MOST:
        highest = max((row["value"] or 0 for row in rows_), default=0) or 1
        table = grid("from", ">value", "")
        known = {str(row["time"]): row for row in found.rows if "time" in row}
        for time, value in zip(times, next(iter(lines.values())), strict=True):
            drawn = bar((value or 0) / highest, max(10, min(60, out.width - 40)))
            table.add_row(day(time), sure(known.get(time, {"value": value}), "value"), drawn)
        out.print(table)
        return
    table = grid("group", f"{day(times[0])} — {day(times[-1])}", ">first", ">last", ">highest")
    for name, line in lines.items():
        values = [value or 0 for value in line]
        drawn = Text(spark(values, max(10, min(60, out.width - 60))), ACCENT)
        table.add_row(name or "value", drawn, full(values[0]), full(values[-1]), full(max(values)))
    out.print(table)
    if left:
        out.print(Text(f"and {left:,} smaller groups", "dim"))


def spark(values: Sequence[float], width: int) -> str:
    """Values as a line of bars, at most `width` wide (the highest of neighbours is kept).

    >>> spark([0, 5, 10], 8)
    ' ▄█'
    """
    step = -(-len(values) // width)
    kept = [max(values[i : i + step]) for i in range(0, len(values), step)]
    top = max(kept, default=0) or 1
    return "".join(BLOCKS[0 if value <= 0 else max(1, int(value / top * 8))] for value in kept)

"""A lifecycle as bars: who was active in an interval, by where they came from, and who went."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from trackway.plan.query import Answer
from trackway.terminal.pictures.canvas import MOST, grid
from trackway.web.charts.scale import day, sure
from trackway.web.charts.trend import group

PARTS = {"returning": "#2bb3a3", "new": "#8f8af5", "resurrected": "#9cc94a"}
GONE = "#94a3b8"


def draw(found: Answer, out: Console) -> None:
    """A line for each interval (and group): the dormant to the left, the active to the right."""
    measured = ("time", "active", "complete", "dormant", *PARTS)
    rows = found.rows[-MOST:]
    groups = any(group(row, measured) for row in rows)
    whole = max((row["active"] + row["dormant"] for row in rows), default=0) or 1
    width = max(12, min(60, out.width - 90))
    gone = max((row["dormant"] for row in rows), default=0)
    room = round(gone / whole * width)
    heads = [f">{part}" for part in (*PARTS, "dormant")]
    table = grid("from", *(["group"] if groups else []), ">active", *heads, "")
    for row in rows:
        left = round(row["dormant"] / whole * width)
        drawn = Text(" " * (room - left)).append("█" * left, GONE).append("│")
        for part, colour in PARTS.items():
            drawn.append("█" * round(row[part] / whole * width), colour)
        name = [group(row, measured)] if groups else []
        numbers = [sure(row, part) for part in ("active", *PARTS, "dormant")]
        table.add_row(day(row["time"]) + ("" if row["complete"] else " …"), *name, *numbers, drawn)
    out.print(table)

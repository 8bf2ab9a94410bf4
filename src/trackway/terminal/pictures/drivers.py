"""Drivers as bars to the right of what lifts and to the left of what sinks."""

from __future__ import annotations

import math

from rich.console import Console
from rich.text import Text

from trackway.plan.query import Answer
from trackway.terminal.pictures.canvas import ACCENT, BAD, PALE, grid
from trackway.web.charts.drivers import named, ordered, strength
from trackway.web.charts.scale import full, share, sure
from trackway.web.charts.svg import clip

LONGEST = 48.0
"""Letters of a name."""
FARTHEST = 5.0
"""Doublings up to which bars grow."""


def draw(found: Answer, out: Console) -> None:
    """A line for each driver, from what lifts most to what sinks most."""
    shown = ordered(found.rows)
    half = max(6, min(20, (out.width - 90) // 2))
    finite = [abs(strength(row)) for row in shown if math.isfinite(strength(row))]
    reach = min(max([1.0, *finite]), FARTHEST)
    table = grid("", "less ← → more", ">lift", ">rate", ">others", ">actors", ">p, corrected")
    for row in shown:
        size = max(-1.0, min(1.0, strength(row) / reach))
        length = round(abs(size) * half)
        drawn = (" " * half + "│" + "█" * length).ljust(2 * half + 1) if size >= 0 else (
            " " * (half - length) + "█" * length + "│" + " " * half)  # fmt: skip
        colour = PALE if not row["significant"] else ACCENT if size >= 0 else BAD
        name = Text(clip(named(row), LONGEST, 1.0), "bold" if row["significant"] else "dim")
        table.add_row(
            name, Text(drawn, colour), full(row["lift"]),
            sure(row, "rate", share), sure(row, "without_rate", share), sure(row, "actors"),
            f"{row['p_corrected']:.2g}",
        )  # fmt: skip
    out.print(table)

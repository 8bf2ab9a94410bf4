"""A histogram as bars, one table for each group."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from trackway.terminal.pictures.canvas import MOST, bar, grid
from trackway.web.charts.distribution import Histogram
from trackway.web.charts.scale import full, share


def draw(found: Histogram, out: Console) -> None:
    """The bars of each group, and the numbers marked in them."""
    for name, bars in found.groups.items():
        if name:
            out.print(Text(name, "bold"))
        highest = max(actors for actors, _ in bars) or 1
        table = grid("", ">actors", ">share", "")
        for label, (actors, part) in list(zip(found.labels, bars, strict=True))[:MOST]:
            table.add_row(label, full(actors), share(part), bar(actors / highest, max(10, min(60, out.width - 50))))
        out.print(table)
    said = [f"{name} {full(value)}" for name, value in found.points.items()]
    said += [f"{found.left:,} smaller groups not shown"] if found.left else []
    if said:
        out.print(Text(" · ".join(said), "dim"))

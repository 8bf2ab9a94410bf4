"""A histogram of actors: of any number each of them has, or of the intervals they were active in."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from trackway.plan.component import Answer
from trackway.terminal.pictures.canvas import MOST, bar, grid
from trackway.web.charts.distribution import histogram
from trackway.web.charts.scale import full, share


def draw(found: Answer, out: Console) -> None:
    """A line for each bin, group after group, and the numbers that matter below."""
    spread = histogram(found.type, found.rows, found.totals, most=20)
    if spread is None:
        return
    for name, bars in spread.groups.items():
        if name:
            out.print(Text(name, "bold"))
        highest = max(actors for actors, _ in bars) or 1
        table = grid("", ">actors", ">share", "")
        for label, (actors, part) in list(zip(spread.labels, bars, strict=True))[:MOST]:
            table.add_row(label, full(actors), share(part), bar(actors / highest, max(10, min(60, out.width - 50))))
        out.print(table)
    said = [f"{name} {full(value)}" for name, value in spread.points.items()]
    said += [f"{spread.left:,} smaller groups not shown"] if spread.left else []
    if said:
        out.print(Text(" · ".join(said), "dim"))

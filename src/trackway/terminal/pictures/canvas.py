"""What all drawings in a terminal stand on: the console, tables without lines, and bars."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

ACCENT, BAD, PALE = "#2bb3a3", "#f06aa6", "#94a3b8"
PIPED = 160
"""Columns of output that does not go to a terminal."""
MOST = 60
"""Rows of a table; --json and --csv have all of them."""


def console() -> Console:
    """Standard output, wide enough for a table when it is not a terminal."""
    terminal = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if terminal else PIPED, soft_wrap=False)


def grid(*columns: str) -> Table:
    """A table without lines; a column whose name begins with `>` holds numbers."""
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name.lstrip(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    return table


def bar(part: float, width: int, colour: str = ACCENT) -> Text:
    """A bar of `part` (0 to 1) of a width in characters, in eighths."""
    eighths = round(max(0.0, min(1.0, part)) * width * 8)
    whole, rest = divmod(eighths, 8)
    drawn = "█" * whole + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
    return Text(drawn.ljust(width), colour)


def diverging(low: float, value: float, high: float, width: int, colour: str) -> Text:
    """A line from `low` to `high` with a mark at `value`, all from -1 to 1, on a ground with its middle marked.

    >>> str(diverging(-0.5, 0.0, 0.5, 9, "red"))
    '  ──●──  '
    """
    cells, last = [" "] * width, width - 1
    middle, begin, mark, end = (round((max(-1.0, min(1.0, at)) + 1) / 2 * last) for at in (0.0, low, value, high))
    cells[middle] = "│"
    for place in range(begin, end + 1):
        cells[place] = "─"
    cells[mark] = "●"
    return Text("".join(cells), colour)

"""Groups as bars of their share, largest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trackway.web.charts.lanes import Lanes, interval
from trackway.web.charts.scale import between, lasting, share, sure
from trackway.web.charts.svg import Drawing, element, slot
from trackway.web.charts.trend import group

MEASURED = ("actors", "share", "matches", "per_actor", "median_seconds")
MOST = 30
"""Most groups drawn; the table has all of them."""


def draw(rows: Sequence[dict[str, Any]], width: float) -> Drawing:
    """The drawing of rows with `actors` and their `share`, `width` pixels wide."""
    lanes, shown = Lanes(width), list(rows[:MOST])
    most = max((row["share"] or 0 for row in shown), default=0) or 1.0

    def x(part: float) -> float:
        return lanes.left + (lanes.right - lanes.left) * part / most

    marks = ""
    for index, row in enumerate(shown):
        at = lanes.high * index
        middle = lanes.middle(at)
        inner = element("rect", x=0.0, y=at, width=lanes.width, height=lanes.high, class_="hit")
        for length, kind in ((lanes.right - lanes.left, "rest"), (max(1.5, x(row["share"] or 0) - lanes.left), "f0")):
            inner += element("rect", x=lanes.left, y=middle - 8, width=length, height=16.0, rx=3.0, class_=kind)
        if ends := between(row, "share"):
            inner += interval(*ends, x, middle, (lanes.left, lanes.right))
        name = group(row, MEASURED) or "all"
        inner += lanes.names(at, name, f"{sure(row, 'actors')} · {share(row['share'])}")
        tip: list[Any] = [name, ["actors", sure(row, "actors"), 0], ["of all who match", sure(row, "share", share), -1]]
        tip += [["matches", sure(row, "matches"), -1], ["median", lasting(row["median_seconds"]), -1]]
        marks += slot(inner, tip)
    words = f"{len(shown)} groups" + (f"; the largest is {group(shown[0], MEASURED)}." if shown else ".")
    return Drawing(width, lanes.high * len(shown) + 4, marks, "Groups", words)

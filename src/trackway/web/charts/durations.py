"""How long converting took: a bar for each length of time, as high as the number who needed it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from trackway.web.charts.scale import between, compact, counted, lasting, sure, ticks
from trackway.web.charts.svg import Drawing, element, slot, text


def draw(bars: Sequence[dict[str, Any]], width: float, title: str = "Time to convert") -> Drawing:
    """The drawing of bars `{from, to, actors}` (or `entries`, `sessions`, `matches`; seconds), `width` pixels wide."""
    left, top, bottom = 52.0 if width > 600 else 40.0, 10.0, 130.0
    unit = counted(bars[0])
    tops = [ends[1] for bar in bars if (ends := between(bar, unit))]
    levels = ticks(max([*tops, *(bar[unit] for bar in bars)]), 3)
    step = (width - left - 8) / len(bars)
    marks = ""
    for level in levels:
        at = round(bottom - (bottom - top) * level / levels[-1]) + 0.5
        marks += element("line", x1=left, x2=width - 8, y1=at, y2=at, class_="axis" if level == 0 else "grid")
        marks += text(left - 8, at + 4, compact(level), text_anchor="end", class_="muted")
    longest = max(len(lasting(bar["from"])) for bar in bars)
    every = math.ceil(len(bars) * (6.6 * longest + 8) / (width - left))
    for index, bar in enumerate(bars):
        high = (bottom - top) * bar[unit] / levels[-1]
        x = left + step * index
        said = f"{lasting(bar['from'])} to {lasting(bar['to'])}"
        inner = element("rect", x=x, y=top, width=step, height=bottom - top, class_="hit")
        inner += element("rect", x=x + 1, y=bottom - high, width=max(1.0, step - 2), height=high, rx=2.0, class_="f0")
        if ends := between(bar, unit):
            low, high = (bottom - (bottom - top) * min(end, levels[-1]) / levels[-1] for end in ends)
            inner += element("line", x1=x + step / 2, x2=x + step / 2, y1=low, y2=high, class_="whisker")
        marks += slot(inner, [said, [unit, sure(bar, unit), 0]])
        if index % every == 0:
            marks += text(x, bottom + 18, lasting(bar["from"]), text_anchor="start", class_="muted")
    words = f"From {lasting(bars[0]['from'])} to {lasting(bars[-1]['to'])} in {len(bars)} bars."
    return Drawing(width, bottom + 26, marks, title, words)

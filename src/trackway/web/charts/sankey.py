"""Paths as a Sankey: a column of nodes for each step, ribbons as wide as the number of journeys that take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from trackway.web.charts import flows
from trackway.web.charts.flows import SEVERAL, Layout, Place, Ribbon
from trackway.web.charts.scale import between, full, lasting, share, sure
from trackway.web.charts.svg import BOLD, Drawing, clip, element, number, slot, text

NAMED = 7
"""Names that have a colour of their own, the most frequent; all others share the last one."""
WIDEST, NARROWEST = 230.0, 132.0
"""Pixels from one step to the next."""
NODE, HEAD, STUB = 9.0, 26.0, 26.0
"""Pixels: width of a node, height of the heading, length of what ends or begins at a node."""


def draw(
    rows: Sequence[dict[str, Any]], nodes: Sequence[dict[str, Any]], width: float, ending: str = "stop here"
) -> Drawing:
    """The drawing of the rows of paths and the `nodes` of their totals, at least `width` pixels wide.

    `ending` says what those do who go no further (or, read backward, come from nowhere).
    """
    most = max((sum(1 for n in nodes if n["step"] == step) for step in {n["step"] for n in nodes}), default=0)
    found = flows.layout(rows, nodes, max(240.0, min(560.0, most * 46.0)))
    colours = coloured(nodes)
    steps = sorted(found.columns)
    backward = bool(steps) and steps[-1] < 0
    left = STUB if backward else 0.0
    apart = max(NARROWEST, (width - left) / max(1, len(steps)))
    apart = apart if len(steps) > 2 else min(apart, 2 * WIDEST)
    across = {step: left + apart * index for index, step in enumerate(steps)}
    marks = "".join(ribbon(one, across, found.scale, colours) for one in sorted(found.ribbons, key=lambda r: -r.value))
    for step in steps:
        for place in found.columns[step]:
            marks += stub(place, across[step], found.scale, ending, backward=backward)
    for step in steps:
        marks += text(across[step], 12, f"Step {step}", class_="muted")
        for place in found.columns[step]:
            marks += node(place, across[step], apart, colours[place.name], ending)
    return Drawing(max(width, left + apart * len(steps)), HEAD + found.height + 8, marks, "Paths", said(found, steps))


def coloured(nodes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The class of each name: the same colour at every step; grey for those that stand for several."""
    sizes: dict[str, float] = {}
    for one in nodes:
        sizes[flows.called(one["node"])] = sizes.get(flows.called(one["node"]), 0) + one["value"]
    ranked = sorted((name for name in sizes if name not in SEVERAL), key=lambda name: (-sizes[name], name))
    return {name: f"f{min(place, NAMED)}" for place, name in enumerate(ranked)} | dict.fromkeys(SEVERAL, "stub")


def ribbon(one: Ribbon, across: Mapping[int, float], scale: float, colours: Mapping[str, str]) -> str:
    """One edge, in the colour of where it comes from."""
    x, to = across[one.near.step] + NODE, across[one.far.step]
    thick, bend = max(one.value * scale, 0.75), (to - x) / 2
    begin, end = HEAD + one.begin, HEAD + one.end
    path = (
        f"M{number(x)} {number(begin)}C{number(x + bend)} {number(begin)} {number(to - bend)} {number(end)} "
        f"{number(to)} {number(end)}V{number(end + thick)}C{number(to - bend)} {number(end + thick)} "
        f"{number(x + bend)} {number(begin + thick)} {number(x)} {number(begin + thick)}Z"
    )
    tip = [f"{one.near.name} → {one.far.name}", ["journeys", sure(one.row, "value"), -1],
           ["of all", sure(one.row, "share", share), -1]]  # fmt: skip
    if one.near.value:
        tip.append([f"of {clip(one.near.name, 120)}", share(one.value / one.near.value), -1])
    if "median_seconds" in one.row:
        tip.append(["median", lasting(one.row["median_seconds"]), -1])
    return slot(element("path", d=path, class_=f"flow {colours[one.near.name]}"), tip)


def stub(place: Place, x: float, scale: float, ending: str, *, backward: bool) -> str:
    """What ends at a node (or begins there, read backward), fading out."""
    if not place.stopped:
        return ""
    thick = max(place.stopped * scale, 0.75)
    passed = sum(one.value for one in (place.into if backward else place.out)) * scale
    at, step = HEAD + place.y + passed, STUB / 5
    fades = "".join(
        element(
            "rect", x=x - step * (k + 1) if backward else x + NODE + step * k, y=at, width=step, height=thick,
            class_="stub", fill_opacity=round(0.55 - 0.1 * k, 2),
        )
        for k in range(5)
    )  # fmt: skip
    tip = [place.name, [ending, sure(place.row, "stopped"), -1], ["of those", share(place.stopped / place.value), -1]]
    return slot(fades, tip)


def node(place: Place, x: float, apart: float, kind: str, ending: str) -> str:
    """One node with its name, how many journeys are at it, and their share of all."""
    y, room = HEAD + place.y, apart - NODE - 12
    tip = [place.name, ["journeys", sure(place.row, "value"), -1], ["of all", sure(place.row, "share", share), -1],
           [ending, sure(place.row, "stopped"), -1]]  # fmt: skip
    marks = element("rect", x=x, y=y, width=NODE, height=place.height, rx=2.0, class_=kind)
    marks += element("rect", x=x, y=y, width=apart - NODE, height=max(place.height, flows.SLOT), class_="hit")
    about = "≈ " if between(place.row, "value") else ""
    numbers = f"{about}{full(place.value)} · {share(place.row['share'])}"
    if place.height >= 2 * flows.SLOT:
        marks += text(x + NODE + 6, y + 13, clip(place.name, room, BOLD), class_="halo strong")
        marks += text(x + NODE + 6, y + 28, clip(numbers, room), class_="halo muted")
    else:
        short = f"{about}{full(place.value)}"
        name = clip(place.name, room - 6.6 * len(short) - 8, BOLD)
        marks += element(
            "text",
            element("tspan", escape(name), class_="strong") + element("tspan", escape(short), dx=6, class_="muted"),
            x=x + NODE + 6, y=y + max(place.height, flows.SLOT) / 2 + 4, class_="halo",
        )  # fmt: skip
    return slot(marks, tip)


def said(found: Layout, steps: Sequence[int]) -> str:
    """The drawing in words."""
    if not steps:
        return "No journeys."
    words = []
    for step in steps:
        largest = max(found.columns[step], key=lambda place: place.value)
        words.append(f"step {step}: {largest.name} ({full(largest.value)})")
    return f"{len(steps)} steps. The largest node of each is " + ", ".join(words) + "."

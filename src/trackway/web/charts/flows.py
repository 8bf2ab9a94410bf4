"""Where the nodes and ribbons of a Sankey stand: columns by step, few crossings, room for every name.

Nodes of a step are stacked from the top, the largest first. A few sweeps that move each towards the nodes it exchanges
most with (the barycentre heuristic of K. Sugiyama, S. Tagawa and M. Toda, "Methods for visual understanding of
hierarchical system structures", IEEE Transactions on Systems, Man, and Cybernetics 11, 1981) take the place of that
order when ribbons then cross much less. Nodes that stand for several others stay at the bottom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

SEVERAL = ("other", "…")
"""Nodes that stand for several, at the bottom of their column."""
GAP = 6.0
"""Pixels between two nodes."""
SLOT = 15.0
"""Fewest pixels of a node, so that its name has room."""
SWEEPS = 6
WORTH = 0.75
"""The part of the crossings that another order may leave to be taken instead of the order by size."""
MANY = 600
"""Ribbons between two steps from which on their crossings are not counted, and the order is by size."""


@dataclass
class Place:
    """One node: how much it holds and where it stands."""

    step: int
    name: str
    value: float
    row: dict[str, Any]
    stopped: float = 0.0
    """How much ends here, or (read backward) begins here."""
    y: float = 0.0
    height: float = 0.0
    into: list[Ribbon] = field(default_factory=list)
    out: list[Ribbon] = field(default_factory=list)

    @property
    def middle(self) -> float:
        """Half its height."""
        return self.y + self.height / 2


@dataclass
class Ribbon:
    """One edge, from the right of a node to the left of one of the next step."""

    near: Place
    far: Place
    value: float
    row: dict[str, Any]
    begin: float = 0.0
    """Its upper end at the left, in pixels."""
    end: float = 0.0
    """Its upper end at the right."""


@dataclass(frozen=True)
class Layout:
    """Columns of nodes by step, the ribbons, pixels for one journey, and the height of all."""

    columns: dict[int, list[Place]]
    ribbons: list[Ribbon]
    scale: float
    height: float


def called(node: Any) -> str:
    """The name of a node.

    >>> called(None), called(404)
    ('(none)', '404')
    """
    return "(none)" if node is None else str(node)


def layout(rows: Sequence[dict[str, Any]], nodes: Sequence[dict[str, Any]], height: float) -> Layout:
    """Where everything stands within about a height in pixels (a column of very many nodes takes more)."""
    places = {
        (node["step"], node["node"]): Place(node["step"], called(node["node"]), node["value"], node, node["stopped"])
        for node in nodes
    }
    ribbons = []
    for row in rows:
        near, far = (places.get((row["step"] + k, row[end])) for k, end in enumerate(("from", "to")))
        if near and far:
            ribbons.append(Ribbon(near, far, row["value"], row))
            near.out.append(ribbons[-1])
            far.into.append(ribbons[-1])
    columns: dict[int, list[Place]] = {}
    for place in sorted(places.values(), key=lambda p: (p.step, p.name in SEVERAL, -p.value, p.name)):
        columns.setdefault(place.step, []).append(place)
    height = max([height, *(len(column) * (SLOT + 4 + GAP) for column in columns.values())])
    scale = scaled(list(columns.values()), height)
    arrange(columns, ribbons, scale)
    for column in columns.values():
        join(column, scale)
    height = max((place.y + max(place.height, SLOT) for column in columns.values() for place in column), default=0.0)
    return Layout(columns, ribbons, scale, height)


def arrange(columns: dict[int, list[Place]], ribbons: Sequence[Ribbon], scale: float) -> None:
    """Put the nodes of all columns in their order and place."""
    for column in columns.values():
        stack(column, scale)
    by_size = {step: list(column) for step, column in columns.items()}
    before = crossings(ribbons)
    for sweep in range(SWEEPS if before else 0):
        forward = sweep % 2 == 0
        for step in sorted(columns, reverse=not forward):
            pulls = {place.name: (place.name in SEVERAL, pulled(place, forward)) for place in columns[step]}
            columns[step].sort(key=lambda place, pulls=pulls: pulls[place.name])  # type: ignore[misc]
            stack(columns[step], scale)
    if crossings(ribbons) > WORTH * before:
        columns |= by_size
        for column in columns.values():
            stack(column, scale)


def crossings(ribbons: Sequence[Ribbon]) -> float:
    """How much crosses: of every two ribbons between the same steps that do, the product of their widths."""
    found = 0.0
    for step in {one.near.step for one in ribbons}:
        here = [(one.near.y, one.far.y, one.value) for one in ribbons if one.near.step == step]
        if len(here) > MANY:
            return 0.0
        found += sum(
            value * other
            for i, (near, far, value) in enumerate(here)
            for begin, end, other in here[:i]
            if (near - begin) * (far - end) < 0
        )
    return found


def scaled(columns: Sequence[Sequence[Place]], height: float) -> float:
    """Pixels for one journey, so that the fullest column fits; small nodes take the room of their names."""
    low, high = 0.0, height / max((sum(p.value for p in column) for column in columns), default=1) or 1.0
    for _ in range(40):
        scale = (low + high) / 2
        fits = all(sum(max(p.value * scale, SLOT) + GAP for p in column) <= height for column in columns)
        low, high = (scale, high) if fits else (low, scale)
    return low


def stack(column: Sequence[Place], scale: float) -> None:
    """Put the nodes of a column below each other."""
    at = 0.0
    for place in column:
        place.y, place.height = at, max(place.value * scale, 1.5)
        at += max(place.height, SLOT) + GAP


def pulled(place: Place, forward: bool) -> float:
    """The mean height of the nodes before (or after) it, by how much it exchanges with them."""
    pairs = [(r.near.middle, r.value) for r in place.into] if forward else [(r.far.middle, r.value) for r in place.out]
    whole = sum(value for _, value in pairs)
    return sum(middle * value for middle, value in pairs) / whole if whole else place.middle


def join(column: Sequence[Place], scale: float) -> None:
    """Order the ends of the ribbons at each node as their other ends are, so that they do not cross there."""
    for place in column:
        at = place.y
        for ribbon in sorted(place.out, key=lambda r: r.far.middle):
            ribbon.begin = at
            at += ribbon.value * scale
        at = place.y
        for ribbon in sorted(place.into, key=lambda r: r.near.middle):
            ribbon.end = at
            at += ribbon.value * scale

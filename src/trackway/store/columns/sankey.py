"""Edges of journeys: counted, and put together beyond the largest nodes.

`k` counts nodes from the anchor of a journey, from 0; `near` is the node at `k`, `far` the one after it. A node
is `(special, value)`: special 0 is a value, the others are `REST MORE STOP`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from trackway.store.columns.durations import median
from trackway.store.columns.folds import paths as fold
from trackway.store.columns.groups import sortable
from trackway.store.columns.nodes import Nodes
from trackway.store.columns.settled import settled

REST, MORE, STOP = 1, 2, 3
"""All nodes beyond the largest; the middle of a long journey; nothing, for the journey is over."""
DENSE = 1 << 22
"""Edges up to which each has a counter, seen or not."""

Node = tuple[int, Any]


@dataclass(frozen=True)
class Edges:
    """How often each edge is taken, with what `folds.paths` numbers them by; and how long each time, if asked."""

    edge: np.ndarray
    value: np.ndarray
    slots: int
    journeys: int
    actors: int
    each: np.ndarray
    """The edge of every time it was taken."""
    taken: np.ndarray
    """How long, in microseconds."""


class Cell(NamedTuple):
    """One edge between nodes that are shown."""

    k: int
    near: Node
    far: Node
    value: int
    seconds: float | None


def counted(  # noqa: PLR0913, PLR0917
    edges: np.ndarray, taken: np.ndarray, slots: int, steps: int, whole: int, some: int
) -> Edges:
    """The counts of one shard's edges."""
    if steps * slots * slots <= DENSE:
        cells = np.zeros(steps * slots * slots, np.int64)
        fold.tally(edges, cells)
        edge = np.flatnonzero(cells)
        value = cells[edge]
    else:
        edge, value = np.unique(edges, return_counts=True)
    return Edges(edge, value, slots, whole, some, edges[: len(taken)].copy(), taken.copy())


def merged(parts: Sequence[Edges]) -> Edges:
    """The counts of all shards."""
    edge, index = np.unique(np.concatenate([part.edge for part in parts]), return_inverse=True)
    value = np.bincount(index, np.concatenate([part.value for part in parts]), len(edge)).astype(np.int64)
    each, taken = (np.concatenate([getattr(part, name) for part in parts]) for name in ("each", "taken"))
    return Edges(
        edge, value, parts[0].slots, sum(part.journeys for part in parts), sum(part.actors for part in parts), each,
        taken,
    )  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """Edges between the nodes that are shown: all of them, and beyond the largest one for the others."""

    every: list[Cell]
    """For the sums of the nodes; without times."""
    rows: list[Cell]
    hidden: bool
    """Whether nodes are put together."""
    fewer: bool
    """Whether edges are."""
    row: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """The row of every numbered edge."""


def shown(edges: Edges, named: Nodes, top: int | None, most: int | None) -> Shown:
    """The edges between the `top` largest nodes of each step, the `most` largest of them apart."""
    slots, wide = edges.slots, edges.slots + 1
    k, near, far = edges.edge // (slots * slots), edges.edge // slots % slots, edges.edge % slots
    place, node = _nodes(k, near, far, edges.value, slots)
    kept, hidden = settled(lambda: _largest(place, node, named, top))

    def grouped(edge: np.ndarray) -> np.ndarray:
        at = edge // (slots * slots)
        one, two = _mapped(at, edge // slots % slots, slots, kept), _mapped(at + 1, edge % slots, slots, kept)
        return np.asarray((at * wide + one) * wide + two)

    cell, index = np.unique(grouped(edges.edge), return_inverse=True)
    value = np.bincount(index, edges.value, len(cell)).astype(np.int64)
    every = _cells(cell, value, {}, slots, named)
    apart = settled(lambda: cell[~_beyond(every, most)])
    beyond = ~np.isin(cell, apart) & (cell % wide != slots - 2)
    mapped = np.where(beyond, (cell // (wide * wide) * wide + slots) * wide + slots, cell)
    final, row = np.unique(mapped, return_inverse=True)
    total = np.bincount(row, value, len(final)).astype(np.int64)
    seconds = _medians(final, row[np.searchsorted(cell, grouped(edges.each))], edges.taken)
    return Shown(every, _cells(final, total, seconds, slots, named), hidden, bool(beyond.any()), row[index])


def _cells(
    cell: np.ndarray, value: np.ndarray, seconds: dict[int, float | None], slots: int, named: Nodes
) -> list[Cell]:
    """Numbered edges, by name."""
    wide = slots + 1
    plain = [number for number in np.unique([cell // wide % wide, cell % wide]).tolist() if number < slots - 2]
    ends: dict[int, Node] = {
        number: (0, name) for number, name in zip(plain, named.named(plain), strict=True)
    } | {slots - 2: (STOP, None), slots - 1: (MORE, None), slots: (REST, None)}  # fmt: skip
    return [
        Cell(
            c // (wide * wide),
            ends[c // wide % wide],
            ends[c % wide],
            count,
            seconds.get(c) if c % wide != slots - 2 else None,
        )
        for c, count in zip(cell.tolist(), value.tolist(), strict=True)
    ]


def _beyond(cells: Sequence[Cell], most: int | None) -> np.ndarray:
    """Which edges are not among the largest of their step; journeys that stop have none there."""
    out = np.zeros(len(cells), np.bool_)
    seen = Counter[int]()
    for i in sorted(range(len(cells)), key=lambda i: ranking(cells[i])):
        if most is not None and cells[i].far[0] != STOP:
            seen[cells[i].k] += 1
            out[i] = seen[cells[i].k] > most
    return out


def _nodes(
    k: np.ndarray, near: np.ndarray, far: np.ndarray, value: np.ndarray, slots: int
) -> tuple[np.ndarray, np.ndarray]:
    """Every node by its step (`step * slots + node`), and how many journeys are there."""
    at = np.concatenate([near[k == 0], (k + 1) * slots + far])
    real = at % slots < slots - 2
    weight = np.concatenate([value[k == 0], value])
    place, index = np.unique(at[real], return_inverse=True)
    return place, np.bincount(index, weight[real], len(place)).astype(np.int64)


def _largest(place: np.ndarray, value: np.ndarray, named: Nodes, top: int | None) -> tuple[np.ndarray, bool]:
    """The nodes that are shown, ascending, and whether there are others."""
    if top is None:
        return place, False
    slots = named.size + 2
    step, kept = place // slots, []
    for k in np.unique(step).tolist():
        mine = np.flatnonzero(step == k)
        if len(mine) > top:
            least = np.partition(value[mine], len(mine) - top)[len(mine) - top]
            mine = mine[value[mine] >= least]
            names = named.named((place[mine] % slots).tolist())
            order = sorted(range(len(mine)), key=lambda i: (-value[mine[i]], sortable(names[i])))
            mine = np.sort(mine[order[:top]])
        kept.append(place[mine])
    found = np.concatenate([*kept, np.zeros(0, np.int64)])
    return found, len(found) < len(place)


def _mapped(step: np.ndarray, node: np.ndarray, slots: int, kept: np.ndarray) -> np.ndarray:
    """Nodes, with `slots` instead of those that are not shown."""
    known = np.isin(step * slots + node, kept) | (node >= slots - 2)
    return np.where(known, node, slots)


def _medians(cells: np.ndarray, each: np.ndarray, taken: np.ndarray) -> dict[int, float | None]:
    """The median of what each edge took, in seconds; `each` is the place of the edge among `cells`."""
    small = each.astype(np.uint16 if len(cells) < 1 << 16 else np.int64)
    times = taken[np.argsort(small, kind="stable")]
    bounds = np.cumsum([0, *np.bincount(each, minlength=len(cells))]).tolist()
    return {cell: median(times[bounds[i] : bounds[i + 1]]) for i, cell in enumerate(cells.tolist())}


# ── both engines ────────────────────────────────────────────────────────────────────────────────────


def order(node: Node) -> tuple[Any, ...]:
    """Nodes as they are listed: values first, null the last of them."""
    return (node[0], *sortable(node[1]))


def ranking(cell: Cell) -> tuple[Any, ...]:
    """Edges as they are listed: by step, the largest first."""
    return (cell.k, -cell.value, order(cell.near), order(cell.far))


def sums(cells: Sequence[Cell]) -> list[tuple[int, Node, int, int]]:
    """(k, node, journeys there, journeys that stop there), the largest of each step first."""
    there, stopped = Counter[tuple[int, Node]](), Counter[tuple[int, Node]]()
    for cell in cells:
        if cell.k == 0:
            there[0, cell.near] += cell.value
        if cell.far[0] == STOP:
            stopped[cell.k, cell.near] += cell.value
        else:
            there[cell.k + 1, cell.far] += cell.value
    ordered = sorted(there, key=lambda at: (at[0], -there[at], order(at[1])))
    return [(*at, there[at], stopped[at]) for at in ordered]

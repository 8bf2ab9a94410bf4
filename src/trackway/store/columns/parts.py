"""The parts of a per-actor table that the rows of an answer are about: groups, and groups inside intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trackway.store.columns.groups import Groups, Key, ranked
from trackway.store.columns.journeys import NOWHERE, Journeys
from trackway.store.columns.timeline import Timeline


@dataclass(frozen=True)
class Part:
    """Some of the rows of the table, and what the rows of the answer call them."""

    labels: dict[str, Any]
    rows: np.ndarray | None = None
    """None: all of them."""

    def of(self, table: Journeys) -> Journeys:
        """Its rows."""
        return table if self.rows is None else table.of(self.rows)


def mark(some: Sequence[Part], size: int) -> np.ndarray:
    """Whether each row of a table is in one of these parts."""
    marked = np.zeros(size, np.bool_)
    for part in some:
        marked[... if part.rows is None else part.rows] = True
    return marked


def by_interval(some: Sequence[Part], table: Journeys, line: Timeline | None) -> list[Part]:
    """The parts inside every interval; empty ones only when there are no groups."""
    if line is None:
        return list(some)
    starts = table.moments[0]
    whole = [np.arange(len(starts)) if part.rows is None else part.rows for part in some]
    inside = [[mine[rows] for rows in line.rows(starts[mine])] for mine in whole]
    return [
        Part(line.labels(place) | part.labels, mine[place])
        for place in range(len(line.complete))
        for part, mine in zip(some, inside, strict=True)
        if len(mine[place]) or not part.labels
    ]


def by_group(
    table: Journeys, grouped: Groups, top: int | None, call: Callable[[list[Key], bool], list[dict[str, Any]]]
) -> tuple[list[Part], int]:
    """The largest groups and, when there are more, all others together; and how many these are.

    `call` says what groups are called, and (its second argument) the others.
    """
    units, which, keys = members(table, grouped)
    order = ranked(keys, np.bincount(which, minlength=len(keys)).tolist())
    shown = order if top is None else order[:top]
    place = np.full(len(keys), len(shown))
    place[shown] = np.arange(len(shown))
    found = []
    for index, labels in enumerate(call([keys[i] for i in shown], len(order) > len(shown))):
        mine = units[place[which] == index]
        found.append(Part(labels, np.unique(mine) if index == len(shown) else mine))
    return found, len(order) - len(shown)


def members(table: Journeys, grouped: Groups) -> tuple[np.ndarray, np.ndarray, list[Key]]:
    """Rows of the table, which group each is in, and the groups; a row is listed once for each group it is in."""
    units = np.broadcast_to(np.arange(len(table.depth)), table.group.shape)
    numbers, which = np.unique(table.group, return_inverse=True)
    which = which.reshape(table.group.shape)
    nowhere = bool(len(numbers)) and bool(numbers[0] == NOWHERE)
    keys: list[Key] = [(None,) * len(grouped.columns)] * nowhere + grouped.keys(numbers[nowhere:])
    if table.group.ndim > 1:
        pairs = np.unique(np.stack([units[table.group >= 0], which[table.group >= 0]]), axis=1)
        return pairs[0], pairs[1] - nowhere, keys[nowhere:]
    if nowhere and keys[0] in keys[1:]:
        which = np.where(which == 0, keys.index(keys[0], 1), which) - 1
        keys = keys[1:]
    return units, which, keys

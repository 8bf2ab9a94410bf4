"""The parts of a per-actor table that the rows of an answer are about: groups, and groups inside intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trackway.store.columns.groups import Groups, Key, ranked
from trackway.store.columns.journeys import NOWHERE, Journeys
from trackway.store.columns.timeline import Timeline

SPARSE = 1 << 16
"""Possible groups up to which all of them are looked at, seen or not."""


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
    mine = place.astype(np.min_scalar_type(len(shown)))[which]
    rows = np.split(units[np.argsort(mine, kind="stable")], np.cumsum(np.bincount(mine, minlength=len(shown) + 1))[:-1])
    labelled = call([keys[i] for i in shown], len(order) > len(shown))
    found = [
        Part(labels, np.unique(rows[index]) if index == len(shown) else rows[index])
        for index, labels in enumerate(labelled)
    ]
    return found, len(order) - len(shown)


def members(table: Journeys, grouped: Groups) -> tuple[np.ndarray, np.ndarray, list[Key]]:
    """Rows of the table, which group each is in, and the groups; a row is listed once for each group it is in."""
    numbers, which = _numbered(table.group, grouped.size)
    nowhere = bool(len(numbers)) and bool(numbers[0] == NOWHERE)
    keys: list[Key] = [(None,) * len(grouped.columns)] * nowhere + grouped.keys(numbers[nowhere:])
    if table.group.ndim > 1:
        group = table.group.T
        fresh = group >= 0
        for k in range(1, group.shape[1]):
            for before in range(k):
                fresh[:, k] &= group[:, k] != group[:, before]
        return np.nonzero(fresh)[0], which.T[fresh] - nowhere, keys[nowhere:]
    if nowhere and keys[0] in keys[1:]:
        which = np.where(which == 0, keys.index(keys[0], 1), which) - 1
        keys = keys[1:]
    return np.arange(len(table.depth)), which, keys


def _numbered(group: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers there are, ascending, and the place of each among them; all lie in [NOWHERE, size)."""
    if size > max(SPARSE, group.size):
        numbers, which = np.unique(group, return_inverse=True)
        return numbers, which.reshape(group.shape)
    there = np.zeros(size + 1, np.bool_)
    there[group - NOWHERE] = True
    return np.flatnonzero(there) + NOWHERE, (np.cumsum(there) - 1)[group - NOWHERE]

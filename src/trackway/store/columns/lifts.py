"""Who enters a funnel with which values, and does what before they are through: the counting behind drivers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from trackway.store.columns.context import Span
from trackway.store.columns.folds.between import between, touches
from trackway.store.columns.lanes import Mask, lane, times
from trackway.store.columns.view import View

SOME = 4_096
"""Actors whose events are counted one by one at a time."""


@dataclass(frozen=True)
class Picked:
    """The value or event that a cell names; nothing when it names none."""

    kind: str = ""
    name: str = ""
    codes: np.ndarray | None = None
    """For each code of the column, whether it is the one."""


@dataclass(frozen=True)
class Members:
    """Those who entered: parallel arrays."""

    actor: np.ndarray
    entered: np.ndarray
    """Microseconds."""
    converted: np.ndarray
    """Microseconds, NEVER for those who did not."""
    having: np.ndarray
    """Whether they have what the cell names."""
    waiting: np.ndarray
    """Whether they are compared by events."""


def together(parts: Sequence[Members | None]) -> Members | None:
    """The members of all shards; None when nobody asked for them."""
    there = [part for part in parts if part is not None]
    if not there:
        return None
    return Members(*(np.concatenate([getattr(part, one.name) for part in there]) for one in fields(Members)))


@dataclass(frozen=True)
class Entries:
    """Actors of a shard who entered: when, and until when what they do counts (microseconds, both without)."""

    view: View
    steps: Mask
    where: Mask
    who: np.ndarray
    start: np.ndarray
    until: np.ndarray

    def only(self, which: np.ndarray) -> Entries:
        """Some of them."""
        return replace(self, who=self.who[which], start=self.start[which], until=self.until[which])

    def origin(self, span: Span) -> np.ndarray:
        """The run and row of the first touch of each: the first event in a range that is the first step."""
        view, clock, found = self.view, times(self.view), np.zeros((2, len(self.who)), np.int64)
        touches(
            view.first, view.run, view.lo, view.hi, self.who, *self.steps.parts,
            clock.addresses, clock.like, span.start, span.end, found,
        )  # fmt: skip
        return found

    def by_value(self, name: str, origin: np.ndarray, side: np.ndarray) -> np.ndarray:
        """How many there are by side and the code they have in a column at their first touch."""
        size = len(self.view.dictionary(name)) + 1
        counts = np.zeros(2 * size, np.int64)
        for run, codes in enumerate(self.view.column(name)):
            mine = origin[0] == run
            counts += np.bincount(side[mine] * size + codes[origin[1][mine]], minlength=2 * size)
        return counts.reshape(2, size)

    def by_event(self, side: np.ndarray, sides: int = 2) -> np.ndarray:
        """How many there are by side and the code of each event that they did on the way."""
        view, clock = self.view, times(self.view)
        names = lane(view, "event", np.zeros(0, np.uint8))
        counts = np.zeros((sides, len(view.dictionary("event")) + 1), np.int64)
        between(
            view.first, view.run, view.lo, view.hi, self.who, self.start, self.until, side, *self.steps.parts,
            *self.where.parts, names.addresses, names.like, clock.addresses, clock.like,
            np.full(counts.shape[1], -1, np.int64), counts,
        )  # fmt: skip
        return counts

    def having(self, picked: Picked, origin: np.ndarray) -> np.ndarray:
        """Whether each has what a cell names."""
        found = np.ones(len(self.who), np.bool_)
        if picked.codes is None:
            return found
        if picked.kind == "property":
            for run, codes in enumerate(self.view.column(picked.name)):
                mine = origin[0] == run
                found[mine] = picked.codes[codes[origin[1][mine]]]
            return found
        for begin in range(0, len(found), SOME):
            some = np.arange(begin, min(begin + SOME, len(found)))
            counts = self.only(some).by_event(np.arange(len(some)), len(some))
            found[some] = (counts[:, picked.codes] > 0).any(axis=1)
        return found

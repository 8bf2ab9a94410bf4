"""Matches of a pattern in the events of a shard: who, from which event to which.

For the question `patterns`, and for whatever else is made of matches: sessions, cohorts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trackway.model.automaton import Automaton
from trackway.store.columns.context import Span
from trackway.store.columns.folds import pattern as fold
from trackway.store.columns.lanes import Lane, Mask
from trackway.store.columns.view import Shard, View


@dataclass(frozen=True)
class Matches:
    """One row per match, by actor and then in order. A bound says where an event is: `places` reads it."""

    actor: np.ndarray
    """The actor's number in the view."""
    begin: np.ndarray
    """Bound of the first event."""
    end: np.ndarray
    """Bound of the last event, inclusive."""
    begun: np.ndarray
    """Time of the first event, microseconds."""
    ended: np.ndarray
    """Time of the last event."""
    asked: int
    """How many actors have any event that counts."""


def matches(  # noqa: PLR0913, PLR0917
    shard: Shard, marks: Mask, time: Lane, automaton: Automaton, span: Span, cut: bool, timeout: int,
    longest: bool, every: bool,
) -> Matches:  # fmt: skip
    """The matches of one shard. `marks` gives the bits that `automaton` is over; `every` asks for more than one.

    A pause longer than `timeout` microseconds cuts an actor's events into pieces; below zero, none does.
    """
    view = shard.view
    first = view.first[[shard.begin, shard.end]]
    rows = int((view.hi[first[0] : first[1]] - view.lo[first[0] : first[1]]).sum())
    out = np.empty((5, rows if every else min(rows, shard.end - shard.begin)), np.int64)
    given = (
        view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *marks.parts, time.addresses, time.like,
        span.start, span.end, cut, automaton.table,
    )  # fmt: skip
    if longest or timeout >= 0 or automaton.grouped or automaton.last != automaton.last_of_all:
        count, asked = fold.gathered(
            *given, automaton.forward, automaton.backward, automaton.limit, automaton.ends, automaton.still,
            automaton.within, timeout, every, longest, out,
        )  # fmt: skip
    else:
        count, asked = fold.stream(
            *given, automaton.forward, automaton.ends, automaton.still, automaton.within, every, out
        )
    actor, begin, end, begun, ended = (row[:count].copy() for row in out)
    return Matches(actor, begin, end, begun, ended, asked)


def places(view: View, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The run and the row of the events at bounds."""
    return view.run[bounds >> fold.STRETCH], bounds & ((1 << fold.STRETCH) - 1)


def joined(parts: Sequence[Matches]) -> Matches:
    """The matches of all shards, which have no actor in common."""
    actor, begin, end, begun, ended = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("actor", "begin", "end", "begun", "ended")
    )
    return Matches(actor, begin, end, begun, ended, sum(part.asked for part in parts))

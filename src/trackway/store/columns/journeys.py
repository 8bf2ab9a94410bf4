"""The per-actor table of a funnel, and the two folds that fill it: the plain one, and the one for every option."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from trackway.store.columns.chains import Rules, automaton
from trackway.store.columns.context import Context, Span
from trackway.store.columns.folds import funnel as plain
from trackway.store.columns.folds import journeys as fold
from trackway.store.columns.folds.lines import ROW, gather
from trackway.store.columns.folds.matching import Automaton, Lines
from trackway.store.columns.groups import Groups, groups
from trackway.store.columns.lanes import Lane, Mask, crowds, nothing, over, quarters, times
from trackway.store.columns.orders import Spread, bounds
from trackway.store.columns.view import Shard

NEVER = fold.NEVER
"""The time of a step a chain does not have."""
NOWHERE = -1
"""The group of a chain that has no event to take it from."""
ROWS = 1 << 16
"""Events gathered at a time, unless one actor alone has more."""
COUNTS = ("actors", "entries", "sessions")
MODES = ("any", "first_entry", "reentry")


@dataclass(frozen=True)
class Journeys:
    """One row for each unit (actor, entry or session) that took a first step."""

    depth: np.ndarray
    """Deepest step."""
    moments: np.ndarray
    """Time of each step (first index) of the chain that counts, microseconds; NEVER for an optional step left out.
    Beyond the depth they mean nothing."""
    group: np.ndarray
    """Number of the unit's group; by step (first index) when it is in all the groups its chain touches."""
    actor: np.ndarray
    """Place among the actors of the view."""
    until: np.ndarray | None = None
    """Until when the chain might have gone on, microseconds; None: as long as the window after its first step."""
    bounds: np.ndarray | None = None
    """The fewest and the most steps over all orders of equal and imprecise times, and whether these are only bounds."""

    def there(self, step: int) -> np.ndarray | None:
        """The rows whose chain has a step, counted from 0; None: all have the first."""
        if step == 0:
            return None
        deep = np.flatnonzero(self.depth > step)
        moments = self.moments[step].take(deep)
        return deep if moments.min(initial=0) != NEVER else deep[moments != NEVER]

    def taken(self, rows: np.ndarray, since: int, until: int) -> np.ndarray:
        """Microseconds from one step to another, counted from 0, of rows that have both."""
        return np.asarray(self.moments[until].take(rows) - self.moments[since].take(rows))

    def actors(self, rows: np.ndarray | None = None) -> int:
        """How many actors some rows (all) are of; the rows of one actor stand together."""
        who = self.actor if rows is None else self.actor[rows]
        return int(np.count_nonzero(who[1:] != who[:-1])) + (len(who) > 0)

    def of(self, rows: np.ndarray) -> Journeys:
        """Some of the rows, in their order."""
        return Journeys(
            self.depth[rows], self.moments[:, rows], self.group[..., rows] if self.group.size else self.group,
            self.actor[rows], None if self.until is None else self.until[rows],
            None if self.bounds is None else self.bounds[:, rows],
        )  # fmt: skip


def nobody(steps: int) -> Journeys:
    """The table without rows."""
    none = np.zeros(0, np.int64)
    return Journeys(np.zeros(0, np.uint8), np.zeros((steps, 0), np.int64), none, none)


def of_units(units: Sequence[tuple[str | None, Sequence[int | None]]], steps: int) -> tuple[Journeys, list[str | None]]:
    """The table of some actors and the times of their chains, null for a step they lack; and their names."""
    times = [[NEVER if time is None else time for time in [*chain, *[None] * steps][:steps]] for _, chain in units]
    moments = np.array(times, np.int64).reshape(-1, steps).T
    places = {name: place for place, name in enumerate(dict.fromkeys(name for name, _ in units))}
    actor = np.array([places[name] for name, _ in units], np.int64)
    return Journeys(np.full(len(units), steps, np.uint8), moments, np.zeros(0, np.int64), actor), list(places)


def merged(partials: Iterable[Journeys]) -> Journeys:
    """One table; shards have no actor in common."""
    parts = list(partials)
    ends = [part.until for part in parts if part.until is not None]
    bounds = [part.bounds for part in parts if part.bounds is not None]
    return Journeys(
        np.concatenate([part.depth for part in parts]),
        np.concatenate([part.moments for part in parts], axis=1),
        np.concatenate([part.group for part in parts], axis=-1),
        np.concatenate([part.actor for part in parts]),
        np.concatenate(ends) if ends else None,
        np.concatenate(bounds, axis=1) if bounds else None,
    )


@dataclass(frozen=True)
class Asked:
    """What a funnel asks for, as the folds need it."""

    rules: Rules
    count: str
    mode: str
    attribution: str
    within: int
    """Microseconds; 0 when the window is in sessions."""
    sessions: int
    timeout: int

    @property
    def plain(self) -> bool:
        """Whether the fold for the plain question answers it: steps in order, and nothing else."""
        rules = self.rules
        simple = all(len(block) == 1 for block in rules.blocks) and not rules.optional and not rules.excluded
        return simple and not self.sessions and (self.count, self.attribution) == ("actors", "first") and (
            self.mode in {"any", "reentry"}
        )  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """What all shards share."""

    steps: Mask
    """Bits of the steps, then of the exclusions."""
    time: Lane
    quarters: Lane
    crowds: Lane
    groups: Groups | None
    held: Groups | None
    asked: Asked
    automaton: Automaton
    spread: Spread | None = None
    """What it takes to try orders, when asked to."""


def prepare(context: Context, steps: Mask, by: Sequence[str], hold: Sequence[str], asked: Asked) -> Prepared:
    """What all shards share."""
    view = context.columns_view
    return Prepared(
        steps, times(view), quarters(view), crowds(view),
        groups(view, by) if by else None, groups(view, hold) if hold else None,
        asked, automaton(asked.rules, asked.within, asked.sessions),
    )  # fmt: skip


def folded(shard: Shard, context: Context, made: Prepared, span: Span) -> Journeys:
    """The table of one shard."""
    if made.asked.plain and made.held is None:
        table = _plain(shard, context, made, span)
        return table if made.spread is None else replace(table, bounds=bounds(shard, context, made.spread, span))
    return _general(shard, context, made, span)


def _plain(shard: Shard, context: Context, made: Prepared, span: Span) -> Journeys:
    view, steps = shard.view, made.asked.rules.steps
    room = shard.end - shard.begin
    depth, table = np.zeros(room + 1, np.uint8), np.empty((steps, room + 1), np.int64)
    origin = np.empty((2, room + 1 if made.groups is not None else 0), np.int64)
    who = np.empty(room + 1, np.uint32)
    count = plain.chains(
        view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *made.steps.parts,
        made.time.addresses, made.time.like, made.quarters.addresses, made.quarters.like,
        made.crowds.addresses, made.crowds.like, span.start, span.end, context.cuts(span), made.asked.within,
        table, origin, depth, who,
    )  # fmt: skip
    group = np.zeros(count if made.groups is not None else 0, np.int64)
    if made.groups is not None:
        for run, numbers in enumerate(made.groups.arrays):
            mine = np.flatnonzero(origin[0, :count] == run)
            group[mine] = numbers[origin[1, mine]]
    filled = Journeys(depth[:count], table[:, :count], group, who[:count])
    return filled if depth[:count].all() else filled.of(np.flatnonzero(depth[:count]))


def _general(shard: Shard, context: Context, made: Prepared, span: Span) -> Journeys:
    """The table by the fold for every option."""
    return merged(
        Journeys(rows.depth, rows.times, _groups(made, rows), rows.actor + np.uint32(begin), rows.until)
        for begin, rows in _units(shard, context, made, span)
    )


def chains(shard: Shard, context: Context, made: Prepared, span: Span) -> np.ndarray:
    """The events of the chain of every unit: the row in its run for each step, -1 where it has none, and last that of
    its first touch."""
    found = [rows.places for _, rows in _units(shard, context, made, span)]
    places = np.concatenate(found, axis=1).T
    return np.where(places < 0, -1, places & ((1 << ROW) - 1))


def _units(shard: Shard, context: Context, made: Prepared, span: Span) -> Iterator[tuple[int, fold.Rows]]:
    """The units of some actors at a time, so that what is gathered of them stays in the caches: the first of these
    actors, and the rows of the table, whose actors count from it."""
    view, asked = shard.view, made.asked
    key = nothing(view) if made.held is None else over(made.held.arrays, np.zeros(0, np.uint8))
    sizes, seen = held(made.held)
    by_session = asked.sessions > 0 or asked.count == "sessions"
    parts, room = _parts(shard)
    time, bits, session, place = (np.empty(room, np.int64) for _ in range(4))
    lines = Lines(time, bits, session, np.empty(room if len(sizes) else 0, np.int64), place)
    closed = np.zeros((2, room if by_session else 0), np.int64)
    unit = fold.Unit(COUNTS.index(asked.count), MODES.index(asked.mode), asked.timeout, sizes, seen)
    for begin, end in parts:
        starts, last = np.empty(end - begin + 1, np.int64), np.zeros(end - begin, np.int64)
        gather(
            view.first, view.run, view.lo, view.hi, begin, end, *made.steps.parts,
            made.time.addresses, made.time.like, key.addresses, key.like, sizes, seen,
            span.start, span.end, context.cuts(span), asked.timeout if by_session else 0,
            made.automaton.steps, int(made.automaton.wanted[0]), lines, starts, last, closed,
        )  # fmt: skip
        rows = fold.table(int(starts[-1]) if asked.count != "actors" else end - begin, asked.rules.steps)
        space = fold.room(int(np.diff(starts).max(initial=0)), made.automaton)
        n = fold.journeys(lines, starts, made.automaton, unit, last, closed, space, rows)
        yield begin, fold.Rows(*(column[..., :n] for column in rows))


def _parts(shard: Shard) -> tuple[list[tuple[int, int]], int]:
    """The actors of a shard in parts of about ROWS events, and the room that the largest part needs."""
    view = shard.view
    stretches = slice(view.first[shard.begin], view.first[shard.end])
    events = np.concatenate([[0], np.cumsum(view.hi[stretches] - view.lo[stretches])])
    before = events[view.first[shard.begin : shard.end + 1] - view.first[shard.begin]]
    cuts = [0] if shard.end > shard.begin else [0, 0]
    while cuts[-1] < shard.end - shard.begin:
        after = int(np.searchsorted(before, before[cuts[-1]] + ROWS, side="right")) - 1
        cuts.append(max(after, cuts[-1] + 1))
    room = max(np.diff(before[cuts]).max(initial=0), np.diff(cuts).max(initial=0), 1)
    return [(shard.begin + a, shard.begin + b) for a, b in pairwise(cuts)], int(room)


def held(columns: Groups | None) -> tuple[np.ndarray, np.ndarray]:
    """How many values each held column has, one more for none; and what the numbers of combinations stand for."""
    if columns is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    sizes = [len(columns.view.dictionary(name)) + 1 for name in columns.columns]
    seen = np.zeros(0, np.int64) if columns.seen is None else columns.seen.astype(np.int64)
    return np.array(sizes, np.int64), seen


def _groups(made: Prepared, rows: fold.Rows) -> np.ndarray:
    """The group of every unit, by the events its attribution names."""
    if made.groups is None:
        return np.zeros(0, np.int64)
    attribution, steps = made.asked.attribution, made.asked.rules.steps
    if attribution == "all":
        places = rows.places[:steps]
    elif attribution == "last":
        places = rows.places[rows.depth - 1, np.arange(len(rows.depth))]
    else:
        places = rows.places[steps if attribution == "first" else int(attribution.removeprefix("step ")) - 1]
    found = np.full(places.shape, NOWHERE, np.int64)
    for run, numbers in enumerate(made.groups.arrays):
        mine = np.nonzero((places >> ROW == run) & (places >= 0))
        found[mine] = numbers[places[mine] & ((1 << ROW) - 1)]
    return found

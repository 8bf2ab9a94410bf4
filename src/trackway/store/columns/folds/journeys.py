"""From lines of events to the per-actor table of a funnel, whatever its options: one row for each unit that began.

A unit is an actor, a session, or an entry. Where values are held along a chain, the events of a unit fall into
*threads*, one for each combination of held values, and each thread is matched by itself; what must not lie between
also counts where it lacks a held value.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from trackway.store.columns.folds.lines import agreeing, lacking
from trackway.store.columns.folds.matching import (
    Automaton,
    Lines,
    beats,
    copied,
    each_start,
    freely,
    in_turn,
    lent_lines,
    lent_rules,
)
from trackway.store.columns.folds.reading import lent

ACTORS, ENTRIES, SESSIONS = 0, 1, 2
ANY, FIRST_ENTRY, REENTRY = 0, 1, 2
SHORT = 48
"""Events that are sorted by moving them, one after the other."""
NEVER, FOREVER = np.iinfo(np.int64).min, np.iinfo(np.int64).max


class Unit(NamedTuple):
    """What is counted, and how."""

    counted: int
    mode: int
    timeout: int
    """Of a session, microseconds."""
    sizes: np.ndarray
    """Distinct values of each held column, one more for none."""
    seen: np.ndarray
    """What the number of each combination of held values stands for, when not itself."""


class Rows(NamedTuple):
    """The table, one column of each array for each unit."""

    depth: np.ndarray
    """The deepest step of the chain, from 1."""
    times: np.ndarray
    """Of each step (first index) of the chain, NEVER where it has none."""
    places: np.ndarray
    """Run and row of each step (first index) of the chain, -1 where it has none; the last one is the first touch."""
    until: np.ndarray
    """Until when the chain might go on."""
    actor: np.ndarray


class Room(NamedTuple):
    """Where one unit is worked on."""

    line: np.ndarray
    order: np.ndarray
    loose: np.ndarray
    following: np.ndarray
    chains: np.ndarray
    slots: np.ndarray
    lists: np.ndarray


def room(longest: int, rules: Automaton) -> Room:
    """Enough for units of so many events."""
    states, steps = rules.follow.shape
    line, order, loose, following = np.empty((4, longest), np.int64)
    return Room(
        line, order, loose, following, np.empty((max(longest, 1), steps), np.int64),
        np.empty((2 * states + 1, steps), np.int64), np.empty((2, states), np.int64),
    )  # fmt: skip


def table(size: int, steps: int) -> Rows:
    """An empty table."""
    return Rows(
        np.empty(size, np.uint8), np.empty((steps, size), np.int64), np.empty((steps + 1, size), np.int64),
        np.empty(size, np.int64), np.empty(size, np.uint32),
    )  # fmt: skip


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def journeys(  # noqa: PLR0913, PLR0917
    lines: Lines, starts: np.ndarray, rules: Automaton, unit: Unit, sessions: np.ndarray, closed: np.ndarray,
    space: Room, rows: Rows,
) -> int:  # fmt: skip
    """Fill the table with the actors whose lines are given (`folds.lines.gather`); returns how many rows it has.

    `space` is for the longest line, `rows` for as many units as there may be.
    """
    lines, rules, closed = lent_lines(lines), lent_rules(rules), lent(closed)
    unit = Unit(unit.counted, unit.mode, unit.timeout, lent(unit.sizes), lent(unit.seen))
    rows = Rows(lent(rows.depth), lent(rows.times), lent(rows.places), lent(rows.until), lent(rows.actor))
    space = Room(
        lent(space.line), lent(space.order), lent(space.loose), lent(space.following), lent(space.chains),
        lent(space.slots), lent(space.lists),
    )  # fmt: skip
    n = 0
    for actor in range(len(starts) - 1):
        lo, end = starts[actor], starts[actor + 1]
        while lo < end:
            hi = lo + 1
            while hi < end and (unit.counted != SESSIONS or lines.session[hi] == lines.session[lo]):
                hi += 1
            touch = lo
            while touch < hi and not lines.bits[touch] & rules.wanted[0]:
                touch += 1
            if touch < hi:
                found = match(lines, touch, hi, rules, unit, space)
                for one in range(found):
                    chain = space.chains[one]
                    record(lines, chain, touch if unit.counted != ENTRIES else chain[0], rows, n)
                    rows.until[n] = ending(lines, chain[0], rules, unit, sessions[actor], closed, actor)
                    rows.actor[n] = actor
                    n += 1
            lo = hi
    return n


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def match(  # noqa: C901, PLR0913, PLR0917
    lines: Lines, lo: int, hi: int, rules: Automaton, unit: Unit, space: Room
) -> int:
    """The chains that count in the events [lo, hi), of which the first can begin one; returns how many."""
    found, at, free, held = 0, 0, 0, len(unit.sizes) > 0
    several = held and sorted_by_key(lines, lo, hi, space.order)
    if several:
        for i in range(lo, hi):
            space.loose[free] = i
            free += lacking(lines.key[i], unit.sizes, unit.seen)
    while at < hi - lo:
        after = hi - lo
        key = lines.key[space.order[at] if several else lo] if held else 0
        if several:
            after = at + 1
            while after < hi - lo and lines.key[space.order[after]] == key:
                after += 1
        mine = not several or unit.mode != FIRST_ENTRY or unit.counted == ENTRIES or key == lines.key[lo]
        if mine and not (held and lacking(key, unit.sizes, unit.seen)):
            count = after - at
            if several:
                count = thread(lines, space.order[at:after], space.loose[:free], unit, space.line)
            else:
                for i in range(lo, hi):
                    space.line[i - lo] = i
            found = matched(lines, count, rules, unit, space, found)
        at = after
    if unit.counted == ENTRIES:
        return found
    for one in range(1, found):
        if further(lines, space.chains[one], space.chains[0]):
            copied(space.chains[one], space.chains[0])
    return min(found, 1)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def sorted_by_key(lines: Lines, lo: int, hi: int, order: np.ndarray) -> bool:
    """Write down the events in the order of their held values; False, and nothing written, when all have the same."""
    i = lo + 1
    while i < hi and lines.key[i] == lines.key[lo]:
        i += 1
    if i >= hi:
        return False
    if hi - lo > SHORT:
        order[: hi - lo] = np.argsort(lines.key[lo:hi], kind="mergesort") + lo
        return True
    for i in range(lo, hi):
        at = i - lo
        while at > 0 and lines.key[order[at - 1]] > lines.key[i]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = i
    return True


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def matched(  # noqa: PLR0913, PLR0917
    lines: Lines, count: int, rules: Automaton, unit: Unit, space: Room, found: int
) -> int:
    """Add the chains of the thread on the line; returns how many there are then."""
    line, chains = space.line, space.chains
    if unit.mode == ANY:
        return found + int(freely(lines, line, count, rules, space.slots, chains[found]))
    if unit.mode == FIRST_ENTRY:
        return int(in_turn(lines, line, count, rules, unit.counted != ENTRIES, chains, found))
    return int(each_start(lines, line, count, rules, chains, space.following, space.lists, found))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def thread(lines: Lines, mine: np.ndarray, loose: np.ndarray, unit: Unit, line: np.ndarray) -> int:
    """Write down the events of a thread, and between them those that lack a held value; returns how many."""
    count, at = 0, np.searchsorted(loose, mine[0])
    for i in mine:
        while at < len(loose) and loose[at] < i:
            if agreeing(lines.key[loose[at]], lines.key[i], unit.sizes, unit.seen):
                line[count] = loose[at]
                count += 1
            at += 1
        line[count] = i
        count += 1
    return count


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def further(lines: Lines, one: np.ndarray, other: np.ndarray) -> bool:
    """Whether a chain is deeper than another, got there first, or else counts first."""
    mine, its = len(one) - 1, len(one) - 1
    while one[mine] < 0:
        mine -= 1
    while other[its] < 0:
        its -= 1
    if mine != its:
        return bool(mine > its)
    if one[mine] != other[its]:
        return bool(one[mine] < other[its])
    return bool(beats(lines.time, one, other))


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def record(lines: Lines, chain: np.ndarray, touch: int, rows: Rows, n: int) -> None:
    """Write a chain into row `n` of the table."""
    for k in range(len(chain)):
        rows.times[k, n] = lines.time[chain[k]] if chain[k] >= 0 else NEVER
        rows.places[k, n] = lines.place[chain[k]] if chain[k] >= 0 else -1
        if chain[k] >= 0:
            rows.depth[n] = k + 1
    rows.places[len(chain), n] = lines.place[touch]


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def ending(  # noqa: PLR0913, PLR0917
    lines: Lines, begun: int, rules: Automaton, unit: Unit, last: int, closed: np.ndarray, actor: int
) -> int:
    """Until when a chain that began there might go on: in the window, and with sessions while they go on."""
    if unit.counted == SESSIONS:
        over = closed[1, begun] + unit.timeout
        return int(over if rules.sessions else min(over, lines.time[begun] + rules.within))
    if rules.sessions == 0:
        return int(lines.time[begun] + rules.within)
    gone = last - lines.session[begun] + 1
    if gone == rules.sessions:
        return int(closed[0, actor] + unit.timeout)
    return int(FOREVER if gone < rules.sessions else NEVER)

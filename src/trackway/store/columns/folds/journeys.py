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
from trackway.store.columns.folds.matching import Automaton, Lines, beats, each_start, freely, in_turn

ACTORS, ENTRIES, SESSIONS = 0, 1, 2
ANY, FIRST_ENTRY, REENTRY = 0, 1, 2
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
    """The table, one row for each unit."""

    times: np.ndarray
    """Of each step of the chain, NEVER where it has none."""
    places: np.ndarray
    """Run and row of each step of the chain, -1 where it has none; the last one is the first touch."""
    until: np.ndarray
    """Until when the chain might go on."""
    actor: np.ndarray


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def journeys(  # noqa: PLR0913, PLR0917
    lines: Lines, starts: np.ndarray, rules: Automaton, unit: Unit, sessions: np.ndarray, closed: np.ndarray,
) -> Rows:  # fmt: skip
    """The table of the actors whose lines are given (`folds.lines.gather`)."""
    steps, states, n = rules.follow.shape[1], len(rules.depth), 0
    slots, chains = np.empty((2 * states + 1, steps), np.int64), np.empty((16, steps), np.int64)
    line, following, rows = np.empty(16, np.int64), np.empty(16, np.int64), made(16, steps)
    for actor in range(len(starts) - 1):
        lo, end = starts[actor], starts[actor + 1]
        if lo == end:
            continue
        if end - lo > len(line):
            room = 2 * (end - lo)
            line, following = np.empty(room, np.int64), np.empty(room, np.int64)
            chains = np.empty((room, steps), np.int64)
        if n + end - lo > len(rows.until):
            rows = grown(rows, n, 2 * (n + end - lo))
        while lo < end:
            hi = lo + 1
            while hi < end and (unit.counted != SESSIONS or lines.session[hi] == lines.session[lo]):
                hi += 1
            touch = lo
            while touch < hi and not lines.bits[touch] & rules.wanted[0]:
                touch += 1
            if touch < hi:
                found = match(lines, touch, hi, rules, unit, line, slots, chains, following)
                for one in range(found):
                    record(lines, chains[one], touch if unit.counted != ENTRIES else chains[one, 0], rows, n)
                    rows.until[n] = ending(lines, chains[one, 0], rules, unit, sessions[actor], closed, actor)
                    rows.actor[n] = actor
                    n += 1
            lo = hi
    return Rows(rows.times[:n], rows.places[:n], rows.until[:n], rows.actor[:n])


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def made(room: int, steps: int) -> Rows:
    """An empty table."""
    return Rows(
        np.empty((room, steps), np.int64), np.empty((room, steps + 1), np.int64),
        np.empty(room, np.int64), np.empty(room, np.int64),
    )  # fmt: skip


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def grown(rows: Rows, n: int, room: int) -> Rows:
    """The same table with more room."""
    new: Rows = made(room, rows.times.shape[1])
    new.times[:n], new.places[:n] = rows.times[:n], rows.places[:n]
    new.until[:n], new.actor[:n] = rows.until[:n], rows.actor[:n]
    return new


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def match(  # noqa: PLR0913, PLR0917
    lines: Lines, lo: int, hi: int, rules: Automaton, unit: Unit,
    line: np.ndarray, slots: np.ndarray, chains: np.ndarray, following: np.ndarray,
) -> int:  # fmt: skip
    """The chains that count in the events [lo, hi), of which the first can begin one; returns how many."""
    found = 0
    if len(unit.sizes) == 0:
        for i in range(lo, hi):
            line[i - lo] = i
        found = matched(lines, line, hi - lo, rules, unit, slots, chains, following, 0)
    else:
        order, loose = np.argsort(lines.key[lo:hi], kind="mergesort") + lo, np.empty(hi - lo, np.int64)
        at, free = 0, 0
        for i in range(lo, hi):
            loose[free] = i
            free += lacking(lines.key[i], unit.sizes, unit.seen)
        while at < len(order):
            after = at + 1
            while after < len(order) and lines.key[order[after]] == lines.key[order[at]]:
                after += 1
            mine = unit.mode != FIRST_ENTRY or unit.counted == ENTRIES or lines.key[order[at]] == lines.key[lo]
            if mine and not lacking(lines.key[order[at]], unit.sizes, unit.seen):
                count = thread(lines, order[at:after], loose[:free], unit, line)
                found = matched(lines, line, count, rules, unit, slots, chains, following, found)
            at = after
    if unit.counted == ENTRIES:
        return found
    for one in range(1, found):
        if further(lines, chains[one], chains[0]):
            chains[0] = chains[one]
    return min(found, 1)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def matched(  # noqa: PLR0913, PLR0917
    lines: Lines, line: np.ndarray, count: int, rules: Automaton, unit: Unit,
    slots: np.ndarray, chains: np.ndarray, following: np.ndarray, found: int,
) -> int:  # fmt: skip
    """Add the chains of one thread; returns how many there are then."""
    if unit.mode == ANY:
        return found + int(freely(lines, line, count, rules, slots, chains[found]))
    if unit.mode == FIRST_ENTRY:
        return int(in_turn(lines, line, count, rules, unit.counted != ENTRIES, chains, found))
    return int(each_start(lines, line, count, rules, chains, following, found))


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


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def record(lines: Lines, chain: np.ndarray, touch: int, rows: Rows, n: int) -> None:
    """Write a chain into row `n` of the table."""
    for k in range(len(chain)):
        rows.times[n, k] = lines.time[chain[k]] if chain[k] >= 0 else NEVER
        rows.places[n, k] = lines.place[chain[k]] if chain[k] >= 0 else -1
    rows.places[n, len(chain)] = lines.place[touch]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
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

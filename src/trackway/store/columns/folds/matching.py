"""Finding chains in one line of events: the three ways a funnel can be matched.

All work on places in `Lines` and write chains as rows of places, one for each row of the answer, -1 where a chain
has none. Events at one instant are taken in turn, then what was forbidden at that instant ends every chain whose
last event came before it: an event at the instant of a chosen one never lies between.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from trackway.store.columns.folds.reading import lent


class Lines(NamedTuple):
    """The events that play a part, those of one actor behind those of another, each actor's in order."""

    time: np.ndarray
    bits: np.ndarray
    """Steps, then exclusions."""
    session: np.ndarray
    """Number of the session among the actor's."""
    key: np.ndarray
    """Number of the held values."""
    place: np.ndarray
    """Run and row of the event: `run << 40 | row`."""


class Automaton(NamedTuple):
    """What a chain may look like; state 0 is the empty chain, the last one the whole."""

    follow: np.ndarray
    """State and step to the next state, -1 for none."""
    depth: np.ndarray
    """State to the row of the answer it has reached."""
    forbid: np.ndarray
    """State to the bits of events that end it."""
    steps: int
    """All bits of steps."""
    wanted: np.ndarray
    """State to the bits of the steps that may follow."""
    within: int
    """Longest time from the first to the last event, microseconds; not used when the window is in sessions."""
    sessions: int
    """Most sessions a chain may touch, 0 when the window is a time."""
    forbids: bool
    """Whether anything is forbidden at all."""


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def lent_lines(lines: Lines) -> Lines:
    """The same lines, for functions called for every event."""
    return Lines(lent(lines.time), lent(lines.bits), lent(lines.session), lent(lines.key), lent(lines.place))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def lent_rules(rules: Automaton) -> Automaton:
    """The same rules, for functions called for every event."""
    return Automaton(
        lent(rules.follow), lent(rules.depth), lent(rules.forbid), rules.steps, lent(rules.wanted),
        rules.within, rules.sessions, rules.forbids,
    )  # fmt: skip


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def copied(one: np.ndarray, other: np.ndarray) -> None:
    """Let a short array hold what another does."""
    for i in range(len(one)):
        other[i] = one[i]


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def cleared(array: np.ndarray) -> None:
    """Let a short array hold nothing."""
    for i in range(len(array)):
        array[i] = -1


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def late(lines: Lines, rules: Automaton, begun: int, place: int) -> bool:
    """Whether an event is outside the window of a chain that began at `begun`."""
    if rules.sessions:
        return bool(lines.session[place] - lines.session[begun] >= rules.sessions)
    return bool(lines.time[place] - lines.time[begun] > rules.within)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def beats(  # noqa: C901
    time: np.ndarray, one: np.ndarray, other: np.ndarray
) -> bool:
    """Whether a chain counts before another: began later, has more steps, came first (compared from the end)."""
    if time[one[0]] != time[other[0]]:
        return bool(time[one[0]] > time[other[0]])
    mine, its = 0, 0
    for k in range(len(one)):
        mine += one[k] >= 0
        its += other[k] >= 0
    if mine != its:
        return bool(mine > its)
    i, j = len(one) - 1, len(one) - 1
    while True:
        while i >= 0 and one[i] < 0:
            i -= 1
        while j >= 0 and other[j] < 0:
            j -= 1
        if i < 0 or j < 0:
            break
        if one[i] != other[j]:
            return bool(one[i] < other[j])
        i, j = i - 1, j - 1
    for k in range(len(one) - 1, -1, -1):
        if (one[k] >= 0) != (other[k] >= 0):
            return bool(one[k] < 0)
    return False


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def instant(lines: Lines, line: np.ndarray, count: int, at: int) -> tuple[int, int]:
    """Where the events at the instant of the one at `at` end, and all their bits."""
    after, marks = at, 0
    while after < count and lines.time[line[after]] == lines.time[line[at]]:
        marks |= lines.bits[line[after]]
        after += 1
    return after, marks


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def lowest(rules: Automaton, state: int, bits: int) -> int:
    """The state after the first step an event can be, -1 when it can be none."""
    able, k = bits & rules.wanted[state], 0
    if not able:
        return -1
    while not (able >> k) & 1:
        k += 1
    return int(rules.follow[state, k])


# ── any chain ───────────────────────────────────────────────────────────────────────────────────────


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def freely(  # noqa: C901, PLR0913, PLR0917
    lines: Lines, line: np.ndarray, count: int, rules: Automaton, slots: np.ndarray, chain: np.ndarray
) -> bool:
    """The chain that counts among all there are; False when there is none.

    For every state one chain is enough, the one that counts first: whatever can follow another can follow it.
    `slots[s]` is that of state `s`. Where something is forbidden, it is the one before this instant, and
    `slots[states + s]` the one formed at this instant, which alone may outlive it.
    """
    states = len(rules.depth)
    for slot in range(2 * states):
        slots[slot, 0] = -1
    chain[0] = -1
    deepest, at = 0, 0
    while at < count and deepest < slots.shape[1]:
        if not rules.forbids:
            if lines.bits[line[at]] & rules.steps:
                deepest = extend(lines, line[at], rules, slots, chain, deepest)
            at += 1
            continue
        after, marks = instant(lines, line, count, at)
        for i in range(at, after):
            if lines.bits[line[i]] & rules.steps:
                deepest = extend(lines, line[i], rules, slots, chain, deepest)
        for state in range(1, states):
            ends = rules.forbid[state] & marks != 0
            if slots[states + state, 0] >= 0:
                if slots[state, 0] < 0 or ends or beats(lines.time, slots[states + state], slots[state]):
                    copied(slots[states + state], slots[state])
                slots[states + state, 0] = -1
            elif ends:
                slots[state, 0] = -1
        at = after
    return deepest > 0


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def extend(  # noqa: C901, PLR0913, PLR0917
    lines: Lines, place: int, rules: Automaton, slots: np.ndarray, chain: np.ndarray, deepest: int
) -> int:
    """Let one event lengthen every chain it can, the longest first so that it is used once.

    Returns the deepest row reached; when it grew, `chain` is the chain that got there.
    """
    states, steps = len(rules.depth), slots.shape[1]
    bits, before, new = lines.bits[place], deepest, slots[2 * states]
    apart = states if rules.forbids else 0
    for state in range(states - 1, -1, -1):
        able = bits & rules.wanted[state]
        if not able:
            continue
        for slot in range(state, state + 1 + (apart if state else 0), states):
            if state and (slots[slot, 0] < 0 or late(lines, rules, slots[slot, 0], place)):
                slots[slot, 0] = -1
                continue
            for k in range(steps):
                if not (able >> k) & 1:
                    continue
                reached = rules.follow[state, k]
                depth, target = rules.depth[reached], slots[apart + reached]
                if (
                    depth <= deepest
                    and target[0] >= 0
                    and state
                    and (lines.time[target[0]] > lines.time[slots[slot, 0]])
                ):
                    continue
                if state:
                    copied(slots[slot], new)
                else:
                    cleared(new)
                new[depth - 1] = place
                if target[0] < 0 or beats(lines.time, new, target):
                    copied(new, target)
                if depth > deepest or (depth == deepest > before and beats(lines.time, new, chain)):
                    deepest = depth
                    copied(new, chain)
    return int(deepest)


# ── attempts that take the first event of each step ─────────────────────────────────────────────────


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def in_turn(  # noqa: PLR0913, PLR0917
    lines: Lines, line: np.ndarray, count: int, rules: Automaton, once: bool, chains: np.ndarray, found: int
) -> int:
    """Attempts one after the other: a new one begins when the one before has converted, run out or been ended.

    Adds them to `chains` and returns how many there are then; `once` stops after the first.
    """
    first, state, last = found, 0, -1
    whole, at = len(rules.depth) - 1, 0
    while at < count:
        after, marks = instant(lines, line, count, at)
        for i in range(at, after):
            place = line[i]
            if state and late(lines, rules, chains[found - 1, 0], place):
                state = 0
            if once and state == 0 and found > first:
                return found
            reached = lowest(rules, state, lines.bits[place])
            if reached < 0:
                continue
            if state == 0:
                found += 1
                cleared(chains[found - 1])
            chains[found - 1, rules.depth[reached] - 1] = place
            state, last = (0 if reached == whole else reached), place
        if state and rules.forbid[state] & marks and lines.time[last] < lines.time[line[at]]:
            state = 0
        at = after
    return found


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def each_start(  # noqa: C901, PLR0912, PLR0913, PLR0917
    lines: Lines,
    line: np.ndarray,
    count: int,
    rules: Automaton,
    chains: np.ndarray,
    following: np.ndarray,
    lists: np.ndarray,
    found: int,
) -> int:
    """Attempts from every event that can begin one, side by side.

    When one event takes several attempts into one state, the one that counts first goes on, the others are
    forgotten. Adds the rest to `chains` and returns how many there are then. `lists` are two of states: the attempts
    in each, and the one that just arrived there.
    """
    states, whole, first, at = len(rules.depth), len(rules.depth) - 1, found, 0
    head, arrived = lists[0], lists[1]
    cleared(head)
    while at < count:
        after, marks = instant(lines, line, count, at)
        for i in range(at, after):
            place = line[i]
            cleared(arrived)
            for state in range(states - 1, 0, -1):
                reached = lowest(rules, state, lines.bits[place]) if head[state] >= 0 else -1
                if reached < 0:
                    continue
                one = foremost(lines, rules, place, chains, head[state], following)
                head[state] = -1
                if one >= 0:
                    chains[one, rules.depth[reached] - 1] = place
                    arrived[reached] = sooner(lines.time, chains, arrived[reached], one)
            reached = lowest(rules, 0, lines.bits[place])
            if reached >= 0:
                cleared(chains[found])
                chains[found, 0] = place
                arrived[reached] = found
                found += 1
            for state in range(1, whole):
                if arrived[state] >= 0:
                    following[arrived[state]] = head[state]
                    head[state] = arrived[state]
        for state in range(1, whole):
            if rules.forbid[state] & marks:
                one, then, row = -1, head[state], rules.depth[state] - 1
                while then >= 0 and lines.time[chains[then, row]] == lines.time[line[at]]:
                    one, then = then, following[then]
                if one < 0:
                    head[state] = -1
                else:
                    following[one] = -1
        at = after
    kept = first
    for one in range(first, found):
        if chains[one, 0] >= 0:
            copied(chains[one], chains[kept])
            kept += 1
    return kept


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def foremost(  # noqa: PLR0913, PLR0917
    lines: Lines, rules: Automaton, place: int, chains: np.ndarray, one: int, following: np.ndarray
) -> int:
    """The attempt that counts first among those of a list that are not late at an event; forgets the others."""
    best = -1
    while one >= 0:
        if not late(lines, rules, chains[one, 0], place):
            best = sooner(lines.time, chains, best, one)
        one = following[one]
    return best


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def sooner(time: np.ndarray, chains: np.ndarray, one: int, other: int) -> int:
    """Of two attempts the one that counts first; the other is forgotten."""
    if one < 0:
        return other
    if beats(time, chains[other], chains[one]):
        chains[one, 0] = -1
        return other
    chains[other, 0] = -1
    return one

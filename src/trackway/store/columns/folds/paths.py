"""What actors do next, or did before: each actor's journeys cut out of their events, as edges between nodes.

An actor's events are gathered first, so that a journey can be walked in either direction. Walking back is
walking forward over the mirror image: rows from the last to the first, times counted downwards.

An edge is one number, `(k * slots + near) * slots + far`: `near` is the node `k` nodes from the anchor and `far`
the one after it, `slots` being the nodes and two more, `slots - 2` for nothing (the journey stops) and
`slots - 1` for all nodes left out.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.reading import earliest
from trackway.store.columns.lanes import pointer

START, END = 2, 4
"""Bits of an event beside the first, which all have that count."""
STOP, MORE = 2, 1
"""Slots counted from the end."""


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def journeys(  # noqa: C901, PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    node_at: np.ndarray, node_like: np.ndarray, node: np.ndarray, time_at: np.ndarray, time_like: np.ndarray,
    start: int, stop: int, cut: bool, timed: bool, backward: bool, between: bool, anchored: bool,
    steps: int, within: int, timeout: int, keep: bool, every: bool, slots: int,
    edges: np.ndarray, taken: np.ndarray, upto: np.ndarray,
) -> tuple[int, int, int]:  # fmt: skip
    """Write down the edges of all journeys, and how long each took; returns how many edges, journeys and actors.

    `upto`, unless it is empty, becomes how many edges there are after each actor.

    Only rows in [start, stop) count; `cut` says whether there may be others. `timed` says whether times matter
    at all, `anchored` whether a journey begins at a START event rather than where the actor or a pause does,
    `every` whether an actor has all journeys or the first. Limits below zero are none.
    """
    room = 1
    for actor in range(begin, end):
        n = 0
        for s in range(first[actor], first[actor + 1]):
            n += hi[s] - lo[s]
        room = max(room, n)
    nodes, marks, times = np.empty(room, np.int64), np.empty(room, np.uint16), np.zeros(room, np.int64)
    m, whole, some = 0, 0, 0
    for actor in range(begin, end):
        n = 0
        for s in range(first[actor], first[actor + 1]):
            r, last = run[s], hi[s]
            codes = carray(pointer(mask_at[r], mask_like), last)
            others = carray(pointer(also_at[r], also_like), last)
            names = carray(pointer(node_at[r], node_like), last)
            when = carray(pointer(time_at[r], time_like), last)
            i = lo[s]
            if cut:
                i, last = earliest(when, i, last, start), earliest(when, i, last, stop)
            for row in range(i, last):
                mark = int(mask[codes[row]]) if len(mask) else 1
                if len(also):
                    mark &= int(also[others[row]])
                marks[n], nodes[n] = mark, node[names[row]]
                if timed:
                    times[n] = when[row]
                n += mark & 1
        if between:
            m, found = reaching(nodes, marks, times, n, steps, within, timeout, keep, every, slots, edges, taken, m)
        else:
            m, found = onward(nodes, marks, times, n, backward, anchored, steps, within, timeout, keep, every, slots,
                              edges, taken, m)  # fmt: skip
        whole += found
        some += found > 0
        if len(upto):
            upto[actor - begin] = m
    return m, whole, some


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def onward(  # noqa: C901, PLR0913, PLR0917
    nodes: np.ndarray, marks: np.ndarray, times: np.ndarray, n: int, backward: bool, anchored: bool,
    steps: int, within: int, timeout: int, keep: bool, every: bool, slots: int,
    edges: np.ndarray, taken: np.ndarray, m: int,
) -> tuple[int, int]:  # fmt: skip
    """The journeys of one actor away from an anchor; returns the edges so far, and how many journeys."""
    sign, bit = (-1, END) if backward else (1, START)
    found, length, here = 0, 0, np.int64(-1)
    begun, before, entered, left = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    for place in range(n):
        i = n - 1 - place if backward else place
        time = times[i] * sign
        paused = place == 0 or (timeout >= 0 and time - before > timeout)
        before = time
        if length and (paused or (within >= 0 and time - begun > within)):
            m = halt(length, here, steps, slots, edges, m)
            length = 0
        if length:
            if not keep and nodes[i] == here:
                entered = time if backward else entered
                if backward and length > 1 and len(taken):
                    taken[m - 1] = entered - left
                continue
            if length < steps:
                edges[m] = ((length - 1) * slots + here) * slots + nodes[i]
                if len(taken):
                    taken[m] = time - entered
                m, length, here, left, entered = m + 1, length + 1, nodes[i], entered, time
                continue
            length = 0
        if (every or not found) and (marks[i] & bit if anchored else paused):
            found, length, here, begun, entered = found + 1, 1, nodes[i], time, time
        elif found and not every:
            break
    if length:
        m = halt(length, here, steps, slots, edges, m)
    return m, found


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def halt(  # noqa: PLR0913, PLR0917
    length: int, here: int, steps: int, slots: int, edges: np.ndarray, m: int
) -> int:
    """A journey ends before it has all its steps: one more edge, to nothing."""
    if length < steps:
        edges[m] = ((length - 1) * slots + here) * slots + slots - STOP
        m += 1
    return int(m)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def reaching(  # noqa: PLR0913, PLR0917
    nodes: np.ndarray, marks: np.ndarray, times: np.ndarray, n: int,
    steps: int, within: int, timeout: int, keep: bool, every: bool, slots: int,
    edges: np.ndarray, taken: np.ndarray, m: int,
) -> tuple[int, int]:  # fmt: skip
    """The journeys of one actor from a START to the first END after it; returns the edges so far, and how many.

    Whatever start is still waiting when an end comes has its answer there, so none is looked at twice.
    """
    found, waiting = 0, -1
    for i in range(n):
        if timeout >= 0 and i > 0 and times[i] - times[i - 1] > timeout:
            waiting = -1
        if marks[i] & END and waiting >= 0:
            while waiting < i and (not marks[waiting] & START or (within >= 0 and times[i] - times[waiting] > within)):
                waiting += 1
            if waiting < i:
                m = joined(nodes, times, waiting, i, steps, keep, slots, edges, taken, m)
                found += 1
                waiting = -1
                if not every:
                    break
                continue
            waiting = -1
        if marks[i] & START and waiting < 0:
            waiting = i
    return m, found


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def joined(  # noqa: PLR0913, PLR0917
    nodes: np.ndarray, times: np.ndarray, begin: int, end: int, steps: int, keep: bool, slots: int,
    edges: np.ndarray, taken: np.ndarray, m: int,
) -> int:  # fmt: skip
    """The edges of one journey [begin, end], which stops at its last node; of a long one the middle is one node."""
    length = 1
    for i in range(begin + 1, end + 1):
        length += keep or nodes[i] != nodes[i - 1]
    k, here, entered, at = 0, nodes[begin], times[begin], 1
    for i in range(begin + 1, end + 1):
        if not keep and nodes[i] == nodes[i - 1]:
            continue
        at += 1
        if length > steps and steps <= at < length:
            continue
        there = slots - MORE if length > steps and at == steps - 1 else nodes[i]
        edges[m] = (k * slots + here) * slots + there
        if len(taken):
            taken[m] = times[i] - entered
        m, k, here, entered = m + 1, k + 1, there, times[i]
    return int(halt(k + 1, here, steps, slots, edges, m))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def tally(edges: np.ndarray, cells: np.ndarray) -> None:
    """Count each edge."""
    for i in range(len(edges)):
        cells[edges[i]] += 1

"""Putting rows, and stretches of rows, in the order of the columns: shard, actor, time, tie.

One pair of kernels serves all three uses: sorting a new batch, merging runs, and laying the stretches
of several runs side by side in a view. A counting sort by actor (linear, whatever the number of
rows) is followed by a small sort inside an actor, only where its rows are not in order already.
"""

from __future__ import annotations

import numpy as np
from numba import njit

DIGIT = 11
"""Bits of a place that are sorted by at once."""
SMALL = 24
"""Up to this many rows an insertion sort is the fastest."""


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def by_actor(
    codes: np.ndarray, place: np.ndarray, shards: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Group items by their actor.

    `codes` is the actor code of each item, `place` the place of each code (uint32), by which actors are ordered;
    a shard is an equal part of all places. Returns the items in order (stable), the offset at which each actor
    begins (with the end), the actors in that order, and where each shard begins among the actors (with the end).
    """
    count = np.zeros(len(place), np.int64)
    for code in codes:
        count[code] += 1
    present = 0
    for code in range(len(place)):
        present += count[code] > 0
    placed = np.empty(present, np.uint64)
    present = 0
    for code in range(len(place)):
        if count[code]:
            placed[present] = np.uint64(place[code]) << np.uint64(32) | np.uint64(code)
            present += 1
    placed = _by_place(placed)
    actors = placed.astype(np.uint32)
    bounds = np.zeros(shards + 1, np.int64)
    for one in placed:
        bounds[((np.int64(one >> np.uint64(32)) * shards) >> 32) + 1] += 1
    for shard in range(shards):
        bounds[shard + 1] += bounds[shard]
    starts = np.empty(len(actors) + 1, np.int64)
    total = 0
    for index in range(len(actors)):
        starts[index] = total
        total += count[actors[index]]
        count[actors[index]] = starts[index]
    starts[len(actors)] = total
    order = np.empty(len(codes), np.int64)
    for item in range(len(codes)):
        order[count[codes[item]]] = item
        count[codes[item]] += 1
    return order, starts, actors, bounds


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _by_place(placed: np.ndarray) -> np.ndarray:
    """Actors, each a place and a code in one number, in the order of their places: a radix sort, linear."""
    other = np.empty_like(placed)
    mask = (1 << DIGIT) - 1
    for shift in range(32, 64, DIGIT):
        begin = np.zeros((1 << DIGIT) + 1, np.int64)
        for one in placed:
            begin[(np.int64(one >> np.uint64(shift)) & mask) + 1] += 1
        for digit in range(1 << DIGIT):
            begin[digit + 1] += begin[digit]
        for one in placed:
            at = np.int64(one >> np.uint64(shift)) & mask
            other[begin[at]] = one
            begin[at] += 1
        placed, other = other, placed
    return placed


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def settle(order: np.ndarray, starts: np.ndarray, time: np.ndarray, tie: np.ndarray) -> None:
    """Sort the items of each actor (from `starts[i]` to `starts[i + 1]` in `order`) by time, then tie, in place."""
    for actor in range(len(starts) - 1):
        lo, hi = starts[actor], starts[actor + 1]
        sorted_already = True
        for i in range(lo + 1, hi):
            a, b = order[i - 1], order[i]
            if time[a] > time[b] or (time[a] == time[b] and tie[a] > tie[b]):
                sorted_already = False
                break
        if sorted_already:
            continue
        if hi - lo <= SMALL:
            _insert(order, lo, hi, time, tie)
        else:
            _sort(order, lo, hi, time, tie)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _insert(order: np.ndarray, lo: int, hi: int, time: np.ndarray, tie: np.ndarray) -> None:
    for i in range(lo + 1, hi):
        item = order[i]
        j = i - 1
        while j >= lo and (time[order[j]] > time[item] or (time[order[j]] == time[item] and tie[order[j]] > tie[item])):
            order[j + 1] = order[j]
            j -= 1
        order[j + 1] = item


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sort(order: np.ndarray, lo: int, hi: int, time: np.ndarray, tie: np.ndarray) -> None:
    items = order[lo:hi].copy()
    ranked = items[np.argsort(time[items], kind="mergesort")]
    begin = 0
    while begin < len(ranked):
        end = begin + 1
        while end < len(ranked) and time[ranked[end]] == time[ranked[begin]]:
            end += 1
        if end - begin > 1:
            same = ranked[begin:end].copy()
            ranked[begin:end] = same[np.argsort(tie[same], kind="mergesort")]
        begin = end
    order[lo:hi] = ranked


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def spread(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """All row numbers of stretches [lo, hi), one stretch after the other."""
    rows = np.empty((hi - lo).sum(), np.int64)
    at = 0
    for i in range(len(lo)):
        for row in range(lo[i], hi[i]):
            rows[at] = row
            at += 1
    return rows


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def pick(source: np.ndarray, rows: np.ndarray, target: np.ndarray) -> None:
    """`target[i] = source[rows[i]]`, of any widths."""
    for i in range(len(rows)):
        target[i] = source[rows[i]]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def overlapping(order: np.ndarray, starts: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Which actors have stretches (ordered by first time) that overlap or touch in time."""
    found = np.zeros(len(starts) - 1, np.bool_)
    for actor in range(len(starts) - 1):
        for i in range(starts[actor] + 1, starts[actor + 1]):
            if first[order[i]] <= last[order[i - 1]]:
                found[actor] = True
                break
    return found

"""Following each actor through steps in order: how deep, and when.

For every number of steps `k` the fold carries the chain of `k` steps that started latest, because any chain
that can go on within the window can also go on from the latest start. One pass, no backtracking.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.lanes import pointer


@njit(cache=True, nogil=True)  # type: ignore[misc]
def chains(  # noqa: PLR0913, C901
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    step_at: np.ndarray, step_like: np.ndarray, step: np.ndarray, time_at: np.ndarray, time_like: np.ndarray,
    start: int, stop: int, within: int, depth: np.ndarray, moments: np.ndarray, where: np.ndarray, who: np.ndarray,
) -> int:  # fmt: skip
    """Fill, for each actor who took the first step, one row of the per-actor table; returns how many rows.

    `depth` is the deepest step, `moments[row, k]` the time of step `k + 1` in the chain that first got there,
    `where[row]` the run and row of its first event, `who` the actor.
    """
    steps = moments.shape[1]
    chain = np.empty((steps, steps), np.int64)
    origin = np.empty((steps, 2), np.int64)
    rows = 0
    for actor in range(begin, end):
        live = 0
        for s in range(first[actor], first[actor + 1]):
            masks = carray(pointer(step_at[run[s]], step_like), hi[s])
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            i = lo[s]
            last = hi[s]
            while i < last:
                matched = step[masks[i]]
                if matched == 0:
                    i += 1
                    continue
                time = times[i]
                if time < start or time >= stop:
                    i += 1
                    continue
                if i + 1 == last or times[i + 1] != time:
                    deeper = advance(chain, origin, live, matched, time, within, run[s], i)
                    if deeper > live:
                        live = deeper
                        keep(chain, origin, live, moments, where, rows)
                    i += 1
                else:
                    after = i + 1
                    while after < last and times[after] == time:
                        after += 1
                    for lowest in range(steps):
                        for j in range(i, after):
                            matched = step[masks[j]]
                            if matched & ((1 << (lowest + 1)) - 1) == 1 << lowest:
                                deeper = advance(chain, origin, live, matched, time, within, run[s], j)
                                if deeper > live:
                                    live = deeper
                                    keep(chain, origin, live, moments, where, rows)
                    i = after
                if live == steps:
                    break
            if live == steps:
                break
        if live:
            depth[rows] = live
            who[rows] = actor
            rows += 1
    return rows


@njit(cache=True, nogil=True, inline="always")  # type: ignore[misc]
def advance(  # noqa: PLR0913
    chain: np.ndarray, origin: np.ndarray, live: int, matched: int, time: int, within: int, run: int, row: int
) -> int:
    """Let one event lengthen the chains, the longest first so that it is used once; returns the longest length."""
    deepest = live
    for k in range(min(live, chain.shape[0] - 1), 0, -1):
        if (matched >> k) & 1 and time - chain[k - 1, 0] <= within and (k >= live or chain[k - 1, 0] > chain[k, 0]):
            for j in range(k):
                chain[k, j] = chain[k - 1, j]
            chain[k, k] = time
            origin[k, 0] = origin[k - 1, 0]
            origin[k, 1] = origin[k - 1, 1]
            deepest = max(deepest, k + 1)
    if matched & 1 and (live == 0 or time > chain[0, 0]):
        chain[0, 0] = time
        origin[0, 0] = run
        origin[0, 1] = row
        deepest = max(deepest, 1)
    return deepest


@njit(cache=True, nogil=True)  # type: ignore[misc]
def keep(chain: np.ndarray, origin: np.ndarray, live: int, moments: np.ndarray, where: np.ndarray, row: int) -> None:
    """Note the chain that has just become the longest of its actor."""
    for j in range(live):
        moments[row, j] = chain[live - 1, j]
    where[row, 0] = origin[live - 1, 0]
    where[row, 1] = origin[live - 1, 1]

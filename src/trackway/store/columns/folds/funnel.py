"""Following each actor through steps in order: how deep, and when.

For every number of steps `k` the fold carries the chain of `k` steps that started latest, because any chain
that can go on within the window can also go on from the latest start. One pass, no backtracking. Of first
steps only the latest before a further step matters, so their times are read when such a step comes.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.reading import bits, earliest
from trackway.store.columns.lanes import pointer


@njit(cache=True, nogil=True)  # type: ignore[misc]
def chains(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    step_at: np.ndarray, step_like: np.ndarray, step: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray, time_at: np.ndarray, time_like: np.ndarray,
    start: int, stop: int, cut: bool, within: int,
    depth: np.ndarray, moments: np.ndarray, where: np.ndarray,
) -> int:  # fmt: skip
    """Fill, for each actor who took the first step, one row of the per-actor table; returns how many rows.

    `depth` is the deepest step, `moments[k, row]` the time of step `k + 1` in the chain that first got there,
    `where[row]` the run and row of its first event. Only rows in [start, stop) count; `cut` says whether
    there may be others.
    """
    steps = moments.shape[0]
    chain = np.empty((steps, steps), np.int64)
    origin = np.empty((steps, 2), np.int64)
    rows = 0
    for actor in range(begin, end):
        live = 0
        for s in range(first[actor], first[actor + 1]):
            codes = carray(pointer(step_at[run[s]], step_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            i, last = lo[s], hi[s]
            if cut:
                i, last = earliest(times, i, last, start), earliest(times, i, last, stop)
            done = i
            pending = -1
            wanted = further(live, steps)
            while i < last:
                matched = step[codes[i]]
                if len(also) and matched:
                    matched &= also[others[i]]
                if matched & wanted == 0:
                    if matched & 1:
                        pending = i
                    i += 1
                    continue
                time = times[i]
                top, after = i, i + 1
                while top > done and times[top - 1] == time:
                    top -= 1
                while after < last and times[after] == time:
                    after += 1
                if pending >= top:
                    pending = top - 1
                    while pending >= done and bits(step, codes, also, others, pending) & 1 == 0:
                        pending -= 1
                if pending >= done:
                    renew(chain, origin, step, codes, also, others, times, done, pending, run[s])
                live = instant(
                    chain, origin, live, step, codes, also, others, time, within, run[s], top, after,
                    moments, where, rows,
                )  # fmt: skip
                if live == steps:
                    break
                i = done = after
                pending = -1
                wanted = further(live, steps)
            if live == steps:
                break
            if pending >= 0:
                renew(chain, origin, step, codes, also, others, times, done, pending, run[s])
        if live:
            depth[rows] = live
            rows += 1
    return rows


@njit(cache=True, nogil=True)  # type: ignore[misc]
def further(live: int, steps: int) -> int:
    """The bits that can lengthen a chain, when the longest has `live` steps: the first step only at the beginning."""
    return 1 if live == 0 else ((1 << min(live + 1, steps)) - 1) & ~1


@njit(cache=True, nogil=True)  # type: ignore[misc]
def renew(  # noqa: PLR0913, PLR0917
    chain: np.ndarray, origin: np.ndarray, step: np.ndarray, codes: np.ndarray, also: np.ndarray, others: np.ndarray,
    times: np.ndarray, done: int, row: int, run: int,
) -> None:  # fmt: skip
    """Begin the chain of one step anew at a later first step: of several at one instant, at the first."""
    time = times[row]
    if time <= chain[0, 0]:
        return
    i = row - 1
    while i >= done and times[i] == time:
        if bits(step, codes, also, others, i) & 1:
            row = i
        i -= 1
    chain[0, 0] = time
    origin[0, 0] = run
    origin[0, 1] = row


@njit(cache=True, nogil=True)  # type: ignore[misc]
def instant(  # noqa: PLR0913, PLR0917
    chain: np.ndarray, origin: np.ndarray, live: int,
    step: np.ndarray, codes: np.ndarray, also: np.ndarray, others: np.ndarray,
    time: int, within: int, run: int, top: int, after: int, moments: np.ndarray, where: np.ndarray, row: int,
) -> int:  # fmt: skip
    """Take the events of one instant, rows [top, after), in the order of the steps they match.

    Returns the length of the longest chain; when it grew, `moments` and `where` hold that chain.
    """
    steps = len(chain)
    for lowest in range(steps if after - top > 1 else 1):
        for i in range(top, after):
            matched = bits(step, codes, also, others, i)
            if after - top > 1 and matched & ((2 << lowest) - 1) != 1 << lowest:
                continue
            deeper = lengthen(chain, origin, live, matched, time, within, run, i)
            if deeper > live:
                live = deeper
                for k in range(live):
                    moments[k, row] = chain[live - 1, k]
                where[row, 0] = origin[live - 1, 0]
                where[row, 1] = origin[live - 1, 1]
    return live


@njit(cache=True, nogil=True)  # type: ignore[misc]
def lengthen(  # noqa: PLR0913, PLR0917
    chain: np.ndarray, origin: np.ndarray, live: int, matched: int, time: int, within: int, run: int, row: int
) -> int:
    """Let one event lengthen the chains, the longest first so that it is used once; returns the longest length."""
    deepest = live
    for k in range(min(live, len(chain) - 1), 0, -1):
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

"""Following each actor through steps in order: how deep, and when.

For every number of steps `k` the fold carries the chain of `k` steps that started latest, because any chain
that can go on within the window can also go on from the latest start. One pass, no backtracking. Of first
steps only the latest before a further step matters, so their times are read when such a step comes.

Most actors are followed by rows (`folds.alone`); the others, whose events lie in several runs or at one instant, by
times, in a second pass over them alone. There, `state[k - 1]` is the chain of `k` steps: the time of each step.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.alone import AT_ONCE, by_rows, following, further, timed
from trackway.store.columns.folds.reading import bits, earliest, lent
from trackway.store.columns.lanes import pointer

UNSURE = 255
"""The depth of an actor who cannot be followed by rows."""


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def chains(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    step_at: np.ndarray, step_like: np.ndarray, step: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray, time_at: np.ndarray, time_like: np.ndarray,
    quarter_at: np.ndarray, quarter_like: np.ndarray, crowded_at: np.ndarray, crowded_like: np.ndarray,
    start: int, stop: int, cut: bool, within: int, table: np.ndarray, origin: np.ndarray,
    depth: np.ndarray, who: np.ndarray,
) -> int:  # fmt: skip
    """Fill one column of the per-actor table for each actor who may have taken the first step; returns how many.

    `depth[i]` is the deepest step, 0 for an actor who took none, `table[:, i]` the times of the chain that first got
    there, `origin[:, i]` the run and row of the actor's first event that is step 1, unless it is empty, and `who[i]`
    the actor. Only rows in [start, stop) count; `cut` says whether there may be others.
    """
    found, done, unsure = 0, 0, 0
    where, own = np.empty(len(depth), np.int64), np.zeros((len(table), len(table)), np.int64)
    chosen, more, out, since, state = lent(step), lent(also), lent(table), lent(origin), lent(own)
    for actor in range(begin, end):
        s, live = first[actor], -1
        where[found] = -1
        if s + 1 == first[actor + 1]:
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            i, last = lo[s], hi[s]
            if cut:
                i, last = earliest(times, i, last, start), earliest(times, i, last, stop)
            live, row = by_rows(
                chosen, carray(pointer(step_at[run[s]], step_like), hi[s]), more,
                carray(pointer(also_at[run[s]], also_like), hi[s]), times,
                carray(pointer(quarter_at[run[s]], quarter_like), hi[s]),
                carray(pointer(crowded_at[run[s]], crowded_like), hi[s]), i, last, within, state, out, found,
            )  # fmt: skip
            if live > 0:
                where[found] = run[s]
                if origin.size:
                    since[0, found], since[1, found] = run[s], row
        depth[found], who[found] = live if live >= 0 else UNSURE, actor
        unsure += live < 0
        found += live != 0
        if found - done >= AT_ONCE or actor == end - 1:
            timed(time_at, time_like, where, depth, done, found, out)
            done = found
    own[0, 0] = len(step) + len(also) + table.size + origin.size  # they are lent until here
    if unsure:
        by_times(
            first, run, lo, hi, found, step_at, step_like, step, also_at, also_like, also, time_at, time_like,
            start, stop, cut, within, table, origin, depth, who,
        )  # fmt: skip
    return found


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def by_times(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, found: int,
    step_at: np.ndarray, step_like: np.ndarray, step: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray, time_at: np.ndarray, time_like: np.ndarray,
    start: int, stop: int, cut: bool, within: int, table: np.ndarray, origin: np.ndarray,
    depth: np.ndarray, who: np.ndarray,
) -> None:  # fmt: skip
    """Fill the columns of the actors who are `UNSURE`, however their events lie."""
    own = np.zeros((len(table), len(table)), np.int64)
    chosen, more, out, since, state = lent(step), lent(also), lent(table), lent(origin), lent(own)
    for place in range(found):
        if depth[place] != UNSURE:
            continue
        live, s = 0, first[who[place]]
        while s < first[who[place] + 1] and live < len(table):
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            i, last = lo[s], hi[s]
            if cut:
                i, last = earliest(times, i, last, start), earliest(times, i, last, stop)
            before = live
            live, row = stretch(
                chosen, carray(pointer(step_at[run[s]], step_like), hi[s]), more,
                carray(pointer(also_at[run[s]], also_like), hi[s]), times, i, last, live, within, state, out, place,
            )  # fmt: skip
            if before == 0 and origin.size:
                since[0, place], since[1, place] = run[s] if live > 0 else -1, row
            s += 1
        depth[place] = live
    own[0, 0] = len(step) + len(also) + table.size + origin.size  # they are lent until here


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def stretch(  # noqa: PLR0913, PLR0917
    step: np.ndarray, codes: np.ndarray, also: np.ndarray, others: np.ndarray, times: np.ndarray,
    i: int, last: int, live: int, within: int, state: np.ndarray, table: np.ndarray, place: int,
) -> tuple[int, int]:  # fmt: skip
    """Let the rows [i, last) lengthen the chains; the length of the longest, and the row it began at if it was none."""
    steps, done, pending, begun = len(table), i, np.int64(-1), -1
    while live < steps:
        i, pending = following(step, codes, also, others, i, last, further(live, steps), pending)
        if i >= last:
            if pending >= 0:
                state[0, 0] = max(state[0, 0], times[np.uint64(pending)])
            break
        begun, time = i if live == 0 else begun, times[np.uint64(i)]
        tied = (i > done and times[np.uint64(i - 1)] == time) or (i + 1 < last and times[np.uint64(i + 1)] == time)
        if tied:
            pending = earlier(step, codes, also, others, times, done, i, pending)
        if pending >= done:
            state[0, 0] = max(state[0, 0], times[np.uint64(pending)])
        if tied:
            live, i = instant(step, codes, also, others, times, done, i, last, state, live, within, table, place)
        else:
            live = lengthen(state, live, bits(step, codes, also, others, i), time, within, table, place)
            i += 1
        done, pending = i, np.int64(-1)
    return live, begun


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def lengthen(  # noqa: PLR0913, PLR0917
    state: np.ndarray, live: int, matched: int, time: int, within: int,
    table: np.ndarray, place: int,
) -> int:  # fmt: skip
    """Let one event lengthen the chains, the longest first so that it is used once.

    Returns the length of the longest chain; when it grew, the table holds that chain.
    """
    steps = len(state)
    deepest = live
    for k in range(min(live, steps - 1), 0, -1):
        begun = state[k - 1, 0]
        if (matched >> k) & 1 and time - begun <= within and (k >= live or begun > state[k, 0]):
            for j in range(k):
                state[k, j] = state[k - 1, j]
            state[k, k] = time
            deepest = max(deepest, k + 1)
    if matched & 1 and (live == 0 or time > state[0, 0]):
        state[0, 0] = time
        deepest = max(deepest, 1)
    if deepest > live:
        for j in range(deepest):
            table[j, place] = state[deepest - 1, j]
    return deepest


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def instant(  # noqa: PLR0913, PLR0917
    step: np.ndarray, codes: np.ndarray, also: np.ndarray, others: np.ndarray, times: np.ndarray,
    done: int, row: int, last: int, state: np.ndarray, live: int, within: int,
    table: np.ndarray, place: int,
) -> tuple[int, int]:  # fmt: skip
    """Take all events at the instant of a row in the order of the steps they match, then of their ties.

    Returns the length of the longest chain, and the row after the instant.
    """
    top, after = row, row + 1
    while top > done and times[top - 1] == times[row]:
        top -= 1
    while after < last and times[after] == times[row]:
        after += 1
    for lowest in range(len(state)):
        for i in range(top, after):
            matched = bits(step, codes, also, others, i)
            if matched & ((2 << lowest) - 1) == 1 << lowest:
                live = lengthen(state, live, matched, times[row], within, table, place)
    return live, after


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def earlier(  # noqa: PLR0913, PLR0917
    step: np.ndarray, codes: np.ndarray, also: np.ndarray, others: np.ndarray, times: np.ndarray,
    done: int, row: int, pending: int,
) -> int:  # fmt: skip
    """The latest first step before the instant of a row, -1 for none; `pending` is the latest before the row."""
    while pending >= done and (times[pending] == times[row] or not bits(step, codes, also, others, pending) & 1):
        pending -= 1
    return pending if pending >= done else -1

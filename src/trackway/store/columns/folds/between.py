"""What actors did in a stretch of time that is their own: after they entered a funnel, before they were through."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.reading import bits, earliest
from trackway.store.columns.lanes import pointer


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def between(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, who: np.ndarray,
    after: np.ndarray, before: np.ndarray, side: np.ndarray,
    step_at: np.ndarray, step_like: np.ndarray, step: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    some_at: np.ndarray, some_like: np.ndarray, some: np.ndarray,
    more_at: np.ndarray, more_like: np.ndarray, more: np.ndarray,
    name_at: np.ndarray, name_like: np.ndarray, time_at: np.ndarray, time_like: np.ndarray,
    latest: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """Add each actor `who[i]` to `out[side[i], name]` for every name of their events in (after[i], before[i]).

    Events with a bit of `step` do not count, nor those without one of `some` (an empty table: all have it). `latest`
    must be -1 for every name.
    """
    for i in range(len(who)):
        actor = np.int64(who[i])
        for s in range(first[actor], first[actor + 1]):
            codes = carray(pointer(step_at[run[s]], step_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            kept = carray(pointer(some_at[run[s]], some_like), hi[s])
            kept_too = carray(pointer(more_at[run[s]], more_like), hi[s])
            names = carray(pointer(name_at[run[s]], name_like), hi[s])
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            if times[hi[s] - 1] <= after[i] or times[lo[s]] >= before[i]:
                continue
            begin = earliest(times, lo[s], hi[s], after[i] + 1)
            for row in range(begin, hi[s]):
                if times[row] >= before[i]:
                    break
                if latest[names[row]] == i or bits(step, codes, also, others, row):
                    continue
                if len(some) and not bits(some, kept, more, kept_too, row):
                    continue
                latest[names[row]] = i
                out[side[i], names[row]] += 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def touches(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, who: np.ndarray,
    step_at: np.ndarray, step_like: np.ndarray, step: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray, time_at: np.ndarray, time_like: np.ndarray,
    start: int, stop: int, out: np.ndarray,
) -> None:  # fmt: skip
    """The run and row of the first event of each actor `who[i]` in [start, stop) that has the first bit of `step`."""
    for i in range(len(who)):
        actor, found = np.int64(who[i]), False
        for s in range(first[actor], first[actor + 1]):
            codes = carray(pointer(step_at[run[s]], step_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            for row in range(lo[s], hi[s]):
                if bits(step, codes, also, others, row) & 1 and start <= times[row] < stop:
                    out[0, i], out[1, i] = run[s], row
                    found = True
                    break
            if found:
                break

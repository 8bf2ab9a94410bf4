"""Which actors have an event of some group in some spans of time."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.reading import bits
from trackway.store.columns.lanes import pointer


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def met(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray, wanted: int,
    group_at: np.ndarray, group_like: np.ndarray, slot: np.ndarray, time_at: np.ndarray, time_like: np.ndarray,
    bounds: np.ndarray, starts: np.ndarray, stops: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """Whether each actor has an event with a bit of `wanted` in a span of its group's slot.

    `slot` gives the slot of a group, below zero for none (without a table, all are 0); the spans of slot `k` are those
    from `bounds[k]` to `bounds[k + 1]` of [starts, stops).
    """
    for actor in range(begin, end):
        found = False
        for s in range(first[actor], first[actor + 1]):
            marks = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            groups = carray(pointer(group_at[run[s]], group_like), hi[s])
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            for row in range(lo[s], hi[s] if not found else lo[s]):
                if bits(mask, marks, also, others, row) & wanted == 0:
                    continue
                k = slot[groups[row]] if len(slot) else 0
                if k < 0:
                    continue
                for i in range(bounds[k], bounds[k + 1]):
                    if starts[i] <= times[row] < stops[i]:
                        found = True
                if found:
                    break
        out[actor - begin] = found

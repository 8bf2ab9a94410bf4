"""The first event of each actor that matters: it decides which group the actor is in."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.reading import earliest
from trackway.store.columns.lanes import pointer


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def firsts(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    time_at: np.ndarray, time_like: np.ndarray, start: int, stop: int, cut: bool, bit: int, origin: np.ndarray,
) -> None:  # fmt: skip
    """Fill `origin[:, i]` with the run and row of the first event of actor `begin + i` with a bit in [start, stop).

    The run is -1 when there is none; `cut` says whether there may be events outside.
    """
    for actor in range(begin, end):
        origin[0, actor - begin] = -1
        for s in range(first[actor], first[actor + 1]):
            codes = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            i, last = lo[s], hi[s]
            if cut:
                times = carray(pointer(time_at[run[s]], time_like), hi[s])
                i, last = earliest(times, i, last, start), earliest(times, i, last, stop)
            if len(also):
                while i < last and mask[codes[i]] & also[others[i]] & bit == 0:
                    i += 1
            else:
                while i < last and mask[codes[i]] & bit == 0:
                    i += 1
            if i < last:
                origin[0, actor - begin], origin[1, actor - begin] = run[s], i
                break

"""Who saw which variant first, and what they did before and after."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.reading import bits
from trackway.store.columns.lanes import pointer


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def exposures(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    variant_at: np.ndarray, variant_like: np.ndarray, time_at: np.ndarray, time_like: np.ndarray,
    start: int, stop: int, actor: np.ndarray, variant: np.ndarray, when: np.ndarray, mixed: np.ndarray,
) -> int:  # fmt: skip
    """Fill a row for each actor with a masked event in [start, stop) that names a variant; returns how many.

    `variant` is the code at the first such event and `when` its time; `mixed` says that a later one names another.
    """
    found = 0
    for a in range(begin, end):
        seen = False
        for s in range(first[a], first[a + 1]):
            codes = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            variants = carray(pointer(variant_at[run[s]], variant_like), hi[s])
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            for i in range(lo[s], hi[s]):
                if bits(mask, codes, also, others, i) == 0 or variants[i] == 0 or not start <= times[i] < stop:
                    continue
                if not seen:
                    actor[found], variant[found], when[found], mixed[found] = a, variants[i], times[i], False
                    seen = True
                elif variants[i] != variant[found]:
                    mixed[found] = True
        found += seen
    return found


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def outcomes(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, actor: np.ndarray, when: np.ndarray,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    value_at: np.ndarray, value_like: np.ndarray, value: np.ndarray, time_at: np.ndarray, time_like: np.ndarray,
    before: int, after: int, stop: int, out: np.ndarray,
) -> None:  # fmt: skip
    """Add up, for each exposed actor, the values of their masked events: from the exposure on, and before it.

    `out[0]` is of the events in [when, when + after) and before `stop`, `out[1]` how many; `out[2]` and `out[3]` of
    those in [when - before, when). What has no value (NaN) counts for nothing.
    """
    for p in range(len(actor)):
        for s in range(first[actor[p]], first[actor[p] + 1]):
            codes = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            values = carray(pointer(value_at[run[s]], value_like), hi[s])
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            for i in range(lo[s], hi[s]):
                if bits(mask, codes, also, others, i) == 0:
                    continue
                worth, past = value[values[i]], times[i] - when[p]
                if worth != worth or past < -before or past >= after or times[i] >= stop:  # noqa: PLR0124 - NaN
                    continue
                side = 0 if past >= 0 else 2
                out[side, p] += worth
                out[side + 1, p] += 1

"""What every fold does with rows: reads the bits of an event, and finds the rows within a range of time."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def bits(table: np.ndarray, codes: np.ndarray, also: np.ndarray, others: np.ndarray, row: int) -> int:
    """The bits of an event: those of one column, and (with a table `also`) of another one at the same time."""
    found = table[codes[row]]
    if found and len(also):
        found &= also[others[row]]
    return int(found)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def earliest(times: np.ndarray, lo: int, hi: int, time: int) -> int:
    """The first row of [lo, hi) that is not before a time; `hi` when all are."""
    while lo < hi:
        middle = (lo + hi) // 2
        if times[middle] < time:
            lo = middle + 1
        else:
            hi = middle
    return lo

"""What every fold does with rows: reads the bits of an event, and finds the rows that matter.

Stretches that lie one behind the other are read as one block, of which only the rows with a bit are visited.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.bitmaps import WORD, bitmap, few, lowest, room
from trackway.store.columns.lanes import pointer

BLOCK = 4096
"""Rows taken at a time, unless one stretch alone is longer: what is written down stays in the nearest cache."""


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def lent(array: np.ndarray) -> np.ndarray:
    """The same array, of which no references are counted: handing it to a function that is called for every event
    costs nothing then. Whoever lends keeps the array itself for as long.
    """
    return carray(pointer(array.ctypes.data, array), array.shape)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def longest(lo: np.ndarray, hi: np.ndarray, begin: int, end: int) -> int:
    """Rows of the longest block among the stretches [begin, end)."""
    most = BLOCK
    for s in range(begin, end):
        most = max(most, hi[s] - lo[s])
    return int(most)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def scratch(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What `pick` needs for a block of so many rows: the rows, flags and words."""
    return np.empty(rows, np.int64), np.empty((2, room(rows)), np.uint8), np.empty(room(rows) // WORD, np.int64)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def together(run: np.ndarray, lo: np.ndarray, hi: np.ndarray, s: int, end: int) -> int:
    """The stretch after the last of those that make one block with stretch `s`."""
    after = s + 1
    while after < end and run[after] == run[s] and lo[after] == hi[after - 1] and hi[after] - lo[s] <= BLOCK:
        after += 1
    return int(after)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def pick(  # noqa: PLR0913, PLR0917
    table_at: int, table_like: np.ndarray, table: np.ndarray, some: np.ndarray,
    also_at: int, also_like: np.ndarray, also: np.ndarray, some_also: np.ndarray,
    lo: int, hi: int, rows: np.ndarray, flags: np.ndarray, words: np.ndarray,
) -> int:  # fmt: skip
    """Write down the rows of [lo, hi) that have the bit of a single condition; returns how many.

    The bit is that of one column, and (with a table `also`) of another one at the same time; `some` and `some_also`
    are their `bitmaps.few`. Without a table, all rows are written down. `flags` and `words` are scratch.
    """
    if len(table) == 0:
        for i in range(lo, hi):
            rows[i - lo] = i
        return hi - lo
    codes, others = carray(pointer(table_at, table_like), hi), carray(pointer(also_at, also_like), hi)
    bitmap(codes[lo:hi], table, some, others[lo:hi] if len(also) else others[:0], also, some_also, 0, flags, words)
    n = 0
    for place in range(room(hi - lo) // WORD):
        word = words[place]
        while word:
            rows[n] = lo + place * WORD + lowest(word)
            word &= word - 1
            n += 1
    return n


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def inside(times: np.ndarray, start: int, stop: int, rows: np.ndarray, n: int) -> int:
    """Keep those of the first `n` rows whose times are in [start, stop); returns how many."""
    kept = 0
    for p in range(n):
        row = rows[p]
        rows[kept] = row
        kept += (times[row] >= start) & (times[row] < stop)
    return kept


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


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def ends(  # noqa: PLR0913, PLR0917
    run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    time_at: np.ndarray, time_like: np.ndarray, start: int, stop: int,
) -> tuple[int, int]:  # fmt: skip
    """Times of the first and last event with a mask in [start, stop), of the stretches [begin, end).

    Without such an event, the first is after the last.
    """
    first, last = stop, start - 1
    rows, flags, words = scratch(longest(lo, hi, begin, end))
    some, some_also = few(mask), few(also)
    s = begin
    while s < end:
        after, r = together(run, lo, hi, s, end), run[s]
        n = pick(
            mask_at[r], mask_like, mask, some, also_at[r], also_like, also, some_also, lo[s], hi[after - 1],
            rows, flags, words,
        )  # fmt: skip
        times = carray(pointer(time_at[r], time_like), hi[after - 1])
        for p in range(n):
            time = times[rows[p]]
            if start <= time < stop:
                first, last = min(first, time), max(last, time)
        s = after
    return first, last

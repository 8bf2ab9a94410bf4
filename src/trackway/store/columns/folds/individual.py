"""One number for each actor, of their events that match: the per-actor table of a distribution.

Counting reads nothing but codes; what is worked out of a column reads its code only where the mask has a bit.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.entries import AVERAGE, DISTINCT, EVENTS, HIGH, LOW, QUANTILE, SUM
from trackway.store.columns.folds.exact import PARTS, extended, nearest
from trackway.store.columns.folds.reading import bits, earliest
from trackway.store.columns.lanes import pointer

HALF, LOWER = 2.0**32, (1 << 32) - 1
FIRST, LAST, ACTIVE = 7, 8, 9
"""What an actor's number is worked out by, besides what `folds.entries` has."""


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def counted(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    time_at: np.ndarray, time_like: np.ndarray, start: int, stop: int, cut: bool, out: np.ndarray,
) -> None:  # fmt: skip
    """Fill `out[i]` with how many events of actor `begin + i` have a mask (an empty table: all) in [start, stop)."""
    for actor in range(begin, end):
        count = 0
        for s in range(first[actor], first[actor + 1]):
            i, last = lo[s], hi[s]
            if cut:
                times = carray(pointer(time_at[run[s]], time_like), last)
                i, last = earliest(times, i, last, start), earliest(times, i, last, stop)
            if len(mask) == 0:
                count += last - i
                continue
            codes = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            if len(also) == 0:
                for row in range(i, last):
                    count += mask[codes[row]] != 0
            else:
                others = carray(pointer(also_at[run[s]], also_like), hi[s])
                for row in range(i, last):
                    count += (mask[codes[row]] & also[others[row]]) != 0
        out[actor - begin] = count


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def added(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    time_at: np.ndarray, time_like: np.ndarray, start: int, stop: int, cut: bool,
    value_at: np.ndarray, value_like: np.ndarray, halves: np.ndarray, high: float, low: float, average: bool,
    n: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """As `measured`, of sums (or averages) alone: `halves[code]` are two whole numbers, in units of `high` and `low`
    (powers of two), that together are the number of a code, and whose sums fit; and 1, or 0 if it has none.

    Whether an event matters is never guessed, as in `folds.reading`.
    """
    parts = np.empty(PARTS)
    for actor in range(begin, end):
        events, count, above, below = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
        for s in range(first[actor], first[actor + 1]):
            codes = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            amounts = carray(pointer(value_at[run[s]], value_like), hi[s])
            i, last = lo[s], hi[s]
            if cut:
                times = carray(pointer(time_at[run[s]], time_like), last)
                i, last = earliest(times, i, last, start), earliest(times, i, last, stop)
            for row in range(i, last):
                keep = np.int64(-1)
                if len(mask):
                    found = mask[codes[row]]
                    if len(also):
                        found &= also[others[row]]
                    keep = -np.int64(found != 0)
                events -= keep
                above += halves[amounts[row], 0] & keep
                below += halves[amounts[row], 1] & keep
                if average:
                    count += halves[amounts[row], 2] & keep
        size = extended(parts, 0, (above >> 32) * HALF * high)
        size = extended(parts, size, (above & LOWER) * high)
        size = extended(parts, size, (below >> 32) * HALF * low)
        size = extended(parts, size, (below & LOWER) * low)
        kind = AVERAGE if average else SUM
        n[actor - begin], out[actor - begin] = events, finished(kind, nearest(parts, size), count)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def measured(  # noqa: C901, PLR0912, PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    time_at: np.ndarray, time_like: np.ndarray, start: int, stop: int, cut: bool,
    value_at: np.ndarray, value_like: np.ndarray, values: np.ndarray,
    when_at: np.ndarray, when_like: np.ndarray, shift: np.ndarray, when: np.ndarray,
    kind: int, top: int, bottom: int, latest: np.ndarray, known: np.ndarray, n: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """Fill `n[i]` with the events of actor `begin + i` that have a mask in [start, stop), `out[i]` with their number.

    `values` are the numbers of codes, NaN for none; `latest` has a place for each code and holds -1; `known` is room
    for all numbers of one actor. Each is needed only by what uses it. A number there is not is NaN.
    """
    parts = np.empty(PARTS)
    for actor in range(begin, end):
        events, count, size, before = 0, 0, 0, np.int64(-1)
        low, high, value = np.inf, -np.inf, np.nan
        for s in range(first[actor], first[actor + 1]):
            codes = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            amounts = carray(pointer(value_at[run[s]], value_like), hi[s])
            quarters = carray(pointer(when_at[run[s]], when_like), hi[s])
            i, last = lo[s], hi[s]
            if cut:
                times = carray(pointer(time_at[run[s]], time_like), last)
                i, last = earliest(times, i, last, start), earliest(times, i, last, stop)
            for row in range(i, last):
                if len(mask) and bits(mask, codes, also, others, row) == 0:
                    continue
                events += 1
                if kind == ACTIVE:
                    interval = np.int64(when[quarters[row] + shift[run[s]]])
                    count += interval != before
                    before = interval
                    continue
                code = amounts[row]
                if kind == DISTINCT:
                    if code and latest[code] != actor:
                        latest[code] = actor
                        count += 1
                    continue
                amount = values[code]
                if np.isnan(amount):
                    continue
                if kind in (SUM, AVERAGE):
                    size = extended(parts, size, amount)
                elif kind == QUANTILE:
                    known[count] = amount
                elif kind in (LOW, HIGH):
                    low, high = min(low, amount), max(high, amount)
                elif kind == LAST or count == 0:
                    value = amount
                count += 1
        if kind in (SUM, AVERAGE):
            value = nearest(parts, size)
        elif kind in (LOW, HIGH):
            value = low if kind == LOW else high
        elif kind == QUANTILE and count:
            value = quantile(known[:count], top, bottom)
        n[actor - begin], out[actor - begin] = events, finished(kind, value, count)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def finished(kind: int, value: float, count: int) -> float:
    """The number of an actor from what was gathered; NaN for none, and for one too large."""
    if kind in (DISTINCT, ACTIVE):
        return float(count)
    if kind != SUM and count == 0:
        return np.nan
    if not np.isfinite(value):
        return np.nan
    return value / count if kind == AVERAGE else value


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def quantile(numbers: np.ndarray, top: int, bottom: int) -> float:
    """The quantile of a share `top / bottom` by nearest rank; of one half the median."""
    n = len(numbers)
    ordered = np.sort(numbers)
    if 2 * top == bottom:
        low, high = ordered[(n - 1) // 2], ordered[n // 2]
        return float(low if low == high else (low + high) / 2)
    return float(ordered[(n * top + bottom - 1) // bottom - 1])


__all__ = ["ACTIVE", "AVERAGE", "DISTINCT", "EVENTS", "FIRST", "HIGH", "LAST", "LOW", "QUANTILE", "SUM", "added",
           "counted", "measured"]  # fmt: skip

"""One value per actor and window: the per-actor table from which means and quantiles over actors are taken."""

from __future__ import annotations

import numpy as np
from numba import njit

from trackway.store.columns.folds.exact import INFINITE, PARTS, added, put, summed
from trackway.store.columns.folds.reading import lent

EVENTS, SUM, AVERAGE, LOW, HIGH, QUANTILE, DISTINCT = range(7)
"""What an actor's value is worked out by."""


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def worked_out(  # noqa: PLR0911, PLR0913, PLR0917
    kind: int, number: np.ndarray, first: int, end: int, top: int, bottom: int, parts: np.ndarray, known: np.ndarray,
) -> float:  # fmt: skip
    """The value of the events [first, end) of an actor; NaN when they have none. `known` is room for their numbers.

    Of a quantile, `top / bottom` is the share; one half means the median.
    """
    if kind == EVENTS:
        return float(end - first)
    if kind == DISTINCT:
        return float(different(number[first:end], known))
    if kind <= AVERAGE:
        whole, count = summed(number, first, end, parts)
        if kind == SUM:
            return float(whole)
        return whole / count if count else np.nan
    n = 0
    for i in range(first, end):
        known[n] = number[i]
        n += np.isfinite(known[n])
    if n == 0 or kind <= HIGH:
        return float(extreme(known[:n], kind))
    ordered = np.sort(known[:n])
    if 2 * top == bottom:
        return float((ordered[(n - 1) // 2] + ordered[n // 2]) / 2)
    return float(ordered[(n * top + bottom - 1) // bottom - 1])


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def different(number: np.ndarray, known: np.ndarray) -> float:
    """How many numbers there are, without 0."""
    n = 0
    for i in range(len(number)):
        known[n] = number[i]
        n += number[i] != 0
    ordered, found = np.sort(known[:n]), 0
    for i in range(n):
        found += i == 0 or ordered[i] != ordered[i - 1]
    return float(found)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def extreme(known: np.ndarray, kind: int) -> float:
    """The smallest of some numbers, or the largest; NaN of none."""
    if len(known) == 0:
        return np.nan
    return float(known.min() if kind == LOW else known.max())


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def apart(
    place: np.ndarray, number: np.ndarray, ends: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group, interval and number of events, those of each actor in the order of their groups, and else as they are."""
    if size == 1:
        return np.zeros(len(place), np.int64), place, number
    when = place // size
    group, mine, start = place - when * size, number.copy(), 0
    for end in ends:
        if end - start > 1 and (group[start:end] != group[start]).any():
            order = np.argsort(group[start:end], kind="mergesort") + start
            group[start:end], when[start:end], mine[start:end] = group[order], when[order], mine[order]
        start = end
    return group, when, mine


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def entries(  # noqa: C901, PLR0913, PLR0917
    place: np.ndarray, number: np.ndarray, ends: np.ndarray, kind: int, top: int, bottom: int,
    size: int, lead: int, reach: int, intervals: int, begins: np.ndarray, over: np.ndarray, found: np.ndarray,
) -> int:  # fmt: skip
    """Write down the value of each actor in each group and window: `found` from place `begins` until before `over`.

    `place` and `number` are the events in order of actor and time, `ends` where each actor's end. A window is `reach`
    intervals up to and with its own; only those from `lead` on are written. Returns how many there are.
    """
    room, several = np.empty(PARTS), np.empty(len(place) + 1)
    parts, known, begins, over, found = lent(room), lent(several), lent(begins), lent(over), lent(found)
    groups, whens, numbers = apart(place, number, ends, size)
    group, when, mine = lent(groups), lent(whens), lent(numbers)
    if reach == 1 and lead == 0 and kind in {SUM, AVERAGE}:
        total = int(apiece(group, when, mine, ends, size, kind == AVERAGE, parts, begins, over, found))
        room[0] = several[0] = len(groups) + len(whens) + len(numbers)
        return total
    total, start = 0, 0
    for end in ends:
        i, n = start, end
        while i < n:
            j = i
            while j < n and group[j] == group[i]:
                j += 1
            a = b = i
            window = when[i]
            while True:
                while b < j and when[b] <= window:
                    b += 1
                while a < b and when[a] + reach <= window:
                    a += 1
                if a == b and b == j:
                    break
                after = when[b] if b < j else intervals
                if a < b:
                    after = min(after, when[a] + reach, intervals)
                if a < b and after > lead:
                    value = worked_out(kind, mine, a, b, top, bottom, parts, known)
                    begins[total], over[total] = max(window, lead) * size + group[i], after * size + group[i]
                    found[total] = value
                    total += np.isfinite(value)
                if after >= intervals:
                    break
                window = after
            i = j
        start = end
    room[0] = several[0] = len(groups) + len(whens) + len(numbers)  # they are lent until here
    return total


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def apiece(  # noqa: PLR0913, PLR0917
    group: np.ndarray, when: np.ndarray, mine: np.ndarray, ends: np.ndarray, size: int, mean: bool,
    parts: np.ndarray, begins: np.ndarray, over: np.ndarray, found: np.ndarray,
) -> int:  # fmt: skip
    """`entries` of sums (or means) of windows of one interval, each event looked at once."""
    total, i = 0, 0
    for end in ends:
        while i < end:
            start, n, high, low, lost = i, 0, 0.0, 0.0, False
            while i < end and when[i] == when[start] and group[i] == group[start]:
                if np.isfinite(mine[i]):
                    n += 1
                    high, low, error = added(high, low, mine[i])
                    lost |= error != 0
                i += 1
            value = high + low
            if lost:
                value, n = summed(mine, start, i, parts)
            begins[total] = when[start] * size + group[start]
            over[total] = begins[total] + size
            found[total] = value / n if mean and n else value
            total += np.isfinite(found[total]) and (n > 0 or not mean)
    return total


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def add_up(  # noqa: PLR0913, PLR0917
    begins: np.ndarray, over: np.ndarray, found: np.ndarray, base: int, known: np.ndarray, limbs: np.ndarray
) -> None:
    """Add each value to the limbs where it begins, and take it away where it is over; finite ones only."""
    bits = found.view(np.int64)
    for i in range(len(bits)):
        if (bits[i] >> 52) & INFINITE != INFINITE:
            known[begins[i]] += 1
            known[over[i]] -= 1
            put(limbs, begins[i], base, bits[i], 1)
            put(limbs, over[i], base, bits[i], -1)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def spread(  # noqa: PLR0913, PLR0917
    begins: np.ndarray, over: np.ndarray, found: np.ndarray, size: int, starts: np.ndarray, out: np.ndarray
) -> None:
    """Write each value to every place it holds for; `starts` says where the values of a place begin in `out`."""
    at = starts.copy()
    for i in range(len(found)):
        for place in range(begins[i], over[i], size):
            out[at[place]] = found[i]
            at[place] += 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def order(starts: np.ndarray, out: np.ndarray) -> None:
    """Sort the values of each place."""
    for place in range(len(starts) - 1):
        if starts[place + 1] - starts[place] > 1:
            out[starts[place] : starts[place + 1]].sort()

"""What becomes of gathered events: sums, extremes, first and last, distinct codes and ranks, by place."""

from __future__ import annotations

import numpy as np
from numba import njit

from trackway.store.columns.folds.exact import INFINITE, put


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def count(place: np.ndarray, n: int, out: np.ndarray) -> None:
    """Add the events to `out[place]`."""
    for i in range(n):
        out[place[i]] += 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def add_up(  # noqa: PLR0913, PLR0917
    place: np.ndarray, code: np.ndarray, n: int, bits: np.ndarray, base: int, known: np.ndarray, limbs: np.ndarray
) -> None:
    """Add the numbers (their bits by code; what is no number is left out) to `limbs[place]`, and count them."""
    for i in range(n):
        number = bits[code[i]]
        if (number >> 52) & INFINITE != INFINITE:
            known[place[i]] += 1
            put(limbs, place[i], base, number, 1)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def lowest(place: np.ndarray, code: np.ndarray, n: int, rank: np.ndarray, out: np.ndarray) -> None:
    """The lowest rank by place; a negative rank is none."""
    for i in range(n):
        found = rank[code[i]]
        if 0 <= found < out[place[i]]:
            out[place[i]] = found


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def earliest_of(  # noqa: PLR0913, PLR0917
    place: np.ndarray, code: np.ndarray, time: np.ndarray, tie: np.ndarray, n: int, sign: int,
    best: np.ndarray, best_tie: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """The code (0: none) of the first event by place that has one; of the last with `sign` -1.

    `best` and `best_tie` hold `sign` times its time and tie.
    """
    for i in range(n):
        if code[i] == 0:
            continue
        at, when, other = place[i], time[i] * sign, tie[i] * sign
        if out[at] == 0 or when < best[at] or (when == best[at] and other < best_tie[at]):
            best[at], best_tie[at], out[at] = when, other, code[i]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def mark(key: np.ndarray, out: np.ndarray) -> None:
    """Set `out[key]`."""
    for i in range(len(key)):
        out[key[i]] = True


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def keyed(  # noqa: PLR0913, PLR0917
    place: np.ndarray, code: np.ndarray, n: int, size: int, codes: int, intervals: int, out: np.ndarray
) -> int:
    """Group, code and interval of each event that has a code, as one number in this order; how many there are."""
    total = 0
    for i in range(n):
        if code[i]:
            out[total] = (place[i] % size * codes + code[i]) * intervals + place[i] // size
            total += 1
    return total


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def leading(  # noqa: PLR0913, PLR0917
    place: np.ndarray, code: np.ndarray, n: int, rank: np.ndarray, below: int, out: np.ndarray
) -> None:
    """Count ranks by place and their first digit, that above bit `below`; a negative rank is none."""
    for i in range(n):
        found = rank[code[i]]
        if found >= 0:
            out[place[i], found >> below] += 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def ranked(  # noqa: PLR0913, PLR0917
    place: np.ndarray, code: np.ndarray, n: int, rank: np.ndarray, size: int, lead: int, reach: int, intervals: int,
    prefix: np.ndarray, above: int, below: int, out: np.ndarray,
) -> None:  # fmt: skip
    """Count ranks by slot, target and a further digit of the rank: one step of a selection by digits.

    An event counts in the window of its interval and of the `reach - 1` after it (slot: shown interval and group),
    and, when it is not before the range, in the last slot, which is the whole. Only ranks whose digits so far
    (without the lowest `above` bits) are the `prefix` of the slot and target count, by the digit above bit `below`.
    """
    digits, whole = out.shape[2] - 1, len(out) - 1
    for i in range(n):
        found = rank[code[i]]
        if found < 0:
            continue
        head, digit = found >> above, (found >> below) & digits
        slot, until = place[i] - lead * size, place[i] - lead * size + 1
        if slot >= 0:
            tally(prefix, whole, head, digit, out)
        if reach > 1:
            interval, group = place[i] // size, place[i] % size
            slot = (max(interval, lead) - lead) * size + group
            until = (min(interval + reach, intervals) - lead) * size
        for window in range(slot, until, size):
            tally(prefix, window, head, digit, out)


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def tally(prefix: np.ndarray, slot: int, head: int, digit: int, out: np.ndarray) -> None:
    """Count a digit for each target of a slot whose prefix it continues."""
    for target in range(out.shape[1]):
        if prefix[slot, target] == head:
            out[slot, target, digit] += 1

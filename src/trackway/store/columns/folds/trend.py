"""Counting events, or distinct actors, by interval and group."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.bitmaps import few
from trackway.store.columns.folds.reading import earliest, inside, longest, pick, scratch, together
from trackway.store.columns.lanes import pointer


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def events(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    group_at: np.ndarray, group_like: np.ndarray, group: np.ndarray,
    when_at: np.ndarray, when_like: np.ndarray, shift: np.ndarray, when: np.ndarray,
    time_at: np.ndarray, time_like: np.ndarray, start: int, stop: int, cut: bool, out: np.ndarray,
) -> None:  # fmt: skip
    """Add to `out[interval, group]` the events with a mask (an empty table: all) within [start, stop).

    `cut` says whether there may be events outside.
    """
    rows, flags, words = scratch(longest(lo, hi, first[begin], first[end]))
    some, some_also = few(mask), few(also)
    s = first[begin]
    while s < first[end]:
        after, r = together(run, lo, hi, s, first[end]), run[s]
        n = pick(
            mask_at[r], mask_like, mask, some, also_at[r], also_like, also, some_also, lo[s], hi[after - 1],
            rows, flags, words,
        )  # fmt: skip
        if cut:
            n = inside(carray(pointer(time_at[r], time_like), hi[after - 1]), start, stop, rows, n)
        groups = carray(pointer(group_at[r], group_like), hi[after - 1])
        quarters = carray(pointer(when_at[r], when_like), hi[after - 1])
        if len(group):
            for p in range(n):
                out[when[quarters[rows[p]] + shift[r]], group[groups[rows[p]]]] += 1
        else:
            for p in range(n):
                out[when[quarters[rows[p]] + shift[r]], 0] += 1
        s = after


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def actors(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    group_at: np.ndarray, group_like: np.ndarray, group: np.ndarray,
    when_at: np.ndarray, when_like: np.ndarray, shift: np.ndarray, when: np.ndarray,
    time_at: np.ndarray, time_like: np.ndarray, start: int, stop: int, cut: bool, out: np.ndarray,
    latest: np.ndarray,
) -> int:  # fmt: skip
    """Add to `out[interval, group]` the distinct actors who have such an event; returns how many there are in all.

    `latest[group]` must be -1: it holds the place (actor and interval) counted last, which is enough since
    the events of an actor come in order of time.
    """
    total = 0
    for actor in range(begin, end):
        seen = False
        base = np.int64(actor) * len(out)
        before = -1
        for s in range(first[actor], first[actor + 1]):
            codes = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            groups = carray(pointer(group_at[run[s]], group_like), hi[s])
            quarters = carray(pointer(when_at[run[s]], when_like), hi[s])
            offset = shift[run[s]]
            i, last = lo[s], hi[s]
            if cut:
                times = carray(pointer(time_at[run[s]], time_like), hi[s])
                i, last = earliest(times, i, last, start), earliest(times, i, last, stop)
            if len(mask) == 0 and len(group) == 0:
                seen = seen or i < last
                for row in range(i, last):
                    interval = int(when[quarters[row] + offset])
                    out[interval, 0] += interval != before
                    before = interval
                continue
            for row in range(i, last):
                if len(mask) and (mask[codes[row]] == 0 or (len(also) and also[others[row]] == 0)):
                    continue
                g = group[groups[row]] if len(group) else 0
                place = base + when[quarters[row] + offset]
                seen = True
                out[place - base, g] += latest[g] != place
                latest[g] = place
        total += seen
    return total


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def windows(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    group_at: np.ndarray, group_like: np.ndarray, group: np.ndarray,
    when_at: np.ndarray, when_like: np.ndarray, shift: np.ndarray, when: np.ndarray,
    time_at: np.ndarray, time_like: np.ndarray, start: int, stop: int, cut: bool,
    reach: int, lead: int, steps: np.ndarray, covered: np.ndarray,
) -> int:  # fmt: skip
    """Distinct actors of windows: an event counts in its interval and the `reach - 1` after it.

    `steps[interval, group]` becomes by how many they change there; one row more than there are intervals.
    `covered[group]` must be -1. Returns how many actors there are from interval `lead` on.
    """
    total, intervals = 0, len(steps) - 1
    for actor in range(begin, end):
        seen = False
        base = np.int64(actor) * (intervals + 1)
        for s in range(first[actor], first[actor + 1]):
            codes = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            groups = carray(pointer(group_at[run[s]], group_like), hi[s])
            quarters = carray(pointer(when_at[run[s]], when_like), hi[s])
            i, last = lo[s], hi[s]
            if cut:
                times = carray(pointer(time_at[run[s]], time_like), hi[s])
                i, last = earliest(times, i, last, start), earliest(times, i, last, stop)
            for row in range(i, last):
                if len(mask) and (mask[codes[row]] == 0 or (len(also) and also[others[row]] == 0)):
                    continue
                g = group[groups[row]] if len(group) else 0
                interval = int(when[quarters[row] + shift[run[s]]])
                seen = seen or interval >= lead
                over = min(interval + reach, intervals)
                from_ = max(covered[g] - base, interval)
                if from_ < over:
                    steps[from_, g] += 1
                    steps[over, g] -= 1
                    covered[g] = base + over
        total += seen
    return total

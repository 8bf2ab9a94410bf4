"""Writing down the events that matter, as place (interval and group) and code of a column, for simpler loops.

What is written down is read again at once, while it lies in the nearest caches.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.bitmaps import few
from trackway.store.columns.folds.reading import inside, longest, pick, scratch, together
from trackway.store.columns.lanes import pointer


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def gather(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    group_at: np.ndarray, group_like: np.ndarray, group: np.ndarray,
    when_at: np.ndarray, when_like: np.ndarray, shift: np.ndarray, when: np.ndarray,
    time_at: np.ndarray, time_like: np.ndarray, start: int, stop: int, cut: bool, size: int,
    value_at: np.ndarray, value_like: np.ndarray, tie_at: np.ndarray,
    place: np.ndarray, code: np.ndarray, time: np.ndarray, tie: np.ndarray, ends: np.ndarray,
) -> int:  # fmt: skip
    """Events with a mask (an empty table: all) within [start, stop), in order of actor and time; how many there are.

    `place` becomes interval times `size` plus group. Filled only when they have room: `code` with the codes of a
    column, `time` and `tie` with those of the event, `ends[a - begin]` with the number of events up to actor `a`.
    """
    rows, flags, words = scratch(longest(lo, hi, first[begin], first[end]))
    some, some_also = few(mask), few(also)
    total, actor, s = 0, begin, first[begin]
    while s < first[end]:
        after, r = together(run, lo, hi, s, first[end]), run[s]
        last = hi[after - 1]
        n = pick(
            mask_at[r], mask_like, mask, some, also_at[r], also_like, also, some_also, lo[s], last,
            rows, flags, words,
        )  # fmt: skip
        times = carray(pointer(time_at[r], time_like), last)
        if cut:
            n = inside(times, start, stop, rows, n)
        groups, quarters = carray(pointer(group_at[r], group_like), last), carray(pointer(when_at[r], when_like), last)
        if len(group):
            for p in range(n):
                place[total + p] = int(when[quarters[rows[p]] + shift[r]]) * size + int(group[groups[rows[p]]])
        else:
            for p in range(n):
                place[total + p] = int(when[quarters[rows[p]] + shift[r]])
        if len(code):
            copied(carray(pointer(value_at[r], value_like), last), rows, n, code[total:])
        if len(time):
            copied(times, rows, n, time[total:])
            copied(carray(pointer(tie_at[r], time_like), last), rows, n, tie[total:])
        if len(ends):
            actor = ended(first, hi, s, after, rows, n, total, begin, actor, ends)
        total += n
        s = after
    if len(ends):
        ends[actor - begin :] = total
    return total


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def copied(source: np.ndarray, rows: np.ndarray, n: int, out: np.ndarray) -> None:
    """`out[p] = source[rows[p]]` of the first `n` rows."""
    for p in range(n):
        out[p] = source[rows[p]]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def ended(  # noqa: PLR0913, PLR0917
    first: np.ndarray, hi: np.ndarray, s: int, after: int, rows: np.ndarray, n: int, total: int,
    begin: int, actor: int, ends: np.ndarray,
) -> int:  # fmt: skip
    """Note where the actors before those of the stretches [s, after) end, whose first `n` rows come after `total`
    events; returns the last of these actors, who goes on."""
    p = 0
    for stretch in range(s, after):
        while first[actor + 1] <= stretch:
            ends[actor - begin] = total + p
            actor += 1
        while p < n and rows[p] < hi[stretch]:
            p += 1
    return actor

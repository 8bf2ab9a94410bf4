"""Measuring the events of each actor, or of each session of an actor: one number or code for each.

A session is found by its number within the actor, and `base[actor]`, how many sessions the actors before have;
without a `base` every actor is measured as a whole.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.reading import bits, earliest
from trackway.store.columns.lanes import pointer

COUNT, FIRST, LAST, FIRST_TIME, LAST_TIME, MIN, MAX, SUM, SECONDS = range(9)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def measured(  # noqa: C901, PLR0912, PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    number_at: np.ndarray, number_like: np.ndarray, base: np.ndarray,
    value_at: np.ndarray, value_like: np.ndarray, value: np.ndarray,
    time_at: np.ndarray, time_like: np.ndarray, start: int, stop: int, cut: bool,
    what: int, n: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """Measure the events with a mask (an empty table: all) in [start, stop), adding to `n[place]` how many there are.

    With a table `value`, events of code 0 do not count, and `out[place]` becomes the smallest or largest
    `value[code]`, their sum, or the first or last code; without one, the first or last time, or the time between.
    """
    began = np.int64(0)
    for actor in range(begin, end):
        for s in range(first[actor], first[actor + 1]):
            marks = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            numbers = carray(pointer(number_at[run[s]], number_like), hi[s])
            codes = carray(pointer(value_at[run[s]], value_like), hi[s])
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            i, last = lo[s], hi[s]
            if cut:
                i, last = earliest(times, i, last, start), earliest(times, i, last, stop)
            for row in range(i, last):
                if len(mask) and bits(mask, marks, also, others, row) == 0:
                    continue
                place, code = np.int64(actor), np.int64(0)
                if len(value):
                    code = np.int64(codes[row])
                    if code == 0:
                        continue
                if len(base):
                    if numbers[row] == 0:
                        continue
                    place = base[actor] + numbers[row] - 1
                n[place] += 1
                fresh = n[place] == 1
                if what == SUM:
                    out[place] += value[code]
                elif what == LAST or (what == FIRST and fresh):
                    out[place] = code
                elif what == SECONDS:
                    began = times[row] if fresh else began
                    out[place] = times[row] - began
                elif what == LAST_TIME or (what == FIRST_TIME and fresh):
                    out[place] = times[row]
                elif (what == MIN and (fresh or value[code] < out[place])) or (
                    what == MAX and (fresh or value[code] > out[place])
                ):
                    out[place] = value[code]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def distinct(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    number_at: np.ndarray, number_like: np.ndarray, base: np.ndarray,
    word_at: np.ndarray, word_like: np.ndarray, shift: np.ndarray, word: np.ndarray,
    time_at: np.ndarray, time_like: np.ndarray, start: int, stop: int, cut: bool,
    latest: np.ndarray, n: np.ndarray,
) -> None:  # fmt: skip
    """Add to `n[place]` how many different words (`word[code + shift]`, 0 for none) the events have.

    `latest` (one for each word, -1) holds the place that had a word last, which is enough since places come in order.
    """
    for actor in range(begin, end):
        for s in range(first[actor], first[actor + 1]):
            marks = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            numbers = carray(pointer(number_at[run[s]], number_like), hi[s])
            codes = carray(pointer(word_at[run[s]], word_like), hi[s])
            offset = shift[run[s]]
            i, last = lo[s], hi[s]
            if cut:
                times = carray(pointer(time_at[run[s]], time_like), hi[s])
                i, last = earliest(times, i, last, start), earliest(times, i, last, stop)
            for row in range(i, last):
                if len(mask) and bits(mask, marks, also, others, row) == 0:
                    continue
                place = np.int64(actor)
                if len(base):
                    if numbers[row] == 0:
                        continue
                    place = base[actor] + numbers[row] - 1
                one = word[codes[row] + offset]
                if one and latest[one] != place:
                    latest[one] = place
                    n[place] += 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def expand(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    number_at: np.ndarray, number_like: np.ndarray, base: np.ndarray, codes: np.ndarray, outside: np.ndarray,
    out_at: np.ndarray, out_like: np.ndarray,
) -> None:  # fmt: skip
    """Give every event the code of its actor or session; outside of sessions that of `outside`, by actor."""
    for actor in range(begin, end):
        for s in range(first[actor], first[actor + 1]):
            out = carray(pointer(out_at[run[s]], out_like), hi[s])
            numbers = carray(pointer(number_at[run[s]], number_like), hi[s])
            if len(base) == 0:
                out[lo[s] : hi[s]] = codes[actor]
                continue
            for row in range(lo[s], hi[s]):
                if numbers[row]:
                    out[row] = codes[base[actor] + numbers[row] - 1]
                elif len(outside):
                    out[row] = outside[actor]

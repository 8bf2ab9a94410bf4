"""Cutting the events of each actor into sessions and flows, and following actors through a sequence of steps."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.pattern import KEPT, STRETCH
from trackway.store.columns.folds.reading import bits, earliest
from trackway.store.columns.lanes import pointer

INSIDE, START, END = 1, 2, 4
"""What an event is to its session, by whether it belongs to one at all, begins it, ends it."""


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def numbered(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray, inside: int, starts: int, ends: int,
    change_at: np.ndarray, change_like: np.ndarray, changes: bool,
    time_at: np.ndarray, time_like: np.ndarray, timeout: int, out_at: np.ndarray, out_like: np.ndarray,
    most: int, sessions: np.ndarray,
) -> None:  # fmt: skip
    """Count the sessions of each actor into `sessions`, and give every event the number of its session, up to `most`.

    Only events with the bit `inside` belong to one.

    A session begins with the first event, after a pause longer than `timeout` (negative: none), with a bit of `starts`,
    after one of `ends`, and when a known value `changes` from the one last known.
    """
    for actor in range(begin, end):
        number, before, ended, known = 0, np.int64(0), False, np.int64(0)
        for s in range(first[actor], first[actor + 1]):
            marks = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            values = carray(pointer(change_at[run[s]], change_like), hi[s])
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            out = carray(pointer(out_at[run[s]], out_like), hi[s])
            for row in range(lo[s], hi[s]):
                mark = np.int64(bits(mask, marks, also, others, row)) if len(mask) else np.int64(inside)
                if mark & inside == 0:
                    continue
                fresh = number == 0 or ended or mark & starts != 0
                if timeout >= 0:
                    fresh = fresh or times[row] - before > timeout
                    before = times[row]
                if changes and values[row]:
                    fresh = fresh or (known != 0 and values[row] != known)
                    known = np.int64(values[row])
                number += fresh
                ended = mark & ends != 0
                if number <= most:
                    out[row] = number
        sessions[actor] = number


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def spanned(  # noqa: PLR0913, PLR0917
    run: np.ndarray, lo: np.ndarray, hi: np.ndarray,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    actor: np.ndarray, begin: np.ndarray, end: np.ndarray, out_at: np.ndarray, out_like: np.ndarray,
) -> None:  # fmt: skip
    """Give every event that counts, from the bound `begin` to the bound `end` of a match, its number of the actor."""
    number, row_of = 0, (np.int64(1) << STRETCH) - 1
    for match in range(len(begin)):
        number = number + 1 if match and actor[match] == actor[match - 1] else 1
        early, late = begin[match] >> STRETCH, end[match] >> STRETCH
        for s in range(early, late + 1):
            marks = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            out = carray(pointer(out_at[run[s]], out_like), hi[s])
            low = begin[match] & row_of if s == early else lo[s]
            high = (end[match] & row_of) + 1 if s == late else hi[s]
            for row in range(low, high):
                if bits(mask, marks, also, others, row) & KEPT:
                    out[row] = number


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def positions(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    number_at: np.ndarray, number_like: np.ndarray, out_at: np.ndarray, out_like: np.ndarray,
) -> int:  # fmt: skip
    """Give every event of a session its place in it, from 1; returns the largest."""
    most = 0
    for actor in range(begin, end):
        session, position = np.int64(0), np.int64(0)
        for s in range(first[actor], first[actor + 1]):
            numbers = carray(pointer(number_at[run[s]], number_like), hi[s])
            out = carray(pointer(out_at[run[s]], out_like), hi[s])
            for row in range(lo[s], hi[s]):
                if numbers[row]:
                    position = position + 1 if numbers[row] == session else np.int64(1)
                    session = np.int64(numbers[row])
                    out[row] = position
                    most = max(most, int(position))
    return most


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def taken(  # noqa: C901, PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray, time_at: np.ndarray, time_like: np.ndarray,
    start: int, stop: int, cut: bool, within: int, steps: int, out: np.ndarray,
) -> None:  # fmt: skip
    """Whether each actor took some steps (bits) in order within [start, stop), in at most `within` (negative: any).

    For every number of steps the chain that started latest is carried along. Events at one instant are taken in the
    order of the steps they match, then of their ties.
    """
    state, live = np.empty(steps, np.int64), np.empty(steps, np.bool_)
    for actor in range(begin, end):
        live[:] = False
        for s in range(first[actor], first[actor + 1]):
            marks = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            i, last = lo[s], hi[s]
            if cut:
                i, last = earliest(times, i, last, start), earliest(times, i, last, stop)
            while i < last and not live[steps - 1]:
                found = bits(mask, marks, also, others, i)
                if found == 0:
                    i += 1
                    continue
                after, time = i + 1, times[i]
                while after < last and times[after] == time:
                    after += 1
                if after == i + 1:
                    step(found, time, within, state, live)
                else:
                    for lowest in range(steps):
                        for row in range(i, after):
                            found = bits(mask, marks, also, others, row)
                            if found & ((2 << lowest) - 1) == 1 << lowest:
                                step(found, time, within, state, live)
                i = after
        out[actor] = live[steps - 1]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def step(found: int, time: int, within: int, state: np.ndarray, live: np.ndarray) -> None:
    """Let one event lengthen the chains, the longest first so that it is used once."""
    for k in range(len(state) - 1, 0, -1):
        if (found >> k) & 1 and live[k - 1] and (within < 0 or time - state[k - 1] <= within):
            state[k] = max(state[k], state[k - 1]) if live[k] else state[k - 1]
            live[k] = True
    if found & 1:
        state[0], live[0] = time, True

"""Gathering the events that play a part in a funnel: of each actor one line, in order, with their sessions."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.matching import Lines, lent_lines
from trackway.store.columns.folds.reading import earliest, lent
from trackway.store.columns.lanes import pointer

ROW = 40
"""A place is `run << ROW | row`."""


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def gather(  # noqa: C901, PLR0912, PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    step_at: np.ndarray, step_like: np.ndarray, step: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray, time_at: np.ndarray, time_like: np.ndarray,
    key_at: np.ndarray, key_like: np.ndarray, sizes: np.ndarray, seen: np.ndarray,
    start: int, stop: int, cut: bool, timeout: int, steps: int, begins: int,
    lines: Lines, starts: np.ndarray, sessions: np.ndarray, closed: np.ndarray,
) -> None:  # fmt: skip
    """Write the events with a bit of the actors [begin, end) into `lines`; the line of actor `begin + a` is
    [starts[a], starts[a + 1]), empty when nothing in it can begin a chain.

    With held columns (`sizes`), an event that lacks one of them is no step. With a `timeout`, `sessions[a]` is the
    number of the actor's last session, `closed[0, a]` when it ended, `closed[1, i]` when that of event `i` did.
    """
    n, starts[0] = 0, 0
    lines, step, also = lent_lines(lines), lent(step), lent(also)
    for actor in range(begin, end):
        base, some, session, before, opened, known = n, 0, 0, 0, n, False
        for s in range(first[actor], first[actor + 1]):
            codes = carray(pointer(step_at[run[s]], step_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            keys = carray(pointer(key_at[run[s]], key_like), hi[s])
            row, last = lo[s], hi[s]
            if cut:
                row, last = earliest(times, row, last, start), earliest(times, row, last, stop)
            while row < last:
                bits = np.int64(step[codes[np.uint64(row)]])
                if len(also) and bits:
                    bits &= also[others[np.uint64(row)]]
                if timeout:
                    time = times[np.uint64(row)]
                    if known and time - before > timeout:
                        closed[1, opened:n] = before
                        session, opened = session + 1, n
                    before, known = time, True
                if bits:
                    if len(sizes):
                        lines.key[n] = keys[row]
                        if bits & steps and lacking(lines.key[n], sizes, seen):
                            bits &= ~steps
                    lines.time[n], lines.bits[n] = times[row], bits
                    lines.session[n], lines.place[n] = session, np.int64(run[s]) << ROW | row
                    some |= int(bits)
                    n += bits != 0
                row += 1
        if timeout:
            closed[1, opened:n] = before
            sessions[actor - begin], closed[0, actor - begin] = session, before
        if some & begins:
            settle(lines, base, n, steps)
        else:
            n = base
        starts[actor - begin + 1] = n


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def settle(lines: Lines, begin: int, end: int, steps: int) -> None:
    """Put events at one instant in the order of the first step they match; those that match none come last."""
    for i in range(begin + 1, end):
        j = i
        while j > begin and lines.time[j - 1] == lines.time[j]:
            mine, its = lines.bits[j] & steps, lines.bits[j - 1] & steps
            if mine == 0 or (its != 0 and its & -its <= mine & -mine):
                break
            lines.bits[j - 1], lines.bits[j] = lines.bits[j], lines.bits[j - 1]
            lines.place[j - 1], lines.place[j] = lines.place[j], lines.place[j - 1]
            if len(lines.key):
                lines.key[j - 1], lines.key[j] = lines.key[j], lines.key[j - 1]
            j -= 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def lacking(key: int, sizes: np.ndarray, seen: np.ndarray) -> bool:
    """Whether one of the held values is missing."""
    rest = seen[key] if len(seen) else key
    for i in range(len(sizes) - 1, -1, -1):
        if rest % sizes[i] == 0:
            return True
        rest //= sizes[i]
    return False


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def agreeing(one: int, other: int, sizes: np.ndarray, seen: np.ndarray) -> bool:
    """Whether no held value of `one` is there and differs from that of `other`."""
    mine, its = (seen[one], seen[other]) if len(seen) else (one, other)
    for i in range(len(sizes) - 1, -1, -1):
        if mine % sizes[i] and mine % sizes[i] != its % sizes[i]:
            return False
        mine, its = mine // sizes[i], its // sizes[i]
    return True

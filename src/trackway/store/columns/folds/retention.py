"""When each actor first started, and in which later periods the actor came back."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.exact import INFINITE, put
from trackway.store.columns.lanes import pointer

START, RETURN = 1, 2
ON, AFTER, BEFORE, STREAK = 0, 1, 2, 3


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def returns(  # noqa: C901, PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mark_at: np.ndarray, mark_like: np.ndarray, mark: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    when_at: np.ndarray, when_like: np.ndarray, shift: np.ndarray, when: np.ndarray,
    time_at: np.ndarray, time_like: np.ndarray, start: int, stop: int, size: np.ndarray, returned: np.ndarray,
) -> None:  # fmt: skip
    """Add each actor to `size[cohort]` and `returned[cohort, period]`.

    The cohort is the interval of the actor's first event marked START in [start, stop); a return is an event
    marked RETURN at or after that moment, whatever its own mark or place among equal times. It is what `kept` counts of
    a question without options, a fifth sooner.
    """
    periods = returned.shape[1]
    for actor in range(begin, end):
        cohort = -1
        counted = -1
        wanted = START
        for s in range(first[actor], first[actor + 1]):
            codes = carray(pointer(mark_at[run[s]], mark_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            quarters = carray(pointer(when_at[run[s]], when_like), hi[s])
            offset = shift[run[s]]
            i = lo[s]
            while i < hi[s]:
                marked = mark[codes[i]]
                if len(also) and marked:
                    marked &= also[others[i]]
                if marked & wanted == 0:
                    i += 1
                    continue
                if cohort < 0:
                    time = times[i]
                    if time < start or time >= stop:
                        i += 1
                        continue
                    cohort = int(when[quarters[i] + offset])
                    size[cohort] += 1
                    wanted = RETURN
                    while i > lo[s] and times[i - 1] == time:
                        i -= 1
                    continue
                period = int(when[quarters[i] + offset]) - cohort
                if period >= periods:
                    break
                if period != counted:
                    counted = period
                    returned[cohort, period] += 1
                i += 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def kept(  # noqa: C901, PLR0912, PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mark_at: np.ndarray, mark_like: np.ndarray, mark: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    when_at: np.ndarray, when_like: np.ndarray, shift: np.ndarray, when: np.ndarray,
    value_at: np.ndarray, value_like: np.ndarray, value: np.ndarray, base: int,
    time_at: np.ndarray, time_like: np.ndarray, start: int, stop: int,
    place: np.ndarray, mode: int, unit: int, period_of: np.ndarray, newest: int,
    size: np.ndarray, returned: np.ndarray, over: np.ndarray, count: np.ndarray, limbs: np.ndarray, extent: np.ndarray,
) -> None:  # fmt: skip
    """Add each actor to `size[group, cohort]` and `returned[group, cohort, period]`.

    The cohort is the interval of the actor's first event marked START in [start, stop); a return is an event
    marked RETURN at or after that moment, whatever its own mark or place among equal times. Its period is that of
    the units (of the calendar, or of so many microseconds) since; the last entry of `period_of`, one more than there
    are periods, is for all later ones. Counted is, by `mode`: every period with a return, the last one, the first, or
    every one that no period without precedes. `over` counts how many periods the actor could be watched for (with
    a `unit`); `count` and `limbs` are the values of the returns by their period; `extent[:, i]` (unless it is empty)
    becomes first start, last return and group of an actor.
    """
    periods, beyond, far = returned.shape[2] - 1, len(period_of) - 1, mode == AFTER or extent.shape[1] > 0
    for actor in range(begin, end):
        group = place[actor] if len(place) else 0
        if group < 0:
            continue
        cohort, counted, streak, wanted, begun, latest = -1, -1, 0, START, np.int64(0), np.int64(0)
        for s in range(first[actor], first[actor + 1]):
            codes = carray(pointer(mark_at[run[s]], mark_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            quarters = carray(pointer(when_at[run[s]], when_like), hi[s])
            offset = shift[run[s]]
            i = lo[s]
            while i < hi[s]:
                marked = mark[codes[i]]
                if len(also) and marked:
                    marked &= also[others[i]]
                if marked & wanted == 0:
                    i += 1
                    continue
                if cohort < 0:
                    begun = latest = times[i]
                    if begun < start or begun >= stop:
                        i += 1
                        continue
                    cohort = int(when[quarters[i] + offset])
                    size[group, cohort] += 1
                    wanted = RETURN
                    while i > lo[s] and times[i - 1] == begun:
                        i -= 1
                    continue
                gone = (times[i] - begun) // unit if unit else int(when[quarters[i] + offset]) - cohort
                period = period_of[min(gone, beyond)]
                if period >= periods and not far:
                    break
                if period != counted:
                    if mode == ON or (mode == BEFORE and counted < 0) or (mode == STREAK and period == streak):
                        returned[group, cohort, period] += 1
                        streak += 1
                    counted = period
                if far:
                    latest = times[i]
                if len(value) and (mode != STREAK or period < streak):
                    bits = value[carray(pointer(value_at[run[s]], value_like), hi[s])[i]]
                    worth(bits, base, count[group, cohort], limbs[group, cohort], period)
                i += 1
        if cohort >= 0 and (far or unit):
            finish(group, cohort, counted, begun, latest, mode, unit, period_of, newest, returned, over, extent,
                   actor - begin)  # fmt: skip


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def worth(bits: int, base: int, count: np.ndarray, limbs: np.ndarray, period: int) -> None:
    """Add the value of a return to its period; what is not finite adds nothing."""
    if (bits >> 52) & INFINITE != INFINITE:
        count[period] += 1
        put(limbs, period, base, bits, 1)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def finish(  # noqa: PLR0913, PLR0917
    group: int, cohort: int, counted: int, begun: int, latest: int, mode: int, unit: int, period_of: np.ndarray,
    newest: int, returned: np.ndarray, over: np.ndarray, extent: np.ndarray, place: int,
) -> None:  # fmt: skip
    """Write down what is known only after an actor's last event."""
    if mode == AFTER and counted >= 0:
        returned[group, cohort, counted] += 1
    if unit:
        over[group, cohort, period_of[min((newest - begun) // unit, len(period_of) - 1)]] += 1
    if extent.shape[1]:
        extent[0, place], extent[1, place], extent[2, place] = begun, latest, group

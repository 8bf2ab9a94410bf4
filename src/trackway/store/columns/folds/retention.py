"""When each actor first started, and in which later intervals the actor came back."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.lanes import pointer

START, RETURN = 1, 2


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
    marked RETURN at or after that moment, whatever its own mark or place among equal times.
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

"""In which intervals each actor was active: what is new, what returns, how often, and how many lately.

Events come in order of time, so an actor's intervals come in order too: one number of state is enough. Places
of intervals are those of `store.columns.calendar`. The walk through an actor's events is written out in each of the
three: as one function it was measured to cost a third more.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.lanes import pointer

NEW, RETURNING, RESURRECTED, DORMANT = 0, 1, 2, 3


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def changes(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    when_at: np.ndarray, when_like: np.ndarray, shift: np.ndarray, when: np.ndarray,
    place: np.ndarray, lead: int, out: np.ndarray,
) -> int:  # fmt: skip
    """Add each actor to `out[group, interval, what]`; returns how many were active in an interval shown."""
    after = lead + out.shape[1]
    total = 0
    for actor in range(begin, end):
        group = place[actor] if len(place) else 0
        before = -1
        seen = False
        for s in range(first[actor], first[actor + 1]):
            codes = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            quarters = carray(pointer(when_at[run[s]], when_like), hi[s])
            offset = shift[run[s]]
            for row in range(lo[s] if group >= 0 and before < after else hi[s], hi[s]):
                if len(mask) and (mask[codes[row]] == 0 or (len(also) and also[others[row]] == 0)):
                    continue
                interval = int(when[quarters[row] + offset])
                if interval == before:
                    continue
                if lead <= interval < after:
                    seen = True
                    what = NEW if before < 0 else RETURNING if before == interval - 1 else RESURRECTED
                    out[group, interval - lead, what] += 1
                if before > 0 and before + 1 != interval and lead <= before + 1 < after:
                    out[group, before + 1 - lead, DORMANT] += 1
                before = interval
                if before >= after:
                    break
        if before > 0 and lead <= before + 1 < after:
            out[group, before + 1 - lead, DORMANT] += 1
        total += seen
    return total


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def often(  # noqa: C901, PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    when_at: np.ndarray, when_like: np.ndarray, shift: np.ndarray, when: np.ndarray,
    place: np.ndarray, lead: int, window: np.ndarray, out: np.ndarray,
) -> int:  # fmt: skip
    """Add each actor to `out[group, window, intervals]`, by the window of each interval; returns how many there are."""
    after = lead + len(window)
    total = 0
    for actor in range(begin, end):
        group = place[actor] if len(place) else 0
        before, current, count = -1, -1, 0
        for s in range(first[actor], first[actor + 1]):
            codes = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            quarters = carray(pointer(when_at[run[s]], when_like), hi[s])
            offset = shift[run[s]]
            for row in range(lo[s] if group >= 0 and before < after else hi[s], hi[s]):
                if len(mask) and (mask[codes[row]] == 0 or (len(also) and also[others[row]] == 0)):
                    continue
                interval = int(when[quarters[row] + offset])
                if interval == before:
                    continue
                before = interval
                if lead <= interval < after:
                    if window[interval - lead] != current:
                        if current >= 0:
                            out[group, current, count] += 1
                        current, count = window[interval - lead], 0
                    count += 1
                elif interval >= after:
                    break
        if current >= 0:
            out[group, current, count] += 1
            total += 1
    return total


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def lately(  # noqa: PLR0913, PLR0917
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    also_at: np.ndarray, also_like: np.ndarray, also: np.ndarray,
    when_at: np.ndarray, when_like: np.ndarray, shift: np.ndarray, when: np.ndarray,
    place: np.ndarray, lead: int, trailing: int, active: np.ndarray, steps: np.ndarray,
) -> int:  # fmt: skip
    """Add each actor to `active[group, interval]`, and to `steps[group, interval]` 1 where they enter a trailing
    window of so many intervals and -1 where they leave it; returns how many were active in an interval shown.

    `steps` has all places but the first, so that `lead - 1` of them lie before the first interval shown.
    """
    after = lead + active.shape[1]
    total = 0
    for actor in range(begin, end):
        group = place[actor] if len(place) else 0
        before, until = -1, -1
        seen = False
        for s in range(first[actor], first[actor + 1]):
            codes = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            others = carray(pointer(also_at[run[s]], also_like), hi[s])
            quarters = carray(pointer(when_at[run[s]], when_like), hi[s])
            offset = shift[run[s]]
            for row in range(lo[s] if group >= 0 and before < after else hi[s], hi[s]):
                if len(mask) and (mask[codes[row]] == 0 or (len(also) and also[others[row]] == 0)):
                    continue
                interval = int(when[quarters[row] + offset])
                if interval == before:
                    continue
                before = interval
                if before >= after:
                    break
                if before == 0:
                    continue
                if before >= lead:
                    active[group, before - lead] += 1
                    seen = True
                if until < before:
                    steps[group, before - 1] += 1
                else:
                    steps[group, until - 1] += 1
                until = min(before + trailing, after)
                steps[group, until - 1] -= 1
        total += seen
    return total

"""Counting events, or distinct actors, by interval and group."""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from trackway.store.columns.folds.calendar import locate
from trackway.store.columns.lanes import pointer


@njit(cache=True, nogil=True)  # type: ignore[misc]
def events(  # noqa: PLR0913
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    group_at: np.ndarray, group_like: np.ndarray, group: np.ndarray,
    time_at: np.ndarray, time_like: np.ndarray, edges: np.ndarray, start: int, stop: int, out: np.ndarray,
) -> None:  # fmt: skip
    """Add to `out[interval, group]` the events with a mask, within [start, stop)."""
    filtered = len(mask) > 0
    grouped = len(group) > 0
    g = 0
    for s in range(first[begin], first[end]):
        masks = carray(pointer(mask_at[run[s]], mask_like), hi[s])
        groups = carray(pointer(group_at[run[s]], group_like), hi[s])
        times = carray(pointer(time_at[run[s]], time_like), hi[s])
        interval = 0
        for i in range(lo[s], hi[s]):
            if filtered and mask[masks[i]] == 0:
                continue
            time = times[i]
            if time < start or time >= stop:
                continue
            if time >= edges[interval + 1]:
                interval = locate(time, edges)
            if grouped:
                g = group[groups[i]]
            out[interval, g] += 1


@njit(cache=True, nogil=True)  # type: ignore[misc]
def actors(  # noqa: PLR0913
    first: np.ndarray, run: np.ndarray, lo: np.ndarray, hi: np.ndarray, begin: int, end: int,
    mask_at: np.ndarray, mask_like: np.ndarray, mask: np.ndarray,
    group_at: np.ndarray, group_like: np.ndarray, group: np.ndarray,
    time_at: np.ndarray, time_like: np.ndarray, edges: np.ndarray, start: int, stop: int, out: np.ndarray,
    latest: np.ndarray,
) -> int:  # fmt: skip
    """Add to `out[interval, group]` the distinct actors who have such an event; returns how many there are in all.

    `latest[group]` must be -1: it holds the place (actor and interval) counted last, which is enough since
    the events of an actor come in order of time.
    """
    filtered = len(mask) > 0
    grouped = len(group) > 0
    total = 0
    g = 0
    for actor in range(begin, end):
        interval = 0
        seen = False
        base = np.int64(actor) * len(edges)
        for s in range(first[actor], first[actor + 1]):
            masks = carray(pointer(mask_at[run[s]], mask_like), hi[s])
            groups = carray(pointer(group_at[run[s]], group_like), hi[s])
            times = carray(pointer(time_at[run[s]], time_like), hi[s])
            for i in range(lo[s], hi[s]):
                if filtered and mask[masks[i]] == 0:
                    continue
                time = times[i]
                if time < start or time >= stop:
                    continue
                if time >= edges[interval + 1]:
                    interval = locate(time, edges)
                if grouped:
                    g = group[groups[i]]
                seen = True
                if latest[g] != base + interval:
                    latest[g] = base + interval
                    out[interval, g] += 1
        total += seen
    return total

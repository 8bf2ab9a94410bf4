"""Finding the interval of a time among edges, most of which are equally far apart."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def scale_of(edges: np.ndarray) -> float:
    """Intervals per microsecond, on average: what `locate` guesses with."""
    return float((len(edges) - 1) / (edges[len(edges) - 1] - edges[0]))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def locate(time: int, edges: np.ndarray, scale: float) -> int:
    """The interval [edges[i], edges[i + 1]) that holds a time.

    A guess, corrected without a branch; the loops are for calendars with intervals of very different length.
    """
    i = min(int((time - edges[0]) * scale), len(edges) - 2)
    i -= time < edges[i]
    i += time >= edges[i + 1]
    while time < edges[i]:
        i -= 1
    while time >= edges[i + 1]:
        i += 1
    return int(i)

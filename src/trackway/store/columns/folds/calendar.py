"""Finding the interval of a time among edges, most of which are equally far apart."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)  # type: ignore[misc]
def locate(time: int, edges: np.ndarray) -> int:
    """The interval [edges[i], edges[i + 1]) of a time that lies in one: a guess, then a few steps."""
    count = len(edges) - 1
    i = int((time - edges[0]) / (edges[count] - edges[0]) * count)
    i = min(max(i, 0), count - 1)
    while time < edges[i]:
        i -= 1
    while time >= edges[i + 1]:
        i += 1
    return i

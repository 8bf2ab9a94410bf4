"""The Kaplan-Meier estimate: which share is still there after some time, of those who could be watched so long.

E. L. Kaplan, P. Meier, "Nonparametric estimation from incomplete observations", 1958. The variance is Greenwood's, the
95 % interval that of log(-log(survival)) (Kalbfleisch and Prentice), which stays within 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trackway.model.time import MICROS

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


def curve(durations: np.ndarray, left: np.ndarray, watched: np.ndarray, at: Sequence[int]) -> dict[str, Any]:
    """The survival curve at some times, with how many left, and the median.

    `durations` (microseconds, ascending, distinct) are those after which `watched` actors were last seen, of whom
    `left` had left; the others could not be watched longer.
    """
    whole, before = int(watched.sum()), np.concatenate([[0], np.cumsum(watched)])
    risk = whole - before[:-1]
    survival = np.cumprod(1 - left / risk)
    with np.errstate(divide="ignore"):
        spread = np.cumsum(left / (risk * (risk - left).astype(np.float64)))
    below = np.flatnonzero(survival <= 0.5)
    points = []
    for time in at:
        place = int(np.searchsorted(durations, time, side="right")) - 1
        share = float(survival[place]) if place >= 0 else 1.0
        low, high = _interval(share, float(spread[place]) if place >= 0 else 0.0)
        seen = whole - int(before[np.searchsorted(durations, time)])
        points.append({"seconds": time / MICROS, "at_risk": seen, "survival": share, "low": low, "high": high})
    return {
        "actors": whole, "left": int(left.sum()),
        "median_seconds": float(durations[below[0]] / MICROS) if len(below) else None,
        "curve": points if whole else [],
    }  # fmt: skip


def _interval(share: float, spread: float) -> tuple[float | None, float | None]:
    """The 95 % interval; none where nobody or everybody has left."""
    if not 0 < share < 1:
        return None, None
    width = Z * np.sqrt(spread) / abs(np.log(share))
    return float(share ** np.exp(width)), float(share ** np.exp(-width))


def lasted(extent: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How long actors (first start, last return) were there, until a horizon: times, how many had left, how many."""
    extent = extent[:, extent[0] <= horizon]
    durations, which = np.unique(np.minimum(extent[1], horizon) - extent[0], return_inverse=True)
    left = np.bincount(which[extent[1] <= horizon], minlength=len(durations))
    return durations, left, np.bincount(which, minlength=len(durations))

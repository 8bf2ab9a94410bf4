"""Medians, quantiles and histograms of how long something took: exact, the same in every order of the input."""

from __future__ import annotations

from typing import Any

import numpy as np

from trackway.model.time import MICROS
from trackway.store.columns.settled import settled

QUANTILES = (10, 25, 50, 75, 90, 95, 99)
BINS = 24
"""Most bars of a histogram."""
WIDTHS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
    604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000,
)  # fmt: skip
"""Widths of a bar people can read, in seconds."""


def median(micros: np.ndarray) -> float | None:
    """The median in seconds: of an even number, the mean of the middle two. None of nothing."""
    if len(micros) == 0:
        return None
    half = len(micros) // 2
    parted = np.partition(micros, half)
    high = int(parted[half])
    low = high if len(micros) % 2 else int(parted[:half].max())
    return (low + high) / 2 / MICROS


def quantiles(ordered: np.ndarray) -> dict[str, float]:
    """Seconds below which so many percent of ascending microseconds lie, by nearest rank; `p50` is the median."""
    if len(ordered) == 0:
        return {}
    found = {f"p{q}": float(ordered[-(-len(ordered) * q // 100) - 1] / MICROS) for q in QUANTILES}
    return found | {"p50": float(median(ordered) or 0.0)}


def _width(longest: int) -> int:
    """Of a bar, in seconds."""
    return next((width for width in WIDTHS if longest < width * MICROS * BINS), -(-longest // (BINS * MICROS)) + 1)


def histogram(ordered: np.ndarray, counted: str = "actors") -> list[dict[str, Any]]:
    """Bars `{from, to, actors}` in seconds over ascending microseconds, from 0 to the longest. Empty of nothing."""
    if len(ordered) == 0:
        return []
    longest = int(ordered[-1])
    width = settled(lambda: _width(longest))
    edges = np.arange(longest // (width * MICROS) + 2) * width
    counts = np.diff(np.searchsorted(ordered, edges * MICROS))
    return [{"from": i * width, "to": (i + 1) * width, counted: int(count)} for i, count in enumerate(counts)]

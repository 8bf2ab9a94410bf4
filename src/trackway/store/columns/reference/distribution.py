"""What numbers of actors say together, by plain loops; for the reference alone."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from trackway.store.columns.bins import Bins
from trackway.store.columns.figures import QUANTILES, TOP, describe
from trackway.store.columns.measures.numbers import plain


def counted(values: Sequence[float], bins: Bins) -> list[int]:
    """How many numbers are in each bin."""
    found = [0] * len(bins.ends)
    for value in values:
        found[bisect_right(bins.cuts, value)] += 1
    return found


def described(ordered: Sequence[float], *, adds: bool) -> dict[str, Any]:
    """The figures of ascending numbers."""
    n = len(ordered)
    if not n:
        return describe(0, 0.0, [0.0] * len(TOP) if adds else [], None, {})
    ranks = {percent: ordered[math.ceil(Fraction(n * percent, 100)) - 1] for percent in QUANTILES}
    low, high = ordered[(n - 1) // 2], ordered[n // 2]
    ranks[50] = low if low == high else low / 2 + high / 2
    tops = [_sum(ordered[n - math.ceil(Fraction(n * percent, 100)) :]) for percent in TOP] if adds else []
    quantiles = {f"p{percent}": plain(value) for percent, value in ranks.items()}
    return describe(n, _sum(ordered), tops, (ordered[0], ordered[-1]), quantiles)


def _sum(values: Sequence[float]) -> float | None:
    """The exact sum, rounded once; None when it is too large."""
    total = sum(map(Fraction, values), Fraction())
    try:
        return float(total)
    except OverflowError:
        return None

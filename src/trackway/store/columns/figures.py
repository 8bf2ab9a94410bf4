"""What numbers of actors say together, by group: how they are spread, and how much of all the largest hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from trackway.store.columns.bins import Bins
from trackway.store.columns.folds import exact, reduce
from trackway.store.columns.measures.numbers import plain

QUANTILES = (5, 10, 25, 50, 75, 90, 95, 99)
TOP = (1, 10)
"""Of how many per cent of the actors, those with the largest numbers, the share of all is told."""


@dataclass(frozen=True, eq=False)
class Ordered:
    """Numbers by group, ascending in each; those of group `g` begin at `starts[g]`."""

    values: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, group: np.ndarray | None = None, groups: int = 1) -> Ordered:
        """The numbers of actors whose groups are given; without any given, all are in one."""
        if group is None:
            return cls(np.sort(values), np.array([0, len(values)]))
        order = np.argsort(group.astype(np.int16) if groups < 1 << 15 else group, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=groups))])
        found = values[order]
        for begin, end in pairwise(starts.tolist()):
            found[begin:end].sort()
        return cls(found, starts)

    def together(self) -> Ordered:
        """All groups as one."""
        return self if len(self.starts) == 2 else Ordered.of(self.values)

    @property
    def whole(self) -> bool:
        """Whether all numbers are."""
        return bool((np.floor(self.values) == self.values).all())

    def counts(self, bins: Bins) -> list[list[int]]:
        """How many numbers of each group are in each bin."""
        found = []
        for begin, end in pairwise(self.starts.tolist()):
            places = np.searchsorted(self.values[begin:end], bins.cuts)
            found.append(np.diff(places, prepend=0, append=end - begin).tolist())
        return found

    def described(self, *, adds: bool) -> list[dict[str, Any]]:
        """The numbers of each group: how many, their mean and so on; with `adds`, what they are parts of, too."""
        sums = self._sums(100)
        tops = [self._sums(percent) for percent in TOP] if adds else []
        quantiles = self._quantiles()
        found = []
        for g, (begin, end) in enumerate(pairwise(self.starts.tolist())):
            ends = (float(self.values[begin]), float(self.values[end - 1])) if end > begin else None
            found.append(describe(end - begin, sums[g], [top[g] for top in tops], ends, quantiles[g]))
        return found

    def _sums(self, percent: int) -> list[float | None]:
        """The exact sum of so many per cent of the numbers of each group, the largest ones; None if too large."""
        sizes = np.diff(self.starts)
        group = np.repeat(np.arange(len(sizes)), sizes)
        taken = np.arange(len(group))
        if percent < 100:
            least = self.starts[1:] - -(-sizes * percent // 100)
            taken = np.flatnonzero(taken >= least[group])
        base, width = exact.reach(self.values, spare=1)
        known, limbs = np.zeros(len(sizes), np.int64), np.zeros((len(sizes), width), np.int64)
        reduce.add_up(group[taken], taken, len(taken), self.values.view(np.int64), base, known, limbs)
        return exact.rounded(limbs, base)

    def _quantiles(self) -> list[dict[str, float | None]]:
        """Of each group the smallest numbers that so many per cent are at or below; `p50` is the median."""
        sizes, starts = np.diff(self.starts), self.starts[:-1]
        known = sizes > 0
        found = {}
        for percent in QUANTILES if len(self.values) else ():
            ends = np.where(known, starts + -(-sizes * percent // 100) - 1, 0)
            if percent == 50:
                low, high = (self.values[np.where(known, starts + (sizes - odd) // 2, 0)] for odd in (1, 0))
                found[percent] = np.where(low == high, low, low / 2 + high / 2)
            else:
                found[percent] = self.values[ends]
        return [
            {f"p{percent}": plain(float(values[g])) for percent, values in found.items()} if known[g] else {}
            for g in range(len(sizes))
        ]


def describe(
    size: int, total: float | None, tops: Sequence[float | None], ends: tuple[float, float] | None,
    quantiles: dict[str, float | None],
) -> dict[str, Any]:  # fmt: skip
    """The figures of a group as an answer has them, from the sums of all its numbers and of its largest (`TOP`; none
    when they are no parts of a whole), and the smallest and the largest number."""
    least, most = ends or (None, None)
    found: dict[str, Any] = {
        "mean": plain(total / size) if size and total is not None else None,
        "min": plain(least), "max": plain(most), "quantiles": quantiles,
    }  # fmt: skip
    if not tops:
        return found
    whole = total if total and least is not None and least >= 0 else None
    shares = [None if whole is None or top is None else top / whole for top in tops]
    named = {f"top_{percent}_share": share for percent, share in zip(TOP, shares, strict=True)}
    return {"sum": plain(total), **found, **named}


def lines(counts: Sequence[int], bins: Bins) -> list[dict[str, Any]]:
    """The rows of one group: each bin with its actors, and their share of all, alone and with the bins below.

    >>> lines([3, 1], Bins(0.0, (5.0,), None))[1]
    {'low': 5, 'high': None, 'actors': 1, 'share': 0.25, 'cumulative_share': 1.0}
    """
    whole, below = sum(counts), 0
    found = []
    for (low, high), actors in zip(bins.ends, counts, strict=True):
        below += actors
        found.append({
            "low": plain(low), "high": plain(high), "actors": actors,
            "share": actors / whole if whole else None, "cumulative_share": below / whole if whole else None,
        })  # fmt: skip
    return found

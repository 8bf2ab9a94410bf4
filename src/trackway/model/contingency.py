"""Two shares compared: of those who have something and of those who do not, how many did it.

A table of four numbers is tested by Pearson's chi-square without correction when every expected number is at least 5
(W. G. Cochran, "Some methods for strengthening the common chi-square tests", Biometrics 10, 1954), else by Fisher's
exact test, two-sided: the chance of all tables with the same margins that are no more likely than this one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

ENOUGH = 5
"""Expected number in each cell from which on chi-square is close enough."""
ALIKE = 1 + 1e-7
"""Tables whose chances differ by less than rounding are equally likely."""


@dataclass(frozen=True, slots=True)
class Table:
    """Of `having` those with something `done` did it; of `lacking` those without, `other`."""

    having: int
    done: int
    lacking: int
    other: int

    @property
    def rate(self) -> float | None:
        """Share of those who have it."""
        return self.done / self.having if self.having else None

    @property
    def rate_without(self) -> float | None:
        """Share of those who do not."""
        return self.other / self.lacking if self.lacking else None

    @property
    def lift(self) -> float | None:
        """The first share over the second; None when that is 0 or of nobody."""
        return self.rate / self.rate_without if self.rate is not None and self.rate_without else None

    @property
    def odds_ratio(self) -> float | None:
        """Odds of those who have it over odds of those who do not; None when it is not finite."""
        below = (self.having - self.done) * self.other
        return self.done * (self.lacking - self.other) / below if below else None

    @property
    def strength(self) -> float:
        """The size of the log odds ratio, with half an actor added everywhere so that it is finite."""
        up = (self.done + 0.5) * (self.lacking - self.other + 0.5)
        return abs(math.log(up / ((self.having - self.done + 0.5) * (self.other + 0.5))))

    @property
    def p(self) -> float:
        """How surprising so large a difference is if there is none.

        >>> f"{Table(4, 3, 4, 1).p:.4f}", f"{Table(100, 60, 100, 40).p:.5f}"
        ('0.4857', '0.00468')
        """
        whole, did = self.having + self.lacking, self.done + self.other
        if not self.having or not self.lacking or did in {0, whole}:
            return 1.0
        if min(self.having, self.lacking) * min(did, whole - did) >= ENOUGH * whole:
            apart = self.done * (self.lacking - self.other) - self.other * (self.having - self.done)
            scale = self.having * self.lacking * did * (whole - did)
            return float(special.chdtrc(1, whole * apart * apart / scale))
        return self._exact(whole, did)

    def _exact(self, whole: int, did: int) -> float:
        least, most = max(0, did - self.lacking), min(self.having, did)
        done = np.arange(least, most + 1, dtype=np.float64)
        chances = _ways(self.having, done) + _ways(self.lacking, did - done) - _ways(whole, np.array([did], np.float64))
        mine = chances[self.done - least]
        return float(min(1.0, math.fsum(np.exp(chances[chances <= mine + math.log(ALIKE)]))))


def _ways(of: int, some: np.ndarray) -> np.ndarray:
    """The logarithm of the number of ways to choose some."""
    return np.asarray(special.gammaln(of + 1) - special.gammaln(some + 1) - special.gammaln(of - some + 1))

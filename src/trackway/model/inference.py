"""What an experiment may conclude: differences with intervals, three schools of them, and how long to wait.

Pure functions of numbers. All tests are two-sided. Sources: B. L. Welch (1947) for unequal variances; R. Johari, L.
Pekelis, D. Walsh, "Always valid inference" (Operations Research 70, 2022) for tests that may be looked at any time;
A. Deng, Y. Xu, R. Kohavi, T. Walker, "Improving the sensitivity of online controlled experiments by utilizing
pre-experiment data" (WSDM 2013) for CUPED; Y. Benjamini, Y. Hochberg (1995) and S. Holm (1979) for many tests at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import special

NODES = 400
"""Points of the quadrature for chances of one beta distribution over another; exact to about 1e-7."""
TAU = 0.1
"""Standard deviation of the effects that a sequential test is tuned for, in standard deviations of the metric."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What is known of one variant: how many actors, their mean and variance (of the sample, n - 1)."""

    actors: int
    mean: float
    variance: float

    @property
    def error(self) -> float:
        """The variance of the mean."""
        return self.variance / self.actors


@dataclass(frozen=True, slots=True)
class Difference:
    """Treatment minus control: the estimate, its interval, and how surprising it is if there were none."""

    value: float
    low: float
    high: float
    p: float


def sample(values: np.ndarray) -> Sample | None:
    """Mean and variance, the same in every order of the values; None of fewer than two."""
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return Sample(len(values), mean, math.fsum((values - mean) ** 2) / (len(values) - 1))


def frequentist(control: Sample, treatment: Sample, alpha: float) -> Difference | None:
    """Welch's t test; for shares, whose variance the sample gives, its large-sample form. None without any variance."""
    value, spread = treatment.mean - control.mean, control.error + treatment.error
    if spread == 0:
        return None
    parts = (control.error**2 / (control.actors - 1)) + (treatment.error**2 / (treatment.actors - 1))
    freedom, error = spread**2 / parts, math.sqrt(spread)
    reach = float(special.stdtrit(freedom, 1 - alpha / 2)) * error
    return Difference(value, value - reach, value + reach, float(2 * special.stdtr(freedom, -abs(value) / error)))


def sequential(control: Sample, treatment: Sample, alpha: float, tau: float = TAU) -> Difference | None:
    """The mixture sequential probability ratio test: holds at every look, however often one looks.

    Under the mixture the effect is normal with standard deviation `tau` times that of the metric; any `tau` is valid,
    a `tau` near the true effect is quickest. The interval is the set of effects that would not be rejected.
    """
    value, spread = treatment.mean - control.mean, control.error + treatment.error
    if spread == 0:
        return None
    mixed = tau**2 * (control.variance + treatment.variance) / 2
    gain = math.log((spread + mixed) / spread) / 2
    odds = mixed * value**2 / (2 * spread * (spread + mixed)) - gain
    reach = math.sqrt(2 * spread * (spread + mixed) / mixed * (math.log(1 / alpha) + gain))
    return Difference(value, value - reach, value + reach, min(1.0, math.exp(min(0.0, -odds))))


def better(control: Sample, treatment: Sample) -> float | None:
    """The posterior chance that the treatment's mean is the larger, with flat priors and normal means."""
    spread = control.error + treatment.error
    return None if spread == 0 else float(special.ndtr((treatment.mean - control.mean) / math.sqrt(spread)))


@cache
def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    """Points in [-1, 1] and their weights (Gauss and Legendre)."""
    return np.polynomial.legendre.leggauss(NODES)


def better_share(control: tuple[int, int], treatment: tuple[int, int]) -> float:
    """The posterior chance that the treatment converts better; each is (converted, actors), the priors are uniform.

    >>> round(better_share((10, 100), (20, 100)), 3)
    0.975
    """
    points, weights = _quadrature()
    a, b = (1 + control[0], 1 + control[1] - control[0]), (1 + treatment[0], 1 + treatment[1] - treatment[0])
    # in terms of the control's quantiles the density is flat, so the quadrature converges for any numbers
    quantiles = special.betaincinv(*a, (points + 1) / 2)
    return float(np.sum(weights / 2 * (1 - special.betainc(*b, quantiles))))


def risk(control: Sample, treatment: Sample) -> float | None:
    """What choosing the treatment loses on average if it is worse, in units of the metric (normal posterior)."""
    error = math.sqrt(control.error + treatment.error)
    if error == 0:
        return None
    z = (treatment.mean - control.mean) / error
    return float(error * (math.exp(-z * z / 2) / math.sqrt(2 * math.pi) - z * special.ndtr(-z)))


def lift(control: Sample, treatment: Sample, alpha: float) -> Difference | None:
    """The relative difference, with an interval by the delta method. None when the control's mean is 0."""
    if control.mean == 0:
        return None
    ratio = treatment.mean / control.mean
    spread = (treatment.error + ratio**2 * control.error) / control.mean**2
    if spread == 0:
        return None
    reach = float(special.ndtri(1 - alpha / 2)) * math.sqrt(spread)
    value = ratio - 1
    return Difference(value, value - reach, value + reach, float(2 * special.ndtr(-abs(value) / math.sqrt(spread))))


def slope(values: Sequence[np.ndarray], before: Sequence[np.ndarray]) -> float:
    """CUPED's theta: how a metric follows what it was before, over all variants, each about its own mean."""
    shared = spread = 0.0
    for now, then in zip(values, before, strict=True):
        centre, was = math.fsum(now) / max(1, len(now)), math.fsum(then) / max(1, len(then))
        shared += math.fsum((now - centre) * (then - was))
        spread += math.fsum((then - was) ** 2)
    return shared / spread if spread else 0.0


def mismatch(counts: Sequence[int], shares: Sequence[float]) -> float | None:
    """The p-value of a sample ratio mismatch: how surprising these group sizes are (chi-square). None of nothing.

    >>> f"{mismatch([821588, 815482], [0.5, 0.5]):.1e}"
    '1.8e-06'
    """
    whole, weight = sum(counts), math.fsum(shares)
    if not whole or len(counts) < 2:
        return None
    expected = [whole * share / weight for share in shares]
    distance = math.fsum((count - want) ** 2 / want for count, want in zip(counts, expected, strict=True))
    return float(special.chdtrc(len(counts) - 1, distance))


def corrected(p: Sequence[float], method: str) -> list[float]:
    """P-values corrected for their number: `none`, `bonferroni`, `holm` (any error) or `bh` (share of errors).

    >>> corrected([0.01, 0.04, 0.03], "bh"), corrected([0.01, 0.04, 0.03], "holm")
    ([0.03, 0.04, 0.04], [0.03, 0.06, 0.06])
    """
    count = len(p)
    if method == "none" or not count:
        return list(p)
    if method == "bonferroni":
        return [min(1.0, value * count) for value in p]
    order = sorted(range(count), key=lambda place: p[place], reverse=method == "bh")
    found, worst = [0.0] * count, 1.0 if method == "bh" else 0.0
    for rank, place in enumerate(order):
        if method == "bh":
            worst = min(worst, p[place] * count / (count - rank))
        else:
            worst = max(worst, min(1.0, p[place] * (count - rank)))
        found[place] = worst
    return found


def needed(  # noqa: PLR0913 - the numbers of a plan
    mean: float, variance: float, effect: float, alpha: float, power: float, *, share: bool
) -> int | None:
    """Actors each variant needs to find a difference of `effect` with this power. None when there is nothing to find.

    For shares the variances of both sides count, and that of the control under no difference.

    >>> needed(0.2, 0.16, 0.05, 0.05, 0.8, share=True)
    1031
    """
    if effect == 0 or variance <= 0:
        return None
    one, two = float(special.ndtri(1 - alpha / 2)), float(special.ndtri(power))
    other = (mean + effect) * (1 - mean - effect) if share else variance
    if other < 0:
        return None
    reach = one * math.sqrt(2 * variance) + two * math.sqrt(variance + other)
    return math.ceil((reach / effect) ** 2)


def detectable(control: Sample, treatment: Sample, alpha: float, power: float) -> float:
    """The smallest difference that this many actors find with this power, in units of the metric."""
    return float(special.ndtri(1 - alpha / 2) + special.ndtri(power)) * math.sqrt(control.error + treatment.error)

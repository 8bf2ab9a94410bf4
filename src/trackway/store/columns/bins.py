"""Bins of a histogram: boundaries people can read, chosen by what the numbers are, the same however they came.

Boundaries are the float64 numbers nearest to round ones, and a number lies in the bin that its boundaries say.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import count, pairwise
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, FiniteFloat

from trackway.errors import QuestionError


def _listed(value: Any) -> Any:
    """A list from a text with commas, as an address has it."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list):
        return value
    return [part for text in texts for part in (text.split(",") if isinstance(text, str) else [text])]


Edges = Annotated[list[FiniteFloat], BeforeValidator(_listed)]
"""Boundaries, as a list or as a text with commas."""
How = Literal["auto", "log", "quantiles"]
MOST = {"auto": 20, "log": 20, "quantiles": 10}
"""Bins there are at most, unless the question says it."""
MOST_GIVEN = 1_000
"""Bins of a given width; of more, those beyond the middle 98 % are two."""
STEPS = (1, 2, 5)
Numbers = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Bins:
    """Neighbours that part at `cuts`, each from its low boundary, inclusive, until before its high one.

    Without a `low` or `high` the first or the last is open.
    """

    low: float | None
    cuts: tuple[float, ...]
    high: float | None

    @property
    def ends(self) -> list[tuple[float | None, float | None]]:
        """The boundaries of each."""
        return list(pairwise([self.low, *self.cuts, self.high]))


@dataclass(frozen=True)
class Binning:
    """How bins are chosen: by a rule, or with boundaries at the multiples of a width, or at given ones."""

    how: How = "auto"
    most: int = MOST["auto"]
    width: float | None = None
    edges: tuple[float, ...] = ()

    def bins(self, ordered: Numbers, *, whole: bool) -> Bins | None:
        """The bins of ascending numbers, None of none; `whole` says that all are. Raises QuestionError."""
        if len(ordered) == 0:
            return None
        if self.edges:
            return given(self.edges, ordered)
        if self.how == "log":
            return logarithmic(ordered, self.most)
        if self.how == "quantiles":
            starts = sorted({float(ordered[len(ordered) * i // self.most]) for i in range(self.most)})
            return Bins(starts[0], tuple(starts[1:]), float(ordered[-1]))
        if self.width is None:
            return regular(ordered, nice(*middle(ordered), self.most, whole=whole), self.most)
        width = Fraction(repr(self.width))
        low, high = middle(ordered)
        if index(high, width) - index(low, width) >= MOST_GIVEN:
            wider = plain_text(nice(low, high, MOST_GIVEN, whole=whole))
            raise QuestionError(
                f"a width of {plain_text(width)} makes more than {MOST_GIVEN:,} bins", path="width",
                hint=f"choose a wider one, such as {wider}",
            )  # fmt: skip
        return regular(ordered, width, MOST_GIVEN)


def middle(ordered: Numbers) -> tuple[float, float]:
    """The smallest numbers that at least 1 % and 99 % are at or below."""
    n = len(ordered)
    return float(ordered[-(-n // 100) - 1]), float(ordered[-(-n * 99 // 100) - 1])


def given(edges: Sequence[float], ordered: Numbers) -> Bins:
    """Bins between given boundaries, with open ones below and above if there are such numbers."""
    below, above = ordered[0] < edges[0], ordered[-1] >= edges[-1]
    inner = tuple(edges[0 if below else 1 : len(edges) if above else -1])
    return Bins(None if below else edges[0], inner, None if above else edges[-1])


def regular(ordered: Numbers, width: Fraction, most: int) -> Bins:
    """Bins of a width from the smallest number to the largest; if these are too many, of the middle 98 % alone,
    and open ones beyond."""
    ends = float(ordered[0]), float(ordered[-1])
    first, last = (index(end, width) for end in ends)
    if last - first >= most:
        first, last = (index(end, width) for end in middle(ordered))
    edges = sorted({edge(k, width) for k in range(first, last + 2)})
    return given(edges, ends)


def nice(low: float, high: float, most: int, *, whole: bool) -> Fraction:
    """The smallest width of 1, 2 or 5 times a power of ten with which two numbers are less than `most` bins apart."""
    spread = Fraction(high) - Fraction(low)
    if not spread:
        return Fraction(1) if whole else Fraction(10) ** Decimal(repr(abs(low))).adjusted()
    return next(
        width
        for width in widths(power(spread / most) - 1)
        if (width >= 1 or not whole) and index(high, width) - index(low, width) < most
    )


def widths(exponent: int) -> Iterator[Fraction]:
    """1, 2 and 5 times the powers of ten from one on."""
    for e in count(exponent):
        yield from (step * Fraction(10) ** e for step in STEPS)


def power(number: Fraction) -> int:
    """The power of ten at or below a positive number; by rounding it may be the one next to it."""
    return math.floor(math.log10(number.numerator) - math.log10(number.denominator))


def edge(k: int, width: Fraction) -> float:
    """The boundary before bin `k`."""
    try:
        return float(k * width)
    except OverflowError:
        return math.copysign(math.inf, k)


def index(number: float, width: Fraction) -> int:
    """The bin a number is in."""
    k = math.floor(Fraction(number) / width)
    return k + (edge(k + 1, width) <= number)


def logarithmic(ordered: Numbers, most: int) -> Bins:
    """Bins between 1, 2, 5 times powers of ten, or those powers, or every second of them and so on, as is needed for
    at most so many; what is not above 0 is in a bin of its own."""
    below = bisect_right(ordered, 0.0)
    least, largest = float(ordered[0]), float(ordered[-1])
    if below == len(ordered):
        return Bins(least, (), largest)
    smallest = float(ordered[below])
    ladders = (
        rungs(smallest, largest, steps, each) for steps, each in [(STEPS, 1), *(((1,), k) for k in range(1, 999))]
    )
    edges = next(found for found in ladders if len(found) <= most + 1)
    if below:
        return Bins(None if least < 0 else 0.0, tuple(edges[:-1]), edges[-1])
    return Bins(edges[0], tuple(edges[1:-1]), edges[-1])


def rungs(smallest: float, largest: float, steps: Sequence[int], each: int) -> list[float]:
    """Steps of powers of ten, from the last that is not above one number to the first that is above another."""
    begin = (power(Fraction(smallest)) - 1) // each * each
    found: list[float] = []
    for e in range(begin, 310 + each, each):
        for step in steps:
            rung = float(f"{step}e{e}")
            found = [rung] if rung <= smallest else [*found, rung]
            if rung > largest:
                return found
    return found


def plain_text(width: Fraction) -> str:
    """A width as people write it."""
    return f"{float(width):g}"

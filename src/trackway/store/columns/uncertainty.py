"""How sure the numbers of a sample are: an interval for every number, whatever question it answers.

The sampled actors are in G = 20 random groups. Answering again from half of the groups, for 19 choices of halves that
are balanced against each other (the rows of a Hadamard matrix), shows how much every number moves: with T the estimate
and T_r that of half r, the variance is (1 - f) mean (T_r - T)^2, f being the share sampled, and the interval uses
Student's t with 19 degrees of freedom. These are balanced half-samples over random groups (McCarthy 1969, Review of the
International Statistical Institute 37, 239-264; Wolter 2007, "Introduction to Variance Estimation", ch. 2 and 3). For
counts, ratios and means they give what leaving out one group at a time gives (the jackknife), in the same number of
answers, each half as long; and they hold for quantiles too, for which leaving out little is not enough (Shao and Wu
1989, Annals of Statistics 17, 1176-1197).

Where the bell curve fails, the same variance says how many actors a number is worth, and an interval that is right for
so many is used: for counts the one of Poisson (Fay and Feuer 1997, Statistics in Medicine 16, 791-801, by Byar's
approximation), for shares Wilson's (Korn and Graubard 1998, Survey Methodology 24, 193-201). None found means less
than 3.7 of the sample (the "rule of three" at 97.5 %).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from trackway.plan.query import Query

GROUPS = 20
PRIME = 19
HALVES = tuple(
    frozenset({PRIME, *((row + square * square) % PRIME for square in range(1, PRIME))}) for row in range(PRIME)
)
"""The groups of each half: Paley's Hadamard matrix, whose ones are at the squares modulo 19."""
CONFIDENCE = 0.95
T = 2.093024
"""The 97.5 % quantile of Student's t with 19 degrees of freedom."""
ROUGH = 2.306004
"""The same with 8: quantiles move from half to half by steps, and what is measured of that is less sure."""
KNOWN = (1.959964 / T) ** 2
"""What a variance that need not be estimated counts, beside one that is."""
NONE = 3.688879
"""Actors in the sample of whom, with 97.5 %, at least one would be found: -ln(0.025)."""
FEWEST = 20
"""Actors below which the mean or a quantile has no interval."""
MOVED, BOTH = 5, 2
"""A quantile that is another in so many halves must be smaller in some and larger in some: the largest of all, or
whatever else hangs on a few actors, has no interval."""
STEP = 1
"""Quantiles of whole numbers move by steps: one that moved in no half may be the next."""
CERTAIN = 3.0
"""A count of at most so many times the variance of a count of actors is taken for one."""

Row = Mapping[str, Any]
Interval = list[float] | None


@dataclass(frozen=True)
class Sample:
    """Of how many actors how many were asked, in each group, and how many events they have."""

    population: int
    sizes: tuple[int, ...]
    events: int

    @cached_property
    def actors(self) -> int:
        """How many were asked."""
        return sum(self.sizes)

    @cached_property
    def halves(self) -> list[int]:
        """How many were asked in each half."""
        return [sum(self.sizes[group] for group in half) for half in HALVES]

    @cached_property
    def share(self) -> float:
        """How many of all that is."""
        return self.actors / self.population


@dataclass
class Judge:
    """Scales what counts and gives intervals, for the answers of one query to one sample."""

    query: Query
    sample: Sample
    vague: int = 0
    """Numbers that have no interval."""
    _weights: dict[str, list[float]] = field(default_factory=dict)

    def rows(self, whole: Sequence[Row], parts: Sequence[Sequence[Row]]) -> list[dict[str, Any]]:
        """Rows with their `intervals`; `parts` are the rows of each half."""
        names = self._labels(whole)
        index = [dict(zip(keys(part, names), part, strict=True)) for part in parts]
        made = []
        for place, (key, row) in enumerate(zip(keys(whole, names), whole, strict=True)):
            scaled, intervals = self._object(row, [part.get(key, {}) for part in index], whole[:place], names)
            made.append(scaled | ({"intervals": intervals} if intervals else {}))
        return made

    def totals(self, whole: Row, parts: Sequence[Row]) -> dict[str, Any]:
        """Totals with their `intervals`."""
        scaled, intervals = self._object(whole, parts, (), frozenset())
        return scaled | ({"intervals": intervals} if intervals else {})

    def notes(self) -> list[str]:
        """What a reader must know of the intervals."""
        if not self.vague:
            return []
        numbers = f"{self.vague:,} numbers have" if self.vague > 1 else "1 number has"
        return [f"{numbers} no interval: too few of the sampled actors stand behind them."]

    # ── which number is which ───────────────────────────────────────────────────────────────────────

    def _labels(self, rows: Sequence[Row]) -> frozenset[str]:
        """The keys that say which row it is."""
        columns = dict.fromkeys(key for row in rows for key in row)
        known = self.query.labels | frozenset(getattr(self.query, "by", None) or ())
        found = {
            key for key in columns
            if key in known or all(isinstance(row.get(key), str | bool | None) for row in rows)
        }  # fmt: skip
        whole = [
            key for key in columns
            if key not in found and key not in self.query.counts and all(isinstance(row.get(key), int) for row in rows)
        ]  # fmt: skip
        for key in whole:
            if len({tuple(row.get(name) for name in found) for row in rows}) == len(rows):
                break
            found.add(key)
        return frozenset(found)

    def _object(
        self, whole: Row, parts: Sequence[Row], before: Sequence[Row], labels: frozenset[str]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """An object scaled, and the intervals of its numbers by their keys."""
        scaled: dict[str, Any] = {}
        intervals: dict[str, Any] = {}
        for key, value in whole.items():
            scaled[key] = value
            if key in labels:
                continue
            mine = [part.get(key) for part in parts]
            scaled[key], found = self._value(value, mine, _Place(key, key in self.query.counts, whole, before))
            if found is not None:
                intervals[key] = None if found is VAGUE else found
        return scaled, intervals

    def _value(self, value: Any, parts: Sequence[Any], place: _Place) -> tuple[Any, Any]:
        """A value scaled, and its interval; the interval is None where there is nothing to be sure of."""
        if isinstance(value, Mapping):
            return self._inside(value, parts, place)
        if isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
            return self.rows(value, [part or [] for part in parts]), None
        if isinstance(value, list | tuple):
            pairs = [
                self._value(item, [part[i] if part and i < len(part) else None for part in parts], place)
                for i, item in enumerate(value)
            ]
            found = [interval for _, interval in pairs]
            return [one for one, _ in pairs], found if any(one is not None for one in found) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return value, None
        return self._number(value, parts, place)

    def _inside(self, value: Row, parts: Sequence[Row | None], place: _Place) -> tuple[Any, Any]:
        """An object within an object: its intervals stand under the same key."""
        scaled, intervals = {}, {}
        for key, item in value.items():
            count = place.counts or key in self.query.counts
            inner = _Place(place.key, count, place.row, place.before)
            scaled[key], found = self._value(item, [part.get(key) if part else None for part in parts], inner)
            if found is not None:
                intervals[key] = None if found is VAGUE else found
        return scaled, intervals or None

    def _number(self, value: float, parts: Sequence[Any], place: _Place) -> tuple[float, Any]:
        if place.counts:
            scaled, interval = self.count(place.key, value, [part or 0 for part in parts])
            return scaled, interval
        base = self.query.taken_over(place.key, place.row, place.before)
        if place.key.endswith(("rate", "share")) and 0 <= value <= 1:
            interval = self.share(value, parts, base)
        else:
            interval = self.mean(value, parts, base, positive="seconds" in place.key)
        if interval is None:
            self.vague += 1
            return value, VAGUE
        return value, interval

    # ── numbers ─────────────────────────────────────────────────────────────────────────────────────

    def count(self, key: str, found: float, parts: Sequence[float]) -> tuple[float, Interval]:
        """What was counted in the sample scaled to all actors, and its interval; `parts` of each half."""
        sample, kind = self.sample, round if isinstance(found, int) else float
        scale = 1 / sample.share
        total = found * scale
        asked = sample.actors
        halves = [part * sample.population / size for part, size in zip(parts, sample.halves, strict=True)]
        variance = self._variance(total, halves)
        low, high = total, total
        if isinstance(found, int):
            part = min(1.0, found / asked)
            least = scale**2 * found * (1 - part) * (1 - sample.share)
            self._weigh(key, variance, scale**2 * found * (1 - sample.share))
            low, high = self._counted(key, total, variance, least, found)
            low, high = max(math.floor(low), found), math.ceil(high)
        elif variance:
            plain = min(parts) < 0 or max(parts) > found * (1 + 1e-9) or found <= 0
            low, high = bell(total, variance) if plain else poisson(total, variance, alike=False)
        return kind(total), [low, high]

    def _counted(self, key: str, total: float, variance: float, least: float, found: int) -> tuple[float, float]:
        """The interval of a count of whole things; `least` is the variance if they are actors."""
        asked, everyone = self.sample.actors, self.sample.population
        missing = NONE / -math.log1p(-self.sample.share)
        if found <= 0:
            return 0.0, missing * self._weight(key)
        if found == asked and not variance:
            return total - missing, total
        if found <= asked < 2 * found and variance <= CERTAIN * least:
            low, high = poisson(everyone - total, max(variance, KNOWN * least))
            return everyone - high, everyone - low
        return poisson(total, max(variance, KNOWN * least), alike=variance <= CERTAIN * least)

    def share(self, found: float, parts: Sequence[Any], base: float | None) -> Interval:
        """The interval of a share between 0 and 1 of `base` sampled actors (None: it is not known)."""
        left = 1 - self.sample.share
        some = [part for part in parts if part is not None]
        variance = self._variance(found, some) if len(some) == len(parts) else 0.0
        spread = found * (1 - found)
        if base:
            variance = max(variance, KNOWN * spread * left / base)
        if spread and variance:
            return wilson(found, spread / variance)
        return wilson(found, base / left) if base else None

    def mean(self, found: float, parts: Sequence[Any], base: float | None, *, positive: bool) -> Interval:
        """The interval of a mean, a ratio or a quantile of `base` sampled actors (None: it is not known)."""
        some = [part for part in parts if part is not None]
        if len(some) < len(parts) or (base is not None and base < FEWEST):
            return None
        below, above = sum(part < found for part in some), sum(part > found for part in some)
        if below + above >= MOVED and min(below, above) < BOTH:
            return None
        low, high = bell(found, self._variance(found, some), ROUGH)
        if all(isinstance(part, int) for part in (found, *some)):
            low, high = low - STEP, high + STEP
        return [max(low, 0.0) if positive else low, high]

    def _variance(self, total: float, halves: Sequence[float]) -> float:
        """How much a number of the whole sample varies, by how far the halves are from it."""
        return (1 - self.sample.share) * sum([(part - total) ** 2 for part in halves]) / len(halves)

    def _weigh(self, key: str, variance: float, least: float) -> None:
        if least:
            self._weights.setdefault(key, []).append(max(1.0, variance / least))

    def _weight(self, key: str) -> float:
        """How many of what is counted an actor brings at a time, in the other rows."""
        known = sorted(self._weights.get(key, ()))
        return known[len(known) // 2] if known else 1.0


@dataclass(frozen=True)
class _Place:
    """Where a number stands: its key in a row (or in totals), and the rows above."""

    key: str
    counts: bool
    row: Row
    before: Sequence[Row]


VAGUE = object()
"""Stands for the interval of a number nothing can be said of; `null` in an answer."""


def keys(rows: Sequence[Row], labels: frozenset[str]) -> list[tuple[Any, ...]]:
    """What tells rows apart: their labels, and which of those with the same labels it is."""
    names = sorted(labels)
    seen: Counter[tuple[Any, ...]] = Counter()
    found = []
    for row in rows:
        key = tuple(map(row.get, names))
        found.append((*key, seen[key]))
        seen[key] += 1
    return found


def bell(total: float, variance: float, quantile: float = T) -> tuple[float, float]:
    """Student's interval."""
    reach = quantile * math.sqrt(variance)
    return total - reach, total + reach


def poisson(total: float, variance: float, *, alike: bool = True) -> tuple[float, float]:
    """The interval of a count that is worth `total**2 / variance` actors.

    Where actors bring unlike numbers at a time, the variance is less sure, as if it had fewer degrees of freedom.

    >>> [round(edge, 1) for edge in poisson(10, 10)]
    [4.5, 18.8]
    """
    worth = total**2 / variance
    quantile = T if alike else student(1 / (1 / PRIME + 1 / worth))
    low = max(0.0, 1 - 1 / (9 * worth) - quantile / (3 * math.sqrt(worth))) ** 3
    more = worth + 1
    high = more / worth * (1 - 1 / (9 * more) + quantile / (3 * math.sqrt(more))) ** 3
    return total * low, total * high


def student(freedom: float) -> float:
    """The 97.5 % quantile of Student's t, by the first terms of Fisher's expansion around that of the bell curve.

    >>> round(student(19), 2)
    2.09
    """
    z = 1.959964
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def wilson(share: float, worth: float) -> list[float]:
    """The interval of a share of `worth` actors.

    >>> [round(edge, 3) for edge in wilson(0.0, 100)]
    [0.0, 0.042]
    """
    square = T * T
    middle = (share + square / (2 * worth)) / (1 + square / worth)
    reach = T / (1 + square / worth) * math.sqrt(share * (1 - share) / worth + square / (4 * worth**2))
    return [min(share, max(0.0, middle - reach)), max(share, min(1.0, middle + reach))]

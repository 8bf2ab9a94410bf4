"""Measures: what is worked out of the events of one interval and group, as people write it.

    events · actors · per_actor · sum(amount) · average(amount) · min(amount) · max(amount)
    median(amount) · p90(amount) · first(plan) · last(plan) · distinct(sku)
    sum(amount) per actor · median of sum(amount) per actor · p90 of events per actor

>>> Measure("p99.5 of sum(amount) per actor").inner.column
'amount'
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Self

from trackway.errors import MeasureError, suggest
from trackway.model.written import Written

PLAIN = ("events", "actors")
OF_NUMBERS = ("sum", "average", "min", "max", "median")
OF_ANYTHING = ("first", "last", "distinct")
OVER_ACTORS = ("average", "min", "max", "median")
EVENTS, ACTORS = PLAIN
OFFERED = (*PLAIN, "per_actor")
"""Measures that need no column."""
QUANTILE = re.compile(r"^p(\d{1,2}(?:\.\d{1,6})?|100)$")
CALL = re.compile(r"^([\w.]+)\s*\((.*)\)$", re.DOTALL)
PER_ACTOR = re.compile(r"^(?:([\w.]+)\s+of\s+)?(.+?)\s+per\s+actor$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Statistic:
    """One function of many values. `share` is set for quantiles: of `median` (and `p50`) one half."""

    name: str
    column: str | None = None
    share: Fraction | None = None

    @property
    def is_median(self) -> bool:
        """Whether the middle of an even number of values is the mean of two."""
        return self.share == Fraction(1, 2)


class Measure(Written):
    """A measure as written. `inner` is worked out of events; with `over`, of each actor's, and `over` of the actors."""

    __slots__ = ("inner", "over")
    examples: ClassVar[tuple[str, ...]] = (
        *OFFERED, "sum(column)", "average(column)", "median(column)", "p90(column)", "distinct(column)",
        "sum(column) per actor",
    )  # fmt: skip
    """What a form offers."""
    inner: Statistic
    over: Statistic | None

    def __new__(cls, text: str) -> Self:
        measure = super().__new__(cls, str(text).strip())
        measure.inner, measure.over = parse(measure)
        return measure

    @property
    def counts(self) -> bool:
        """Whether it adds up over actors, so that of a sample of them it is a share of the whole."""
        return self.over is None and self.inner.name in {*PLAIN, "sum"}

    @property
    def nothing(self) -> int | None:
        """Its value where there are no events."""
        return 0 if self.over is None and self.inner.name in {*PLAIN, "sum", "distinct"} else None


def parse(text: str) -> tuple[Statistic, Statistic | None]:
    """What a measure is worked out of, and how over actors. Raises MeasureError with a suggestion."""
    if text == "per_actor":
        return Statistic(EVENTS), Statistic("average")
    per = PER_ACTOR.match(text)
    if per is None:
        return _inner(text), None
    inner = _inner(per[2].strip())
    if inner.name == ACTORS:
        raise MeasureError("actors per actor is always 1", hint="such as events per actor, or sum(amount) per actor")
    if inner.name in {"first", "last"}:
        raise MeasureError(f"'{inner.name}' cannot be taken per actor", hint="first(…) and last(…) are of all events")
    return inner, _over(per[1] or "average")


def _over(name: str) -> Statistic:
    if quantile := _quantile(name):
        return quantile
    if name not in OVER_ACTORS:
        raise MeasureError(f"unknown statistic '{name}' over actors", hint=suggest(name, (*OVER_ACTORS, "p90")))
    return Statistic(name)


def _inner(text: str) -> Statistic:
    if text in PLAIN:
        return Statistic(text)
    call = CALL.match(text)
    known = [*OFFERED, *(f"{name}(column)" for name in (*OF_NUMBERS, "p90", *OF_ANYTHING))]
    if call is None:
        raise MeasureError(f"unknown measure '{text}'", hint=suggest(text, known))
    name, column = call[1], _unquoted(call[2].strip())
    if not column:
        raise MeasureError(f"{name}() of which column?", hint=f"such as {name}(amount)")
    if quantile := _quantile(name):
        return Statistic("quantile", column, quantile.share)
    if name not in (*OF_NUMBERS, *OF_ANYTHING):
        raise MeasureError(f"unknown function '{name}'", hint=suggest(name, (*OF_NUMBERS, "p90", *OF_ANYTHING)))
    return Statistic(name, column)


def _quantile(name: str) -> Statistic | None:
    """The quantile a name means; None for another name. Raises MeasureError for `p0`."""
    if name == "median":
        return Statistic("quantile", None, Fraction(1, 2))
    found = QUANTILE.match(name)
    if found is None:
        return None
    share = Fraction(found[1]) / 100
    if not share:
        raise MeasureError("no value has nothing below or at it", hint="min(column) is the smallest")
    return Statistic("quantile", None, share)


def _unquoted(text: str) -> str:
    """A column in double quotes, as conditions allow it, without them."""
    return text[1:-1].replace('""', '"') if len(text) > 1 and text[0] == text[-1] == '"' else text

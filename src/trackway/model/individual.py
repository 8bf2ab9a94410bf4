"""Measures of one actor: what is worked out of the events of each, as people write it.

    events · active_days · active_weeks · active_months · sum(amount) · average(amount) · min(amount) · max(amount)
    median(amount) · p90(amount) · first(amount) · last(amount) · distinct(sku)

>>> Individual("sum(amount) per actor").statistic.column
'amount'
"""

from __future__ import annotations

from typing import ClassVar, Self

from trackway.errors import MeasureError, suggest
from trackway.model.statistic import ACTORS, EVENTS, OF_ANYTHING, OF_NUMBERS, PER_ACTOR, Statistic, parse
from trackway.model.time import Duration
from trackway.model.written import Written

ACTIVE = {"active_days": Duration("1d"), "active_weeks": Duration("7d"), "active_months": Duration("1mo")}
"""Measures of how many intervals of the calendar an actor was active in."""
ADDS = frozenset({EVENTS, "sum", "distinct", *ACTIVE})
"""Measures that are 0 of no events, and of which some actors can hold a share."""


class Individual(Written):
    """A measure of each actor's events as written; `statistic` is what it means."""

    __slots__ = ("statistic",)
    examples: ClassVar[tuple[str, ...]] = (
        EVENTS, *ACTIVE, "sum(column)", "average(column)", "median(column)", "max(column)", "last(column)",
        "distinct(column)",
    )  # fmt: skip
    """What a form offers."""
    statistic: Statistic

    def __new__(cls, text: str) -> Self:
        measure = super().__new__(cls, str(text).strip())
        measure.statistic = _read(measure)
        return measure

    @property
    def adds(self) -> bool:
        """Whether it is 0 of no events, so that the numbers of actors are parts of a whole."""
        return self.statistic.name in ADDS


def _read(text: str) -> Statistic:
    """What a measure means. Raises MeasureError with a suggestion."""
    found = PER_ACTOR.match(text)
    if found and found[1]:
        raise MeasureError(f"'{text}' is one number for all actors", hint=f"'{found[2]}' is one for each")
    plain = found[2].strip() if found else text
    if plain in ACTIVE:
        return Statistic(plain)
    if plain == ACTORS:
        raise MeasureError("every actor is one actor", hint=f"such as {EVENTS}, active_days or sum(amount)")
    if plain != EVENTS and "(" not in plain:
        known = [EVENTS, *ACTIVE, *(f"{name}({plain})" for name in (*OF_NUMBERS, *OF_ANYTHING))]
        raise MeasureError(f"unknown measure '{text}'", hint=suggest(plain, known))
    return parse(plain)[0]

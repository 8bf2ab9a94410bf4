"""Why an actor got no further: the fewest rules of a question without which they would.

The question itself is asked again of the one actor, without each rule in turn, and if none helps alone, without two.
Nothing is inferred: a rule is named because the same fold gets further without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from pydantic import ValidationError

from trackway.errors import TrackwayError
from trackway.plan.query import Query
from trackway.plan.told import Story, Told

MOST_TOGETHER = 2
"""Rules that are lifted at once."""


@dataclass(frozen=True)
class Miss:
    """Rules that kept an actor back."""

    rules: tuple[str, ...]
    sentence: str
    reached: float
    """How far the actor would get without them."""

    def as_json(self) -> dict[str, Any]:
        """The object every door shows."""
        return {"rules": list(self.rules), "sentence": self.sentence, "reached": self.reached}


def misses(query: Query, story: Story, told: Told, ask: Callable[[Query], Told]) -> list[Miss]:
    """The rules that each alone keep an actor back; if there are none, the pairs that do."""
    lifts = query.lifts(told) if told.short else {}
    for together in range(1, MOST_TOGETHER + 1):
        found = []
        for rules in combinations(lifts, together):
            without = _without(query, [lifts[rule] for rule in rules], ask)
            if without is not None and without.reached > told.reached:
                named = " and ".join(f"`{rule}`" for rule in rules)
                sentence = (
                    query.missed(story, told, rules[0], without)
                    if together == 1
                    else f"It would go on without {named} together; neither alone suffices."
                )
                found.append(Miss(rules, sentence, without.reached))
        if found:
            return found
    return []


def _without(query: Query, lifts: list[Any], ask: Callable[[Query], Told]) -> Told | None:
    """What is told without some rules; None when there is no such question."""
    options = dict(_merged(lifts))
    try:
        return ask(query.with_options(options))
    except (TrackwayError, ValidationError):
        return None


def _merged(lifts: list[Any]) -> Iterator[tuple[str, Any]]:
    """The options without several rules: of a list that two rules shorten, what both leave."""
    for name in dict.fromkeys(name for lift in lifts for name in lift):
        values = [lift[name] for lift in lifts if name in lift]
        first = values[0]
        if isinstance(first, list) and len(values) > 1:
            first = [one for one in first if all(one in other for other in values[1:])]
        yield name, first

"""What an experiment says of one actor: their exposure, and which events count for which metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trackway.plan.told import Story, Told, listed, quote, spell


@dataclass(frozen=True)
class Plan:
    """An experiment as one actor meets it."""

    exposure: str
    """The mark of the exposure."""
    variant: str
    """The column of the variant."""
    metrics: Sequence[str]
    """The marks of the metrics."""
    within: int | None
    """Microseconds after the exposure that count; None for all."""
    before: int
    """Microseconds before it that are taken out; 0 for none."""
    mixed: bool
    """Whether the actor saw several variants."""
    still: bool
    """Whether their time is not over."""


def told(story: Story, exposed: int | None, plan: Plan) -> Told:
    """What is said of an actor who was exposed then."""
    marked = [int(place) for place in np.flatnonzero(story.marks[plan.exposure] & story.inside)
              if story.value(plan.variant, int(place)) is not None]  # fmt: skip
    if exposed is None:
        seen = dict.fromkeys(repr(story.value(plan.variant, place)) for place in marked)
        why = f"Left out: saw several variants, {listed(list(seen))}." if plan.mixed else "Never exposed in the range."
        return Told(why, {place: _variant(story, plan, place) for place in marked}, 0, None if plan.mixed else 1)
    first = next(place for place in marked if story.time[place] == exposed)
    chosen = {place: text for place in range(len(story.time)) if (text := _counts(story, plan, place, exposed))}
    shown = f"exposed: {_variant(story, plan, first)}"
    chosen[first] = f"{shown}; {chosen[first]}" if first in chosen else shown
    values = [f"{row['metric']} {row['value']:g}" for row in story.rows]
    left = " Left out: their time after the exposure is not over." if plan.still else ""
    sentence = f"Exposed to {story.value(plan.variant, first)!r} at {story.when(exposed)}: {listed(values, 12)}.{left}"

    def say(place: int) -> str:
        named = [name for name in plan.metrics if story.marks[name][place]]
        since = int(story.time[place]) - exposed
        if named and since < 0:
            return f"{listed(list(map(quote, named)))}, {spell(since)} before the exposure"
        if named:
            return f"too late: {listed(list(map(quote, named)))} came {spell(since)} after the exposure"
        return "exposed again" if place in marked else ""

    return Told(sentence, chosen, 1 + sum(row["events"] for row in story.rows), None, say)


def _variant(story: Story, plan: Plan, place: int) -> str:
    return f"{plan.variant} {story.value(plan.variant, place)!r}"


def _counts(story: Story, plan: Plan, place: int, exposed: int) -> str:
    """The metrics an event counts for."""
    named = [name for name in plan.metrics if story.marks[name][place]]
    since = int(story.time[place]) - exposed
    if not named:
        return ""
    if since >= 0 and (plan.within is None or since < plan.within):
        return f"counts for {listed(named)}"
    return f"before the exposure: taken out of {listed(named)}" if -plan.before <= since < 0 else ""

"""What questions about activity say of one actor: the intervals they were active in, and what that makes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trackway.plan.told import Story, Told, brief, listed
from trackway.store.columns.calendar import Calendar


def told(story: Story, made: Calendar, found: Sequence[tuple[str, str]]) -> Told:
    """What is said of an actor; `found` is which interval or window (its beginning), and what they are: `new in`."""
    met = np.logical_and.reduce([np.ones(len(story.time), np.bool_), *story.marks.values()])
    places = np.searchsorted(made.edges, story.time, side="right") - 1
    first, last = made.lead, made.lead + len(made.shown) - 1
    chosen, beside = {}, {}
    for place in np.flatnonzero(met).tolist():
        at = int(places[place])
        if first <= at <= last:
            chosen[place] = f"active in {story.since(made.edges[at])}"
        else:
            beside[place] = "before the intervals shown: decides who is new" if at < first else "after what is shown"
    times: dict[str, list[str]] = {}
    for time, what in found:
        times.setdefault(what, []).append(brief(time))
    parts = [f"{what} {listed(some)}" for what, some in times.items()]
    sentence = f"{'; '.join(parts)}." if parts else "not active in any interval shown."

    def say(place: int) -> str:
        return beside.get(place, "no activity" if place not in chosen else "")

    return Told(sentence[:1].upper() + sentence[1:], chosen, len(chosen), None if chosen else 1, say)

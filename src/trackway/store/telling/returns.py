"""What retention says of one actor: their first start, and the period each return falls into."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trackway.plan.told import WHERE, Story, Told, listed, spell
from trackway.store.columns.periods import Periods


def told(story: Story, edges: Sequence[int], periods: Periods, unit: int) -> Told:
    """What is said of an actor; `edges` are the intervals, `unit` the length of a rolling one (0: the calendar's)."""
    starts = np.flatnonzero(story.marks["start"] & story.kept)
    shown = len(periods.firsts)
    if not len(starts):
        return Told("Never started: no event in the range counts as `start`.", {}, 0, shown + 1, None)
    first = int(starts[0])
    begun = int(story.time[first])
    cohort = int(np.searchsorted(edges, begun, side="right")) - 1
    met = story.marks["return"] & story.marks.get(WHERE, np.ones(len(story.time), np.bool_))
    back = np.flatnonzero(met & (story.time >= begun))
    units = (story.time[back] - begun) // unit if unit else np.searchsorted(edges, story.time[back], side="right") - 1
    units = units if unit else units - cohort
    chosen = {}
    for place, at in zip(back.tolist(), units.tolist(), strict=True):
        period = next((p for p in range(shown) if periods.firsts[p] <= at <= periods.lasts[p]), None)
        chosen[place] = "returned after the periods shown" if period is None else f"returned in period {period}"
    start = f"start: cohort {story.since(edges[cohort])}"
    chosen[first] = f"{start}, {chosen[first]}" if first in chosen else start
    returned = [row["period"] for row in story.rows if row["returned"]]
    sentence = f"Started at {story.when(begun)}; {_returned(returned, len(story.rows))}."

    def say(place: int) -> str:
        if story.marks["return"][place] and story.time[place] < begun:
            return f"`return`, {spell(begun - int(story.time[place]))} before the first start"
        if story.marks["start"][place] and place > first and story.kept[place]:
            return "`start`, but not the first"
        return "" if story.inside[place] or story.marks["start"][place] else "nothing to this question"

    return Told(sentence, chosen, 1 + len(returned), shown + 1, say)


def _returned(returned: Sequence[int], begun: int) -> str:
    """In which of the periods that have begun an actor counts as returned."""
    if not returned:
        return f"did not return in any of the {begun} periods that have begun"
    named = listed([str(one) for one in returned], 12)
    return f"returned in period{'s' * (len(returned) > 1)} {named} of 0 to {begun - 1}"

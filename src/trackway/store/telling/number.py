"""What a distribution says of one actor: their number, the bin it is in, and which events made it."""

from __future__ import annotations

from typing import Any

import numpy as np

from trackway.plan.told import WHERE, Story, Told


def told(story: Story, measure: str, value: float | None, *, asked: bool, among: bool) -> Told:
    """What is said of an actor with a number, or none; `asked` says whether they are asked at all, `among` whether an
    event must ask."""
    measured = story.kept if WHERE in story.marks else story.inside
    asks = story.inside & story.marks["among"] if among else np.zeros(len(story.time), np.bool_)
    chosen = {
        place: " and ".join([*(["is measured"] if measured[place] else []), *(["asks"] if asks[place] else [])])
        for place in np.flatnonzero(measured | asks).tolist()
    }
    if not asked:
        return Told(f"Does not count: {_nobody(among=among)}.", {}, 0, 1)
    if value is None:
        return Told(f"Asked, but without a number: no event has one for {measure}.", chosen, 1, 2)
    row = next((row for row in story.rows if row["actors"]), None)
    groups = "".join(f", {name} {_text(one)}" for name, one in (row or {}).items() if name not in BINNED)
    where = "" if row is None else f", in the bin {_between(row['low'], row['high'])}{groups}"
    events = f"{int(measured.sum()):,} event{'s' * (int(measured.sum()) != 1)}"
    return Told(f"Counts with {measure} = {_text(value)} of {events}{where}.", chosen, 2)


BINNED = frozenset({"low", "high", "actors", "share", "cumulative_share"})
"""Keys of a row that are no group."""


def _nobody(*, among: bool) -> str:
    return "no event in the range is one that asks (`among`)" if among else "no event is measured"


def _between(low: float | None, high: float | None) -> str:
    """A bin in a sentence.

    >>> _between(None, 3), _between(2, 5), _between(8, None)
    ('below 3', 'from 2 to 5', 'from 8 on')
    """
    if low is None:
        return f"below {_text(high)}"
    return f"from {_text(low)} on" if high is None else f"from {_text(low)} to {_text(high)}"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.10g}"
    return "null" if value is None else f"{value}"

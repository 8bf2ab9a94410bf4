"""What a pattern says of one actor: their matches, event by event."""

from __future__ import annotations

import re

import numpy as np

from trackway.plan.told import Story, Told, spell

TIMED = re.compile(r"'(?:[^']|'')*'|\s*\bwithin\s+[\d.]+\s*[a-z]+")
"""A quoted name, or a longest time."""


def told(story: Story, begins: np.ndarray, ends: np.ndarray, pattern: str) -> Told:
    """What is said of an actor whose matches begin and end at these events."""
    kept = story.kept
    chosen: dict[int, str] = {}
    for number, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True), start=1):
        for place in range(begin, end + 1):
            if kept[place]:
                letters = " and ".join(story.matched(place)) or "anything"
                chosen[place] = f"match {number}: {letters}"
    if not len(begins):
        counted = int(kept.sum())
        return Told(f"No match of `{pattern}` among {counted:,} events that count.", {}, 0, 1)
    first, last = int(begins[0]), int(ends[0])
    took = spell(int(story.time[last]) - int(story.time[first]))
    many = f"{len(begins):,} matches; the first" if len(begins) > 1 else "One match,"
    sentence = f"{many} from {story.of(first)} to {story.of(last)}, in {took}."
    return Told(sentence, chosen, len(begins))


def timeless(pattern: str) -> str:
    """A pattern without its longest times.

    >>> timeless("A (B 'within 1h' C within 5m) .. D within 1h")
    "A (B 'within 1h' C) .. D"
    """
    return TIMED.sub(lambda found: found[0] if found[0].startswith("'") else "", pattern)

"""What paths say of one actor: which events make their journeys, node by node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trackway.plan.told import Story, Told, spell

LONGEST = 12
"""Nodes of a journey that a sentence names."""


@dataclass(frozen=True)
class Plan:
    """How journeys are cut out of an actor's events; times in microseconds, negative for none."""

    steps: int
    within: int
    timeout: int
    keep: bool
    """Whether neighbours of one node are steps of their own."""
    every: bool
    """Whether all journeys count, or the first."""


@dataclass(frozen=True)
class Line:
    """The events that count, in the order they are read."""

    time: np.ndarray
    node: np.ndarray
    starts: np.ndarray | None
    ends: np.ndarray | None

    def reversed(self) -> Line:
        """The same read backward: what ended journeys begins them."""
        return Line(-self.time[::-1], self.node[::-1], None if self.ends is None else self.ends[::-1], None)


def told(story: Story, nodes: Sequence[str], line: Line, plan: Plan) -> Told:
    """What is said of an actor; `nodes` is what the node of every event is called, `line` those that count."""
    places = np.flatnonzero(story.kept)
    backward = line.starts is None and line.ends is not None
    found = cut(line.reversed() if backward else line, plan)
    journeys = [[int(places[len(places) - 1 - at if backward else at]) for at in one] for one in found]
    chosen = {}
    for number, one in enumerate(journeys, start=1):
        which = f"journey {number}, " if len(journeys) > 1 else ""
        for place, step in zip(one, _steps([nodes[place] for place in one], plan), strict=True):
            chosen[place] = f"{which}step {-step if backward else step}: {nodes[place]}"
    if not journeys:
        return Told("No journey: no events that count make one.", {}, 0, 1)
    first = sorted(journeys[0])
    names = _walk([nodes[place] for place in first], plan)
    shown = [*names[: LONGEST - 1], "…", names[-1]] if len(names) > LONGEST else names
    took = spell(int(story.time[first[-1]]) - int(story.time[first[0]]))
    many = f"{len(journeys):,} journeys; the first one found: " if len(journeys) > 1 else "Journey: "
    return Told(f"{many}{' → '.join(shown)}, from {story.of(first[0])}, in {took}.", chosen, len(journeys))


def cut(line: Line, plan: Plan) -> list[list[int]]:
    """The journeys of a line, each the places of its events."""
    time = line.time
    paused = np.diff(time, prepend=time[:1]) > plan.timeout if plan.timeout >= 0 else np.zeros(len(time), np.bool_)
    sitting = np.cumsum(paused)
    first = np.diff(sitting, prepend=-1) > 0
    begins = first if line.starts is None else line.starts
    found: list[list[int]] = []
    place = 0
    while place < len(time) and (plan.every or not found):
        end = _end(line, place, sitting, plan) if begins[place] else place
        if end > place:
            found.append(list(range(place, end)))
        place = max(end, place + 1)
    return found


def _end(line: Line, place: int, sitting: np.ndarray, plan: Plan) -> int:
    """The place after the journey that begins at one; the same place for none."""
    last = int(np.searchsorted(sitting, sitting[place], side="right"))
    if plan.within >= 0:
        last = min(last, int(np.searchsorted(line.time, line.time[place] + plan.within, side="right")))
    if line.ends is not None:
        after = place + 1 + np.flatnonzero(line.ends[place + 1 : last])[:1]
        return int(after[0]) + 1 if len(after) else place
    fresh = np.ones(last - place, np.bool_) if plan.keep else np.diff(line.node[place:last], prepend=-1) != 0
    return place + int(np.searchsorted(np.cumsum(fresh), plan.steps, side="right"))


def _steps(nodes: Sequence[str], plan: Plan) -> list[int]:
    """The step of each event of a journey, from 1."""
    steps: list[int] = []
    for place, node in enumerate(nodes):
        same = place > 0 and not plan.keep and nodes[place - 1] == node
        steps.append((steps[-1] if steps else 0) + (not same))
    return steps


def _walk(nodes: Sequence[str], plan: Plan) -> list[str]:
    """The nodes a journey passes."""
    steps = _steps(nodes, plan)
    return [node for place, node in enumerate(nodes) if place == 0 or steps[place] != steps[place - 1]]

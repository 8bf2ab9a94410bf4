"""The naive answer to `paths`: plain loops over a list of events, written from docs/reference/semantics.md alone."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

Event = dict[str, Any]
Test = Callable[[Event], bool]
OTHER, MORE, STOP = (1, None), (2, None), (3, None)
"""Nodes that are no value; a value is `(0, value)`."""


def node_of(event: Event, question: dict[str, Any], conditions: dict[str, Test]) -> Any:
    for rule in question.get("rules", []):
        if conditions[rule["when"]](event):
            return rule["name"]
    by = question.get("by", "event")
    if by is None:
        return "other"
    value = event.get(by)
    for rewrite in question.get("rewrite", []):
        value = None if value is None else re.sub(rewrite["match"], rewrite["to"], value)
    return value


def journeys(  # noqa: PLR0917
    line: list[Event], question: dict[str, Any], start: str | None, end: str | None, within: int | None,
    timeout: int | None,
) -> list[list[Event]]:  # fmt: skip
    """The events of each journey of one actor, `line` being their events in order; backward ones in reverse.

    `start` and `end` are the keys that say of an event whether it is an anchor.
    """
    if start is None and end is not None:
        mirrored = [event | {"time": -event["time"]} for event in reversed(line)]
        found = journeys(mirrored, question, end, None, within, timeout)
        return [[event | {"time": -event["time"]} for event in journey] for journey in found]

    def paused(place: int) -> bool:
        return timeout is not None and line[place]["time"] - line[place - 1]["time"] > timeout

    found, place = [], 0
    while place < len(line):
        begins = line[place][start] if start is not None else place == 0 or paused(place)
        journey = follow(line, place, question, end, within, paused)
        if begins and journey:
            found.append(journey)
            place += len(journey)
            if question["count"] == "actors":
                break
        else:
            place += 1
    return found


def follow(  # noqa: PLR0917
    line: list[Event], place: int, question: dict[str, Any], end: Any, within: int | None, paused: Any
) -> Any:
    journey = [line[place]]
    for later in range(place + 1, len(line)):
        event = line[later]
        if paused(later) or (within is not None and event["time"] - journey[0]["time"] > within):
            break
        if not end and len(collapsed([*journey, event], question)) > question["steps"]:
            break
        journey.append(event)
        if end and event[end]:
            return journey
    return None if end else journey


def collapsed(journey: Sequence[Event], question: dict[str, Any]) -> list[list[Event]]:
    steps: list[list[Event]] = []
    for event in journey:
        if steps and question["repeats"] == "collapse" and steps[-1][0]["node"] == event["node"]:
            steps[-1].append(event)
        else:
            steps.append([event])
    return steps


def walk(journey: list[Event], question: dict[str, Any]) -> list[tuple[Any, int | None]]:
    """The nodes of one journey, and when they were entered; a journey that stops early ends in STOP."""
    path: list[tuple[Any, int | None]] = [
        ((0, step[0]["node"]), min(event["time"] for event in step)) for step in collapsed(journey, question)
    ]
    most = question["steps"]
    if len(path) > most:
        path = [*path[: most - 2], (MORE, path[most - 2][1]), path[-1]]
    elif len(path) < most:
        path.append((STOP, None))
    return path


def paths(events: Sequence[Event], question: dict[str, Any], conditions: dict[str, Test], durations: dict[str, int]
          ) -> tuple[list[dict[str, Any]], dict[str, Any]]:  # fmt: skip
    anchors = tuple(name if question.get(name) else None for name in ("start", "end"))
    tests = {name: conditions[question[name]] for name in anchors if name}
    where = conditions[question.get("where") or "true"]
    lines: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: (event["time"], event["tie"])):
        if where(event):
            flags = {name: test(event) for name, test in tests.items()}
            lines[event["actor"]].append(event | {"node": node_of(event, question, conditions)} | flags)
    limits = [durations[question[name]] if question.get(name) else None for name in ("within", "timeout")]
    found = [journeys(line, question, *anchors, *limits) for line in lines.values()]
    walks = [walk(journey, question) for mine in found for journey in mine]
    walks = limited(walks, question["top"])
    return answer(walks, question, sum(1 for mine in found if mine), anchors)


def order(node: tuple[int, Any]) -> tuple[Any, ...]:
    return (node[0], node[1] is None, 0 if node[1] is None else node[1])


def limited(walks: list[Any], top: int | None) -> list[Any]:
    """Nodes beyond the largest of each step become `other`."""
    for k in range(max(map(len, walks), default=0)):
        there = Counter(path[k][0] for path in walks if len(path) > k and path[k][0][0] == 0)
        kept = sorted(there, key=lambda node: (-there[node], order(node)))[:top]
        for path in walks:
            if len(path) > k and path[k][0][0] == 0 and path[k][0] not in kept:
                path[k] = (OTHER, path[k][1])
    return walks


def answer(walks: list[Any], question: dict[str, Any], actors: int, anchors: Any) -> Any:
    backward, between = anchors[0] is None and anchors[1] is not None, None not in anchors
    words = {OTHER: "other", MORE: "…", STOP: "entry" if backward else "drop-off"}

    def label(node: Any) -> Any:
        return words[node] if node in words else node[1]

    taken: dict[Any, list[int | None]] = defaultdict(list)
    for path in walks:
        for k, ((near, t), (far, u)) in enumerate(pairwise(path)):
            taken[k, near, far].append(None if u is None else abs(u - t))
    there: Counter[Any] = Counter((k, node) for path in walks for k, (node, _) in enumerate(path) if node != STOP)
    nodes = [
        {"step": -1 - k if backward else k + 1, "node": label(node), "value": there[k, node],
         "share": there[k, node] / len(walks), "stopped": len(taken.get((k, node, STOP), []))}
        for k, node in sorted(there, key=lambda at: (at[0], -there[at], order(at[1])))
    ]  # fmt: skip

    def ranking(edge: Any) -> Any:
        return (edge[0], -len(taken[edge]), order(edge[1]), order(edge[2]))

    edges = question["edges"]
    for k in {edge[0] for edge in taken} if edges else ():
        mine = sorted((edge for edge in taken if edge[0] == k and edge[2] != STOP), key=ranking)
        rest = [took for edge in mine[edges:] for took in taken.pop(edge)]
        if rest:
            taken[k, OTHER, OTHER] += rest
    rows = []
    for k, near, far in sorted(taken, key=ranking):
        if between and far == STOP:
            continue
        took = taken[k, near, far]
        row = {"step": -2 - k if backward else k + 1, "from": label(far if backward else near)}
        row |= {"to": label(near if backward else far), "value": len(took), "share": len(took) / len(walks)}
        rows.append(row)
        if question["durations"]:
            row["median_seconds"] = None if far == STOP else statistics.median(took) / 1_000_000
    return rows, {"journeys": len(walks), "actors": actors, "nodes": nodes}

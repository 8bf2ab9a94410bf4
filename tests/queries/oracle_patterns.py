"""The naive answer to `patterns`: backtracking over a list of events, written from docs/reference/semantics.md alone.

A pattern is a tree of tuples with a way to write it down; nothing is parsed or compiled here.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Event = dict[str, Any]
Test = Callable[[Event], bool]
Tree = tuple[Any, ...]


def written(tree: Tree, inside: bool = False) -> str:  # noqa: PLR0911
    """The text of a pattern."""
    match tree:
        case ("letter", name):
            return name
        case ("any",):
            return "any"
        case ("not", names):
            return f"not {names[0]}" if len(names) == 1 else f"not ({' | '.join(names)})"
        case ("edge", mark):
            return mark
        case ("series", parts):
            text = " ".join(written(part, inside=True) for part in parts)
        case ("choice", options):
            text = " | ".join(written(option, inside=True) for option in options)
        case ("repeat", part, least, most):
            marks = {(0, None): "*", (1, None): "+", (0, 1): "?"}
            braces = f"{{{least},{'' if most is None else most}}}"
            return f"({written(part)}){marks.get((least, most), braces)}"
        case ("timed", part, within):
            return f"({written(part)} within {within})"
    return f"({text})" if inside else text


def ends(  # noqa: PLR0911
    tree: Tree, line: Sequence[Event], place: int, tests: dict[str, Test], units: dict[str, int]
) -> set[int]:
    """Every place at which a part that begins at a place may end."""
    match tree:
        case ("letter", name):
            return {place + 1} if place < len(line) and tests[name](line[place]) else set()
        case ("any",):
            return {place + 1} if place < len(line) else set()
        case ("not", names):
            fits = place < len(line) and not any(tests[name](line[place]) for name in names)
            return {place + 1} if fits else set()
        case ("edge", mark):
            return {place} if place == (0 if mark == "^" else len(line)) else set()
        case ("series", parts):
            found = {place}
            for part in parts:
                found = {end for start in found for end in ends(part, line, start, tests, units)}
            return found
        case ("choice", options):
            return {end for option in options for end in ends(option, line, place, tests, units)}
        case ("timed", part, within):
            return {
                end for end in ends(part, line, place, tests, units)
                if end == place or line[end - 1]["time"] - line[place]["time"] <= units[within]
            }  # fmt: skip
    _, part, least, most = tree
    found, now, count = ({place} if least == 0 else set()), {place}, 0
    while now and (most is None or count < most) and count <= len(line) + least:
        now = {end for start in now for end in ends(part, line, start, tests, units)}
        count += 1
        found |= now if count >= least else set()
    return found


def matches(line: Sequence[Event], tree: Tree, longest: bool, tests: dict[str, Test], units: dict[str, int]
            ) -> Iterator[tuple[int, int]]:  # fmt: skip
    """First and last event of each match, none overlapping."""
    place = 0
    while True:
        spans = [
            (start, end) for start in range(place, len(line)) for end in ends(tree, line, start, tests, units)
            if end > start
        ]  # fmt: skip
        if not spans:
            return
        start, end = min(spans, key=lambda span: (span[0], -span[1]) if longest else (span[1], -span[0]))
        yield start, end - 1
        place = end


def pieces(line: Sequence[Event], timeout: int | None) -> list[list[Event]]:
    """The events of one actor, cut where a pause is longer."""
    found: list[list[Event]] = []
    for event in line:
        if found and (timeout is None or event["time"] - found[-1][-1]["time"] <= timeout):
            found[-1].append(event)
        else:
            found.append([event])
    return found


def by_actor(  # noqa: PLR0917
    events: Sequence[Event], tree: Tree, question: dict[str, Any], tests: dict[str, Test], where: Test,
    units: dict[str, int],
) -> dict[str, list[tuple[Event, Event]]]:  # fmt: skip
    """The matches of every actor who has an event that counts."""
    lines: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: (event["time"], event["tie"])):
        if where(event):
            lines[event["actor"]].append(event)
    timeout = units[question["timeout"]] if question["timeout"] else None
    return {
        actor: [
            (piece[start], piece[end])
            for piece in pieces(line, timeout)
            for start, end in matches(piece, tree, question["match"] == "longest", tests, units)
        ]
        for actor, line in lines.items()
    }


def rows(found: dict[str, list[tuple[Event, Event]]], by: str | None, top: int | None) -> list[dict[str, Any]]:
    groups: dict[Any, list[str]] = defaultdict(list)
    for actor, mine in found.items():
        if mine:
            groups[mine[0][0].get(by) if by else ()].append(actor)
    order = sorted(groups, key=lambda key: (-len(groups[key]), key is None, key or 0))
    matched = sum(map(len, groups.values()))
    if not by:
        return [row(groups[()], found, matched)]
    out = [{by: key} | row(groups[key], found, matched) for key in order[:top]]
    rest = [actor for key in (order[top:] if top else []) for actor in groups[key]]
    return out + ([{by: "other"} | row(rest, found, matched)] if rest else [])


def row(actors: list[str], found: dict[str, list[tuple[Event, Event]]], matched: int) -> dict[str, Any]:
    taken = [end["time"] - start["time"] for actor in actors for start, end in found[actor]]
    return {
        "actors": len(actors), "share": len(actors) / matched if matched else None, "matches": len(taken),
        "per_actor": len(taken) / len(actors) if actors else None,
        "median_seconds": statistics.median(taken) / 1_000_000 if taken else None,
    }  # fmt: skip

"""Patterns as automata that a loop over events can run: bits instead of trees.

Every letter of a pattern, with repetitions spelled out, is a position; a set of positions is an integer
(Glushkov 1961: no empty moves). An automaton also knows which edges enter a group that has a time limit of its
own, forward and backward, so that both ends of a match can be looked for from the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from trackway.errors import ConditionError
from trackway.model.pattern import Choice, Edge, Letter, Node, Pattern, Repeat, Series, Timed

MOST_POSITIONS, MOST_NAMES = 62, 15
KEPT = 1
"""The bit of an event that counts at all; bit `1 << (i + 1)` is the `i`-th name of the pattern."""
FREE, BEGIN, END = 0, 1, 2
"""What a way into or out of a part needs: nothing, the beginning of all, their end."""

Way = tuple[int, int]
Ends = Mapping[int, frozenset[int]]
"""Positions, and the needs under which each is first (or last); there may be several ways."""


@dataclass(frozen=True, eq=False)
class Automaton:
    """A pattern over bits of events. `table[bits]` is the set of positions an event fits."""

    table: np.ndarray
    forward: np.ndarray
    """Three rows: after each position, those that may come next; of these, the ones that enter a group with a time
    limit; and the position that stands for it, since those with one future are one (Ilie and Yu 2003)."""
    backward: np.ndarray
    """The same, reading backward."""
    limit: np.ndarray
    """Microseconds of the group each position is in; below zero without one."""
    first: int
    """Where a match may begin at any event, and at an actor's first one."""
    first_of_all: int
    last: int
    last_of_all: int
    within: int
    """Microseconds of the whole; below zero without a limit."""

    @property
    def still(self) -> int:
        """Positions that an event without a letter leaves as they are; -1 when it may begin a match."""
        plain, stand = int(self.table[KEPT]), self.forward[2]
        if self.first & plain:
            return -1
        ways = [[p for p in range(len(stand)) if (int(row) & plain) >> p & 1] for row in self.forward[0]]
        return sum(
            1 << here
            for here, next_ in enumerate(ways)
            if {int(stand[p]) for p in next_} == {here} and self.limit[here] < 0
        )

    @property
    def grouped(self) -> bool:
        """Whether a part has a time limit of its own."""
        return bool((self.limit >= 0).any())

    @property
    def ends(self) -> np.ndarray:
        """`first first_of_all last last_of_all`, as loops take them."""
        return np.array([self.first, self.first_of_all, self.last, self.last_of_all], np.int64)


@dataclass(frozen=True)
class _Part:
    """How a part of a pattern can be entered, left, and gone through without an event."""

    first: Ends
    last: Ends
    empty: frozenset[int]
    """Needs under which nothing at all is enough."""


@dataclass
class _Build:
    """Positions and edges so far."""

    letters: list[Letter] = field(default_factory=list)
    group: list[int] = field(default_factory=list)
    edges: set[Way] = field(default_factory=set)
    fresh: set[Way] = field(default_factory=set)
    fresh_back: set[Way] = field(default_factory=set)
    limits: list[int] = field(default_factory=list)

    def part(self, node: Node, group: int) -> _Part:
        """Add a part of the tree that stands in a group (-1: in none)."""
        match node:
            case Letter():
                return self._letter(node, group)
            case Edge(begin):
                return _Part({}, {}, frozenset({BEGIN if begin else END}))
            case Series(parts):
                whole = self.part(parts[0], group)
                for part in parts[1:]:
                    whole = self._then(whole, self.part(part, group), group)
                return whole
            case Choice(options):
                return _either([self.part(option, group) for option in options])
            case Repeat(part, least, most):
                return self._repeat(part, least, most, group)
            case Timed(part, within):
                return self._timed(part, within, group)

    def _letter(self, letter: Letter, group: int) -> _Part:
        if len(self.letters) == MOST_POSITIONS:
            raise ConditionError(
                f"the pattern has more than {MOST_POSITIONS} letters, repetitions spelled out",
                hint="use smaller numbers in {…}, or * and +",
            )
        self.letters.append(letter)
        self.group.append(group)
        here = {len(self.letters) - 1: frozenset({FREE})}
        return _Part(here, here, frozenset())

    def _timed(self, part: Node, within: int, group: int) -> _Part:
        if group >= 0:
            raise ConditionError(
                "a group with `within` inside another", hint="one may stand in a pattern that has a `within` for all"
            )
        self.limits.append(within)
        return self.part(part, len(self.limits) - 1)

    def _join(self, last: Ends, first: Ends, group: int) -> None:
        """Edges from the ends of one part to the beginnings of another, both in a group."""
        for here, there in product(last, first):
            if FREE not in last[here] or FREE not in first[there]:
                continue
            self.edges.add((here, there))
            if self.group[there] not in (-1, group):
                self.fresh.add((here, there))
            if self.group[here] not in (-1, group):
                self.fresh_back.add((here, there))

    def _then(self, one: _Part, two: _Part, group: int) -> _Part:
        self._join(one.last, two.first, group)
        first = _merged(one.first, _needing(two.first, one.empty, never=END))
        last = _merged(two.last, _needing(one.last, two.empty, never=BEGIN))
        return _Part(first, last, frozenset(a | b for a, b in product(one.empty, two.empty)))

    def _repeat(self, part: Node, least: int, most: int | None, group: int) -> _Part:
        """`least` copies, then a loop on the last one, or further copies that may be left out."""
        copies = [self.part(part, group) for _ in range(max(1, least) if most is None else most)]
        if most is None:
            self._join(copies[-1].last, copies[-1].first, group)
        optional = range(least, len(copies))
        whole: _Part | None = None
        for number, copy in enumerate(copies):
            one = _Part(copy.first, copy.last, copy.empty | {FREE}) if number in optional else copy
            whole = one if whole is None else self._then(whole, one, group)
        return whole or _Part({}, {}, frozenset({FREE}))


def automaton(pattern: Pattern, names: Sequence[str]) -> Automaton:
    """A pattern as an automaton over events whose bit `KEPT` is set, and bit `1 << (i + 1)` for `names[i]`.

    Raises ConditionError for a pattern that is too large, or that no event at all would satisfy.
    """
    if len(names) > MOST_NAMES:
        raise ConditionError(f"the pattern has more than {MOST_NAMES} different names")
    tree, within = (pattern.tree.part, pattern.tree.within) if isinstance(pattern.tree, Timed) else (pattern.tree, -1)
    build = _Build()
    whole = build.part(tree, -1)
    if whole.empty:
        raise ConditionError("the pattern is satisfied without any event", hint="use + instead of *")
    ends = (
        _set(whole.first, (FREE,)), _set(whole.first, (FREE, BEGIN)), _set(whole.last, (FREE,)),
        _set(whole.last, (FREE, END)),
    )  # fmt: skip
    limit = np.array([build.limits[group] if group >= 0 else -1 for group in build.group], np.int64)
    forward = _edges(build.edges, build.fresh, build.group, ends[2:])
    backward = _edges(_turned(build.edges), _turned(build.fresh_back), build.group, ends[:2])
    return Automaton(_table(build.letters, names), forward, backward, limit, *ends, within)


def _table(letters: Sequence[Letter], names: Sequence[str]) -> np.ndarray:
    """The positions that each combination of bits fits."""
    bits = np.arange(2 << len(names))
    table = np.zeros(len(bits), np.int64)
    for position, letter in enumerate(letters):
        wanted = sum(2 << names.index(name) for name in letter.names)
        fits = ((bits & wanted) == 0 if letter.negated else (bits & wanted) != 0) & (bits & KEPT != 0)
        table |= fits.astype(np.int64) << position
    return table


def _edges(edges: set[Way], fresh: set[Way], group: Sequence[int], leaving: tuple[int, int]) -> np.ndarray:
    """The rows of one direction."""
    rows = np.zeros((3, len(group)), np.int64)
    for row, ways in enumerate((edges, fresh)):
        for here, there in ways:
            rows[row, here] |= 1 << there
    futures: dict[tuple[int, ...], int] = {}
    for here, of_group in enumerate(group):
        future = (int(rows[0, here]), int(rows[1, here]), of_group, *((ends >> here) & 1 for ends in leaving))
        rows[2, here] = futures.setdefault(future, here)
    return rows


def _turned(ways: set[Way]) -> set[Way]:
    return {(there, here) for here, there in ways}


def _set(ends: Ends, needs: Sequence[int]) -> int:
    return sum(1 << position for position, ways in ends.items() if ways & set(needs))


def _merged(one: Ends, two: Ends) -> Ends:
    return {key: one.get(key, frozenset()) | two.get(key, frozenset()) for key in {**one, **two}}


def _needing(ends: Ends, needs: frozenset[int], never: int) -> Ends:
    """Ends that are reached through something empty, which may need the beginning or the end of all."""
    allowed = {need for need in needs if not need & never}
    found = {key: frozenset(a | b for a, b in product(ways, allowed)) for key, ways in ends.items()}
    return {key: ways for key, ways in found.items() if ways}


def _either(parts: Sequence[_Part]) -> _Part:
    first: Ends = {}
    last: Ends = {}
    for part in parts:
        first, last = _merged(first, part.first), _merged(last, part.last)
    return _Part(first, last, frozenset().union(*(part.empty for part in parts)))

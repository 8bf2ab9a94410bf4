"""What a chain of steps may look like: which step may follow which, and what must not lie between.

A chain is in a *state*: the steps it holds, as far as they matter for how it may go on. Whether steps are in order,
in any order, optional or anchored is then one table from state and step to the next state, and both `strict` and
`exclude` are one table from state to the events that must not come before the next step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trackway.store.columns.folds.matching import Automaton


@dataclass(frozen=True)
class Exclusion:
    """What must not come from when step `after` was taken until step `before` is (both counted from 0)."""

    after: int | None = None
    """None: from the first step taken."""
    before: int | None = None
    """None: until the last step."""


@dataclass(frozen=True)
class Rules:
    """How the steps of a chain hang together."""

    blocks: tuple[tuple[int, ...], ...]
    """The steps, counted from 0, in blocks that follow each other; those of one block come in any order."""
    optional: frozenset[int] = frozenset()
    """Steps that may be left out."""
    excluded: tuple[Exclusion, ...] = ()

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return sum(map(len, self.blocks))

    def needed(self, step: int) -> int:
        """The steps that must have been taken before one, as bits."""
        earlier = self.blocks[: self._block(step)]
        return _bits([k for block in earlier for k in block if k not in self.optional])

    def barred(self, step: int) -> int:
        """The steps after which one cannot be taken any more, as bits: itself, and those of later blocks."""
        return 1 << step | _bits([k for block in self.blocks[self._block(step) + 1 :] for k in block])

    def first(self, step: int) -> int:
        """How many steps stand before the block of one."""
        return self.blocks[self._block(step)][0]

    def together(self, step: int) -> int:
        """The steps of the block of one, as bits."""
        return _bits(self.blocks[self._block(step)])

    def _block(self, step: int) -> int:
        return next(place for place, block in enumerate(self.blocks) if step in block)

    def depth(self, done: int) -> int:
        """How far a chain with these steps is: the row of the answer it has reached."""
        if not done:
            return 0
        top = done.bit_length() - 1
        return self.first(top) + (done & self.together(top)).bit_count()

    def forbidden(self, done: int) -> int:
        """The exclusions in force for a chain with these steps, as bits."""
        if self.depth(done) in (0, self.steps):
            return 0
        return _bits(
            [
                place
                for place, one in enumerate(self.excluded)
                if (one.after is None or done >> one.after & 1) and (one.before is None or not done >> one.before & 1)
            ]
        )


def _bits(places: Sequence[int]) -> int:
    return sum(1 << place for place in places)


def automaton(rules: Rules, within: int, sessions: int) -> Automaton:
    """The tables of the compiled fold; `within` in microseconds unless the window is a number of `sessions`."""
    required = (1 << rules.steps) - 1 & ~_bits(sorted(rules.optional))
    states, after = [0], dict[tuple[int, int], int]()
    for done in states:
        for k in range(rules.steps):
            if rules.needed(k) & ~done or done & rules.barred(k):
                continue
            reached = done | 1 << k
            kept = reached & required | 1 << (reached.bit_length() - 1)
            after[done, k] = kept
            if kept not in states:
                states.append(kept)
    states.sort(key=lambda done: (rules.depth(done), done))
    follow = np.full((len(states), rules.steps), -1, np.int64)
    for (done, k), reached in after.items():
        follow[states.index(done), k] = states.index(reached)
    return Automaton(
        follow,
        np.array([rules.depth(done) for done in states], np.int64),
        np.array([rules.forbidden(done) << rules.steps for done in states], np.int64),
        (1 << rules.steps) - 1,
        np.array([_bits(np.flatnonzero(row >= 0).tolist()) for row in follow], np.int64),
        within,
        sessions,
        bool(rules.excluded),
    )

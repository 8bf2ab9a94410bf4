"""Answering from some of the actors, better and better, until all have been asked.

Actors lie in the order of a hash of their name, so a stretch of them is a simple random sample of whole actors, and
cutting it gives random groups. What each group's partial is, is kept; a larger sample adds to the groups, so that no
actor is folded twice, and the last answer is the exact one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from trackway.errors import QuestionError, TooSparse
from trackway.plan.query import Query
from trackway.store.columns.context import Context, Portion
from trackway.store.columns.folding import folded, merged
from trackway.store.columns.limits import Limits
from trackway.store.columns.settled import choosing
from trackway.store.columns.uncertainty import CONFIDENCE, GROUPS, HALVES, Judge, Sample
from trackway.store.columns.view import Shard, View

FEWEST = 200
"""Sampled actors below which nothing is said."""
FIRST = 1_500_000
"""Events the first of several answers is from, about."""
STEP = 4
"""How many times larger the next sample is."""
SOONER = 2
"""How many times sooner than the exact answer another one from a sample must come."""
MOST = 0.5
"""Share from which on all are asked instead."""

Result = tuple[list[dict[str, Any]], dict[str, Any], list[str]]
Range = tuple[int, int]


def share_of(sample: str | float, actors: int) -> float:
    """The share of actors that a sample means: `0.1`, `"10%"`, or a number of actors. Raises QuestionError."""
    text = str(sample).strip()
    wrong = QuestionError(
        f"expected a share or a number of actors, got {text!r}", path="sample", hint="such as 10%, 0.1 or 50000"
    )
    try:
        number = float(text.removesuffix("%"))
    except ValueError as error:
        raise wrong from error
    percent = text.endswith("%")
    if not 0 < number < math.inf or (percent and number > 100):
        raise wrong
    if percent:
        return number / 100
    return min(1.0, number / max(1, actors)) if text.isdigit() or number > 1 else number


def ladder(view: View) -> list[float]:
    """The shares of better and better answers: the first is quick, the last is all."""
    share = max(FIRST / max(1, view.rows), 2 * FEWEST / max(1, view.actors))
    shares = []
    while share < MOST:
        shares.append(share)
        share *= STEP
    return [*shares, 1.0]


@dataclass
class Sampling:
    """The folding of one question over growing samples of one view."""

    query: Query
    context: Context
    limits: Limits
    view: View = field(init=False)
    groups: list[Any] = field(default_factory=lambda: [None] * GROUPS)
    """The partial of each group's actors so far, of the first pass."""
    ranges: list[list[Range]] = field(default_factory=lambda: [[] for _ in range(GROUPS)])
    """Which actors each group has."""
    done: float = 0.0
    """The share sampled so far."""
    narrowed: bool = False
    """Whether what was folded depends on the sample, so that it cannot be kept for a larger one."""
    pace: tuple[float, float] | None = None
    """Seconds that folding takes, and answering for all halves, for a share of 1."""

    def __post_init__(self) -> None:
        self.view = self.context.columns_view

    def answer(self, share: float) -> tuple[Result, Sample | None]:
        """The answer from this share of the actors, not less than before; of all of them it is exact.

        Raises TooSparse.
        """
        if share >= 1:
            return self._exact(), None
        asked = round(share * self.view.actors)
        if asked < FEWEST:
            raise TooSparse(
                f"a sample of {asked:,} actors is too small to say anything", path="sample",
                hint=f"sample at least {FEWEST:,} of the {self.view.actors:,} actors, or ask exactly",
            )  # fmt: skip
        begun, before = time.perf_counter(), self.done
        context = self._passes(self._grow(share))
        folded_at, sample = time.perf_counter(), self._sample()
        result = self._judged(context, sample)
        self.pace = (folded_at - begun) / (share - before), (time.perf_counter() - folded_at) / share
        return result, sample

    def worth(self, share: float) -> bool:
        """Whether an answer from so many would come well before the exact one, by the pace so far."""
        if self.pace is None:
            return True
        folding, judging = self.pace
        return SOONER * (folding * (share - self.done) + judging * share) < folding * (1 - self.done) + judging / GROUPS

    # ── folding ─────────────────────────────────────────────────────────────────────────────────────

    def _grow(self, share: float) -> list[Range]:
        """Add actors to the groups up to this share; the ranges added, one per group."""
        edges = np.rint(np.linspace(self.done, share, GROUPS + 1) * self.view.actors).astype(int).tolist()
        new = list(pairwise(edges))
        for mine, one in zip(self.ranges, new, strict=True):
            mine.append(one)
        self.done = share
        return new

    def _sample(self) -> Sample:
        """What has been sampled so far."""
        view = self.view
        sizes = tuple(sum(end - begin for begin, end in mine) for mine in self.ranges)
        stretches = [slice(view.first[begin], view.first[end]) for mine in self.ranges for begin, end in mine]
        events = sum(int((view.hi[some] - view.lo[some]).sum()) for some in stretches)
        return Sample(view.actors, sizes, events)

    def _passes(self, new: Sequence[Range]) -> Context:
        """Fold all passes over the sample; the context whose `found` is what all groups together gave."""
        portion = Portion([one for mine in self.ranges for one in mine], self.done)
        context = replace(self.context, portion=portion)
        parts: list[Any] = []
        for number in range(self.query.passes(context)):
            context = replace(context, prepared=self.query.prepare(context))
            again = number > 0 or self.narrowed or portion.narrowed
            parts = self._parts(self.ranges if again else [[one] for one in new], context)
            if number == 0:
                if not again and self.groups[0] is not None:
                    parts = [self.query.merge(pair) for pair in zip(self.groups, parts, strict=True)]
                self.groups, self.narrowed = parts, portion.narrowed
            context = replace(context, found=self.query.merge(parts))
        self.last = parts
        return context

    def _parts(self, ranges: Sequence[Sequence[Range]], context: Context) -> list[Any]:
        """The partial of each group over these ranges."""
        shards = [Shard(self.view, 0, begin, end) for mine in ranges for begin, end in mine]
        partials = iter(folded(self.query, shards, context, self.limits))
        return [self.query.merge([next(partials) for _ in mine]) for mine in ranges]

    def _exact(self) -> Result:
        """All passes over all actors; those of the sample are not folded again in the first one if they need not."""
        context = self.context
        for number in range(self.query.passes(context)):
            context = replace(context, prepared=self.query.prepare(context))
            if number == 0 and self.done and not self.narrowed and self.limits.memory is None:
                rest = merged(self.query, self._rest(), context, self.limits)
                context = replace(context, found=self.query.merge([*self.groups, rest]))
            else:
                context = replace(context, found=merged(self.query, self.view.shards, context, self.limits))
        return self.query.answer(context.found, context)

    def _rest(self) -> list[Shard]:
        """The shards without the actors sampled so far."""
        begin = max(end for mine in self.ranges for _, end in mine)
        return [replace(shard, begin=max(shard.begin, begin)) for shard in self.view.shards if shard.end > begin] or [
            Shard(self.view, 0, begin, begin)
        ]

    # ── judging ─────────────────────────────────────────────────────────────────────────────────────

    def _judged(self, context: Context, sample: Sample) -> Result:
        """The answer of the sample, scaled to all actors, with the interval of every number."""
        query, portion = self.query, context.portion or Portion([])
        with choosing() as choices:
            rows, totals, notes = query.answer(context.found, context)
        replicates = []
        for half in HALVES:
            self.limits.check()
            partial = query.merge([self.last[group] for group in sorted(half)])
            part = replace(portion, share=portion.share * len(half) / GROUPS)
            with choosing(choices):
                replicates.append(query.answer(partial, replace(context, found=partial, portion=part))[:2])
        judge = Judge(query, sample)
        judged = judge.rows(rows, [replicate[0] for replicate in replicates])
        scaled = judge.totals(totals, [replicate[1] for replicate in replicates])
        return judged, scaled, [*(said(note) for note in notes), *judge.notes()]


def said(note: str) -> str:
    """A note of an answer as a note of a sample: its numbers are those of the sample."""
    return f"In the sample: {note}" if any(letter.isdigit() for letter in note) else note


def stands_on(sample: Sample) -> dict[str, Any]:
    """What an answer from a sample stands on, besides what every answer does."""
    return {
        "exact": False, "share": sample.share, "sampled_events": sample.events, "sampled_actors": sample.actors,
        "confidence": CONFIDENCE,
    }  # fmt: skip


def refined(sampling: Sampling, shares: Sequence[float] | None = None) -> Iterator[tuple[Result, Sample | None]]:
    """Better and better answers from these shares of the actors, at last from all.

    Samples that are too small to say anything are left out; and, when the shares are left open, those that would come
    hardly sooner than the exact answer.
    """
    steps = ladder(sampling.view) if shares is None else [*(share for share in shares if share < 1), 1.0]
    for share in steps:
        small = round(share * sampling.view.actors) < FEWEST
        if share < 1 and (small or (shares is None and not sampling.worth(share))):
            continue
        yield sampling.answer(share)

"""What times leave open: how far an actor gets at least and at most, over all orders that precision allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trackway.store.columns.context import Context, Span
from trackway.store.columns.folds import orders as fold
from trackway.store.columns.lanes import Lane, Mask, lane, times
from trackway.store.columns.view import Shard

SOURCE = "source"
EXACT = 1
"""Precision of an exact time, microseconds: what times are kept in. Of equal times either may be the earlier."""


@dataclass(frozen=True)
class Spread:
    """What all shards share: the events that are steps, their times and how exact these are."""

    steps: Mask
    count: int
    """How many steps there are."""
    time: Lane
    fuzz: Lane
    within: int


def spread(context: Context, steps: Mask, count: int, within: int, precision: int | None) -> Spread:
    """The same for the steps of one question; `precision` (microseconds) holds for all sources when given."""
    view = context.columns_view
    if precision is not None or not context.precisions:
        fuzz = lane(view, None, np.full(1, max(precision or EXACT, EXACT), np.int64))
    else:
        named = [None, *view.dictionary(SOURCE).to_pylist()]
        known = [context.precisions.get(name, EXACT) if name is not None else EXACT for name in named]
        fuzz = lane(view, SOURCE, np.maximum(np.array(known, np.int64), EXACT))
    return Spread(steps, count, times(view), fuzz, within)


def bounds(shard: Shard, context: Context, made: Spread, span: Span) -> np.ndarray:
    """For each actor who took the first step, in order: fewest steps, most steps, and 1 when these are only bounds."""
    view = shard.view
    found = np.zeros((3, shard.end - shard.begin), np.uint8)
    count = fold.bounds(
        view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *made.steps.parts,
        made.time.addresses, made.time.like, *made.fuzz.parts,
        span.start, span.end, context.cuts(span), made.within, made.count, found,
    )  # fmt: skip
    return found[:, :count]


# ── in answers ──────────────────────────────────────────────────────────────────────────────────────


def least_and_most(found: np.ndarray, step: int) -> tuple[int, int]:
    """How many have more than so many steps, in the worst and in the best order."""
    return int(np.count_nonzero(found[0] > step)), int(np.count_nonzero(found[1] > step))


def named(what: str, limits: tuple[int, int], whole: int | None) -> dict[str, Any]:
    """Low and high of a number and of its rate."""
    low, high = limits
    return {
        f"low_{what}": low, f"high_{what}": high,
        "low_rate": low / whole if whole else None, "high_rate": high / whole if whole else None,
    }  # fmt: skip


def told(found: np.ndarray, steps: int) -> dict[str, Any]:
    """Totals: the fewest and the most who converted, and `tied`: how many actors depend on an order."""
    tied = int(np.count_nonzero(found[0] < found[1]))
    return named("converted", least_and_most(found, steps - 1), found.shape[1] or None) | {"tied": tied}


def notes(found: np.ndarray) -> list[str]:
    """What to say of actors for whom there are too many orders."""
    loose = int(np.count_nonzero(found[2]))
    return [f"Of {loose:,} actors too many events are at one time: their low and high are bounds."] if loose else []

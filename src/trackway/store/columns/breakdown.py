"""Breakdowns of actors: each is in the one group of their first event that matters, so that groups add up.

A question with a breakdown is folded twice: first for the group of each actor (`origins`), then by the
largest groups (`shown`). The reference does the same with the pieces of SQL given here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from trackway.model.condition import quoted
from trackway.model.schema import Schema
from trackway.store.columns.context import Context, Span
from trackway.store.columns.folds.firsts import firsts
from trackway.store.columns.groups import REST, Key, beyond, groups, label, ranked, shown_of
from trackway.store.columns.lanes import Mask, times
from trackway.store.columns.view import Shard


@dataclass(frozen=True, eq=False)
class Origins:
    """The group of every actor who has an event that matters, as `groups` numbers them; without columns all are 0."""

    actors: np.ndarray
    """Which of the view's actors."""
    numbers: np.ndarray


@dataclass(frozen=True, eq=False)
class Shown:
    """The groups of an answer, largest first."""

    labels: list[dict[str, Any]]
    """The columns of each group, those of `other` last; of a question without a breakdown, one without columns."""
    hidden: int
    """How many groups are together in `other`."""
    sizes: list[int]
    """Actors of each group."""
    place: np.ndarray
    """The group of each actor of the view, by place among the labels; -1 for who is not in the answer."""

    @property
    def notes(self) -> list[str]:
        """What a reader must know of groups that are not shown."""
        return [beyond(self.hidden)] if self.hidden else []


UNGROUPED = Shown([{}], 0, [], np.zeros(0, np.int32))
"""All actors as one group, whether they are in the answer or not."""


@dataclass(frozen=True)
class Breakdown:
    """The columns of `by`, resolved, and how many groups are shown (None: all)."""

    columns: tuple[str, ...]
    top: int | None

    @classmethod
    def of(cls, by: Sequence[str], top: int | None, schema: Schema) -> Breakdown:
        """The breakdown a question asks for; a column named twice counts once."""
        return cls(tuple(dict.fromkeys(schema.resolve(name) for name in by)), top)

    def origins(self, shard: Shard, context: Context, mask: Mask, bit: int, span: Span) -> Origins:
        """The group of each actor of a shard at their first event with a bit in a range."""
        view, when = shard.view, times(shard.view)
        origin = np.zeros((2, shard.end - shard.begin), np.int64)
        firsts(
            view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *mask.parts,
            when.addresses, when.like, span.start, span.end, context.cuts(span), bit, origin,
        )  # fmt: skip
        found = np.flatnonzero(origin[0] >= 0)
        numbers = np.zeros(len(found), np.int64)
        for run, codes in enumerate(groups(view, self.columns).arrays if self.columns else ()):
            mine = np.flatnonzero(origin[0, found] == run)
            numbers[mine] = codes[origin[1, found[mine]]]
        return Origins(found + shard.begin, numbers)

    def shown(self, origins: Origins, context: Context) -> Shown:
        """The largest groups, and where each actor is."""
        place = np.full(context.columns_view.actors, -1, np.int32)
        if not self.columns:
            place[origins.actors] = 0
            return Shown([{}], 0, [len(origins.actors)], place)
        numbers, which, sizes = np.unique(origins.numbers, return_inverse=True, return_counts=True)
        keys = groups(context.columns_view, self.columns).keys(numbers)
        order = ranked(keys, sizes.tolist())
        best = shown_of(keys, order, self.top)
        places = np.full(len(keys), len(best), np.int32)
        places[best] = np.arange(len(best))
        place[origins.actors] = places[which]
        counts = np.bincount(places[which], minlength=len(best)).tolist()
        return Shown(
            self.labels([keys[i] for i in best], len(order) > len(best), context), len(order) - len(best), counts, place
        )

    def labels(self, keys: Sequence[Key], rest: bool, context: Context) -> list[dict[str, Any]]:
        """The columns of groups as an answer shows them."""
        shown = [
            {
                name: label(item, context.schema[name], context.zone)
                for name, item in zip(self.columns, key, strict=True)
            }
            for key in keys
        ]
        return [*shown, dict.fromkeys(self.columns, REST)] if rest else shown

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def values(self, schema: Schema) -> str:
        """The columns of a SELECT over `events` that give `g0 g1 …`."""
        return "".join(
            f", {f'epoch_us({quoted(name)})' if schema[name] == 'time' else quoted(name)} as g{i}"
            for i, name in enumerate(self.columns)
        )

    @property
    def firsts(self) -> str:
        """The columns of a SELECT by actor, over rows with `t` and `tie`, that give those of their first row."""
        return "".join(f", first(g{i} order by t, tie) as g{i}" for i in range(len(self.columns)))

    @property
    def ctes(self) -> str:
        """From `origins` (actor, g0 …) to `ranked` (g0 …, total, place from 0) and `grouped` (actor, place)."""
        keys = [f"g{i}" for i in range(len(self.columns))]
        if not keys:
            return "grouped as (select actor, 0 as place from origins)"
        order = ", ".join(f"{key} nulls last" for key in keys)
        same = " and ".join(f"o.{key} is not distinct from r.{key}" for key in keys)
        place = "r.place" if self.top is None else f"least(r.place, {self.top})"
        return f"""sized as (select {", ".join(keys)}, count(*) as total from origins group by all),
ranked as (select *, row_number() over (order by total desc, {order}) - 1 as place from sized),
grouped as (select o.actor, {place} as place from origins o join ranked r on {same})"""

    def asked(self, run: Callable[[str], pa.Table], ctes: str, context: Context) -> Shown:
        """The groups of an answer from the reference; `ctes` end with those above."""
        sizes = {row["place"]: row["n"] for row in run(
            f"{ctes} select place, count(*) as n from grouped group by place"
        ).to_pylist()}  # fmt: skip
        nobody = np.zeros(0, np.int32)
        if not self.columns:
            return Shown([{}], 0, [sizes.get(0, 0)], nobody)
        keys = ", ".join(f"g{i}" for i in range(len(self.columns)))
        ordered = run(f"{ctes} select {keys} from ranked order by place").to_pylist()
        best = ordered if self.top is None else ordered[: self.top]
        hidden = len(ordered) - len(best)
        labels = self.labels([tuple(row.values()) for row in best], hidden > 0, context)
        return Shown(labels, hidden, [sizes[place] for place in range(len(labels))], nobody)


def joined(parts: Iterable[Origins]) -> Origins:
    """Those of several shards, which have no actor in common."""
    found = list(parts)
    actors = np.concatenate([part.actors for part in found])
    order = np.argsort(actors)
    return Origins(actors[order], np.concatenate([part.numbers for part in found])[order])

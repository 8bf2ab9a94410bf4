"""Explaining an actor: what one actor adds to an answer, event by event, and why not more.

The actor's events become a view of their own (`alone`), over which the question is folded as over all; conditions are
marked on the same rows. What the question says of it (`Query.tell`) and the rules that kept the actor back
(`nearest`) complete it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from trackway.errors import QuestionError
from trackway.model.condition import Condition, literal
from trackway.model.time import iso
from trackway.plan.query import Query
from trackway.plan.told import WHERE, Story, Told
from trackway.store.columns.actors import DEFAULT, key_of, rekey
from trackway.store.columns.ask import Asking, run_on
from trackway.store.columns.context import Context, Span
from trackway.store.columns.folding import merged
from trackway.store.columns.groups import label
from trackway.store.columns.masks import Masks
from trackway.store.columns.reading import integers
from trackway.store.columns.settled import Choices, choosing
from trackway.store.columns.view import Shard, View
from trackway.store.derived.build import derive
from trackway.store.derived.names import Names
from trackway.store.derived.reference import attach
from trackway.store.telling.alone import Alone, alone
from trackway.store.telling.nearest import Miss, misses

SHOWN = 1_000
"""Events of an actor that are shown."""
PLACED = ("event_id", "source", "event", "block", "row")
QUIET = frozenset({"time", "actor", *PLACED})
"""Columns whose values are not told beside an event."""


@dataclass(frozen=True)
class Explanation:
    """What a question makes of one actor."""

    type: str
    actor: str
    asked: str
    sentence: str
    why: list[Miss]
    rows: list[dict[str, Any]]
    """What this actor alone adds to the answer."""
    totals: dict[str, Any]
    events: list[dict[str, Any]]
    notes: list[str]
    stands_on: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The object every door shows."""
        return {
            "ok": True, "type": self.type, "actor": self.actor, "asked": self.asked, "sentence": self.sentence,
            "why": [one.as_json() for one in self.why], "rows": self.rows, "totals": self.totals,
            "events": self.events, "notes": self.notes, "stands_on": self.stands_on,
        }  # fmt: skip


def explain(asking: Asking, name: str, most: int = SHOWN) -> Explanation:
    """What the question of `asking` makes of an actor, by any of their ids, with at most so many of their events.

    Raises UnknownActor, ConditionError or QuestionError.
    """
    begin = time.perf_counter()
    one = Explaining.of(asking, name)
    story, told = one.told(asking.query)
    shown = _shown(story, told, most)
    notes = []
    if one.alone.actor != name:
        notes.append(f"'{name}' is an id of '{one.alone.actor}'.")
    if len(shown) < len(story.time):
        notes.append(f"{len(shown):,} of {len(story.time):,} events are shown: those that matter most, the newest.")
    stands: dict[str, Any] = {"lake_version": one.version, "events": len(story.time), "shown": len(shown)}
    why = misses(asking.query, story, told, lambda lifted: one.told(lifted)[1])
    stands["elapsed_ms"] = round((time.perf_counter() - begin) * 1000, 1)
    return Explanation(
        type(asking.query).__module__.rpartition(".")[2], one.alone.actor, name, told.sentence, why, story.rows,
        story.totals, one.events(story, told, shown), notes, stands,
    )  # fmt: skip


def _shown(story: Story, told: Told, most: int) -> list[int]:
    """The places of the events to show: those that count, those that match something, then others, newest first."""
    weight = np.zeros(len(story.time), np.int64)
    for mark in story.marks.values():
        weight[mark] = 1
    weight[list(told.chosen)] = 2
    order = np.lexsort((np.arange(len(weight)), weight))[::-1][:most]
    return sorted(order.tolist())


@dataclass(frozen=True)
class Explaining:
    """One actor, and the question as it is asked of all."""

    asking: Asking
    version: int
    names: Names
    alone: Alone
    oldest: int | None
    newest: int | None

    @classmethod
    def of(cls, asking: Asking, name: str) -> Explaining:
        """Find the actor, and what the question knows of all others: when the first and the last event was."""
        lake = asking.columns.lake
        version = lake.version() if asking.version is None else asking.version
        schema = lake.schema(version)
        key, names = key_of(asking.query.actor, schema), asking.names(schema, version)
        read = asking.query.looks_at(names.schema)
        needed = {*read, *(name for one in names.closure(read) for name in one.reads)}
        view = asking.columns.view(asking.version)
        view = None if view is None else asking.columns.by(view, key)
        one = alone(lake, version, key, name, needed, view)
        ends = (view.oldest, view.newest) if view is not None else _ends(asking, version, names, "true")
        return cls(asking, version, names, one, *ends)

    def told(self, query: Query) -> tuple[Story, Told]:
        """The story of the actor as a question looks at it, and what it says."""
        context = self.context(query)
        shards = [Shard(context.columns_view, 0, 0, context.columns_view.actors)]
        with choosing(self._choices) if self._choices is not None else nullcontext():
            for _ in range(query.passes(context)):
                context = replace(context, prepared=query.prepare(context))
                context = replace(context, found=query.merge([query.fold(shard, context) for shard in shards]))
            story = self.story(query, context)
        return story, query.tell(story, context.found, context)

    @cached_property
    def _choices(self) -> Choices | None:
        """What the question chooses by all actors, such as its bins; None when it chooses nothing."""
        query, context = self.asking.query, self.asking.context() if self.asking.query.chooses else None
        if context is None:
            return None
        with choosing() as choices:
            for _ in range(query.passes(context)):
                context = replace(context, prepared=query.prepare(context))
                context = replace(
                    context, found=merged(query, context.columns_view.shards, context, self.asking.limits)
                )
            query.answer(context.found, context)
        return choices

    def context(self, query: Query) -> Context:
        """What a question is folded over for the actor alone."""
        asking, names, view = self.asking, self.names, self.alone.view
        closure = names.closure(query.columns(names.schema))
        derived = derive(view, closure, names.schema, asking.zone) if closure else view
        if derived is None:
            raise QuestionError("this actor has too many events to derive columns for")
        return Context(
            derived.schema, asking.zone, asking.now, self.oldest, self.newest, derived,
            annotations=asking.annotations(), precisions=asking.precisions, ends=_Ends(self, query),
        )  # fmt: skip

    def story(self, query: Query, context: Context) -> Story:
        """The events with their marks, and the rows the actor adds."""
        view, masks = context.columns_view, Masks(context.columns_view, context.zone)
        times = integers(self.alone.events["time"].combine_chunks())
        marks = {name: masks.rows(one.resolved(context.schema))[0] for name, one in query.marks().items()}
        span = context.span(*query.bounds)
        rows, totals, _ = query.alone(context.found, context)
        return Story(
            self.alone.actor, times, self.alone.events["event"].to_pylist(), marks,
            (times >= span.start) & (times < span.end), _Values(view, context.zone), rows, totals, context.zone,
        )  # fmt: skip

    def events(self, story: Story, told: Told, shown: list[int]) -> list[dict[str, Any]]:
        """Some events as rows: which they are, what they match, and what they are for the question."""
        query, names = self.asking.query, self.names
        told_of = [name for name in query.columns(names.schema) if name not in QUIET]
        some = self.alone.events.select(list(PLACED)).take(pa.array(shown, pa.int64())).to_pylist()
        return [
            {
                "time": iso(int(story.time[place]), story.zone), **{name: row[name] for name in ("event", "event_id")},
                "record": f"{row['block']}:{row['row']}", "source": row["source"],
                "matches": [name for name, mark in story.marks.items() if mark[place]],
                "counts": place in told.chosen, "verdict": verdict(story, told, place),
                "values": {name: story.value(name, place) for name in told_of},
            }
            for place, row in zip(shown, some, strict=True)
        ]  # fmt: skip


def verdict(story: Story, told: Told, place: int) -> str:
    """What an event is for the question, or why it is nothing."""
    if place in told.chosen:
        return told.chosen[place]
    said = told.say(place) if told.say is not None else ""
    if said:
        return said
    if not story.inside[place]:
        return "outside the range"
    if WHERE in story.marks and not story.marks[WHERE][place]:
        return "`where` is not true"
    return f"matches {', '.join(story.matched(place))}" if story.matched(place) else ""


@dataclass(frozen=True)
class _Values:
    """Values of columns at the rows of a view of one run."""

    view: View
    zone: str

    def __call__(self, column: str, place: int) -> Any:
        name = self.view.schema.resolve(column)
        if name == "time":
            return iso(int(self.view.runs[0].time[place]), self.zone)
        code = int(self.view.column(name)[0][place])
        value = self.view.dictionary(name)[code - 1].as_py() if code else None
        return label(value, self.view.schema[name], self.zone)


@dataclass(frozen=True)
class _Ends:
    """Finds when, of all actors, the first and the last event match; the columns tell, or else the lake."""

    one: Explaining
    query: Query

    @cached_property
    def _whole(self) -> Context | None:
        return replace(self.one.asking, query=self.query).context()

    def __call__(
        self, condition: Condition | None, where: Condition | None, span: Span
    ) -> tuple[int | None, int | None]:
        if self._whole is not None:
            found = self._whole.matching(condition, where, span)
            return found.oldest, found.newest
        schema = self.one.names.schema
        both = [one.sql(schema) for one in (condition, where) if one is not None]
        inside = f"epoch_us(time) >= {span.start} and epoch_us(time) < {span.end}"
        asking = replace(self.one.asking, query=self.query)
        return _ends(asking, self.one.version, self.one.names, " and ".join([*both, inside]))


def _ends(asking: Asking, version: int, names: Names, condition: str) -> tuple[int | None, int | None]:
    """Times of the first and the last event of all actors for which a condition (DuckDB text) is true."""
    stored = asking.columns.lake.schema(version)
    key = key_of(asking.query.actor, stored)
    with asking.columns.lake.connect(version) as connection:
        connection.execute(f"set timezone = {literal(asking.zone)}")
        if key != DEFAULT:
            rekey(connection, key, stored)
        closure = names.closure(asking.query.columns(names.schema))
        if closure:
            attach(connection, closure, stored)
        run: Callable[[str], pa.Table] = run_on(connection, asking.limits)
        found = run(f"select epoch_us(min(time)) as a, epoch_us(max(time)) as b from events where {condition}")
    return found["a"][0].as_py(), found["b"][0].as_py()

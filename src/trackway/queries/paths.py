"""What actors do next, or did before: journeys from an event, to an event, or between two, as Sankey data.

[queries.after_sign_up]
type = "paths"
start = "event = 'Signed Up'"
steps = 4
by = "path"
rewrite = [{ match = "/products/[0-9]+", to = "/products/:id" }]
within = "1d"
timeout = "30m"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from trackway.errors import ConditionError, QuestionError
from trackway.model.condition import Condition
from trackway.model.schema import Schema
from trackway.model.time import Duration
from trackway.plan.query import Query
from trackway.plan.told import Story, Told
from trackway.store.columns import behind, sankey
from trackway.store.columns.context import Context, Moment
from trackway.store.columns.folds import paths as fold
from trackway.store.columns.groups import label
from trackway.store.columns.lanes import Lane, Mask, nothing, times
from trackway.store.columns.met import same
from trackway.store.columns.nodes import Nodes, nodes
from trackway.store.columns.people import Cell as People
from trackway.store.columns.people import Listed, chosen
from trackway.store.columns.sankey import MORE, REST, STOP, Cell, Edges, Node, Shown
from trackway.store.columns.sankey_sql import Limits, Source, cut_sql, edges_sql, grouped_sql, nodes_sql
from trackway.store.columns.view import Shard
from trackway.store.telling import journey as telling

WORDS = {REST: "other", MORE: "…"}
"""What the nodes are called that stand for several."""
LEFT, ENTERED = "drop-off", "entry"
"""What comes after a journey that stops early, and before one that is read backward and began later."""


class Rule(BaseModel):
    """One kind of node: the events for which `when` is true."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True)
    name: str
    """What the node is called."""
    when: Condition
    """Which events are this node."""


class Rewrite(BaseModel):
    """One replacement in the names of nodes."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    match: str = Field(min_length=1)
    """A regular expression (RE2); every match is replaced."""
    to: str
    """What stands there instead; `\\1` is the first group."""


@dataclass(frozen=True)
class Prepared:
    """What all shards share."""

    marks: Mask
    nodes: Nodes
    time: Lane


class Paths(Query):
    """The steps of actors after a start, before an end, or between both."""

    counts: ClassVar[frozenset[str]] = frozenset({"value", "stopped", "actors", "journeys"})
    labels: ClassVar[frozenset[str]] = frozenset({"step", "from", "to", "node"})
    start: Condition | None = None
    """A journey begins at an event for which this is true; without it, and without `end`, at an actor's first event
    and after every pause."""
    end: Condition | None = None
    """A journey ends at an event for which this is true, and is read backward from there; with `start` too, only
    journeys from the one to the other count."""
    steps: int = Field(default=5, ge=2, le=50)
    """Most nodes of a journey that are shown, the anchor included; at least 3 between a start and an end."""
    by: str | None = "event"
    """The column whose values are the nodes. Null: only the rules name nodes, and all other events are `other`."""
    rules: list[Rule] = Field(default=[], max_length=16)
    """Nodes by condition: the first that is true names the event, whatever its value in `by`."""
    rewrite: list[Rewrite] = Field(default=[], max_length=64)
    """Replacements made in the values of `by`, all in order, so that many addresses become one node."""
    where: Condition | None = None
    """Only events for which this is true are part of a journey."""
    repeats: Literal["collapse", "keep"] = "collapse"
    """`collapse`: neighbouring events of one node are one step. `keep`: every event is a step."""
    within: Duration | None = None
    """Longest time from the first event of a journey to its last."""
    timeout: Duration | None = None
    """A longer pause between two events ends a journey."""
    count: Literal["actors", "journeys"] = "actors"
    """`actors`: one journey each, the first (backward from `end`: the last). `journeys`: all, none overlapping."""
    top: int | None = Field(default=10, ge=1)
    """Nodes shown at each step, the largest; the others are together `other`. Null shows all."""
    edges: int | None = Field(default=None, ge=1)
    """Edges shown at each step, the largest; the others are together from `other` to `other`. Null shows all."""
    durations: bool = False
    """Whether each edge also says the median time from the one node to the other."""
    from_: Moment | None = Field(default=None, alias="from")
    """Only events at or after this: a date, a time, or one before now such as `-30d`."""
    to: Moment | None = None
    """Only events before this."""

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """A list of rules may stand in `by`: then nothing else names nodes."""
        if isinstance(value, dict) and isinstance(value.get("by"), list) and "rules" not in value:
            return value | {"by": None, "rules": value["by"]}
        return value

    @model_validator(mode="after")
    def _fits(self) -> Paths:
        if self._between and self.steps < 3:
            raise ConditionError("`steps` must be 3 or more between a start and an end", path="steps")
        if self.by is None and not self.rules:
            raise ConditionError("nothing names the nodes", path="by", hint="give a column in `by`, or some `rules`")
        if self.by is None and self.rewrite:
            raise ConditionError("`rewrite` changes the values of a column", path="rewrite", hint="name it in `by`")
        return self

    @property
    def _between(self) -> bool:
        return self.start is not None and self.end is not None

    @property
    def _backward(self) -> bool:
        return self.start is None and self.end is not None

    @property
    def _named(self) -> list[tuple[str, Condition]]:
        return [(rule.name, rule.when) for rule in self.rules]

    @property
    def _rewrites(self) -> list[tuple[str, str]]:
        return [(one.match, one.to) for one in self.rewrite]

    def columns(self, schema: Schema) -> list[str]:
        """The columns it reads."""
        by = self._column(schema)
        conditions = [self.start, self.end, self.where, *(rule.when for rule in self.rules)]
        return Context(schema, "UTC", 0, None, None).columns(conditions, [by] if by else [])

    def _column(self, schema: Schema) -> str | None:
        """The column that names nodes. Raises QuestionError when it cannot."""
        if self.by is None:
            return None
        name = schema.resolve(self.by)
        if name == "time":
            raise QuestionError("every event has a time of its own", path="by", hint="choose a column of few values")
        if (self.rules or self.rewrite) and schema[name] not in {"string", "json"}:
            raise QuestionError(
                f"'{name}' holds no texts", path="by", hint="rules and rewrites need a column of texts, or by = null"
            )
        return name

    @property
    def _limits(self) -> Limits:
        return Limits(
            self.steps, -1 if self.within is None else self.within.micros,
            -1 if self.timeout is None else self.timeout.micros, self.repeats == "keep", self.count == "journeys",
            self._backward, self._between, self.top,
        )  # fmt: skip

    def taken_over(self, key: str, row: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> float | None:  # noqa: ARG002
        """A share is one of all journeys, a median is over those that take the edge."""
        value, share = row.get("value"), row.get("share")
        return value if key == "median_seconds" or not share or value is None else value / share

    def prepare(self, context: Context) -> Prepared:
        """Which events count, begin and end journeys, and their nodes."""
        view, by = context.columns_view, self._column(context.schema)
        free = self.where is None and self.start is None and self.end is None
        plain = Mask(nothing(view), nothing(view))
        marks = plain if free else context.mask([None, self.start, self.end], self.where)
        key = ("nodes", by, tuple(map(str, self.rules)), tuple(self._rewrites), context.zone)
        return Prepared(marks, view.once(key, lambda: self._nodes(context, by)), times(view))

    def _nodes(self, context: Context, by: str | None) -> Nodes:
        mask = context.mask([rule.when for rule in self.rules], None) if self.rules else None
        return nodes(context.columns_view, by, self._named, self._rewrites, mask)

    def fold(self, shard: Shard, context: Context) -> Edges:
        """Counts of the edges of one shard."""
        edges, taken, whole, some = self._edges(shard, context, np.zeros(0, np.int64))
        return sankey.counted(edges, taken, context.prepared.nodes.size + 2, self.steps, whole, some)

    def _edges(self, shard: Shard, context: Context, upto: np.ndarray) -> tuple[np.ndarray, np.ndarray, int, int]:
        """All edges of one shard and how long they took, and how many journeys and actors they are of."""
        view, made, limits = shard.view, context.prepared, self._limits
        span = context.span(self.from_, self.to)
        slots = made.nodes.size + 2
        first = view.first[[shard.begin, shard.end]]
        rows = int((view.hi[first[0] : first[1]] - view.lo[first[0] : first[1]]).sum())
        room = 2 * rows if limits.every else min(2 * rows, (shard.end - shard.begin) * self.steps)
        edges, taken = np.empty(room, np.int64), np.empty(room if self.durations else 0, np.int64)
        timed = self.durations or self.within is not None or self.timeout is not None
        count, whole, some = fold.journeys(
            view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *made.marks.parts, *made.nodes.lane.parts,
            made.time.addresses, made.time.like, span.start, span.end, context.cuts(span), timed, limits.backward,
            limits.between, self.start is not None or self.end is not None, limits.steps, limits.within,
            limits.timeout, limits.keep, limits.every, slots, edges, taken, upto,
        )  # fmt: skip
        return edges[:count], taken[:count], whole, some

    def merge(self, partials: Iterable[Edges]) -> Edges:
        """Counts add up; shards have no actor in common."""
        return sankey.merged(list(partials))

    def answer(self, partial: Edges, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """A row per edge."""
        shown = sankey.shown(partial, context.prepared.nodes, self.top, self.edges)
        return self._answer(shown, partial.journeys, partial.actors, context)

    def _answer(
        self, shown: Shown, count: int, actors: int, context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """Rows, totals and notes of the edges between the nodes shown, however they were counted."""
        label_of = cache(lambda node: self._label(node, context))
        rows = [self._row(cell, count, label_of) for cell in sorted(self._told(shown), key=sankey.ranking)]
        nodes = [
            {"step": self._step(k), "node": label_of(node), "value": value, "share": value / count, "stopped": stopped}
            for k, node, value, stopped in sankey.sums(shown.every)
        ]
        notes = []
        if shown.hidden:
            notes.append(f"Beyond the {self.top:,} largest nodes of a step, all are together 'other'.")
        if shown.fewer:
            notes.append(f"Beyond the {self.edges:,} largest edges of a step, all are together 'other' to 'other'.")
        return rows, {"journeys": count, "actors": actors, "nodes": nodes}, notes

    def _told(self, shown: Shown) -> list[Cell]:
        """The edges that are rows: between two anchors, arriving is none."""
        return [cell for cell in shown.rows if not (self._between and cell.far[0] == STOP)]

    def _row(self, cell: Cell, count: int, label_of: Callable[[Node], Any]) -> dict[str, Any]:
        near, far = label_of(cell.near), label_of(cell.far)
        step = self._step(cell.k + 1 if self._backward else cell.k)
        ends = {"from": far, "to": near} if self._backward else {"from": near, "to": far}
        row = {"step": step, **ends, "value": cell.value, "share": cell.value / count}
        return row | ({"median_seconds": cell.seconds} if self.durations else {})

    def _step(self, k: int) -> int:
        """The step of a node `k` nodes from the anchor: 1, 2 … going forward, -1, -2 … going backward."""
        return -1 - k if self._backward else k + 1

    def _label(self, node: tuple[int, Any], context: Context) -> Any:
        special, value = node
        if special == STOP:
            return ENTERED if self._backward else LEFT
        if special in WORDS:
            return WORDS[special]
        by = self._column(context.schema)
        return label(value, "string" if by is None else context.schema[by], context.zone)

    # ── one actor ───────────────────────────────────────────────────────────────────────────────────

    def tell(self, story: Story, partial: Edges, context: Context) -> Told:  # noqa: ARG002
        """The events of each journey, and their nodes."""
        lane, kept = context.prepared.nodes.lane, story.kept
        numbers = lane.table[lane.arrays[0]]
        names = [str(self._label((0, name), context)) for name in context.prepared.nodes.named(numbers.tolist())]
        starts, ends = (story.marks[one][kept] if one in story.marks else None for one in ("start", "end"))
        line, limits = telling.Line(story.time[kept], numbers[kept], starts, ends), self._limits
        plan = telling.Plan(self.steps, limits.within, limits.timeout, limits.keep, limits.every)
        return telling.told(story, names, line, plan)

    def lifts(self, told: Told) -> dict[str, Mapping[str, Any]]:
        """The longest time and pause, besides `where` and the range."""
        given = {name: {name: None} for name in ("within", "timeout") if getattr(self, name) is not None}
        return super().lifts(told) | given

    # ── people ──────────────────────────────────────────────────────────────────────────────────────

    def people(self, partial: Edges, context: Context, cell: People) -> Listed:
        """Who takes an edge: of a `step`, `from` a node `to` another; of all, or of those that stop, too."""
        shown = sankey.shown(partial, context.prepared.nodes, self.top, self.edges)
        places = {id(one): place for place, one in enumerate(shown.rows)}
        rows = [places[id(one)] for one in self._chosen(cell, shown, context)]
        wanted = partial.edge[np.isin(shown.row, rows)]

        def of(shard: Shard) -> np.ndarray:
            upto = np.zeros(shard.end - shard.begin, np.int64)
            edges = self._edges(shard, context, upto)[0]
            before = np.cumsum([0, *np.isin(edges, wanted)])
            return np.diff(before[upto], prepend=0) > 0

        return behind.told(behind.members(context.columns_view, of), cell, context)

    def _chosen(self, cell: People, shown: Shown, context: Context) -> list[Cell]:
        """The edges that are asked about."""
        keys = ("step", "from", "to")
        cell.only(keys)
        label_of = cache(lambda node: self._label(node, context))
        rows = [(self._row(one, 1, label_of), one) for one in self._told(shown)]
        return chosen(cell, [({key: row[key] for key in keys}, one) for row, one in rows])

    def people_by_sql(self, run: Callable[[str], pa.Table], context: Context, cell: People) -> Listed:
        """The same from the reference."""
        found, rows = self._found(context.schema, context), run(self.sql(context.schema, context)).to_pylist()
        sides = [(_cell(row), row) for row in rows]
        shown = Shown([], [one for one, _ in sides], hidden=False, fewer=False)
        mine = {id(one) for one in self._chosen(cell, shown, context)}
        equal = ("k", "s", "v", "fs", "fv")
        picked = [" and ".join(same(key, row[key]) for key in equal) for one, row in sides if id(one) in mine]
        whole = f"{cut_sql(found, self._limits, self.edges)} select actor from cut where "
        return behind.told_by_sql(run, whole + (" or ".join(picked) or "false"), cell, context)

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def sql(self, schema: Schema, context: Context) -> str:
        """Rows `k s v fs fv value seconds beyond`: the edges between the nodes shown, near node and far node."""
        return edges_sql(self._found(schema, context), self._limits, self.edges)

    def _found(self, schema: Schema, context: Context) -> str:
        """The nodes of all journeys, as common table expressions."""
        source = Source(
            schema, context.span(self.from_, self.to), self._column(schema), self._named, self._rewrites,
            self.where, self.start, self.end,
        )  # fmt: skip
        return nodes_sql(source, self._limits)

    def by_sql(
        self, run: Callable[[str], pa.Table], context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same answer from the reference."""
        found, limits = self._found(context.schema, context), self._limits
        whole = run(f"{found} select count(*) as n, count(distinct actor) as actors from chosen").to_pylist()[0]
        rows = run(self.sql(context.schema, context)).to_pylist()
        every = run(f"{grouped_sql(found, limits)} select *, null::double as seconds from cell").to_pylist()
        hidden = run(f"{grouped_sql(found, limits)} select count(*) > 0 as n from named where s = {REST}")
        shown = Shown(
            [_cell(row) for row in every], [_cell(row) for row in rows], hidden["n"][0].as_py(),
            any(row["beyond"] for row in rows),
        )  # fmt: skip
        return self._answer(shown, whole["n"], whole["actors"], context)


def _cell(row: dict[str, Any]) -> Cell:
    return Cell(row["k"], (row["s"], row["v"]), (row["fs"], row["fv"]), row["value"], row["seconds"])

"""Events, actors or any other measure over time.

[queries.errors]
type = "trend"
measure = "actors"
where = "status >= 500"
every = "1d"
by = ["method"]
rolling = "7d"
compare = "previous period"

[queries.sign_up_rate]
type = "trend"
measures = [
  { name = "signups", measure = "actors", where = "event = 'Signed Up'" },
  { name = "visitors", measure = "actors" },
]
formula = "signups / visitors"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from trackway.errors import MeasureError, QuestionError, suggest
from trackway.model.condition import Condition
from trackway.model.formula import Formula
from trackway.model.schema import Schema
from trackway.model.statistic import ACTORS, EVENTS, Measure
from trackway.model.time import SHAPE, Duration, floor, iso
from trackway.plan.query import Query
from trackway.plan.told import Story, Told, brief
from trackway.store.columns import behind
from trackway.store.columns.context import Context, Moment, Names, Span
from trackway.store.columns.groups import REST, Groups, Key, beyond, groups, label, sortable
from trackway.store.columns.measures.breakdown import Breakdown, Found, Prepared, Tables
from trackway.store.columns.measures.frame import PREVIOUS, Frame, distance, earlier, span_of
from trackway.store.columns.measures.made import Part
from trackway.store.columns.measures.numbers import check, plain
from trackway.store.columns.measures.reference import Reference
from trackway.store.columns.met import Spans, merged, met, met_sql
from trackway.store.columns.people import Cell, Listed, chosen
from trackway.store.columns.view import Shard
from trackway.store.telling import measured as telling

MOMENT: TypeAdapter[str] = TypeAdapter(Moment)


def _earlier(value: Any) -> str:
    """A length of time, `previous period`, or a moment; as text."""
    text = str(value).strip()
    if text == PREVIOUS or SHAPE.match(text):
        return text
    try:
        return MOMENT.validate_python(value)
    except ValidationError:
        raise ValueError(f"expected one such as '7d', '{PREVIOUS}' or a date, got {text!r}") from None


Earlier = Annotated[str, BeforeValidator(_earlier)]
"""The period before that a trend is compared with."""
TAKEN = frozenset({"time", "value", "before", "change"})
"""Keys of rows, which no measure can have as its name."""


class Named(BaseModel):
    """One of several measures."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True)
    name: str = Field(pattern=r"^[^\W\d]\w*$")
    """Its key in the rows, and its name in the formula: letters, digits and `_`."""
    measure: Measure = Measure(EVENTS)
    """As the option `measure` of the question."""
    where: Condition | None = None
    """Only events for which this and the `where` of the question are true."""


class Row(NamedTuple):
    """One window and group, before it is written down; rows are in the order of their first four."""

    window: int
    missing: int
    """1 when the value is no number: after those that are."""
    descending: float
    """Largest values first."""
    rank: int
    """The place of the group in the order of groups."""
    key: Key | None
    values: list[Any]
    before: Any


class Trend(Query):
    """One measure or several, by interval and group."""

    measure: Measure = Measure(EVENTS)
    """`events`, `actors`, `per_actor`; of a column `sum(c) average(c) min(c) max(c) median(c) p90(c) first(c) last(c)
    distinct(c)`; over actors `sum(c) per actor` (their mean), `median of sum(c) per actor`."""
    measures: list[Named] = Field(default=[], max_length=8)
    """Several measures instead of one, each under its name in the rows; `value` is the formula, or the first."""
    formula: Formula | None = None
    """Arithmetic over the names of `measures`, such as `signups / visits`; null where something is divided by 0."""
    where: Condition | None = None
    """Only events for which this is true."""
    every: Duration | None = Duration("1d")
    """Length of an interval: `1h 1d 7d 1mo` …; null takes the whole range as one."""
    by: Names = Field(default=[], max_length=3)
    """Columns to break down by, at most three."""
    from_: Moment | None = Field(default=None, alias="from")
    """Beginning of the range, inclusive: a date, a time, or one before now such as `-30d`; else the first event."""
    to: Moment | None = None
    """End of the range, exclusive; else after the last event."""
    top: int | None = Field(default=10, ge=1)
    """Groups shown, the largest over the whole range; the others are together `other`. Null shows all."""
    compare: Earlier | None = None
    """An earlier period, interval by interval: so long before (`7d`, `1mo`), the `previous period`, or since a date."""
    rolling: Duration | None = None
    """Each value is of a trailing window of this length instead of its interval alone, such as `7d`."""
    cumulative: bool = False
    """Each value is of everything from the beginning of the range."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.rolling is not None and self.cumulative:
            raise MeasureError("a window cannot be rolling and cumulative", hint="leave out rolling or cumulative")
        if self.rolling is not None and (self.every is None or span_of(self.every, self.rolling) is None):
            every = "the whole range" if self.every is None else f"intervals of {self.every}"
            raise MeasureError(f"a window of {self.rolling} does not go with {every}", hint="take whole intervals")
        names = [named.name for named in self.measures]
        for name in names:
            if names.count(name) > 1 or name in TAKEN:
                raise MeasureError(f"the name '{name}' is taken", hint="every measure needs a name of its own")
        if names and self.measure != EVENTS:
            raise MeasureError("one measure and several cannot be asked at once", hint="leave out measure")
        for name in [] if self.formula is None else self.formula.names:
            if name not in names:
                raise MeasureError(f"unknown measure '{name}' in the formula", hint=suggest(name, names))
        if self.formula is not None and not names:
            raise MeasureError("a formula of which measures?", hint="name them in measures")
        return self

    @property
    def counts(self) -> frozenset[str]:  # type: ignore[override]
        """Keys that count events or actors, or add up over them."""
        named = {named.name for named in self.measures if named.measure.counts}
        value = self.formula is None and self._parts[0].measure.counts
        return frozenset(named | ({"value", "before"} if value else set()))

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        if not self.measures:
            return (Part("value", self.measure, (self.where,)),)
        return tuple(Part(named.name, named.measure, (named.where, self.where)) for named in self.measures)

    @property
    def _keys_of_rows(self) -> set[str]:
        """The keys of rows besides the groups."""
        return {"time", "value", *(part.name for part in self._parts)} | (
            {"before", "change"} if self.compare is not None else set()
        )

    # ── what is asked ───────────────────────────────────────────────────────────────────────────────

    def columns(self, schema: Schema) -> list[str]:
        """The columns it reads."""
        measured = [part.measure.inner.column for part in self._parts]
        reads = [*self.by, *(column for column in measured if column is not None)]
        conditions = [condition for part in self._parts for condition in part.conditions]
        found = Context(schema, "UTC", 0, None, None).columns(conditions, reads)
        for name in map(schema.resolve, self.by):
            if name in self._keys_of_rows:
                hint = "give it another name in [expressions]"
                raise QuestionError(f"the rows of a trend have a '{name}' of their own", path="by", hint=hint)
        for place, part in enumerate(self._parts):
            check(part.measure, schema, f"measures[{place}].measure" if self.measures else "measure")
        return found

    @property
    def _open(self) -> bool:
        """Whether the range ends where the events do."""
        return self.from_ is None or self.to is None

    @property
    def _fixed(self) -> bool:
        """Whether the intervals must be known before anything is counted, not cut to the events afterwards."""
        return self.every is None or self.compare is not None or self.rolling is not None or self.cumulative

    def _span(self, context: Context) -> Span:
        """The range; trailing windows are whole, so it begins with an interval then."""
        span = context.span(self.from_, self.to)
        if self.rolling is None or self.every is None:
            return span
        return Span(floor(span.start, self.every, context.zone), span.end)

    def _narrowed(self, context: Context) -> Context:
        """The context of the matching events, when an open range cannot be cut to them after counting."""
        span = self._span(context)
        everything = any(part.conditions == (None,) * len(part.conditions) for part in self._parts)
        if not self._open or (everything and self.from_ is None and self.to is None):
            return context
        if not self._fixed and not context.many(span, self.every):
            return context
        found = [context.matching(*_two(part.conditions), span) for part in self._parts]
        firsts = [one.oldest for one in found if one.oldest is not None]
        lasts = [one.newest for one in found if one.newest is not None]
        return context.among(min(firsts, default=None), max(lasts, default=None))

    def _frames(self, context: Context) -> tuple[Frame, ...]:
        """The intervals of the range, and the earlier ones they are compared with."""
        span = self._span(context)
        edges = context.edges(span, self.every)
        if self.compare is not None:
            span = Span(edges[0] if self.from_ is None else span.start, edges[-1] if self.to is None else span.end)
        frame = Frame(tuple(edges), span.start, span.end)
        if self.rolling is not None and self.every is not None:
            frame = frame.trailing(span_of(self.every, self.rolling) or 1, self.every, context.zone)
        if self.cumulative:
            frame = frame.cumulative()
        return (frame,) if self.compare is None else (frame, self._moved(frame, context))

    def _moved(self, frame: Frame, context: Context) -> Frame:
        """The earlier period."""
        zone, begin, end = context.zone, frame.begin, frame.stop
        if self.compare == PREVIOUS or (context.oldest is None and self.from_ is None):
            move = distance(begin, end, zone)
        elif SHAPE.match(str(self.compare)):
            move = earlier(Duration(str(self.compare)), zone)
        else:
            move = distance(context.moment(str(self.compare)), begin, zone)
        if move(begin) >= begin:
            raise QuestionError(
                f"{self.compare} is not before {iso(begin, zone)}",
                path="compare",
                hint="take an earlier period",
            )
        return frame.moved(move)

    def _breakdown(self, context: Context, narrowed: Context) -> Breakdown:
        names = tuple(dict.fromkeys(context.schema.resolve(name) for name in self.by))
        return Breakdown(self._parts, self._frames(narrowed), names, self.top, context)

    # ── columns ─────────────────────────────────────────────────────────────────────────────────────

    def passes(self, context: Context) -> int:
        """More than one when the largest groups must be known first, or ranks are found digit by digit."""
        return self._breakdown(context, self._narrowed(context)).passes()

    def prepare(self, context: Context) -> Prepared:
        """Masks, groups and intervals."""
        return self._breakdown(context, self._narrowed(context)).prepare(context.found)

    def fold(self, shard: Shard, context: Context) -> Found:
        """What one shard has."""
        return Breakdown.fold(shard, context.prepared)

    def merge(self, partials: Iterable[Found]) -> Found:
        """Partials add up; shards have no actor in common."""
        return Breakdown.merge(partials)

    def answer(self, partial: Found, context: Context) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """A row per interval (and group)."""
        asked = self._breakdown(context, self._narrowed(context))
        return self._answer(asked, asked.tables(partial))

    def tell(self, story: Story, partial: Found, context: Context) -> Told:  # noqa: ARG002
        """The interval and group each event counts in."""
        frame = self._frames(self._narrowed(context))[0]
        parts = [(named.name if named.where is not None else "", named.measure) for named in self.measures]
        names = [context.schema.resolve(name) for name in self.by]
        trailing = self.rolling is not None or self.cumulative
        return telling.told(story, frame, parts or [("", self.measure)], names, trailing=trailing)

    # ── people ──────────────────────────────────────────────────────────────────────────────────────

    def people(self, partial: Found, context: Context, cell: Cell) -> Listed:
        """Who has an event that is measured in an interval (or its window) and group; of several measures by any, or
        by the `measure` named."""
        asked = self._breakdown(context, self._narrowed(context))
        wanted, shown, bits = self._wanted(cell, asked, asked.tables(partial))
        view = context.columns_view
        mask = context.mask([part.conditions[0] if self.measures else None for part in self._parts], self.where)
        cut = groups(view, asked.names) if asked.names else None
        of = met(view, (mask, bits), cut, _told_apart(partial, cut), shown, wanted)
        return behind.told(behind.members(view, of), cell, context)

    def _wanted(self, cell: Cell, asked: Breakdown, tables: Tables) -> tuple[dict[Key | None, Spans], list[Key], int]:
        """The spans of time that are asked about by group; all groups shown; and a bit for each measure."""
        cell.only(["time", *(["measure"] if self.measures else []), *asked.names])
        frame, zone, named = asked.frames[0], asked.context.zone, cell.given.get("measure")
        names = [part.name for part in self._parts]
        if named is not None and named not in names:
            raise QuestionError(f"no measure is named '{named}'", path="people.measure", hint=suggest(named, names))
        bits = sum(1 << place for place, name in enumerate(names) if named in (None, name))
        rows, windows = self._rows(asked, tables), frame.windows()
        cells = [
            ({"time": iso(frame.edges[frame.lead + row.window], zone), **self._labels(row.key, asked)}, row)
            for row in rows
        ]  # fmt: skip
        spans: dict[Key | None, list[tuple[int, int]]] = {}
        for row in chosen(cell, cells):
            spans.setdefault(row.key, []).append(windows[row.window])
        shown = list({row.key: None for row in rows if row.key is not None})
        return {key: merged(some) for key, some in spans.items()}, shown, bits

    def people_by_sql(self, run: Callable[[str], pa.Table], context: Context, cell: Cell) -> Listed:
        """The same from the reference."""
        asked = self._asked(run, context)
        wanted, shown, bits = self._wanted(cell, asked, asked.reference(run))
        spans = [span for some in wanted.values() for span in some] or [(0, 0)]
        ranges = [(min(begin for begin, _ in spans), max(end for _, end in spans))]
        actors = " union all ".join(
            f"select actor from ({one.picked(ranges)}) where {met_sql(wanted, shown, one.keys)}"
            for place, one in enumerate(asked.references()) if bits >> place & 1
        )  # fmt: skip
        return behind.told_by_sql(run, actors, cell, context)

    # ── reference ───────────────────────────────────────────────────────────────────────────────────

    def sql(self, schema: Schema, context: Context) -> str:
        """The first measure by window, without groups."""
        asked = self._breakdown(replace(context, schema=schema), context)
        return asked.references()[0].windows(asked.frames[0].windows())

    def by_sql(
        self, run: Callable[[str], pa.Table], context: Context
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same answer from the reference."""
        asked = self._asked(run, context)
        return self._answer(asked, asked.reference(run))

    def _asked(self, run: Callable[[str], pa.Table], context: Context) -> Breakdown:
        """What is asked, of the range that the reference says the events have."""
        span = self._span(context)
        given = (span.start if self.from_ is not None else None, span.end if self.to is not None else None)
        references = [Reference(context.schema, part.measure, part.conditions, ()) for part in self._parts]
        picked = " union all ".join(f"(select t from ({one.picked([given])}))" for one in references)
        extent = run(f"select min(t) as first, max(t) as last from ({picked})")
        return self._breakdown(context, context.among(extent["first"][0].as_py(), extent["last"][0].as_py()))

    # ── answer ──────────────────────────────────────────────────────────────────────────────────────

    def _answer(self, asked: Breakdown, tables: Tables) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """Rows, totals and notes, however they were counted."""
        frame, zone = asked.frames[0], asked.context.zone
        rows = self._rows(asked, tables)
        moments = {window: iso(frame.edges[frame.lead + window], zone) for window in {row.window for row in rows}}
        labels = {key: self._labels(key, asked) for key in {row.key for row in rows}}
        written = [
            {"time": moments[row.window], **self._keys(row.values, row.before), **labels[row.key]} for row in rows
        ]
        totals = [[table.total for table in some] for some in tables.of]
        before = self._value(totals[1]) if self.compare is not None else None
        return written, self._keys(totals[0], before) | self._told(asked, rows), self._notes(asked, tables)

    def _told(self, asked: Breakdown, rows: list[Row]) -> dict[str, Any]:
        """The annotations of the file from the first interval of the rows to the last; nothing without any."""
        if not rows:
            return {}
        context, frame = asked.context, asked.frames[0]
        first, last = rows[0].window + frame.lead, rows[-1].window + frame.lead
        known = sorted((context.moment(time), text) for time, text in context.annotations)
        told = [
            {"time": iso(time, context.zone), "text": text}
            for time, text in known
            if frame.edges[first] <= time < frame.edges[last + 1]
        ]
        return {"annotations": told} if told else {}

    def _rows(self, asked: Breakdown, tables: Tables) -> list[Row]:
        """Every window, or every window and group in which there are events now or before."""
        frame, now = asked.frames[0], tables.of[0]
        cells = {place: None for some in tables.of for table in some for place in table.values}
        if not any(table.events for table in now) and self._open:
            return []
        if not asked.names:
            seen = [window for table in now for window, _ in table.values]
            first = 0 if self.from_ is not None or self._fixed else min(seen)
            last = frame.shown - 1 if self.to is not None or self._fixed else max(seen)
            cells = {(window, ()): None for window in range(first, last + 1)}
        nothing = [part.measure.nothing for part in asked.parts]
        keys = sorted({key for _, key in cells}, key=lambda key: (key is None, *map(sortable, key or ())))
        rank = {key: place for place, key in enumerate(keys)}
        read = [[(table.values.get, none) for table, none in zip(some, nothing, strict=True)] for some in tables.of]
        rows = []
        for place in cells:
            values, *earlier_ = ([get(place, none) for get, none in some] for some in read)
            window, key = place
            before = self._before(asked, window, earlier_)
            rows.append(Row(window, *_descending(self._value(values)), rank[key], key, values, before))
        return sorted(rows)

    def _before(self, asked: Breakdown, window: int, values: list[list[Any]]) -> Any:
        """The value of the earlier interval; None when there is none, such as an hour that the clock skipped."""
        if not values:
            return None
        edges, place = asked.frames[1].edges, asked.frames[1].lead + window
        return self._value(values[0]) if edges[place] < edges[place + 1] else None

    def _value(self, values: list[Any]) -> Any:
        """What is shown as `value`."""
        if self.formula is None:
            return values[0]
        return plain(self.formula.value(dict(zip((part.name for part in self._parts), values, strict=True))))

    def _keys(self, values: list[Any], before: Any) -> dict[str, Any]:
        """The keys of a row or of the totals that hold numbers."""
        value = self._value(values)
        keys = {"value": value}
        if self.measures:
            keys |= {part.name: one for part, one in zip(self._parts, values, strict=True)}
        if self.compare is not None:
            keys |= {"before": before, "change": _change(value, before)}
        return keys

    def _labels(self, key: Key | None, asked: Breakdown) -> dict[str, Any]:
        """The columns of a group; None is all the rest."""
        if key is None:
            return dict.fromkeys(asked.names, REST)
        schema, zone = asked.context.schema, asked.context.zone
        return {name: label(item, schema[name], zone) for name, item in zip(asked.names, key, strict=True)}

    def _notes(self, asked: Breakdown, tables: Tables) -> list[str]:
        notes = [beyond(tables.hidden)] if tables.hidden else []
        if self._parts[0].measure == ACTORS and not self.measures and (self.every is not None or self.by):
            total = tables.of[0][0].total
            whole = f"there are {total:,}" if total != 1 else "there is 1"
            notes.append(f"An actor counts in every interval and group they appear in; {whole} in all.")
        if self.rolling is not None:
            notes.append(f"Each value is of the {self.rolling} up to the end of its interval.")
        if self.compare is not None:
            before, zone = asked.frames[1], asked.context.zone
            begin, end = (brief(iso(moment, zone)) for moment in (before.begin, before.stop))
            notes.append(f"Compared with {begin} to {end}, interval by interval.")
        return notes


def _told_apart(found: Found, cut: Groups | None) -> np.ndarray:
    """The numbers of the groups that were counted by themselves."""
    if cut is None or found.made.best is not None:
        return np.zeros(0, np.int64) if found.made.best is None else found.made.best
    places = [fold.cells(part).place for fold, part in zip(found.made.folds, found.parts, strict=True)]
    return np.unique(np.concatenate(places) % cut.size)


def _two(conditions: tuple[Condition | None, ...]) -> tuple[Condition | None, Condition | None]:
    return (None, conditions[0]) if len(conditions) == 1 else (conditions[0], conditions[1])


def _descending(value: Any) -> tuple[int, float]:
    """Larger numbers first, then what is no number."""
    return (0, -value) if isinstance(value, int | float) and not isinstance(value, bool) else (1, 0)


def _change(value: Any, before: Any) -> float | None:
    """The difference as a share of the size of what was before; None where there is no such share."""
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (value, before))
    return plain((value - before) / abs(before)) if numbers and before else None

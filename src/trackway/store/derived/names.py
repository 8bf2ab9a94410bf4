"""From names to derived columns: what a question's expressions, sessions and cohorts mean over stored columns.

A name is looked into only when something reads it, so a broken one harms nobody else. Names may be built on
each other in any order; a circle is an error that shows it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

import pyarrow as pa
import sqlglot
from sqlglot import exp

from trackway.errors import ConditionError, QuestionError, TrackwayError, suggest
from trackway.model.condition import Condition, column, quoted
from trackway.model.measure import Measure
from trackway.model.moment import micros
from trackway.model.schema import ENVELOPE, Kind, Schema
from trackway.model.time import iso
from trackway.plan.lookup import Lookup
from trackway.plan.naming import COHORT, PARTS, Cohort, Expression, Flow, Naming, Session
from trackway.store.derived.kinds import kind_of_sql
from trackway.store.derived.virtual import (
    ACTOR,
    EVENT,
    Listed,
    Looked,
    Matched,
    Metric,
    Number,
    Position,
    Range,
    Steps,
    Value,
    Virtual,
)
from trackway.store.standing import Versions

KEYS = ("string", "integer", "number")
"""Kinds of columns that a lookup can be asked by."""
OF_TIME = {"min": "first_time", "first": "first_time", "max": "last_time", "last": "last_time", "count": "count"}
"""Measures of the column `time`, which has no dictionary, as measures of events."""


Made = TypeVar("Made")


class Lists(Protocol):
    """Where the lists of cohorts come from."""

    def uploaded(self) -> Iterable[str]:
        """Names of the cohorts that were uploaded."""
        ...

    def actors(self, name: str, cohort: Cohort | None) -> pa.StringArray:
        """Distinct actors of a list, identities resolved."""
        ...

    def versions(self, name: str, asked: Lookup) -> Versions:
        """The rows of a lookup."""
        ...


class Names:
    """The derived columns one question can read. `now` (microseconds) is what `-30d` counts from."""

    def __init__(self, naming: Naming, stored: Schema, zone: str, now: int, lists: Lists) -> None:
        self.naming, self.stored, self.zone, self.now, self.lists = naming, stored, zone, now, lists
        self._written = frozenset({
            *naming.expressions,
            *(f"{name}.{part}" for name in (*naming.sessions, *naming.flows) for part in PARTS),
            *(COHORT + name for name in naming.cohorts),
        })  # fmt: skip
        self.schema: Schema = _Wider(self)
        self._made: dict[str, Virtual] = {}
        self._open: list[str] = []

    def __contains__(self, name: object) -> bool:
        return name in self._made or self.known(name)

    def known(self, name: object) -> bool:
        """Whether a question may write this name. Uploaded cohorts are looked up only for what looks like one."""
        if name in self._written:
            return True
        if not isinstance(name, str):
            return False
        table, _, column = name.partition(".")
        if table in self.naming.lookups:
            return column in self._versions(table).schema
        return name.startswith(COHORT) and name[len(COHORT) :] in self.lists.uploaded()

    def all(self) -> set[str]:
        """Every name a question may write."""
        looked = set()
        for name in self.naming.lookups:
            with suppress(TrackwayError):
                looked |= {f"{name}.{column}" for column in self._versions(name).schema}
        return {*self._written, *looked, *(COHORT + name for name in self.lists.uploaded())}

    def _versions(self, name: str) -> Versions:
        return _placed(f"lookups.{name}", lambda: self.lists.versions(name, self.naming.lookups[name]))

    def get(self, name: str) -> Virtual:
        """What a name means. Raises ConditionError or QuestionError with the path of what is wrong."""
        if name not in self._made:
            if name in self._open:
                circle = " → ".join([*self._open[self._open.index(name) :], name])
                raise QuestionError(
                    f"names go round in a circle: {circle}", hint="one of them must be made of columns alone"
                )
            self._open.append(name)
            try:
                self._made[name] = self._make(name)
            finally:
                self._open.pop()
        return self._made[name]

    def kinds(self) -> dict[str, Kind]:
        """The kind of every name that means something; a broken one is told of when it is asked for."""
        found: dict[str, Kind] = {}
        for name in sorted(self.all()):
            with suppress(TrackwayError):
                found[name] = self.get(name).kind
        return found

    def closure(self, reads: Iterable[str]) -> list[Virtual]:
        """The derived columns that some columns are made of, those first that others read."""
        done: dict[str, Virtual] = {}

        def visit(name: str) -> None:
            if name in self and name not in done:
                one = self.get(name)
                for each in one.reads:
                    visit(each)
                done[name] = one

        for name in reads:
            visit(name)
        return list(done.values())

    # ── each kind of name ───────────────────────────────────────────────────────────────────────────

    def _make(self, name: str) -> Virtual:
        naming = self.naming
        if name in naming.expressions:
            return _placed(f"expressions.{name}", lambda: self._expression(name, naming.expressions[name]))
        if name.startswith(COHORT):
            cohort = name.removeprefix(COHORT)
            return _placed(f"cohorts.{cohort}", lambda: self._cohort(name, cohort))
        whole, _, part = name.partition(".")
        if whole in naming.lookups:
            return _placed(f"lookups.{whole}", lambda: self._looked(name, whole, part))
        whole, _, part = name.rpartition(".")
        table = "flows" if whole in naming.flows else "sessions"
        return _placed(f"{table}.{whole}", lambda: self._part(whole, part))

    def _expression(self, name: str, asked: Expression) -> Virtual:
        if asked.value is not None:
            made: Virtual = self._value(name, asked.value.resolved(self.schema))
        else:
            measure = asked.measure or Measure("count")
            number = self._number_of(asked)
            made = self._metric(name, measure, asked.where, self._range(asked.from_, asked.to), number)
        order = {ACTOR: 0, EVENT: 2}
        wanted = {"actor": 0, "session": 1, "flow": 1, "event": 2}.get(asked.scope or "event", 2)
        if order.get(made.scope, 1) > wanted:
            raise QuestionError(
                f"it reads {', '.join(made.reads)}, so its scope is {made.scope}, not {asked.scope}",
                path=f"expressions.{name}.scope", hint="measure them, such as first(x) or max(x), or leave scope out",
            )  # fmt: skip
        return made

    def _number_of(self, asked: Expression) -> str | None:
        """The column that tells apart what is measured; None for actors."""
        naming = self.naming
        for what, name, known in (("session", asked.session, naming.sessions), ("flow", asked.flow, naming.flows)):
            if name is not None and name not in known:
                raise QuestionError(f"no {what}s named '{name}'", hint=suggest(name, known))
        name = asked.session or asked.flow
        return None if name is None else f"{name}.number"

    def _value(self, name: str, tree: exp.Expression) -> Value:
        reads = _read_by(tree)
        sql = tree.sql(dialect="duckdb")
        kind = kind_of_sql(sql, {each: self.schema[each] for each in reads})
        scopes = {self._scope(each) for each in reads} - {ACTOR}
        scope = ACTOR if not scopes else scopes.pop() if len(scopes) == 1 else EVENT
        return Value(name, kind, scope, reads, self._key("value", sql, reads=reads), tree)

    def _scope(self, name: str) -> str:
        if name in self:
            return self.get(name).scope
        return ACTOR if name == "actor" else EVENT

    def _metric(
        self, name: str, measure: Measure, where: Condition | None, within: Range, number: str | None
    ) -> Metric:
        what, of = str(measure.name), self._measured(name, measure)
        if of == "time":
            if what not in OF_TIME:
                raise ConditionError(f"{measure} cannot be measured", hint="first_time, last_time or active_days")
            what, of = OF_TIME[what], None
        kind = Measure(what).kind(None) if of is None else measure.kind(self.schema[of])
        tree = None if where is None else where.resolved(self.schema)
        reads = _unique([*([of] if of else []), *_read_by(tree), *([number] if number else [])])
        key = self._key("metric", what, of, tree, within.start, within.end, number, reads=reads)
        scope = ACTOR if number is None else self._scope(number)
        return Metric(name, kind, scope, reads, key, what, of, tree, within, number)

    def _measured(self, name: str, measure: Measure) -> str | None:
        """The column a measure is of; an expression becomes a column of its own."""
        if measure.argument is None:
            return None
        tree = measure.argument.resolved(self.schema)
        while isinstance(tree, exp.Paren):
            tree = tree.this
        if isinstance(tree, exp.Column):
            return str(tree.name)
        hidden = f"{name} of"
        self._made[hidden] = self._value(hidden, tree)
        return hidden

    def _range(self, start: str | None, end: str | None) -> Range:
        begin, stop = (None if text is None else micros(text, self.now, self.zone) for text in (start, end))
        if begin is not None and stop is not None and stop <= begin:
            message = f"the range ends at {iso(stop, self.zone)} before it begins at {iso(begin, self.zone)}"
            raise QuestionError(message, hint="to comes after from")
        return Range(begin, stop)

    # ── sessions and flows ──────────────────────────────────────────────────────────────────────────

    def _part(self, whole: str, part: str) -> Virtual:
        name, number = f"{whole}.{part}", f"{whole}.number"
        if part == "number":
            flow = self.naming.flows.get(whole)
            return self._number(name, self.naming.sessions[whole]) if flow is None else self._matched(name, flow)
        if part == "position":
            key = self._key("position", reads=(number,))
            return Position(name, "integer", EVENT, (number,), key, number)
        if part == "id":
            return self._value(name, _tree(f"\"actor\" || '/' || cast({quoted(number)} as varchar)"))
        text = {"events": "count", "start": "first_time", "end": "last_time", "entry": "first(event)",
                "exit": "last(event)"}.get(part, part)  # fmt: skip
        return self._metric(name, Measure(text), None, Range(None, None), number)

    def _number(self, name: str, asked: Session) -> Number:
        where, start, end = (
            None if each is None else each.resolved(self.schema) for each in (asked.where, asked.start, asked.end)
        )
        change = None if asked.change is None else self.schema.resolve(asked.change)
        if change == "time":
            raise ConditionError("time changes with every event", hint="choose another column for change")
        reads = _unique(
            [*(each for tree in (where, start, end) for each in _read_by(tree)), *([change] if change else [])]
        )
        timeout = None if asked.timeout is None else asked.timeout.micros
        key = self._key("number", timeout, where, start, end, change, reads=reads)
        scope = f"session {name.rpartition('.')[0]}"
        return Number(name, "integer", scope, reads, key, timeout, where, start, end, change)

    def _matched(self, name: str, asked: Flow) -> Matched:
        letters = {letter: condition.resolved(self.schema) for letter, condition in asked.letters.items()}
        where = None if asked.where is None else asked.where.resolved(self.schema)
        timeout = None if asked.timeout is None else asked.timeout.micros
        reads = _unique(each for tree in (where, *letters.values()) for each in _read_by(tree))
        longest = asked.match == "longest"
        key = self._key("matched", str(asked.pattern), longest, timeout, where, *letters.values(), reads=reads)
        scope = f"flow {name.rpartition('.')[0]}"
        return Matched(name, "integer", scope, reads, key, asked.pattern, letters, where, timeout, longest)

    # ── lookups ─────────────────────────────────────────────────────────────────────────────────────

    def _looked(self, name: str, whole: str, column: str) -> Looked:
        asked, found = self.naming.lookups[whole], self._versions(whole)
        keys = tuple(self.schema.resolve(each) for each in asked.by())
        kinds = tuple(self.schema[key] for key in keys)
        for key, kind in zip(keys, kinds, strict=True):
            if kind not in KEYS:
                hint = f"keys are of kind {', '.join(KEYS)}"
                raise QuestionError(f"'{key}' is {kind}, and no key of a lookup", path="on", hint=hint)
        latest = asked.as_of == "latest"
        reads = keys if latest else (*keys, "time")
        key, kinds = (
            self._key("looked", found.mark, column, latest, reads=keys),
            tuple(self.schema[each] for each in keys),
        )
        return Looked(name, found.schema[column], EVENT, reads, key, keys, kinds, found, column, latest)

    # ── cohorts ─────────────────────────────────────────────────────────────────────────────────────

    def _cohort(self, name: str, bare: str) -> Virtual:
        asked = self.naming.cohorts.get(bare)
        parts = list(self._conditions(name, bare, asked))
        tree = _tree(f"coalesce({' and '.join(f'({part})' for part in parts)}, false)")
        made = self._value(name, tree)
        if made.scope != ACTOR:
            of_events = [each for each in made.reads if self._scope(each) != ACTOR]
            raise ConditionError(
                f"{', '.join(of_events)} may differ between the events of an actor", path=f"cohorts.{bare}.when",
                hint="use did = '…' for those who have such an event, or a measure such as last(x)",
            )  # fmt: skip
        return made

    def _conditions(self, name: str, bare: str, asked: Cohort | None) -> Iterator[str]:
        """What makes an actor a member, as DuckDB text; all must hold."""
        if asked is None or asked.ids is not None or asked.file is not None:
            yield self._hidden(self._listed(f"{name} listed", self.lists.actors(bare, asked)))
        if asked is None:
            return
        within = self._range(asked.from_, asked.to)
        if asked.when is not None:
            yield asked.when.resolved(self.schema).sql(dialect="duckdb")
        if asked.did is not None:
            count = self._hidden(self._metric(f"{name} did", Measure("count"), asked.did, within, None))
            yield f"{count} >= {asked.at_least}"
            if asked.at_most is not None:
                yield f"{count} <= {asked.at_most}"
        if asked.sequence:
            steps = tuple(step.resolved(self.schema) for step in asked.sequence)
            longest = None if asked.within is None else asked.within.micros
            reads = _unique([each for step in steps for each in _read_by(step)])
            key = self._key("sequence", *steps, longest, within.start, within.end, reads=reads)
            taken = Steps(f"{name} sequence", "boolean", ACTOR, reads, key, steps, longest, within)
            yield self._hidden(taken)

    def _listed(self, name: str, ids: pa.StringArray) -> Listed:
        digest = hashlib.blake2b(digest_size=16)
        for buffer in ids.buffers():
            digest.update(memoryview(buffer) if buffer is not None else b"")
        return Listed(name, "boolean", ACTOR, ("actor",), self._key("listed", len(ids), digest.hexdigest()), ids)

    def _hidden(self, made: Virtual) -> str:
        self._made[made.name] = made
        return quoted(made.name)

    # ── keys ────────────────────────────────────────────────────────────────────────────────────────

    def _key(self, *parts: object, reads: Sequence[str] = ()) -> str:
        """A text that is the same only for what means the same."""
        shown = [part.sql(dialect="duckdb") if isinstance(part, exp.Expression) else repr(part) for part in parts]
        whole = "\0".join([self.zone, *shown, *(f"{each}={self._key_of(each)}" for each in reads)])
        return hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()

    def _key_of(self, name: str) -> str:
        return self.get(name).key if name in self else name


class _Wider(Schema):
    """Stored columns and derived ones; what a derived one is, is found out when it is read."""

    def __init__(self, names: Names) -> None:
        super().__init__()
        self._names = names

    def __getitem__(self, name: str) -> Kind:
        return self._names.get(name).kind if name in self._names else self._names.stored[name]

    def __contains__(self, name: object) -> bool:
        return self._names.known(name) or name in self._names.stored

    def __iter__(self) -> Iterator[str]:
        yield from self._names.stored
        yield from sorted(name for name in self._names.all() if name not in self._names.stored)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return f"{self._names.stored!r} and {sorted(self._names.all())}"

    @property
    def properties(self) -> dict[str, Kind]:
        """All columns but the envelope."""
        return {name: self[name] for name in self if name not in ENVELOPE}

    def arrow(self) -> pa.Schema:
        """The Arrow schema of all columns."""
        return Schema({name: self[name] for name in self}).arrow()

    def resolve(self, name: str) -> str:
        """The column a condition means; a derived name goes before a stored one, and must mean something."""
        for written in (name, name.removeprefix("properties.")):
            if self._names.known(written):
                return self._names.get(written).name
        try:
            return self._names.stored.resolve(name)
        except ConditionError:
            raise ConditionError(f"unknown column '{name}'", hint=suggest(name, self)) from None


def _placed(path: str, make: Callable[[], Made]) -> Made:
    """What `make` gives; an error is told with the path of the table it is in."""
    try:
        return make()
    except TrackwayError as error:
        error.path = error.path or path
        raise


def _read_by(tree: exp.Expression | None) -> tuple[str, ...]:
    if tree is None:
        return ()
    return tuple(sorted({str(each.name) for each in tree.find_all(exp.Column)}))


def _tree(sql: str) -> exp.Expression:
    """The tree of our own DuckDB text, every column one quoted name."""
    parsed = sqlglot.parse_one(sql, read="duckdb")
    return parsed.transform(lambda node: column(node.name) if isinstance(node, exp.Column) else node)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))

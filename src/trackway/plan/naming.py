"""Names for what events do not say themselves: `expressions`, `sessions`, `flows`, `cohorts` and `annotations`.

Each but the last is a column that is worked out when a question reads it. They stand in the file for all questions,
or in one question for that one alone, where they go before those of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from trackway.errors import ConditionError, QuestionError
from trackway.model.automaton import automaton
from trackway.model.condition import Condition
from trackway.model.measure import Measure
from trackway.model.moment import Moment
from trackway.model.pattern import Pattern
from trackway.model.schema import ENVELOPE
from trackway.model.time import Duration
from trackway.plan.lookup import KNOWN, Lookup

COHORT = "cohort."
"""What the column of a cohort begins with."""
PARTS = ("number", "position", "id", "events", "seconds", "start", "end", "entry", "exit")
"""The columns of a session or flow, after its name and a dot."""
MOST_STEPS = 16


class _Named(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True, populate_by_name=True
    )


class Expression(_Named):
    """The table `[expressions.NAME]`: a column `NAME` that is worked out from others."""

    value: Condition | None = None
    """An expression over columns, such as `case when amount >= 100 then 'large' else 'small' end`."""
    measure: Measure | None = None
    """One value of many events: `count sum(x) average(x) min(x) max(x) first(x) last(x) distinct(x) first_time
    last_time seconds active_days`; of all events of the actor, or of the `session` or `flow`."""
    where: Condition | None = None
    """Only events for which this is true are measured."""
    from_: Moment | None = Field(default=None, alias="from")
    """Only events at or after this are measured: a date, a time, or one before now such as `-30d`."""
    to: Moment | None = None
    """Only events before this are measured."""
    session: str | None = None
    """Measure each session of this name instead of each actor."""
    flow: str | None = None
    """Measure each flow of this name instead of each actor."""
    scope: Literal["event", "session", "flow", "actor"] | None = None
    """What it is a property of; found out when left out. Stated, it is checked."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.value is None) == (self.measure is None):
            raise ValueError("either a value or a measure")
        if self.value is not None:
            given = ("where", "from", "to", "session", "flow")
            extra = [name for name in given if getattr(self, _field(name)) is not None]
            if extra:
                raise ValueError(f"'{extra[0]}' goes with a measure; a value is worked out for every event")
            return self
        if self.session is not None and self.flow is not None:
            raise ValueError("either a session or a flow is measured")
        of = "session" if self.session is not None else "flow" if self.flow is not None else "actor"
        if self.scope == "event":
            raise ValueError("a measure is of an actor, a session or a flow, not of an event")
        if self.scope == "actor" and of != "actor":
            raise ValueError(f"its scope is {of}, not actor")
        if self.scope not in (None, of):
            raise ValueError(f"a measure of {self.scope}s says which: {self.scope} = 'NAME'")
        return self


def _none(value: Any) -> Any:
    """TOML has no null."""
    return None if value == "none" else value


class Session(_Named):
    """The table `[sessions.NAME]`: cuts the events of every actor into sessions, and gives columns `NAME.number`,
    `NAME.position`, `NAME.id`, `NAME.events`, `NAME.seconds`, `NAME.start`, `NAME.end`, `NAME.entry`, `NAME.exit`."""

    timeout: Annotated[Duration | None, BeforeValidator(_none)] = Duration("30m")
    """A longer pause begins a new session; `none` (or null) for no such limit."""
    where: Condition | None = None
    """Only events for which this is true belong to sessions; for the others the columns are missing."""
    start: Condition | None = None
    """An event for which this is true begins a new session."""
    end: Condition | None = None
    """An event for which this is true is the last of its session."""
    change: str | None = None
    """A column: an event where it is known, and differs from what was last known of the actor, begins a new session."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.timeout is None and self.start is None and self.end is None and self.change is None:
            raise ValueError("nothing ends a session: give a timeout, start, end or change")
        return self


class Flow(_Named):
    """The table `[flows.NAME]`: the stretches of every actor's events that match a pattern, with the columns of a
    session: `NAME.number`, `NAME.position`, `NAME.id`, `NAME.events`, `NAME.seconds`, `NAME.start` …"""

    pattern: Pattern
    """What a flow is, as in the query `patterns`: events side by side, `..` for any between, `within 1h` …"""
    let: dict[str, Condition] = {}
    """What the names in the pattern are: conditions on an event."""
    match: Literal["shortest", "longest"] = "shortest"
    """`shortest`: a flow ends as early as it can, and of those begins as late. `longest`: it begins as early as it can,
    and of those ends as late. Flows do not overlap."""
    where: Condition | None = None
    """Only events for which this is true; all others are not there for the pattern, and in no flow."""
    timeout: Duration | None = None
    """A longer pause between two events cuts them: a flow lies on one side, and `^` and `$` are the ends there."""

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        automaton(self.pattern, list(self.letters))
        return self

    @property
    def letters(self) -> dict[str, Condition]:
        """The condition of every name in the pattern."""
        return self.pattern.letters(self.let)


class Cohort(_Named):
    """The table `[cohorts.NAME]`: a set of actors, as the column `cohort.NAME`, true or false for all their events.

    Of several conditions all must hold. A cohort follows the events: it is worked out for the lake version asked.
    """

    when: Condition | None = None
    """Condition on actors: expressions of actors, and other cohorts: `cohort.paying and not cohort.staff`."""
    did: Condition | None = None
    """Events the actor has, `at_least` and at most so many."""
    at_least: int = Field(default=1, ge=0)
    """How many events of `did` the actor has at least."""
    at_most: int | None = Field(default=None, ge=0)
    """How many events of `did` the actor has at most."""
    sequence: list[Condition] = Field(default=[], max_length=MOST_STEPS)
    """Steps the actor took in this order, as in a funnel."""
    within: Duration | None = None
    """Longest time from the first to the last step of `sequence`; any when left out."""
    from_: Moment | None = Field(default=None, alias="from")
    """Only events at or after this count for `did` and `sequence`."""
    to: Moment | None = None
    """Only events before this count for `did` and `sequence`."""
    ids: list[str] | None = None
    """The actors themselves; an id of a merged identity means its actor."""
    file: str | None = None
    """A file with an id on every line, relative to trackway.toml."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        given = (self.when, self.did, self.sequence or None, self.ids, self.file)
        if all(each is None for each in given):
            raise ValueError("who belongs to it? give when, did, sequence, ids or file")
        if self.did is None and (self.at_least != 1 or self.at_most is not None):
            raise ValueError("at_least and at_most count the events of 'did'")
        if self.at_most is not None and self.at_most < self.at_least:
            raise ValueError(f"at least {self.at_least} and at most {self.at_most}: nobody has that")
        if self.within is not None and not self.sequence:
            raise ValueError("'within' goes with a sequence")
        if self.did is None and not self.sequence and (self.from_ is not None or self.to is not None):
            raise ValueError("a range goes with 'did' or 'sequence'")
        return self


class Annotation(_Named):
    """The table `[annotations.NAME]`: what happened at a time, told beside every trend over that time."""

    time: Moment
    """When: a date or a time, such as `2026-03-01` or `2026-03-01 14:00`, in the time zone of the project."""
    text: str = Field(min_length=1, max_length=500)
    """What happened."""


@dataclass(frozen=True)
class Naming:
    """All names a question may use besides columns, what is known beside the events, and what happened when."""

    expressions: Mapping[str, Expression] = field(default_factory=dict)
    sessions: Mapping[str, Session] = field(default_factory=dict)
    flows: Mapping[str, Flow] = field(default_factory=dict)
    cohorts: Mapping[str, Cohort] = field(default_factory=dict)
    annotations: Mapping[str, Annotation] = field(default_factory=dict)
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    root: Path | None = None
    """Where the files of cohorts are."""

    def beside(self, own: Naming) -> Naming:
        """These names and those of one question, which go first.

        Raises QuestionError for a name that cannot be, and for files: a question comes from outside and reads none.
        """
        for name, cohort in own.cohorts.items():
            if cohort.file is not None:
                raise QuestionError("only trackway.toml names files", path=f"cohorts.{name}.file", hint="send ids")
        if not (own.expressions or own.sessions or own.flows or own.cohorts):
            return self
        return replace(
            self,
            expressions={**self.expressions, **own.expressions},
            sessions={name: one for name, one in self.sessions.items() if name not in own.flows} | {**own.sessions},
            flows={name: one for name, one in self.flows.items() if name not in own.sessions} | {**own.flows},
            cohorts={**self.cohorts, **own.cohorts},
        ).checked()

    def checked(self) -> Naming:
        """The same. Raises QuestionError for a name that cannot be."""
        for path, message, hint in self.wrong():
            raise QuestionError(message, path=path, hint=hint)
        return self

    def wrong(self) -> list[tuple[str, str, str]]:
        """Names that cannot be: (path, message, hint)."""
        found = []
        tables: dict[str, Mapping[str, Any]] = {
            "expressions": self.expressions, "sessions": self.sessions, "flows": self.flows, "cohorts": self.cohorts,
            "lookups": self.lookups,
        }  # fmt: skip
        for table, names in tables.items():
            for name in names:
                problem = _problem(name, dotted=table == "expressions")
                if problem:
                    found.append((f"{table}.{name}", *problem))
        for table, name in [(kind, name) for kind in ("sessions", "flows", "lookups") for name in tables[kind]]:
            parts = [KNOWN] if table == "lookups" else PARTS
            found += [(f"expressions.{name}.{part}", f"this is a column of the {table[:-1]}", "choose another name")
                      for part in parts if f"{name}.{part}" in self.expressions]  # fmt: skip
            if name == COHORT[:-1]:
                found.append((f"{table}.{name}", "'cohort.' begins the columns of cohorts", "choose another name"))
        pairs = [("flows", "sessions"), ("lookups", "sessions"), ("lookups", "flows")]
        return found + [
            (f"{table}.{name}", f"there are {other} of this name", "choose another name")
            for table, other in pairs for name in tables[table] if name in tables[other]
        ]  # fmt: skip


def _field(name: str) -> str:
    return "from_" if name == "from" else name


@lru_cache(maxsize=4096)
def _problem(name: str, *, dotted: bool) -> tuple[str, str] | None:
    """Why a name cannot be written in a condition, and what to do; None when it can."""
    try:
        written = Condition(name).columns
    except ConditionError:
        written = []
    if written != [name] or (not dotted and "." in name):
        return f"'{name}' cannot be written in a condition", "use letters, digits and _, and begin with a letter"
    if name in ENVELOPE:
        return f"'{name}' is a column every event has", "choose another name"
    if dotted and name.startswith(COHORT):
        return "'cohort.' begins the columns of cohorts", "choose another name"
    return None

"""What a derived column is, checked against the columns there are: the one description both engines follow.

Everything that can be named comes down to eight kinds: a value of other columns, a measure of the events of an
actor or session, the number of a session, that of a match of a pattern (a flow; whatever is said of sessions holds for
these), the position in it, a sequence of steps, a list of actors, and what a lookup says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlglot import exp

from trackway.model.pattern import Pattern
from trackway.model.schema import Kind
from trackway.store.standing import Versions

EVENT, ACTOR = "event", "actor"
"""Scopes: what a column is a property of. A session's scope is `session NAME`, that of a flow `flow NAME`."""


def number_of(scope: str) -> str:
    """The column with the number of a session or flow, by its scope."""
    return scope.partition(" ")[2] + ".number"


@dataclass(frozen=True, eq=False)
class Virtual:
    """A derived column."""

    name: str
    kind: Kind
    scope: str
    reads: tuple[str, ...]
    """The columns it is worked out from, derived ones among them."""
    key: str
    """Its meaning in full: columns with equal keys are equal."""
    what: ClassVar[str] = ""


@dataclass(frozen=True, eq=False)
class Value(Virtual):
    """An expression over other columns."""

    tree: exp.Expression


@dataclass(frozen=True, eq=False)
class Range:
    """[start, end) in microseconds; None is open."""

    start: int | None
    end: int | None


@dataclass(frozen=True, eq=False)
class Metric(Virtual):
    """A measure of the events of each actor, or of each session."""

    measure: str
    of: str | None
    """The column measured."""
    where: exp.Expression | None
    range: Range
    number: str | None
    """The column with the number of the session; None measures actors."""


@dataclass(frozen=True, eq=False)
class Number(Virtual):
    """Which session of its actor an event is in, from 1; null outside of all."""

    timeout: int | None
    """Microseconds."""
    where: exp.Expression | None
    start: exp.Expression | None
    end: exp.Expression | None
    change: str | None


@dataclass(frozen=True, eq=False)
class Matched(Virtual):
    """Which match of a pattern, of its actor, an event is in, from 1; null outside of all."""

    pattern: Pattern
    letters: Mapping[str, exp.Expression]
    """The condition of every name in the pattern."""
    where: exp.Expression | None
    timeout: int | None
    """Microseconds."""
    longest: bool


@dataclass(frozen=True, eq=False)
class Position(Virtual):
    """The place of an event in its session, from 1."""

    number: str


@dataclass(frozen=True, eq=False)
class Steps(Virtual):
    """Whether the actor took some steps in order."""

    steps: tuple[exp.Expression, ...]
    within: int | None
    """Microseconds."""
    range: Range


@dataclass(frozen=True, eq=False)
class Looked(Virtual):
    """A column of the row of a lookup that an event finds by its key."""

    keys: tuple[str, ...]
    """The columns of events that hold the key."""
    kinds: tuple[Kind, ...]
    """What kinds they are of."""
    versions: Versions
    column: str
    latest: bool
    """Whether the latest version is found, whenever the event happened."""


@dataclass(frozen=True, eq=False)
class Listed(Virtual):
    """Whether the actor is in a list."""

    ids: Any
    """Distinct actors, a `pyarrow.StringArray`."""

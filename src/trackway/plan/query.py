"""The extension contract of questions: what a query is and must do, and its answer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field

from trackway.errors import QuestionError
from trackway.model.condition import Condition
from trackway.model.schema import Names, Schema
from trackway.plan.component import Component
from trackway.plan.naming import Cohort, Expression, Flow, Naming, Session
from trackway.plan.told import NARROWING, Story, Told, conditions, lifted, plainly


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: rows for people and programs, and what it stands on."""

    type: str
    rows: list[dict[str, Any]]
    stands_on: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    """Sentences a reader must know: a legitimate difference, a window still open."""
    totals: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The object every door shows."""
        return {
            "ok": True, "type": self.type, "rows": self.rows, "totals": self.totals, "notes": self.notes,
            "stands_on": self.stands_on,
        }  # fmt: skip


class Query(Component):
    """A question; the same answer from the compiled fold, the reference SQL and an oracle."""

    kind: ClassVar[str] = "queries"
    counts: ClassVar[frozenset[str]] = frozenset()
    """Keys of rows and totals that count events or actors or add up over them: of a sample they are scaled.
    Every other number is a mean, a rate (its key ends in `rate` or `share`), a quantile or a label."""
    labels: ClassVar[frozenset[str]] = frozenset({"step", "period", "from", "to"})
    """Keys that say which row it is although they hold numbers; columns of `by` and texts need not be listed."""
    actor: Names = Field(default=["actor"], min_length=1, max_length=3)
    """Whose behaviour is asked about: the actor of the workspace, or any column such as `account_id`, or up to three
    such as `["user_id", "item_id"]`, each combination of values being one actor; events without one are left out."""
    expressions: dict[str, Expression] = Field({})
    """Named expressions of this question alone, as in `[expressions.NAME]`."""
    sessions: dict[str, Session] = Field({})
    """Sessions of this question alone, as in `[sessions.NAME]`."""
    flows: dict[str, Flow] = Field({})
    """Flows of this question alone, as in `[flows.NAME]`."""
    cohorts: dict[str, Cohort] = Field({})
    """Cohorts of this question alone, as in `[cohorts.NAME]`."""

    @property
    def chooses(self) -> bool:
        """Whether its rows are named by what is found from all actors, such as the largest groups, so that one actor
        is explained by the same."""
        return False

    @property
    def naming(self) -> Naming:
        """The names of this question alone."""
        return Naming(self.expressions, self.sessions, self.flows, self.cohorts)

    @abstractmethod
    def columns(self, schema: Schema) -> list[str]:
        """The columns it reads, checked against `schema`. Raises ConditionError or QuestionError."""

    def passes(self, context: Any) -> int:
        """How often all shards are folded; `context.found` holds the merged partial of the pass before."""
        return 1

    def prepare(self, context: Any) -> Any:
        """What all shards of one pass share, such as masks; `context.prepared` while they are folded."""
        return None

    @abstractmethod
    def fold(self, shard: Any, context: Any) -> Any:
        """The partial answer of one shard (`store.columns.view.Shard`)."""

    @abstractmethod
    def merge(self, partials: Iterable[Any]) -> Any:
        """Partials into one; in any order, the same. Partials stay as they are, and merged ones merge again."""

    def taken_over(self, key: str, row: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> float | None:
        """How many actors the rate, mean or quantile `key` of a row (or of totals) is taken over, None when the row
        does not say; `before` are the rows above. Of a sample, it decides how sure the number is.
        """
        actors = row.get("actors")
        return actors if isinstance(actors, int) else None

    @abstractmethod
    def answer(self, partial: Any, context: Any) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """Rows, totals and notes of a merged partial."""

    def people(self, partial: Any, context: Any, cell: Any) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The actors behind a cell of the answer (`store.columns.people.Cell`): rows, totals and notes.

        They are as many as the cell says. Raises QuestionError for a cell there is not.
        """
        raise QuestionError("this question cannot list actors", path="people")

    def people_by_sql(
        self, run: Callable[[str], pa.Table], context: Any, cell: Any
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """The same from the reference alone."""
        raise QuestionError("this question cannot list actors", path="people")

    def marks(self) -> dict[str, Condition]:
        """The conditions that events are marked with when an actor is explained, by name; `where` means all events."""
        return conditions(self)

    def looks_at(self, schema: Schema) -> list[str]:
        """The columns it reads, those included that it need not name."""
        return self.columns(schema)

    @property
    def bounds(self) -> tuple[str | None, str | None]:
        """The range as written: `from` and `to`."""
        return self._given("from"), self._given("to")

    def alone(self, partial: Any, context: Any) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """What one actor, whose partial this is, adds to the answer: rows, totals and notes."""
        return self.answer(partial, context)

    def tell(self, story: Story, partial: Any, context: Any) -> Told:
        """What the answer makes of one actor, whose partial this is: one sentence, and what each event is."""
        return plainly(self, story)

    def lifts(self, told: Told) -> dict[str, Mapping[str, Any]]:
        """The rules that may keep an actor from getting further, each with the options that lift it."""
        return {rule: to for rule, to in NARROWING.items() if any(self._given(name) is not None for name in to)}

    def missed(self, story: Story, told: Told, rule: str, without: Told) -> str:
        """How a rule kept an actor back, who gets further `without` it; a sentence."""
        return f"Without {lifted(story, rule, self._given(rule), without)}: {without.sentence}"

    def _given(self, name: str) -> Any:
        """An option by the name people write."""
        return next((getattr(self, key) for key, field in type(self).model_fields.items()
                     if name == (field.alias or key)), None)  # fmt: skip

    def with_options(self, options: Mapping[str, Any]) -> Query:
        """The same question with some options (by the names people write) changed. Raises what asking it would."""
        fields = type(self).model_fields
        mine = {fields[key].alias or key: getattr(self, key) for key in self.model_fields_set}
        return type(self).model_validate(mine | dict(options))

    @abstractmethod
    def sql(self, schema: Schema, context: Any) -> str:
        """The reference: one DuckDB statement over the view `events` whose rows are the rows of the answer."""

    def by_sql(
        self, run: Callable[[str], pa.Table], context: Any
    ) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
        """Rows, totals and notes from the reference alone; `run` executes a statement over the lake."""
        return run(self.sql(context.schema, context)).to_pylist(), {}, []

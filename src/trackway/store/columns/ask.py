"""Asking: a question, folded over the shards of a view, or answered by its reference SQL over the lake.

Both give the same answer; the SQL is what remains when a question reads a column that is not kept as codes,
or an old version of the lake.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import duckdb
import pyarrow as pa

from trackway.errors import QuestionError
from trackway.model.condition import literal
from trackway.plan.naming import Naming
from trackway.plan.query import Answer, Query
from trackway.store.columns.actors import DEFAULT, key_of, rekey, remarks, remarks_by_sql
from trackway.store.columns.context import Context
from trackway.store.columns.cost import Cost, by_columns
from trackway.store.columns.evaluate import UNFIT, unanswerable
from trackway.store.columns.folding import merged
from trackway.store.columns.limits import Limits
from trackway.store.columns.people import Cell
from trackway.store.columns.reading import LEFT_OUT
from trackway.store.columns.sampling import Result, Sampling, refined, share_of, stands_on
from trackway.store.columns.shards import Columns
from trackway.store.columns.uncertainty import Sample
from trackway.store.derived.build import derive
from trackway.store.derived.lists import Membership
from trackway.store.derived.names import Names
from trackway.store.derived.reference import attach

ENGINES = ("columns", "sql")


class How(TypedDict, total=False):
    """As of when, in which calendar and within which limits a question is asked; all may be left out."""

    zone: str
    """The calendar of days and weeks, UTC when left out."""
    now: int | None
    """What `-30d` counts from, microseconds; else the clock."""
    version: int | None
    """The lake version; else the newest."""
    naming: Naming | None
    """The expressions, sessions and cohorts of the file."""
    limits: Limits | None
    precisions: Mapping[str, int]
    """How exactly each source states its times, microseconds."""


def ask(
    query: Query, columns: Columns, *, engine: str = "columns", sample: str | float | None = None,
    cell: Cell | None = None, **how: Unpack[How],
) -> Answer:  # fmt: skip
    """The answer to a question.

    `sample` asks only so many actors (`sampling.share_of`) and gives every number an interval; a `cell` asks for its
    actors instead. `stands_on` says the lake version, how many events and actors were there, whether it is exact, how
    long it took and which engine answered. Raises ConditionError or QuestionError; TooSparse for a sample that says
    nothing, TooSlow and Cancelled as `limits` have it.
    """
    begin = time.perf_counter()
    if engine not in ENGINES:
        raise QuestionError(f"no engine '{engine}'", path="engine", hint="columns or sql")
    asking = replace(Asking.of(query, columns, **how), cell=cell)
    context = asking.context() if engine == "columns" else None
    if sample is not None and cell is not None:
        raise QuestionError("a sample lists nobody", path="sample", hint="ask for people without a sample")
    if sample is not None:
        answer = asking.sampled(context, sample)
    else:
        answer = asking.by_columns(context) if context is not None else asking.by_sql()
    answer.stands_on["elapsed_ms"] = round((time.perf_counter() - begin) * 1000, 1)
    return answer


def answers(
    query: Query, columns: Columns, *, shares: Sequence[float] | None = None, **how: Unpack[How]
) -> Iterator[Answer]:
    """Better and better answers to a question: from samples of growing size, the last one exact.

    `shares` are those of the actors, ascending; by default the first is quick. What cannot be answered by the
    columns, or from a sample, has one answer. Raises as `ask` does.
    """
    begin = time.perf_counter()
    asking = Asking.of(query, columns, **how)
    context = asking.context()
    for answer in iter([asking.by_sql()]) if context is None else asking.refined(context, shares):
        answer.stands_on["elapsed_ms"] = round((time.perf_counter() - begin) * 1000, 1)
        yield answer


def estimate(query: Query, columns: Columns, **how: Unpack[How]) -> Cost:
    """What it will cost to ask a question exactly. Raises ConditionError or QuestionError."""
    asking = Asking.of(query, columns, **how)
    context = asking.context()
    return asking.cost_by_sql() if context is None else by_columns(query, context, asking.limits)


@dataclass(frozen=True)
class Asking:
    """One question, of whom and as of when it is asked, and what it may cost."""

    query: Query
    columns: Columns
    zone: str
    now: int
    version: int | None
    naming: Naming
    limits: Limits
    cell: Cell | None = None
    precisions: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, query: Query, columns: Columns, **how: Unpack[How]) -> Asking:
        """With what was left open filled in."""
        now, naming = how.get("now"), how.get("naming") or Naming()
        return cls(
            query, columns, how.get("zone", "UTC"), time.time_ns() // 1_000 if now is None else now,
            how.get("version"), naming.beside(query.naming), how.get("limits") or Limits(),
            precisions=how.get("precisions") or {},
        )  # fmt: skip

    # ── by the columns ──────────────────────────────────────────────────────────────────────────────

    def context(self) -> Context | None:
        """What the question is folded over; None when the columns cannot answer."""
        view = self.columns.view(self.version)
        if view is None:
            return None
        view = self.columns.by(view, key_of(self.query.actor, view.schema))
        names = self.names(view.schema, view.version)
        asked = self.query.columns(names.schema)
        closure = names.closure(asked)
        reads = {*asked, *(name for one in closure for name in one.reads)}
        stored = [name for name in reads if name not in names]
        if any(name in view.wide or (name in LEFT_OUT and name != "time") for name in stored):
            return None
        view = derive(view, closure, names.schema, self.zone) if closure else view
        if view is None:
            return None
        return Context(
            view.schema, self.zone, self.now, view.oldest, view.newest, view,
            annotations=self.annotations(), precisions=self.precisions, cell=self.cell,
        )  # fmt: skip

    def names(self, schema: Any, version: int) -> Names:
        """The derived columns of the question and the file, over the columns stored."""
        return Names(self.naming, schema, self.zone, self.now, Membership(self.columns.lake, version, self.naming.root))

    def annotations(self) -> tuple[tuple[str, str], ...]:
        """Moments and what happened then, as the file has them."""
        return tuple((one.time, one.text) for one in self.naming.annotations.values())

    def by_columns(self, context: Context) -> Answer:
        """The exact answer."""
        view = context.columns_view
        for _ in range(self.query.passes(context)):
            context = replace(context, prepared=self.query.prepare(context))
            context = replace(context, found=merged(self.query, view.shards, context, self.limits))
        if self.cell is not None:
            return self._answer(context, self.query.people(context.found, context, self.cell), None)
        return self._answer(context, self.query.answer(context.found, context), None)

    def sampled(self, context: Context | None, sample: str | float) -> Answer:
        """The answer from a sample. Raises QuestionError when there are no columns to take one from."""
        if context is None:
            hint = "ask without a sample"
            raise QuestionError("only the columns have samples, and they cannot answer this", path="sample", hint=hint)
        share = share_of(sample, context.columns_view.actors)
        if share >= 1:
            return self.by_columns(context)
        return self._answer(context, *Sampling(self.query, context, self.limits).answer(share))

    def refined(self, context: Context, shares: Sequence[float] | None) -> Iterator[Answer]:
        """Better and better answers."""
        for result, sample in refined(Sampling(self.query, context, self.limits), shares):
            yield self._answer(context, result, sample)

    def _answer(self, context: Context, result: Result, sample: Sample | None) -> Answer:
        view, (rows, totals, notes) = context.columns_view, result
        notes = [*notes, *remarks(view)]
        said = _stands_on(view.version, view.rows, view.actors, "columns")
        return Answer(self._type, rows, said | stands_on(sample) if sample else said, notes, totals)

    @property
    def _type(self) -> str:
        return "people" if self.cell is not None else type(self.query).__module__.rpartition(".")[2]

    # ── by the reference ────────────────────────────────────────────────────────────────────────────

    def by_sql(self) -> Answer:
        """The same answer from the lake."""
        lake = self.columns.lake
        version = lake.version() if self.version is None else self.version
        stored = lake.schema(version)
        names = self.names(stored, version)
        closure, key = names.closure(self.query.columns(names.schema)), key_of(self.query.actor, stored)
        with lake.connect(version) as connection:
            connection.execute(f"set timezone = {literal(self.zone)}; set enable_progress_bar = false")
            if key != DEFAULT:
                rekey(connection, key, stored)
            count = "select count(*), count(distinct actor), epoch_us(min(time)), epoch_us(max(time)) from events"
            events, actors, oldest, newest = connection.execute(count).fetchall()[0]
            if closure:
                attach(connection, closure, stored)
            context = Context(
                names.schema, self.zone, self.now, oldest, newest,
                annotations=self.annotations(), precisions=self.precisions,
            )  # fmt: skip
            run = run_on(connection, self.limits)
            with self.limits.interrupting(connection.interrupt):
                if self.cell is None:
                    rows, totals, notes = self.query.by_sql(run, context)
                else:
                    rows, totals, notes = self.query.people_by_sql(run, context, self.cell)
                notes = [*notes, *remarks_by_sql(run, key, events)]
        return Answer(self._type, rows, _stands_on(version, events, actors, "sql"), notes, totals)

    def cost_by_sql(self) -> Cost:
        """What is known of the cost when the lake has to answer: how much there is to read."""
        with self.columns.lake.connect(self.version) as connection:
            events, actors = connection.execute("select count(*), count(distinct actor) from events").fetchall()[0]
        files = self.columns.lake.files(self.columns.lake.version() if self.version is None else self.version)
        size = sum(Path(file).stat().st_size for file in files)
        return Cost("sql", events, actors, 1, size, None, None, 0)


def run_on(connection: duckdb.DuckDBPyConnection, limits: Limits) -> Callable[[str], pa.Table]:
    """Executes statements; what does not fit its columns becomes a ConditionError."""

    def run(statement: str) -> pa.Table:
        limits.check()
        try:
            return connection.sql(statement).to_arrow_table()
        except duckdb.InterruptException:
            limits.check()
            raise
        except UNFIT as error:
            raise unanswerable("the question", error) from error

    return run


def _stands_on(version: int, events: int, actors: int, engine: str) -> dict[str, Any]:
    return {"lake_version": version, "events": events, "actors": actors, "exact": True, "engine": engine}

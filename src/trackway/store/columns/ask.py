"""Asking: a question, folded over the shards of a view, or answered by its reference SQL over the lake.

Both give the same answer; the SQL is what remains when a question reads a column that is not kept as codes,
or an old version of the lake.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from trackway.errors import QuestionError, suggest
from trackway.model.condition import literal
from trackway.plan.component import Answer, Query
from trackway.plan.naming import Naming
from trackway.store.columns.context import Context
from trackway.store.columns.evaluate import UNFIT, unanswerable
from trackway.store.columns.reading import LEFT_OUT
from trackway.store.columns.shards import Columns
from trackway.store.derived.build import derive
from trackway.store.derived.lists import Membership
from trackway.store.derived.names import Names
from trackway.store.derived.reference import attach

ENGINES = ("columns", "sql")


def ask(  # noqa: PLR0913
    query: Query,
    columns: Columns,
    *,
    zone: str = "UTC",
    now: int | None = None,
    engine: str = "columns",
    version: int | None = None,
    naming: Naming | None = None,
) -> Answer:
    """The answer to a question as of a lake version (default: now).

    `zone` is the calendar of days and weeks; `now` (microseconds, default: the clock) what `-30d` counts from;
    `naming` are the expressions, sessions and cohorts of the file.
    `stands_on` says the lake version, how many events and actors were there, that it is exact, how long it took
    and which engine answered. Raises ConditionError or QuestionError.
    """
    begin = time.perf_counter()
    if engine not in ENGINES:
        raise QuestionError(f"unknown engine '{engine}'", hint=suggest(engine, ENGINES))
    now = time.time_ns() // 1_000 if now is None else now
    naming = (naming or Naming()).beside(query.naming)
    answer = _by_columns(query, columns, zone, now, version, naming) if engine == "columns" else None
    answer = answer or _by_sql(query, columns, zone, now, version, naming)
    answer.stands_on["elapsed_ms"] = round((time.perf_counter() - begin) * 1000, 1)
    return answer


def _by_columns(  # noqa: PLR0913, PLR0917
    query: Query, columns: Columns, zone: str, now: int, version: int | None, naming: Naming
) -> Answer | None:
    """None when the columns cannot answer."""
    view = columns.view(version)
    if view is None:
        return None
    names = Names(naming, view.schema, zone, now, Membership(columns.lake, view.version, naming.root))
    asked = query.columns(names.schema)
    closure = names.closure(asked)
    reads = {*asked, *(name for one in closure for name in one.reads)}
    stored = [name for name in reads if name not in names]
    if any(name in view.wide or (name in LEFT_OUT and name != "time") for name in stored):
        return None
    view = derive(view, closure, names.schema, zone) if closure else view
    if view is None:
        return None
    context = Context(view.schema, zone, now, view.oldest, view.newest, view)
    for _ in range(query.passes(context)):
        context = replace(context, prepared=query.prepare(context))
        partials = list(workers().map(query.fold, view.shards, _same(context)))
        context = replace(context, found=query.merge(partials))
    rows, totals, notes = query.answer(context.found, context)
    return Answer(_type(query), rows, _stands_on(view.version, view.rows, view.actors, "columns"), notes, totals)


@cache
def workers() -> ThreadPoolExecutor:
    """One thread for each core, for all questions of the process: starting them would take longer than some folds."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="fold")


def _same(context: Context) -> Iterator[Context]:
    while True:
        yield context


def _by_sql(  # noqa: PLR0913, PLR0917
    query: Query, columns: Columns, zone: str, now: int, version: int | None, naming: Naming
) -> Answer:
    lake = columns.lake
    version = lake.version() if version is None else version
    stored = lake.schema(version)
    names = Names(naming, stored, zone, now, Membership(lake, version, naming.root))
    closure = names.closure(query.columns(names.schema))
    with lake.connect(version) as connection:
        connection.execute(f"set timezone = {literal(zone)}; set enable_progress_bar = false")
        count = "select count(*), count(distinct actor), epoch_us(min(time)), epoch_us(max(time)) from events"
        events, actors, oldest, newest = connection.execute(count).fetchall()[0]
        if closure:
            attach(connection, closure, stored)
        context = Context(names.schema, zone, now, oldest, newest)
        rows, totals, notes = query.by_sql(run_on(connection), context)
    return Answer(_type(query), rows, _stands_on(version, events, actors, "sql"), notes, totals)


def run_on(connection: duckdb.DuckDBPyConnection) -> Callable[[str], pa.Table]:
    """Executes statements; what does not fit its columns becomes a ConditionError."""

    def run(statement: str) -> pa.Table:
        try:
            return connection.sql(statement).to_arrow_table()
        except UNFIT as error:
            raise unanswerable("the question", error) from error

    return run


def _type(query: Query) -> str:
    return type(query).__module__.rpartition(".")[2]


def _stands_on(version: int, events: int, actors: int, engine: str) -> dict[str, Any]:
    return {"lake_version": version, "events": events, "actors": actors, "exact": True, "engine": engine}

"""DuckDB: a native table sorted by actor and time, ENUM for texts of few values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trackway.bench.questions import (
    FILTER_EVENT,
    FILTER_PLAN,
    LEFT,
    NODES,
    PERIODS,
    RETURN_EVENT,
    START_EVENT,
    STEPS,
    WITHIN_DAYS,
    Rows,
)

ONE, TWO, THREE = (f"event = '{step}'" for step in STEPS)
WITHIN = f"interval {WITHIN_DAYS} day"

FUNNEL_ASOF = f"""with
one as (select actor, time from events where {ONE}),
two as (
  select b.actor, b.time, a.time as start
  from (select actor, time from events where {TWO}) b asof join one a on a.actor = b.actor and a.time < b.time
  where b.time - a.time <= {WITHIN}),
three as (
  select c.actor
  from (select actor, time from events where {THREE}) c asof join two b on b.actor = c.actor and b.time < c.time
  where c.time - b.start <= {WITHIN})
select 1, count(distinct actor) from one
union all select 2, count(distinct actor) from two
union all select 3, count(distinct actor) from three"""

OVER = "over (partition by actor order by time rows unbounded preceding)"
FUNNEL_WINDOWS = f"""with
steps as (select actor, event, time from events where {ONE} or {TWO} or {THREE}),
one as (select *, max(time) filter ({ONE}) {OVER} as one from steps),
two as (select *, max(one) filter ({TWO} and time - one <= {WITHIN}) {OVER} as two from one),
levels as (
  select max(case when {THREE} and time - two <= {WITHIN} then 3
                  when {TWO} and time - one <= {WITHIN} then 2 when {ONE} then 1 end) as level
  from two group by actor)
select step, count(*) from levels, range(1, 4) as steps(step) where level >= step group by step"""

RETENTION_JOIN = f"""with firsts as (
  select actor, min(time) as start from events where event = '{START_EVENT}' group by 1)
select cohort, period, count(distinct actor) from (
  select actor, date_trunc('week', start) as cohort,
    date_diff('day', date_trunc('week', start), date_trunc('week', time)) // 7 as period
  from events join firsts using (actor) where event = '{RETURN_EVENT}' and time > start
) where period < {PERIODS} group by cohort, period"""

RETENTION_DISTINCT = f"""with firsts as (
  select actor, min(time) as start from events where event = '{START_EVENT}' group by 1)
select cohort, period, count(*) from (
  select distinct actor, date_trunc('week', start) as cohort,
    date_diff('day', date_trunc('week', start), date_trunc('week', time)) // 7 as period
  from events join firsts using (actor) where event = '{RETURN_EVENT}' and time > start
) where period < {PERIODS} group by cohort, period"""

PATHS = f"""with
firsts as (select actor, min(time) as start from events where event = '{START_EVENT}' group by actor),
line as (
  select actor, time, event, lag(event) over (partition by actor order by time) as before
  from events join firsts using (actor) where time >= start),
nodes as (
  select event, row_number() over one as step, lead(event) over one as after
  from line where before is distinct from event window one as (partition by actor order by time))
select step, event::varchar, coalesce(after::varchar, '{LEFT}'), count(*)
from nodes where step < {NODES} group by all"""

TEXTS: dict[str, dict[str, str]] = {
    "funnel": {"asof joins": FUNNEL_ASOF, "window functions": FUNNEL_WINDOWS},
    "daily_uniques": {
        "count distinct": "select time::date as day, count(distinct actor) from events group by day",
        "distinct, then count": """select day, count(*) from (select distinct time::date as day, actor from events)
        group by day""",
    },
    "retention": {"join, count distinct": RETENTION_JOIN, "join, distinct": RETENTION_DISTINCT},
    "paths": {"window functions": PATHS},
    "filtered_count": {
        "group by": f"""select time::date as day, country, count(*) from events
        where event = '{FILTER_EVENT}' and plan = '{FILTER_PLAN}' group by day, country"""
    },
}


class Engine:
    """DuckDB over a database file, its buffers warm."""

    layout = "native table sorted by (actor, time), ENUM for event, country, plan and path, VARCHAR actor"

    def __init__(self, folder: Path, threads: int) -> None:
        import duckdb

        folder.mkdir(parents=True, exist_ok=True)
        self.version = f"DuckDB {duckdb.__version__}"
        self._connection = duckdb.connect(str(folder / "bench.duckdb"))
        self._connection.execute(
            f"set threads = {threads}; set memory_limit = '8GB'; set timezone = 'UTC'; set enable_progress_bar = false"
        )

    def load(self, files: Sequence[Path]) -> None:
        """Enumerations first, then the sorted table."""
        pattern = str(files[0].parent / "part-*.parquet").replace("'", "''")
        words = ("event", "country", "plan", "path")
        for word in words:
            self._connection.execute(
                f"create type {word}s as enum (select distinct {word} from read_parquet('{pattern}') order by 1)"
            )
        cast = ", ".join(f"{word}::{word}s as {word}" for word in words)
        self._connection.execute(
            f"""create table events as select time::timestamp as time, actor, {cast}, amount
            from read_parquet('{pattern}') order by actor, time"""
        )
        self._connection.execute("checkpoint")

    def open(self) -> None:
        """The database is open."""

    def texts(self, question: str) -> list[str]:
        """Names of the ways to put a question."""
        return list(TEXTS[question])

    def ask(self, question: str, text: str) -> Any:
        """Tuples of the answer."""
        return self._connection.execute(TEXTS[question][text]).fetchall()

    def rows(self, question: str, answer: Any) -> Rows:  # noqa: ARG002 - all of one shape
        """Days become ISO text."""
        return sorted(tuple(_plain(value) for value in row) for row in answer)


def _plain(value: Any) -> Any:
    return value.isoformat()[:10] if hasattr(value, "isoformat") else value

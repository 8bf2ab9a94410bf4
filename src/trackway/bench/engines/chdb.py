"""ClickHouse, in the process (chDB): MergeTree ordered by actor and time, `windowFunnel`, `uniqExact`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

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

WORD = "LowCardinality(String)"
TABLE = f"""create table bench.events (
  time DateTime64(6, 'UTC'), actor {WORD}, event {WORD}, country {WORD}, plan {WORD}, path {WORD}, amount Float64
) engine = MergeTree order by (actor, time)"""
MICROS = "reinterpret(time, 'UInt64')"
RETURNED = f"event = '{RETURN_EVENT}'"
STARTED = f"event = '{START_EVENT}'"

FUNNEL = f"""select level, count() from (
  select windowFunnel({WITHIN_DAYS * 86_400_000_000})({MICROS}, {", ".join(f"event = '{step}'" for step in STEPS)})
    as level
  from bench.events where event in {STEPS} group by actor
) where level > 0 group by level order by level"""

RETENTION_JOIN = f"""with firsts as (select actor, min(time) as start from bench.events where {STARTED} group by actor)
select toMonday(start) as cohort, intDiv(toMonday(time) - toMonday(start), 7) as period, uniqExact(actor)
from bench.events join firsts using (actor)
where {RETURNED} and time > start and period < {PERIODS}
group by cohort, period order by cohort, period"""

RETENTION_ARRAYS = f"""select cohort, period, count() from (
  select toMonday(start) as cohort,
    arrayJoin(arrayDistinct(arrayMap(t -> intDiv(toMonday(t) - toMonday(start), 7),
      arrayFilter(t -> t > start, returns)))) as period
  from (
    select minIf(time, {STARTED}) as start, groupArrayIf(time, {RETURNED}) as returns
    from bench.events where {STARTED} or {RETURNED} group by actor having countIf({STARTED}) > 0
  )
) where period < {PERIODS} group by cohort, period order by cohort, period"""

PATHS = f"""select edge.1, edge.2, edge.3, count() from (
  select arrayJoin(arrayMap(
    k -> (k, nodes[k], if(k < length(nodes), nodes[k + 1], '{LEFT}')), range(1, least(length(nodes), {NODES - 1}) + 1)
  )) as edge
  from (
    select minIf(time, {STARTED}) as start, groupArray((time, event::String)) as line,
      arraySlice(arrayCompact(arrayMap(
        one -> one.2, arraySort(one -> one.1, arrayFilter(one -> one.1 >= start, line)))), 1, {NODES}) as nodes
    from bench.events {{where}} group by actor having countIf({STARTED}) > 0
  )
) group by edge"""
STARTERS = f"where actor in (select actor from bench.events where {STARTED})"

TEXTS: dict[str, dict[str, str]] = {
    "funnel": {
        "windowFunnel": FUNNEL,
        "windowFunnel, aggregation in order": f"{FUNNEL} settings optimize_aggregation_in_order = 1",
    },
    "daily_uniques": {
        "uniqExact": "select toDate(time) as day, uniqExact(actor) from bench.events group by day order by day",
        "days of each actor": """select day, count() from (
          select arrayJoin(groupUniqArray(toDate(time))) as day from bench.events group by actor
        ) group by day order by day settings optimize_aggregation_in_order = 1""",
    },
    "retention": {"join": RETENTION_JOIN, "arrays": RETENTION_ARRAYS},
    "paths": {
        "arrays": PATHS.format(where=""),
        "arrays, aggregation in order": f"{PATHS.format(where='')} settings optimize_aggregation_in_order = 1",
        "arrays of those who signed up": PATHS.format(where=STARTERS),
    },
    "filtered_count": {
        "group by": f"""select toDate(time) as day, country, count() from bench.events
        where event = '{FILTER_EVENT}' and plan = '{FILTER_PLAN}' group by day, country order by day, country"""
    },
}


class Engine:
    """chDB over a table on disk, read again from the page cache and its own caches."""

    layout = (
        "MergeTree ORDER BY (actor, time), one part after OPTIMIZE FINAL, LowCardinality(String) for every text, "
        "DateTime64(6)"
    )

    def __init__(self, folder: Path, threads: int) -> None:
        from chdb.session import Session

        self.version = f"chDB {version('chdb')}"
        self._session = Session(str(folder))
        self._session.query(f"set max_threads = {threads}")

    def load(self, files: Sequence[Path]) -> None:
        """One insert of all files, then one part."""
        pattern = str(files[0].parent / "part-*.parquet").replace("'", "\\'")
        self._session.query("create database bench")
        self._session.query(TABLE)
        self._session.query(f"insert into bench.events select * from file('{pattern}', Parquet)")
        self._session.query("optimize table bench.events final")

    def open(self) -> None:
        """The session is open."""

    def texts(self, question: str) -> list[str]:
        """Names of the ways to put a question."""
        return list(TEXTS[question])

    def ask(self, question: str, text: str) -> Any:
        """Arrow bytes of the answer."""
        return self._session.query(TEXTS[question][text], "ArrowStream").bytes()

    def rows(self, question: str, answer: Any) -> Rows:
        """Levels become steps; days become ISO text."""
        table = pa.ipc.open_stream(answer).read_all()
        plain = [tuple(_plain(value) for value in row.values()) for row in table.to_pylist()]
        if question != "funnel":
            return sorted(plain)
        reached = dict(plain)
        return [
            (step, sum(count for level, count in reached.items() if level >= step)) for step in range(1, len(STEPS) + 1)
        ]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return value.isoformat() if hasattr(value, "isoformat") else value

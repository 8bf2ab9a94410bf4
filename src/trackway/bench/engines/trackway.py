"""Trackway: a workspace whose lake gets the events in commits of a million, and its columns; asked as people ask."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from trackway import __version__
from trackway.app import Workspace
from trackway.bench.kinds import KINDS
from trackway.bench.questions import QUESTIONS, STEPS, Rows

ASKED = KINDS | {question.name: question.asked for question in QUESTIONS}
COMMITTED = """select md5_number_lower('bench' || chr(0) || id) >> 1 as number, * from (
  select 'e' || {file} || '-' || file_row_number as id, * from read_parquet('{path}', file_row_number = true))"""
SHAPED = f"""select
  id as event_id, time, time as received_at, time as stored_at, 'bench' as source, event::varchar as event,
  actor, actor as user_id, null::varchar as anonymous_id, number::bigint as tie, {{file}}::bigint as block,
  file_row_number::bigint as row, null::varchar as more,
  country::varchar as country, plan::varchar as plan, path::varchar as path, amount
from ({COMMITTED})"""
"""A file of events as the flow would commit it: with ids, and the hash that orders events of one instant."""


class Engine:
    """One workspace, asked through its public door."""

    layout = (
        "Delta lake (Parquet by day) as the truth; columns of dictionary codes sorted by (actor, time), memory-mapped, "
        "also id and source of every event"
    )

    def __init__(self, folder: Path, threads: int) -> None:  # noqa: ARG002 - it takes the cores there are
        self.version = f"Trackway {__version__}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "trackway.toml").write_text('[project]\nname = "bench"\n', encoding="utf-8")
        self._workspace = Workspace.open(folder)

    def load(self, files: Sequence[Path]) -> None:
        """One commit per file, then the columns."""
        lake = self._workspace.lake
        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'; set enable_progress_bar = false")
            for number, file in enumerate(files, start=1):
                path = str(file).replace("'", "''")
                events: pa.Table = connection.sql(SHAPED.format(file=number, path=path)).to_arrow_table()
                lake.commit(events, number, {})
        self._workspace.columns.view()
        self._workspace.close()

    def open(self) -> None:
        """Map the columns."""
        self._workspace.columns.view()

    def texts(self, question: str) -> list[str]:
        """There is one way to ask."""
        return ["ask"] if question in ASKED else []

    def ask(self, question: str, text: str) -> Any:  # noqa: ARG002 - there is one text
        """The whole answer, as every door gets it."""
        return self._workspace.ask(ASKED[question])

    def rows(self, question: str, answer: Any) -> Rows:
        """The figures that all engines give, without those that only ours has (median, rate)."""
        if answer.stands_on["engine"] != "columns":
            raise RuntimeError(f"{question} was not answered by the columns")
        if question == "funnel":
            reached = {row["name"]: row["actors"] for row in answer.rows}
            return [(number, reached[step]) for number, step in enumerate(STEPS, start=1)]
        if question == "retention":
            return sorted(
                (_day(row["cohort"]), row["period"], row["returned"]) for row in answer.rows if row["returned"]
            )
        if question == "paths":
            return sorted((row["step"], row["from"], row["to"], row["value"]) for row in answer.rows)
        if question == "filtered_count":
            return sorted((_day(row["time"]), row["country"], row["value"]) for row in answer.rows if row["value"])
        return sorted((_day(row["time"]), row["value"]) for row in answer.rows)

    def soonest(self, question: str) -> float:
        """Seconds until there is a first answer, from a sample where that is sooner."""
        begun = time.perf_counter()
        next(iter(self._workspace.answers(ASKED[question])))
        return time.perf_counter() - begun

    def figures(self, question: str) -> dict[str, int]:
        """Bytes of all the columns a question reads: no fold can be faster than memory gives them."""
        return {"bytes": self._workspace.estimate(ASKED[question]).bytes}


def _day(moment: str) -> str:
    return moment[:10]

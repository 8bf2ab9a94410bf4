"""Running one transform over a few events, as the flow does."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from trackway.flow.functions import Functions
from trackway.flow.fuse import AT, DETAIL, LEFT, Fusion, Step, guard
from trackway.model.schema import ARROW, ENVELOPE, Kind, kind_of
from trackway.plan.config import component


def table_of(events: list[dict[str, Any]], kinds: dict[str, Kind] | None = None) -> pa.Table:
    """Events as a decoded batch: the columns that occur, and those of the envelope."""
    names = dict.fromkeys([*ENVELOPE, *(kinds or {}), *(name for event in events for name in event)])
    columns = {}
    for name in names:
        kind = ENVELOPE.get(name) or (kinds or {}).get(name)
        columns[name] = pa.array([event.get(name) for event in events], ARROW[kind] if kind else None)
    return pa.table(columns)


class Applied:
    """What one transform made of a batch."""

    def __init__(self, rows: list[dict[str, Any]], fusion: Fusion) -> None:
        self.rows = rows
        self.kinds = fusion.columns
        self.legend = fusion.legend

    @property
    def stay(self) -> list[dict[str, Any]]:
        """Events that go on, without their nulls."""
        return [self._plain(row) for row in self.rows if not row[LEFT]]

    def left(self, bin_: str) -> list[dict[str, Any]]:
        """Events that were dropped or refused, each with its `why`."""
        gone = [(row, self.legend[row[LEFT] - 1]) for row in self.rows if row[LEFT]]
        return [{**self._plain(row), "why": row[DETAIL], "reason": way.reason} for row, way in gone if way.bin == bin_]

    def _plain(self, row: dict[str, Any]) -> dict[str, Any]:
        return {name: row[name] for name in self.kinds if row[name] is not None}


class Runner:
    """Applies transforms given as tables of trackway.toml."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("set timezone = 'UTC'")
        self.functions = Functions(self.connection)

    def __call__(
        self, options: dict[str, Any], events: list[dict[str, Any]], kinds: dict[str, Kind] | None = None
    ) -> Applied:
        return self.on_table(options, table_of(events, kinds))

    def on_table(self, options: dict[str, Any], table: pa.Table) -> Applied:
        transform = component("transforms", options, "t")
        columns = {field.name: kind_of(field.type) for field in table.schema}
        fusion = Fusion("select * from given", columns)
        rewrite = self.functions.register(transform.rewrite(fusion.schema))
        fusion.apply(Step("t", rewrite, where=guard(transform.where, fusion.schema)))
        self.connection.register("given", table.append_column(AT, pa.array(range(len(table)))))
        found = self.connection.sql(fusion.query(["*"])).to_arrow_table().sort_by(AT)
        return Applied(found.to_pylist(), fusion)


@pytest.fixture
def run() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.connection.close()

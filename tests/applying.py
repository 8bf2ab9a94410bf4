"""Running one transform over a few events, as the flow does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from trackway.flow.functions import Functions
from trackway.flow.fuse import AT, CHOSEN, DETAIL, FRAME, LEFT, RAW, Fusion, Step, Way, guard
from trackway.flow.marks import Marks
from trackway.flow.reshaping import turn
from trackway.model.schema import ARROW, ENVELOPE, Kind, kind_of
from trackway.plan.component import Reshape
from trackway.plan.config import component

FUNCTIONS = """
import pyarrow.compute as pc

def score(events):
    amount = pc.fill_null(pc.cast(events["amount"], "string"), "")
    return {"score": pc.cast(pc.utf8_length(amount), "double"), "tier": pc.cast(events["plan"], "string")}
"""


def prepared(folder: Path) -> Path:
    """A folder with the files that the examples of transforms name."""
    from mmdb_writer import MMDBWriter
    from netaddr import IPSet

    writer = MMDBWriter(6, "Test-City", languages=["en"], description="made for a test", ipv4_compatible=True)
    writer.insert_network(IPSet(["203.0.113.0/24"]), {
        "country": {"iso_code": "NL", "names": {"en": "Netherlands"}}, "city": {"names": {"en": "Utrecht"}},
        "subdivisions": [{"iso_code": "UT"}], "location": {"latitude": 52.25, "time_zone": "Europe/Amsterdam"},
    })  # fmt: skip
    writer.insert_network(IPSet(["2001:db8::/32"]), {"country": {"iso_code": "IS"}, "subdivisions": []})
    writer.to_db_file(str(folder / "GeoLite2-City.mmdb"))
    (folder / "functions.py").write_text(FUNCTIONS, encoding="utf-8")
    return folder


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

    def __init__(self, rows: list[dict[str, Any]], kinds: dict[str, Kind], legend: list[Way], made: int = 0) -> None:
        self.rows = rows
        self.kinds = kinds
        self.legend = legend
        self.made = made
        """How many events there are that were not given."""

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
        if reshapes := transform.reshape():
            fusion.choose(guard(transform.where, fusion.schema))
        self.connection.register("given", table.append_column(AT, pa.array(range(len(table)))))
        found = self.connection.sql(fusion.query(["*"])).to_arrow_table().sort_by(AT)
        if reshapes is None:
            return Applied(found.to_pylist(), fusion.columns, fusion.legend)
        try:
            return _reshaped(reshapes, found, fusion)
        finally:
            reshapes.close()


def _reshaped(reshapes: Reshape, found: pa.Table, fusion: Fusion) -> Applied:
    """What goes through the function too, as it does in the flow."""
    rows = found.to_pylist()
    here = found.filter(pc.equal(found[LEFT], 0))
    frame = [here["block"], here["row"], pa.nulls(len(here), pa.binary())]
    rest = {name: here[name] for name in fusion.columns if name not in FRAME}
    table = pa.table([*frame, *rest.values()], names=[*FRAME, *rest])
    turned = turn(reshapes, table, _marks(len(here)), here[CHOSEN].to_numpy())
    legend = [*fusion.legend]
    gone = [row for row in rows if row[LEFT]]
    numbers = here[AT].to_pylist()
    for row, (reason, detail) in turned.refused.items():
        legend.append(Way("refused", "t", reason.value))
        gone.append({**rows[numbers[row]], LEFT: len(legend), DETAIL: detail})
    kinds = {field.name: kind_of(field.type) for field in turned.table.schema if field.name != RAW}
    stay = [{**row, LEFT: 0} for row in turned.table.to_pylist()]
    names = [*kinds, *(name for name in fusion.columns if name not in kinds)]
    return Applied([{**dict.fromkeys(names), **row} for row in (*stay, *gone)], kinds, legend, turned.made)


def _marks(size: int) -> Marks:
    nothing = pa.nulls(size, pa.timestamp("us", "UTC"))
    zeros = np.zeros(size, np.uint64)
    return Marks(nothing, zeros, zeros.astype(np.uint32), zeros.astype(np.bool_), pa.nulls(size, pa.string()), nothing)


@pytest.fixture
def run() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.connection.close()

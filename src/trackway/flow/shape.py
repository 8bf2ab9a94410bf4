"""Shaping: transforms, contracts, the lake's types, identity and checks, as one fused DuckDB query a batch.

The query reads and gives only what the steps touch; every other column passes by as the Arrow column the
codec made. Reference for what each step means is the step itself: `prefix` runs only the first few, so that
a trace can show one event after each of them.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trackway.flow.contracts import declared, enforce
from trackway.flow.decoding import Decoded
from trackway.flow.fit import fit
from trackway.flow.functions import Functions
from trackway.flow.fuse import AT, DETAIL, LEFT, OWN, RAW, Fusion, Step, Way, guard
from trackway.flow.marks import Marks, marks, naming
from trackway.flow.names import tidy
from trackway.model.condition import literal, quoted
from trackway.model.event import Reason
from trackway.model.schema import ENVELOPE, SQL, Kind, Schema, kind_of
from trackway.model.time import MICROS
from trackway.plan.component import Rewrite, Transform, Verdict
from trackway.plan.config import Plan
from trackway.store.keys import halves
from trackway.store.stretches import keep

log = logging.getLogger(__name__)

HI, LO, CONTENT = OWN + "hi", OWN + "lo", OWN + "content"
GIVEN = ("event_id", "time", "event", "actor", "user_id", "anonymous_id", "more")
"""Envelope columns a codec or a transform may give."""
FRAME = ("block", "row", RAW)
"""What every decoded table has besides what was read."""
AHEAD = 86_400 * MICROS
"""How far ahead of its arrival an event's time may be."""
COMPILED = 64
"""Most queries kept compiled; a batch of columns not seen before needs a new one."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """A batch after shaping, in the order received."""

    source: str
    events: pa.Table
    """What goes on: envelope and properties in the lake's types, and HI, LO, CONTENT for deduplication."""
    refused: pa.Table
    """What was refused here: `block row raw reason detail step parsed`."""
    counts: Counter[Way] = field(default_factory=Counter)
    """Records that left, by how."""
    drift: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(column, what) -> values."""


class Shaper:
    """The shaping of one plan. Not for several threads at once."""

    def __init__(self, plan: Plan, threads: int | None = None) -> None:
        self._plan = plan
        self._connection = duckdb.connect(config={"python_enable_replacements": False})
        self._connection.execute("set timezone = 'UTC'")
        self._connection.execute("set enable_progress_bar = false")
        if threads:
            self._connection.execute(f"set threads = {threads}")
        self._functions = Functions(self._connection)
        self._compiled: dict[Any, Fusion] = {}
        self._declared = declared(plan.contracts)
        self._wary: set[str] = set()
        """Sources on whose events an expression failed before."""

    def close(self) -> None:
        """Let go of DuckDB."""
        self._functions.clear()
        self._connection.close()

    def known(self, source: str, lake: Schema) -> Schema:
        """The columns of the lake, and what contracts declare, as the codec of a source may expect them: without
        those that transforms make, since before the transforms they may be of another kind.
        """
        text: Kind = "string"
        texts = Schema(dict.fromkeys(lake.properties, text))
        made: set[str] = set()
        for _name, transform in self._transforms(source):
            for schema in (lake, texts):
                with suppress(duckdb.Error):
                    rewrite = transform.rewrite(schema)
                    made |= {*rewrite.set, *rewrite.drop}
        expected = self._declared | lake.properties
        return Schema({name: kind for name, kind in expected.items() if name not in made})

    def shape(self, decoded: Decoded, lake: Schema) -> Shaped:
        """Shape what a codec read. Never raises for what is in the events."""
        table = tidy(decoded.events)
        placed = marks(decoded.blocks, table)
        if decoded.source not in self._wary:
            try:
                return self._shape(decoded.source, table, placed, lake, careful=False)
            except duckdb.Error as error:
                log.warning(
                    "a step fails on events of %s, its failures count as null from now: %s", decoded.source, error
                )
                self._wary.add(decoded.source)
        return self._carefully(decoded.source, table, placed, lake)

    def _carefully(self, source: str, table: pa.Table, placed: Marks, lake: Schema) -> Shaped:
        """With failing expressions as null; and if it still fails, in halves, down to the event at fault."""
        try:
            return self._shape(source, table, placed, lake, careful=True)
        except duckdb.Error as error:
            if table.num_rows <= 1 or isinstance(error, duckdb.ProgrammingError):
                log.exception("cannot shape %d events of %s", table.num_rows, source)
                return _refused_whole(source, table, f"the transforms failed: {error}"[:500])
        half = table.num_rows // 2
        parts = [slice(0, half), slice(half, table.num_rows)]
        shaped = [self._carefully(source, table.slice(p.start, p.stop - p.start), placed.slice(p), lake) for p in parts]
        return Shaped(
            source,
            pa.concat_tables([s.events for s in shaped], promote_options="default"),
            pa.concat_tables([s.refused for s in shaped], promote_options="default"),
            shaped[0].counts + shaped[1].counts,
            shaped[0].drift + shaped[1].drift,
        )

    def _shape(self, source: str, table: pa.Table, placed: Marks, lake: Schema, *, careful: bool) -> Shaped:
        fusion = self._fused(source, table, lake, careful=careful)
        out = self._run(fusion, table, placed)
        result = _joined(fusion, table, out, placed, lake)
        left = out[LEFT].to_numpy()
        drift = Counter(
            {what: n for i, what in enumerate(fusion.counted) if (n := pc.sum(out[f"{OWN}count{i}"]).as_py() or 0)}
        ) + self._misread(table, lake)
        if not left.any():
            return Shaped(source, result, _no_refusals(), Counter(), drift)
        codes, numbers = np.unique(left[left > 0], return_counts=True)
        counts: Counter[Way] = Counter()
        for code, number in zip(codes.tolist(), numbers.tolist(), strict=True):
            counts[fusion.legend[code - 1]] += number
        refused = self._refused(fusion, table, out, left)
        return Shaped(source, keep(result, left == 0), refused, counts, drift)

    # ── compiling ───────────────────────────────────────────────────────────────────────────────────

    def _fused(self, source: str, table: pa.Table, lake: Schema, *, careful: bool) -> Fusion:
        columns = _kinds(table)
        key = (source, tuple(columns.items()), tuple(lake.properties.items()), careful)
        if key not in self._compiled:
            if len(self._compiled) >= COMPILED:
                self._compiled.clear()
                self._functions.clear()
            self._compiled[key] = self._compile(source, columns, lake, careful=careful)
        return self._compiled[key]

    def _compile(self, source: str, columns: Mapping[str, Kind], lake: Schema, *, careful: bool) -> Fusion:
        fusion = beginning(source, columns, careful=careful)
        for step in self._steps(source, fusion, lake):
            fusion.apply(step)
        fusion.apply(naming())
        fusion.apply(check())
        return fusion

    def _steps(self, source: str, fusion: Fusion, lake: Schema) -> Iterator[Step]:
        """The steps of a source, each made for the columns the ones before it left."""
        for name, transform in self._transforms(source):
            rewrite = self._functions.register(transform.rewrite(fusion.schema))
            yield Step(name, rewrite, guard(transform.where, fusion.schema))
        for name, contract in self._plan.contracts.items():
            yield enforce(name, contract, fusion.columns)
        yield fit(fusion.columns, lake.properties, self._declared, self._plan.project.max_columns)

    def _transforms(self, source: str) -> Iterator[tuple[str, Transform]]:
        for name, transform in self._plan.transforms.items():
            if transform.sources is None or source in transform.sources:
                yield name, transform

    # ── running ─────────────────────────────────────────────────────────────────────────────────────

    def _run(self, fusion: Fusion, table: pa.Table, placed: Marks) -> pa.Table:
        key = "md5_number(source || chr(0) || event_id)"
        columns = [quoted(AT), quoted(LEFT), quoted(DETAIL), *map(quoted, fusion.changed)]
        columns += [quoted(f"{OWN}count{i}") for i in range(len(fusion.counted))]
        hi, lo = halves("m")
        inner = fusion.query([*columns, f"{key} as m"])
        columns += [f"{hi} as {quoted(HI)}", f"{lo} as {quoted(LO)}", f"({hi} >> 1)::bigint as tie"]
        self._connection.register("decoded", placed.beside(table))
        try:
            out = self._connection.sql(f"select {', '.join(columns)} from ({inner})").to_arrow_table()
        finally:
            self._connection.unregister("decoded")
        at = out[AT].to_numpy()
        if len(at) > 1 and not bool((np.diff(at) == 1).all()):
            out = out.take(pa.array(np.argsort(at)))
        return out

    def _misread(self, table: pa.Table, lake: Schema) -> Counter[tuple[str, str]]:
        """How many values the codec kept in `more`: by column those not of its kind, and those that got no column.
        What contracts declare, they count themselves.
        """
        found: Counter[tuple[str, str]] = Counter()
        if "more" not in table.column_names or table["more"].null_count == table.num_rows:
            return found
        names = "select unnest(json_keys(more)) as name from kept where more is not null"
        self._connection.register("kept", table.select(["more"]))
        try:
            counts = self._connection.execute(f"select name, count(*) from ({names}) group by name").fetchall()
        finally:
            self._connection.unregister("kept")
        for name, count in counts:
            if name not in self._declared:
                found[(name, "type") if name in lake else ("", "columns")] += count
        return found

    def _refused(self, fusion: Fusion, table: pa.Table, out: pa.Table, left: NDArray[Any]) -> pa.Table:
        """The rows that a verdict refused, with what had been read of them."""
        refusing = [i + 1 for i, way in enumerate(fusion.legend) if way.bin == "refused"]
        rows = np.flatnonzero(np.isin(left, refusing))
        ways = [fusion.legend[code - 1] for code in left[rows].tolist()]
        picked = table.take(pa.array(rows))
        return pa.table(
            {
                "block": picked["block"], "row": picked["row"], "raw": picked[RAW],
                "reason": pa.array([way.reason for way in ways], pa.string()),
                "detail": out[DETAIL].take(pa.array(rows)),
                "step": pa.array([way.step for way in ways], pa.string()),
                "parsed": self.parsed(picked),
            }
        )  # fmt: skip

    def parsed(self, table: pa.Table) -> pa.ChunkedArray | pa.Array:
        """What was read of each row, as JSON without its nulls."""
        names = [name for name in table.column_names if name not in FRAME]
        if not names or not table.num_rows:
            return pa.nulls(table.num_rows, pa.string())
        self._connection.register("picked", table.select(names))
        try:
            text = "select json_merge_patch('{}', to_json(picked))::varchar as parsed from picked"
            return self._connection.sql(text).to_arrow_table()["parsed"]
        finally:
            self._connection.unregister("picked")

    def prefixes(self, decoded: Decoded, row: int, lake: Schema) -> Iterator[tuple[str, dict[str, Any]]]:
        """One event (by its place in `decoded`) after each step: (name of the step, columns and verdict)."""
        whole = tidy(decoded.events)
        placed = marks(decoded.blocks, whole).slice(slice(row, row + 1))
        table = whole.slice(row, 1)
        fusion = beginning(decoded.source, _kinds(table), careful=True)
        yield "", self._only(fusion, table, placed)
        for step in chain(self._steps(decoded.source, fusion, lake), (naming(), check())):
            fusion.apply(step)
            yield step.name, self._only(fusion, table, placed)

    def _only(self, fusion: Fusion, table: pa.Table, placed: Marks) -> dict[str, Any]:
        self._connection.register("decoded", placed.beside(table))
        try:
            row = self._connection.sql(fusion.query(["*"])).to_arrow_table().to_pylist()[0]
        finally:
            self._connection.unregister("decoded")
        found = {name: row[name] for name in fusion.columns}
        if row[LEFT]:
            way = fusion.legend[row[LEFT] - 1]
            found[LEFT] = {"bin": way.bin, "step": way.step, "reason": way.reason, "detail": row[DETAIL]}
        return found


def _kinds(table: pa.Table) -> dict[str, Kind]:
    return {field.name: kind_of(field.type) for field in table.schema if field.name not in FRAME}


def beginning(source: str, columns: Mapping[str, Kind], *, careful: bool) -> Fusion:
    """The query before any step: the decoded columns, and the envelope's that were not decoded as nulls."""
    missing = [f"null::{SQL[ENVELOPE[name]]} as {quoted(name)}" for name in GIVEN if name not in columns]
    text = ", ".join(["*", f"{literal(source)} as source", *missing])
    kinds: dict[str, Kind] = {name: ENVELOPE[name] for name in ENVELOPE if name not in ("stored_at", "tie")}
    return Fusion(f"select {text} from decoded", {**kinds, **columns}, careful=careful)


def check() -> Step:
    """The rules every event must keep."""
    early = "time < timestamptz '1970-01-01 00:00:00+00'"
    late = f"epoch_us(time) > epoch_us(received_at) + {AHEAD}"
    return Step(
        "check",
        Rewrite(
            verdicts=[
                Verdict("event is null or event = ''", "refused", Reason.NO_EVENT, "'the record names no event'"),
                Verdict(early, "refused", Reason.TIME_RANGE, "'a time before 1970: ' || time::varchar"),
                Verdict(late, "refused", Reason.TIME_RANGE, "'a time more than a day ahead: ' || time::varchar"),
                Verdict("actor is null", "refused", Reason.NO_ACTOR, "'neither user_id nor anonymous_id'"),
            ]
        ),
    )


def _joined(fusion: Fusion, table: pa.Table, out: pa.Table, placed: Marks, lake: Schema) -> pa.Table:
    """The columns that passed by and those the query gave, as one table, names spelled as the lake spells them."""
    spelled = {name.lower(): name for name in lake}
    read = set(table.column_names)
    columns: dict[str, Any] = {}
    for name in fusion.columns:
        if name in fusion.changed:
            columns[spelled.get(name.lower(), name)] = out[name]
        elif name in read:
            columns[spelled.get(name.lower(), name)] = table[name]
    columns |= {"tie": out["tie"], "received_at": placed.received_at, HI: out[HI], LO: out[LO], CONTENT: placed.content}
    return pa.table(columns)


REFUSALS = pa.schema([
    ("block", pa.int64()), ("row", pa.int64()), ("raw", pa.binary()), ("reason", pa.string()),
    ("detail", pa.string()), ("step", pa.string()), ("parsed", pa.string()),
])  # fmt: skip


def _no_refusals() -> pa.Table:
    return REFUSALS.empty_table()


def _refused_whole(source: str, table: pa.Table, detail: str) -> Shaped:
    """Every row refused, since the steps cannot run on such columns."""
    way = Way("refused", "transforms", Reason.UNREADABLE.value)
    size = table.num_rows
    texts = {"reason": way.reason, "detail": detail, "step": way.step, "parsed": None}
    filled = [pa.array([text] * size, pa.string()) for text in texts.values()]
    refused = pa.table([table["block"], table["row"], table[RAW], *filled], schema=REFUSALS)
    return Shaped(source, table.slice(0, 0).select([]), refused, Counter({way: size}))

"""Shaping: transforms, contracts, the lake's types, identity and checks, as one fused DuckDB query a batch.

The query reads and gives only what the steps touch; every other column passes by as the Arrow column the
codec made. A step that no query can say, such as making several events of one, stands between two queries. Reference
for what each step means is the step itself: `prefixes` runs only the first few, so that a trace can show one event
after each of them.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trackway.flow.decoding import Decoded
from trackway.flow.functions import Functions
from trackway.flow.fuse import AT, CHOSEN, DETAIL, FRAME, LEFT, OWN, RAW, Fusion, Way, guard
from trackway.flow.marks import Marks, marks
from trackway.flow.names import tidy
from trackway.flow.passing import Passing, kinds_of
from trackway.flow.reshaping import Turned, turn
from trackway.flow.steps import Steps, beginning
from trackway.model.condition import quoted
from trackway.model.event import Reason
from trackway.model.schema import Schema
from trackway.plan.config import Plan
from trackway.store.keys import halves
from trackway.store.stretches import keep

log = logging.getLogger(__name__)

HI, LO, CONTENT = OWN + "hi", OWN + "lo", OWN + "content"
KEY = "md5_number(source || chr(0) || event_id)"
KEYS = (*(f"{half} as {quoted(name)}" for half, name in zip(halves("m"), (HI, LO), strict=True)),
        f"({halves('m')[0]} >> 1)::bigint as tie")  # fmt: skip
"""What tells events apart and orders them."""


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
        self._connection = duckdb.connect(config={"python_enable_replacements": False})
        self._connection.execute("set timezone = 'UTC'")
        self._connection.execute("set enable_progress_bar = false")
        if threads:
            self._connection.execute(f"set threads = {threads}")
        self._functions = Functions(self._connection)
        self.steps = Steps(plan, self._functions)
        """What the events of each source go through."""
        self._wary: set[str] = set()
        """Sources on whose events an expression failed before."""

    def close(self) -> None:
        """Let go of DuckDB."""
        self.steps.close()
        self._functions.clear()
        self._connection.close()

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
        """Stage by stage: one query, then what reshapes, until the last query."""
        here = Passing(table, placed, kinds_of(table), drift=self._misread(table, lake))
        stages = self.steps.stages(source)
        for number in range(len(stages) - 1):
            fusion = self.steps.fused(source, number, here.kinds, lake, careful=careful)
            out = self._run(fusion, here, [quoted(CHOSEN)])
            stays = self._leave(here, fusion, out)
            here.go_on(fusion, out, stays)
            name = stages[number][-1][0]
            turned = turn(self.steps.reshapes[name], here.table, here.placed, out[CHOSEN].to_numpy()[stays])
            self._turn(here, name, turned)
        fusion = self.steps.fused(source, len(stages) - 1, here.kinds, lake, careful=careful)
        out = self._run(fusion, here, KEYS, f"{KEY} as m")
        result = _joined(fusion, here.table, out, here.placed, lake)
        stays = self._leave(here, fusion, out)
        refused = pa.concat_tables(here.refused) if here.refused else _no_refusals()
        return Shaped(source, keep(result, stays), refused, here.counts, here.drift)

    def _leave(self, here: Passing, fusion: Fusion, out: pa.Table) -> NDArray[np.bool_]:
        """Count what left in a query and what drifted; which rows stay."""
        for place, what in enumerate(fusion.counted):
            if number := pc.sum(out[f"{OWN}count{place}"]).as_py():
                here.drift[what] += number
        left = out[LEFT].to_numpy()
        if left.any():
            codes, numbers = np.unique(left[left > 0], return_counts=True)
            for code, number in zip(codes.tolist(), numbers.tolist(), strict=True):
                here.counts[fusion.legend[code - 1]] += number
            refusing = [code for code, way in enumerate(fusion.legend, 1) if way.bin == "refused"]
            rows = np.flatnonzero(np.isin(left, refusing))
            ways = [fusion.legend[code - 1] for code in left[rows].tolist()]
            here.refused.append(self._refusals(here.table, rows, ways, out[DETAIL].take(pa.array(rows)).to_pylist()))
        kept: NDArray[np.bool_] = left == 0
        return kept

    def _turn(self, here: Passing, name: str, turned: Turned) -> None:
        """Count what was made and refused on the way through a reshaping, and go on behind it."""
        here.drift.update(turned.drift)
        if turned.made:
            here.counts[Way("made", name, "")] += turned.made
        if turned.refused:
            rows = np.array(sorted(turned.refused))
            told = [turned.refused[row] for row in rows.tolist()]
            ways = [Way("refused", name, reason.value) for reason, _detail in told]
            here.counts.update(ways)
            here.refused.append(self._refusals(here.table, rows, ways, [detail for _reason, detail in told]))
        here.turned(turned)

    def _run(self, fusion: Fusion, here: Passing, further: Sequence[str], *inner: str) -> pa.Table:
        """What a query changed, with `further` columns, over `inner` ones."""
        columns = [quoted(AT), quoted(LEFT), quoted(DETAIL), *map(quoted, fusion.changed)]
        columns += [quoted(f"{OWN}count{i}") for i in range(len(fusion.counted))]
        text = fusion.query(["*", *inner] if inner else [*columns, *further])
        text = f"select {', '.join([*columns, *further])} from ({text})" if inner else text
        self._connection.register("decoded", here.placed.beside(here.table))
        try:
            out = self._connection.sql(text).to_arrow_table()
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
            if name not in self.steps.declared:
                found[(name, "type") if name in lake else ("", "columns")] += count
        return found

    def _refusals(
        self, table: pa.Table, rows: NDArray[Any], ways: Sequence[Way], details: Sequence[str | None]
    ) -> pa.Table:
        """Rows that go no further, with what had been read of them."""
        picked = table.take(pa.array(rows))
        return pa.table(
            {
                "block": picked["block"], "row": picked["row"], "raw": picked[RAW],
                "reason": pa.array([way.reason for way in ways], pa.string()),
                "detail": pa.array(details, pa.string()),
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

    def prefixes(
        self, decoded: Decoded, row: int, lake: Schema, event_id: str = ""
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """One event (by its place in `decoded`) after each step: (name of the step, columns and verdict). Of several
        that a step made of it, the one of `event_id`, else the first.
        """
        whole = tidy(decoded.events)
        table = whole.slice(row, 1)
        here = Passing(table, marks(decoded.blocks, whole).slice(slice(row, row + 1)), kinds_of(table))
        stages = self.steps.stages(decoded.source)
        for number, stage in enumerate(stages):
            fusion = beginning(decoded.source, here.kinds, careful=True)
            yield stages[number - 1][-1][0] if number else "", self._only(fusion, here)
            for step in self.steps.of(decoded.source, number, fusion, lake):
                fusion.apply(step)
                found = self._only(fusion, here)
                yield step.name, found
                if LEFT in found:
                    return
            if number < len(stages) - 1:
                name, transform = stage[-1]
                fusion.choose(guard(transform.where, fusion.schema))
                out = self._run(fusion, here, [quoted(CHOSEN)])
                here.go_on(fusion, out, np.ones(1, bool))
                turned = turn(self.steps.reshapes[name], here.table, here.placed, out[CHOSEN].to_numpy())
                for reason, detail in turned.refused.values():
                    way = {"bin": "refused", "step": name, "reason": reason.value, "detail": detail}
                    yield name, {**found, LEFT: way}
                    return
                here.turned(turned)
                here.only(event_id)

    def _only(self, fusion: Fusion, here: Passing) -> dict[str, Any]:
        self._connection.register("decoded", here.placed.beside(here.table))
        try:
            row = self._connection.sql(fusion.query(["*"])).to_arrow_table().to_pylist()[0]
        finally:
            self._connection.unregister("decoded")
        found = {name: row[name] for name in fusion.columns}
        if row[LEFT]:
            way = fusion.legend[row[LEFT] - 1]
            found[LEFT] = {"bin": way.bin, "step": way.step, "reason": way.reason, "detail": row[DETAIL]}
        return found


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

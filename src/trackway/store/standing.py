"""What stands when: the versions of the rows of a lookup as arrays, and which of them an event finds.

The columns of rows are texts in the lake. Of which kind one is, is found here from all its values: numbers where all
are written as JSON writes numbers, truths, times, else texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from trackway.errors import ConditionError, ConfigError
from trackway.model.condition import literal, quoted
from trackway.model.schema import SQL, Kind, Schema, kind_of
from trackway.model.time import iso
from trackway.plan.lookup import KNOWN, Lookup
from trackway.store.lookups import JOINT
from trackway.store.scratch import scratch

EVER = -(1 << 62)
"""Since before all events."""
NUMBER = r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?([eE][+-]?\d{1,2})?"
"""A number as JSON writes it, of digits that a double keeps; `007` and long ids are texts."""
WHOLE = 2**53
"""Up to which a number is exact."""
TIME = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?\s?(Z|[+-]\d\d(:?\d\d)?)?)?"


@dataclass(frozen=True, eq=False)
class Versions:
    """The versions of all rows, by key and then by time."""

    names: pa.StringArray
    """The keys, ascending; the parts of one with `lookups.JOINT` between them."""
    first: np.ndarray
    """Where the versions of each key begin, and the end: int64, one more than there are keys."""
    since: np.ndarray
    """Since when each version holds, until the next one of its key: int64, microseconds."""
    there: np.ndarray
    """Whether there is a row; where not, it is gone."""
    values: pa.Table
    """The columns of each version, in their kinds; null where the row is gone."""
    mark: str
    """The same for the same versions."""

    @cached_property
    def schema(self) -> dict[str, Kind]:
        """Column -> kind, with the column that says whether there is a row."""
        return {**{field.name: kind_of(field.type) for field in self.values.schema}, KNOWN: "boolean"}

    def column(self, name: str) -> pa.Array:
        """A column, one value for each version."""
        if name == KNOWN:
            return pa.array(self.there)
        column = self.values[name]
        return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)

    def told(self) -> dict[str, Any]:
        """How many `rows` there are now, how many `keys` and `versions` there ever were, and the `columns`."""
        rows = int(self.there[self.first[1:] - 1].sum()) if len(self.names) else 0
        return {"rows": rows, "keys": len(self.names), "versions": len(self.since), "columns": self.schema}

    def of(self, key: Sequence[str]) -> list[dict[str, Any]]:
        """The versions of one row: `since` (null when ever), and its columns as `row`, null where it was gone."""
        number = self.names.index(JOINT.join(key)).as_py()
        if number < 0:
            return []
        begin, end = int(self.first[number]), int(self.first[number + 1])
        rows = self.values.slice(begin, end - begin).to_pylist()
        return [
            {"since": None if since == EVER else iso(since), "row": row if there else None}
            for since, there, row in zip(self.since[begin:end].tolist(), self.there[begin:end], rows, strict=True)
        ]

    def find(self, keys: pa.Array, times: np.ndarray | None) -> np.ndarray:
        """The version that each of some keys has at a time (microseconds); -1 where there is none. Without times, the
        latest."""
        numbers = pc.fill_null(pc.index_in(keys, value_set=self.names), -1).to_numpy(zero_copy_only=False)
        return self.at(numbers.astype(np.int64), times)

    def at(self, numbers: np.ndarray, times: np.ndarray | None) -> np.ndarray:
        """The same for keys by their places among the names, -1 for none."""
        found = np.empty(len(numbers), np.int64)
        latest = np.zeros(0, np.int64) if times is None else times
        stands(numbers, latest, times is None, self.first, self.since, found)
        return found


def texts(values: pa.Array) -> pa.Array:
    """Values of a column as texts that keys are compared by: whole numbers without a fraction."""
    if not pa.types.is_floating(values.type):
        return values.cast(pa.string())
    whole = pc.and_(pc.equal(values, pc.trunc(values)), pc.less_equal(pc.abs(values), WHOLE))
    return pc.coalesce(pc.if_else(whole, values, None).cast(pa.int64()).cast(pa.string()), values.cast(pa.string()))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def stands(  # noqa: PLR0913, PLR0917
    numbers: np.ndarray, times: np.ndarray, latest: bool, first: np.ndarray, since: np.ndarray, found: np.ndarray
) -> None:
    """The last version of each key that began at or before a time."""
    for row in range(len(numbers)):
        number = numbers[row]
        if number < 0:
            found[row] = -1
            continue
        low, high = first[number], first[number + 1]
        if latest:
            found[row] = high - 1
            continue
        begin = low
        while low < high:
            middle = (low + high) // 2
            if since[middle] <= times[row]:
                low = middle + 1
            else:
                high = middle
        found[row] = low - 1 if low > begin else -1


def versions(facts: pa.Table, asked: Lookup, mark: str) -> Versions:
    """The versions that facts tell of: `key`, `valid_from`, `row` and `dump`, in the order in which they were loaded.

    Raises ConfigError when the condition under which a row is gone does not fit the rows.
    """
    with scratch() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("facts", facts.append_column("nth", pa.array(range(facts.num_rows), pa.int64())))
        rows = connection.sql("""select key, epoch_us(valid_from) as since, row, dump is not null and dump =
            (select min(dump) from facts) as begins from facts where key is not null
            qualify row_number() over (partition by key, valid_from order by nth desc) = 1
            order by key, since""").to_arrow_table()
        values = typed(rows["row"], asked)
    keys = rows["key"].combine_chunks()
    names = pc.unique(keys) if len(keys) else pa.array([], pa.string())
    numbers = pc.index_in(keys, value_set=names).to_numpy(zero_copy_only=False).astype(np.int64)
    first = np.searchsorted(numbers, np.arange(len(names) + 1))
    since = rows["since"].to_numpy().astype(np.int64).copy()
    if asked.backfill and len(names):
        begins = rows["begins"].to_numpy()[first[:-1]] | (not asked.complete) | bool(asked.valid_from)
        since[first[:-1][begins & (not asked.source)]] = EVER
    there = rows["row"].is_valid().to_numpy(zero_copy_only=False).copy()
    if asked.gone is not None:
        there &= ~_gone(values, asked)
        values = pa.table({name: pc.if_else(pa.array(there), column, None) for name, column in
                           zip(values.column_names, values.columns, strict=True)})  # fmt: skip
    return Versions(_array(names), first, since, there, values, mark)


def _array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column if isinstance(column, pa.Array) else column.combine_chunks()


def typed(rows: pa.ChunkedArray, asked: Lookup) -> pa.Table:
    """The columns of rows, each in the one kind that all its values are of."""
    with scratch() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("rows", pa.table({"row": rows, "nth": pa.array(range(len(rows)), pa.int64())}))
        found = connection.sql("select distinct unnest(json_keys(row)) from rows where row is not null").fetchall()
        names = sorted({str(name) for (name,) in found} | {*asked.key, *asked.columns})
        kept = [name for name in names if not asked.columns or name in asked.columns]
        texts = {name: f"json_extract_string(row, {literal(f'$.{_path(name)}')})" for name in kept}
        kinds = {name: "string" for name in asked.key if name in texts}
        rest = [name for name in kept if name not in kinds]
        if rest:
            told = connection.sql(f"select {', '.join(_kind_sql(texts[name]) for name in rest)} from rows").fetchall()
            kinds |= dict(zip(rest, told[0], strict=True))
        shown = ", ".join(f"{_cast(texts[name], kinds[name])} as {quoted(name)}" for name in kept)
        return connection.sql(f"select {shown} from rows order by nth").to_arrow_table()


def _path(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _kind_sql(text: str) -> str:
    """DuckDB text of the kind of a column of texts."""
    every = {
        "number": f"regexp_full_match({text}, {literal(NUMBER)})", "boolean": f"lower({text}) in ('true', 'false')",
        "time": f"regexp_full_match({text}, {literal(TIME)}) and try_cast({text} as timestamptz) is not null",
    }  # fmt: skip
    ways = " ".join(f"when bool_and({true}) then {literal(kind)}" for kind, true in every.items())
    return f"case when count({text}) = 0 then 'string' {ways} else 'string' end"


def _cast(text: str, kind: str) -> str:
    return text if kind == "string" else f"({text})::{SQL[kind]}"


def _gone(values: pa.Table, asked: Lookup) -> np.ndarray:
    """Whether the rows are gone, as their columns say."""
    assert asked.gone is not None  # noqa: S101 - by who calls
    with scratch() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("held", values.append_column("nth", pa.array(range(values.num_rows), pa.int64())))
        kinds = {field.name: kind_of(field.type) for field in values.schema}
        try:
            text = asked.gone.sql(Schema(kinds))
            rows = connection.sql(f"select coalesce(({text})::boolean, false) as gone from held order by nth")
            return np.asarray(rows.to_arrow_table()["gone"].to_numpy())
        except (ConditionError, duckdb.Error) as error:
            raise ConfigError(f"'{asked.gone}' does not fit its rows: {error}", path="gone") from error

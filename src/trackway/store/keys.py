"""128-bit keys of texts, by md5: exact enough that two different texts never meet, small enough to sort."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trackway.store.scratch import scratch

Words = NDArray[np.uint64]
LOW = "18446744073709551615::uhugeint"


def halves(number: str) -> tuple[str, str]:
    """DuckDB text for the two halves of a 128-bit number."""
    return f"({number} >> 64)::ubigint", f"({number} & {LOW})::ubigint"


def order(hi: Words, lo: Words, *ties: NDArray[Any]) -> NDArray[np.int64]:
    """The order by (hi, lo, ties…). Halves of a hash are hardly ever equal, so only rows that share one are looked
    at twice.
    """
    found = np.argsort(hi)
    arranged = hi[found]
    same = arranged[1:] == arranged[:-1]
    if same.any():
        tied = np.zeros(len(found), bool)
        tied[1:] |= same
        tied[:-1] |= same
        rows = found[tied]
        found[tied] = rows[np.lexsort((*(tie[rows] for tie in reversed(ties)), lo[rows], hi[rows]))]
    return found


def same_as_before(hi: Words, lo: Words) -> NDArray[np.bool_]:
    """For every row of ordered keys whether it equals the one before it."""
    same = np.zeros(len(hi), bool)
    same[1:] = (hi[1:] == hi[:-1]) & (lo[1:] == lo[:-1])
    return same


def of_texts(*columns: pa.ChunkedArray) -> Any:
    """Both halves of the md5 of some columns of text, joined by NUL."""
    table = pa.table({f"c{index}": column for index, column in enumerate(columns)})
    joined = " || chr(0) || ".join(table.column_names)
    hi, lo = halves("m")
    with scratch() as connection:
        connection.register("texts", table)
        return words(connection, f"select {hi} as hi, {lo} as lo from (select md5_number({joined}) as m from texts)")


def words(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """The columns of a query that gives unsigned 64-bit numbers, as arrays."""
    found = connection.sql(query).to_arrow_table()
    return tuple(np.ascontiguousarray(column.to_numpy(), np.uint64) for column in found.columns)

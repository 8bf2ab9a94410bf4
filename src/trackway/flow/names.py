"""Column names that every store can hold: no two that differ only in case, and none of ours.

Arrow and Parquet tell `Plan` from `plan`; Delta and SQL do not. The first spelling keeps the column, the
other's values fill its gaps, and go to `more` where both are present or are not of one type.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.flow.fuse import OWN
from trackway.model.schema import ENVELOPE

OURS = frozenset({"received_at", "stored_at", "source", "actor", "tie", "block", "row"})
"""Envelope columns that no codec gives: a property of such a name is `properties.NAME`."""


def tidy(table: pa.Table) -> pa.Table:
    """The table with names that are unique in any case. Envelope names in another case become `properties.`."""
    lower = [name.lower() for name in table.column_names]
    if len(set(lower)) == len(lower) and not any(
        low in ENVELOPE and name not in ENVELOPE for low, name in zip(lower, table.column_names, strict=True)
    ):
        return table
    columns: dict[str, pa.ChunkedArray] = {}
    taken: dict[str, str] = {}
    for name, values in zip(table.column_names, table.columns, strict=True):
        wanted = (
            f"properties.{name}" if name.lower() in ENVELOPE and (name not in ENVELOPE or name in columns) else name
        )
        first = taken.setdefault(wanted.lower(), wanted)
        if first not in columns:
            columns[first] = values
            continue
        columns[first], clash = _filled(columns[first], values)
        if clash.any():
            more = columns.get("more", pa.chunked_array([pa.nulls(table.num_rows, pa.string())]))
            columns["more"] = into_more(more, {wanted: values}, clash)
    return pa.table(columns)


def filled_in(table: pa.Table, columns: Mapping[str, pa.ChunkedArray]) -> pa.Table:
    """The table with columns added. One that is there already keeps its values, gets its gaps filled, and what clashes
    goes to `more`.
    """
    held = {name.lower(): name for name in table.column_names}
    for wanted, values in columns.items():
        name = held.setdefault(wanted.lower(), wanted)
        if name not in table.column_names:
            table = table.append_column(name, values)
            continue
        first, clash = _filled(table[name], values)
        table = table.set_column(table.schema.get_field_index(name), name, first)
        if clash.any():
            more = (
                table["more"] if "more" in table.column_names else pa.chunked_array([[None] * len(table)], pa.string())
            )
            table = replaced(table, "more", into_more(more, {wanted: values}, clash))
            held["more"] = "more"
    return table


def replaced(table: pa.Table, name: str, values: pa.ChunkedArray | pa.Array) -> pa.Table:
    """The table with a column, in its place when it was there."""
    place = table.schema.get_field_index(name)
    return table.append_column(name, values) if place < 0 else table.set_column(place, name, values)


def own(name: str) -> str:
    """A property's name, kept apart from our own."""
    if name.startswith(OWN):
        return f"properties.{name.removeprefix(OWN)}"
    return f"properties.{name}" if name in OURS else name


def _filled(first: pa.ChunkedArray, second: pa.ChunkedArray) -> tuple[pa.ChunkedArray, np.ndarray]:
    """The first column with its gaps filled from the second, and the rows where that cannot be."""
    present = second.is_valid().to_numpy()
    if first.type != second.type:
        return first, present
    return pc.coalesce(first, second), present & first.is_valid().to_numpy()


def into_more(more: pa.ChunkedArray, values: Mapping[str, pa.ChunkedArray], rows: np.ndarray) -> pa.ChunkedArray:
    """`more` with the values of columns added in the rows of a mask; for what happens seldom."""
    texts = more.to_pylist()
    for row in np.flatnonzero(rows).tolist():
        kept = json.loads(texts[row]) if texts[row] else {}
        found = {name: column[row].as_py() for name, column in values.items()}
        texts[row] = json.dumps({**{k: v for k, v in found.items() if v is not None}, **kept}, default=str)
    return pa.chunked_array([texts], pa.string())

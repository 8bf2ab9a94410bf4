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

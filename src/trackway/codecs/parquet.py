"""Parquet files: every row an event, with the types of the file.

    [sources.warehouse]
    type = "file"
    paths = ["exports/*.parquet"]
    columns = { event = "action", time = "happened_at" }

Names are placed as for `csv`. A struct becomes dotted columns (`address.city`), a list or map JSON. A block
is an Arrow IPC stream of some rows; the original bytes of a record are its row as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import PayloadError
from trackway.flow.reading import rows_as_json
from trackway.flow.tabular import place, shape
from trackway.model.event import Block
from trackway.model.schema import Schema
from trackway.plan.component import Codec


class Parquet(Codec):
    """Rows with types to events."""

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The rows. Raises PayloadError when the body is not an Arrow IPC stream."""
        try:
            return int(pa.ipc.open_stream(body).read_all().num_rows)
        except pa.ArrowInvalid as error:
            raise PayloadError("not an Arrow IPC stream") from error

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row a row."""
        tables = [_table(block) for block in blocks]
        shaped = [shape(table, known.properties) for table in tables]
        return pa.concat_tables(shaped, promote_options="permissive")


def _table(block: Block) -> pa.Table:
    rows = pa.ipc.open_stream(block.body).read_all()
    columns = {
        "block": pa.array(np.full(len(rows), block.seq)),
        "row": pa.array(np.arange(len(rows))),
        "raw": pa.array(rows_as_json(rows), pa.binary()),
        "reason": pa.nulls(len(rows), pa.string()),
        "detail": pa.nulls(len(rows), pa.string()),
    }
    while any(pa.types.is_struct(field.type) for field in rows.schema):
        rows = rows.flatten()
    names = place(rows.column_names, json.loads(block.headers.get("columns", "{}")))
    for name, values in zip(names, rows.columns, strict=True):
        columns[name] = _plain(values)
    return pa.table(columns)


def _plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values in a type that has a kind: dictionaries decoded, nested values as JSON, bytes as text."""
    type_ = values.type
    if pa.types.is_dictionary(type_):
        return _plain(values.cast(type_.value_type))
    if pa.types.is_nested(type_):
        texts = [None if item is None else orjson.dumps(item, default=str).decode() for item in values.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_fixed_size_binary(type_):
        texts = [None if item is None else _text(item) for item in values.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if pa.types.is_uint64(type_) and (pc.max(values).as_py() or 0) >= 1 << 63:
        texts = [None if item is None else str(item) for item in values.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    known = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal,
             pa.types.is_timestamp, pa.types.is_date)  # fmt: skip
    return values if any(is_(type_) for is_ in known) else values.cast(pa.string())


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()

"""From the lake's Parquet files to batches of codes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trackway.model.schema import Schema
from trackway.store.columns.dictionary import Dictionary
from trackway.store.columns.run import Batch

LEFT_OUT = frozenset({"event_id", "received_at", "stored_at", "block", "row", "more", "tie", "time"})
"""Envelope columns without codes: positions, what differs in every event, and the order itself."""
ROWS = 1 << 20
"""Rows read at a time."""


def coded(schema: Schema) -> list[str]:
    """The columns that are kept as codes, `actor` among them."""
    return [name for name in schema if name not in LEFT_OUT]


def rows_in(path: str) -> int:
    """Rows of a file, from its footer."""
    return int(pq.read_metadata(path).num_rows)


def batches(path: str, schema: Schema, without: Collection[str]) -> Iterator[pa.RecordBatch]:
    """The columns that matter of a file; texts come dictionary-encoded as they lie in the file."""
    names = set(pq.read_schema(path).names)
    wanted = [name for name in ("time", "tie", *coded(schema)) if name in names and name not in without]
    texts = [name for name in wanted if schema[name] in ("string", "json")]
    with pq.ParquetFile(Path(path), memory_map=True, read_dictionary=texts) as file:
        yield from file.iter_batches(ROWS, columns=wanted)


def encode(batch: pa.RecordBatch, dictionaries: dict[str, Dictionary], schema: Schema) -> Batch:
    """Codes for every value; new values get new codes."""
    codes: dict[str, np.ndarray] = {}
    for name in batch.schema.names:
        if name in ("time", "tie"):
            continue
        column = batch.column(name)
        if column.null_count == len(column):
            continue
        if name not in dictionaries:
            dictionaries[name] = Dictionary(schema[name])
        codes[name] = codes_of(column, dictionaries[name])
    actor = codes.pop("actor", np.zeros(batch.num_rows, np.uint32))
    return Batch(integers(batch.column("time")), integers(batch.column("tie")), actor, codes)


def codes_of(column: pa.Array, dictionary: Dictionary, *, learn: bool = True) -> np.ndarray:
    """The codes of values, null being 0; the dictionary learns those it did not know, or they are 0."""
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    coded = dictionary.encode(encoded.dictionary) if learn else dictionary.find(encoded.dictionary)
    table = np.append(coded, np.uint32(0))
    places = pc.fill_null(encoded.indices, len(table) - 1) if encoded.indices.null_count else encoded.indices
    return np.asarray(table[places.to_numpy(zero_copy_only=False)])


def integers(column: pa.Array) -> np.ndarray:
    """Whole numbers as they are, times as microseconds."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    return np.asarray(column.to_numpy(zero_copy_only=False), np.int64)


def joined(parts: list[Batch]) -> Batch:
    """One batch of several; a column one of them lacks is null there."""
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part.codes)
    codes = {
        name: np.concatenate([part.codes.get(name, np.zeros(len(part.time), np.uint32)) for part in parts])
        for name in names
    }
    return Batch(
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.tie for part in parts]),
        np.concatenate([part.actor for part in parts]),
        codes,
    )

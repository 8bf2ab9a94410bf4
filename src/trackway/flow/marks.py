"""What the flow itself knows of every decoded row: when it arrived, from where, and which copy it is.

A record without an id of its own gets one from its bytes, so that the same line read twice is one event; the
k-th identical line of one file is another event, since a server may well log the same line twice a second. One that
was pulled from a place of its own (`flow.origin`), such as an offset in a topic, is known by its bytes and that place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trackway.flow.fuse import AT, OWN, RAW, Step
from trackway.flow.origin import HEADER, read_origin
from trackway.flow.spans import hashes, read_copies
from trackway.model.event import Block
from trackway.model.schema import Kind
from trackway.plan.component import Rewrite

COPY, FILE, PLACE, PUT = OWN + "copy", OWN + "file", OWN + "place", OWN + "put"


@dataclass(frozen=True, slots=True)
class Marks:
    """One value per row of a decoded table."""

    received_at: pa.Array
    content: NDArray[np.uint64]
    """A hash of the original bytes: copies of one event that differ are drift."""
    copy: NDArray[np.uint32]
    """k: how many identical records came before it in its file or payload."""
    file: NDArray[np.bool_]
    place: pa.Array
    """Where it stood at its origin; null when it was not pulled."""
    put: pa.Array
    """When it was put there; null when the origin does not say."""

    def slice(self, part: slice) -> Marks:
        """The marks of some rows."""
        length = part.stop - part.start
        received_at, place, put = (
            values.slice(part.start, length) for values in (self.received_at, self.place, self.put)
        )
        return Marks(received_at, self.content[part], self.copy[part], self.file[part], place, put)

    def take(self, rows: NDArray[np.int64]) -> Marks:
        """The marks of rows by number, in this order and perhaps several times."""
        received_at, place, put = (values.take(pa.array(rows)) for values in (self.received_at, self.place, self.put))
        return Marks(received_at, self.content[rows], self.copy[rows], self.file[rows], place, put)

    def beside(self, table: pa.Table) -> pa.Table:
        """The decoded table with the marks as columns, and the number of each row."""
        columns: dict[str, Any] = {
            AT: np.arange(table.num_rows), COPY: self.copy, FILE: self.file, "received_at": self.received_at,
            PLACE: self.place, PUT: self.put,
        }  # fmt: skip
        for name, values in columns.items():
            table = table.append_column(name, pa.array(values))
        return table


def marks(blocks: Sequence[Block], table: pa.Table) -> Marks:
    """The marks of a decoded table. `blocks` ascend by seq and hold every block of the table."""
    seqs = np.array([block.seq for block in blocks], np.int64)
    received = np.array([block.received_at for block in blocks], np.int64)
    index = np.searchsorted(seqs, table["block"].to_numpy())
    content = _hashed(table[RAW])
    file = np.array(["file" in block.headers for block in blocks], bool)[index]
    copy = np.zeros(table.num_rows, np.uint32)
    if _some_unnamed(table):
        copy = _of_files(blocks, index, table)
        if not file.all():
            copy = np.where(file, copy, _within(table["block"].to_numpy(), content))
    received_at = pa.array(received[index], pa.timestamp("us", "UTC"))
    return Marks(received_at, content, copy.astype(np.uint32), file, *_origins(blocks, index, table))


def identity() -> tuple[str, Kind]:
    """DuckDB text of the id of an event: its own, or one from its bytes and its place."""
    copy, raw, place = f'"{COPY}"', f'"{RAW}"', f'"{PLACE}"'
    named = f"'c' || case when {copy} = 0 then md5({raw}) else md5({raw} || encode('#' || {copy}::varchar)) end"
    pulled = f"'o' || md5(coalesce({raw}, ''::blob) || encode('@' || {place}))"
    placed = "'p' || block::varchar || '-' || row::varchar"
    text = (
        "case when event_id is not null and event_id <> '' then event_id "
        f"when {place} is not null then {pulled} "
        f'when (time is not null or "{FILE}") and {raw} is not null then {named} else {placed} end'
    )
    return text, "string"


def naming() -> Step:
    """The step that gives every event its id, its time and its actor."""
    return Step(
        "name",
        Rewrite(
            set={
                "event_id": identity(),
                "time": (f'coalesce(time, "{PUT}", received_at)', "time"),
                "actor": ("coalesce(nullif(actor, ''), nullif(user_id, ''), nullif(anonymous_id, ''))", "string"),
            }
        ),
    )


def _some_unnamed(table: pa.Table) -> bool:
    return "event_id" not in table.column_names or table["event_id"].null_count > 0


def _hashed(raw: pa.ChunkedArray) -> NDArray[np.uint64]:
    parts = [np.zeros(0, np.uint64)]
    for chunk in raw.chunks:
        _valid, offsets, data = chunk.buffers()
        ends = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1].astype(np.int64)
        text = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
        parts.append(hashes(text, ends[:-1], ends[1:]))
    return np.concatenate(parts)


def _of_files(blocks: Sequence[Block], index: NDArray[Any], table: pa.Table) -> NDArray[np.uint32]:
    """k as the source found it across the whole file."""
    copies = np.zeros(table.num_rows, np.uint32)
    rows = table["row"].to_numpy()
    edges = np.searchsorted(index, np.arange(len(blocks) + 1))
    for number, block in enumerate(blocks):
        if header := block.headers.get("repeats"):
            members = slice(edges[number], edges[number + 1])
            copies[members] = read_copies(header, block.records)[rows[members]]
    return copies


def _origins(blocks: Sequence[Block], index: NDArray[Any], table: pa.Table) -> tuple[pa.Array, pa.Array]:
    """Place and time at the origin, as the source found them."""
    told = [(HEADER in block.headers) for block in blocks]
    if not any(told):
        return pa.nulls(table.num_rows, pa.string()), pa.nulls(table.num_rows, pa.timestamp("us", "UTC"))
    firsts = np.concatenate(([0], np.cumsum([block.records for block in blocks])))
    found = [
        read_origin(block.headers[HEADER], block.records) if HEADER in block.headers
        else (pa.nulls(block.records, pa.string()), pa.nulls(block.records, pa.timestamp("us", "UTC")))
        for block in blocks
    ]  # fmt: skip
    rows = pa.array(firsts[index] + table["row"].to_numpy())
    return tuple(pa.concat_arrays(parts).take(rows) for parts in zip(*found, strict=True))


def _within(block: NDArray[np.int64], content: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """k within each block: how many rows of equal content come before."""
    order = np.lexsort((np.arange(len(block)), content, block))
    same = np.zeros(len(order), bool)
    same[1:] = (block[order][1:] == block[order][:-1]) & (content[order][1:] == content[order][:-1])
    places = np.arange(len(order))
    starts = np.maximum.accumulate(np.where(same, 0, places))
    copies = np.zeros(len(order), np.uint32)
    copies[order] = places - starts
    return copies

"""Blocks to decoded tables, one per source and codec, with exactly one row for every record received.

A codec is trusted with meaning, never with counting: a row it leaves out becomes a refusal, a row it
invents is left out, and one that raises costs the records of its block, not the flow.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trackway.flow.fuse import OWN, RAW
from trackway.flow.names import own
from trackway.model.documents import MOST_COLUMNS
from trackway.model.event import DECODED, Block, Reason
from trackway.model.parallel import in_parallel
from trackway.model.schema import ARROW, ENVELOPE, Schema
from trackway.plan import registry
from trackway.plan.component import Codec
from trackway.store.stretches import keep

REASON, WHY = OWN + "reason", OWN + "detail"
FRAME = ("block", "row", RAW, REASON, WHY)
"""DECODED under names that no property can have."""

PART = 8 << 20
"""Bytes of blocks that are worth a thread of their own."""

log = logging.getLogger(__name__)
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one codec read in some blocks of one source, in the order received."""

    source: str
    blocks: Sequence[Block]
    events: pa.Table
    """The rows the codec could read: `block`, `row`, RAW, then what was read."""
    refused: pa.Table
    """The rows it could not read: the columns of DECODED."""


def decode(blocks: Sequence[Block], known: Mapping[str, Schema]) -> Iterator[Decoded]:
    """Blocks of any sources and codecs, group by group. `known` is what each source's columns are."""
    ordered = sorted(blocks, key=lambda block: (block.source, block.codec, block.seq))
    for (source, name), group in groupby(ordered, key=lambda block: (block.source, block.codec)):
        members = list(group)
        table = balanced(members, _decoded(name, members, known.get(source, Schema())))
        yield Decoded(source, members, *_parted(table))


def _decoded(name: str, blocks: Sequence[Block], known: Schema) -> pa.Table:
    """The codec's table; when it raises, block by block, so that only the block at fault is refused."""
    try:
        return checked(_together(registry.codec(name), blocks, known))
    except Exception as error:
        log.exception("codec %s failed on blocks %d to %d", name, blocks[0].seq, blocks[-1].seq)
        if len(blocks) == 1:
            return _unread(blocks[0], f"the codec {name} failed: {type(error).__name__}: {error}"[:500])
    tables = [_decoded(name, [block], known) for block in blocks]
    return stacked(tables)


def _together(reader: Codec, blocks: Sequence[Block], known: Schema) -> pa.Table:
    """The codec's table of blocks, read in parts on several cores when there is much.

    What a codec decides over all records it is given, such as the type of a new column, might come out otherwise for a
    part of them; then it reads them all at once.
    """
    parts = _parts(blocks)
    if len(parts) < 2:
        return reader.decode(blocks, known)
    tables = in_parallel(lambda part: reader.decode(part, known), parts)
    names = {name for table in tables for name in table.column_names}
    fields = {field for table in tables for field in zip(table.schema.names, table.schema.types, strict=True)}
    if len({name.lower() for name in names}) < len(fields) or len(names) > MOST_COLUMNS:
        return reader.decode(blocks, known)
    return pa.concat_tables(tables, promote_options="default")


def _parts(blocks: Sequence[Block]) -> list[Sequence[Block]]:
    """Blocks in stretches of at least PART bytes, the same on every machine."""
    parts, first, size = [], 0, 0
    for place, block in enumerate(blocks):
        size += len(block.body)
        if size >= PART:
            parts.append(blocks[first : place + 1])
            first, size = place + 1, 0
    return [*parts, blocks[first:]] if first < len(blocks) else parts


def checked(table: pa.Table) -> pa.Table:
    """The table with envelope columns in their types, and names under which no property can hide ours."""
    if table.column_names[: len(DECODED)] != DECODED.names:
        raise TypeError(f"a decoded table begins with {DECODED.names}, not with {table.column_names[: len(DECODED)]}")
    columns = table.columns
    names = [*FRAME, *(own(name) for name in table.column_names[len(FRAME) :])]
    for index, name in enumerate(names):
        wanted = DECODED.field(index).type if index < len(FRAME) else ARROW.get(ENVELOPE.get(name, ""))
        if wanted is not None and columns[index].type != wanted:
            columns[index] = columns[index].cast(wanted)
    return pa.Table.from_arrays(columns, names=names)


def balanced(blocks: Sequence[Block], table: pa.Table) -> pa.Table:
    """The table with exactly the rows 0 … records-1 of every block, in the order received."""
    starts = np.zeros(len(blocks) + 1, np.int64)
    np.cumsum([block.records for block in blocks], out=starts[1:])
    places = _places(blocks, starts, table)
    if len(places) == starts[-1] and bool((places == np.arange(len(places))).all()):
        return table
    inside = np.flatnonzero(places >= 0)
    _, first = np.unique(places[inside], return_index=True)
    rows = np.sort(inside[first])
    missing = np.setdiff1d(np.arange(starts[-1]), places[rows])
    at = np.searchsorted(starts, missing, side="right") - 1
    lost = pa.concat_tables(
        [_lost(blocks[i], missing[at == i] - starts[i], "the codec gave no row for this record") for i in np.unique(at)]
    )
    order = np.argsort(np.concatenate([places[rows], missing]), kind="stable")
    return pa.concat_tables([table.take(rows), lost], promote_options="default").take(order)


def _places(blocks: Sequence[Block], starts: Ints, table: pa.Table) -> Ints:
    """For every row its place among all records of the blocks; -1 for a row that belongs to none."""
    seqs = np.array([block.seq for block in blocks], np.int64)
    block = table["block"].fill_null(-1).to_numpy()
    row = table["row"].fill_null(-1).to_numpy()
    index = np.searchsorted(seqs, block).clip(0, len(seqs) - 1)
    valid = (seqs[index] == block) & (row >= 0) & (row < np.diff(starts)[index])
    return np.where(valid, starts[index] + row, -1)


def stacked(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables one below the other; a column that is not of one type in all of them becomes text."""
    types: dict[str, set[pa.DataType]] = {}
    for table in tables:
        for field in table.schema:
            types.setdefault(field.name, set()).add(field.type)
    torn = {name for name, found in types.items() if len(found - {pa.null()}) > 1}
    for index, table in enumerate(tables):
        texts = {name: table[name].cast(pa.string()) for name in torn if name in table.column_names}
        tables = [*tables[:index], _with(table, texts), *tables[index + 1 :]] if texts else tables
    return pa.concat_tables(tables, promote_options="default")


def _with(table: pa.Table, columns: Mapping[str, pa.ChunkedArray]) -> pa.Table:
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, values)
    return table


def _unread(block: Block, detail: str) -> pa.Table:
    return _lost(block, np.arange(block.records), detail)


def _lost(block: Block, rows: Ints, detail: str) -> pa.Table:
    """Refusals for records without a row of their own; a block of one record keeps its bytes, and one of as many lines
    as records those of each line."""
    texts = [block.body] if block.records == 1 else [line for line in block.body.split(b"\n") if line.strip()]
    raw = [texts[row] if len(texts) == block.records else None for row in rows.tolist()]
    columns: list[Any] = [
        pa.array(np.full(len(rows), block.seq)), pa.array(rows), pa.array(raw, pa.binary()),
        pa.array([Reason.UNREADABLE.value] * len(rows)), pa.array([detail] * len(rows)),
    ]  # fmt: skip
    return pa.Table.from_arrays(columns, names=FRAME)


def _parted(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Readable rows without reason and detail, and refusals."""
    reasons = table[REASON]
    rest = [name for name in table.column_names if name not in (REASON, WHY)]
    if reasons.null_count == table.num_rows:
        return table.select(rest), DECODED.empty_table()
    refused = table.select(list(FRAME)).filter(reasons.is_valid()).rename_columns(DECODED.names)
    readable = reasons.is_null().to_numpy(zero_copy_only=False)
    return keep(table.select(rest), readable), refused

"""Comma-separated values: also tabs, semicolons and pipes, with a header line.

    [sources.crm]
    type = "file"
    paths = ["dumps/*.csv"]
    columns = { time = "Created", user_id = "Contact ID" }

Columns `event` (or `event_name`), `time` (or `timestamp ts datetime event_time date`), `event_id` (or
`message_id`), `user_id` and `anonymous_id` are the envelope, in any case of letters and with or without the
underscore; a source can name others. All other columns are properties. A column of numbers is a number, one of
`true` and `false` a boolean, anything else text; an empty field is null. Numbers with leading zeros stay text.

A row with more or fewer fields than the header is refused as `unreadable`, and so is one with a stray quote;
the rows around it go through.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trackway.flow.detect import detect_text
from trackway.flow.records import row_spans
from trackway.flow.spans import Bytes, Ints, as_array, gather
from trackway.flow.tabular import place, shape, zoned
from trackway.model.event import Block, Reason
from trackway.model.kernels import kernel, leaf
from trackway.model.schema import Schema
from trackway.plan.component import Codec

LONGEST = 1_000_000
"""Bytes over which a field in quotes may go on, when the block does not say."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the rows of a block are written."""

    delimiter: str
    names: list[str]
    limit: int
    skip: int
    """Rows of the body that are its header: 1 when the header was not sent beside it."""


class Csv(Codec):
    """Rows with a header to events."""

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The rows, without a header line in the body."""
        dialect = dialect_of(body, headers)
        return len(_rows(as_array(body), dialect)[0])

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row a row."""
        tables = [_table(block) for block in blocks]
        return shape(pa.concat_tables(tables, promote_options="default"), known.properties)


def dialect_of(body: bytes, headers: Mapping[str, str]) -> Dialect:
    """The dialect the headers of a block tell, or the body itself."""
    skip = 0
    if "header" not in headers:
        found = detect_text(body, "csv")
        skip = 1
        headers = {**(found.headers if found else {}), **headers}
    delimiter = headers.get("delimiter", ",")
    names = next(iter(csv.reader([headers.get("header", "")], delimiter=delimiter)), [""])
    return Dialect(delimiter, names or [""], int(headers.get("max_line", LONGEST)), skip)


def _rows(data: Bytes, dialect: Dialect) -> tuple[Ints, Ints]:
    starts, ends, _ = row_spans(data, ord(dialect.delimiter), len(dialect.names), dialect.limit, True)
    return starts[dialect.skip :], ends[dialect.skip :]


def _table(block: Block) -> pa.Table:
    """All fields as text."""
    dialect = dialect_of(block.body, block.headers)
    data = as_array(block.body)
    starts, ends = _rows(data, dialect)
    width = len(dialect.names)
    spans = np.empty((width, 2, len(starts)), dtype=np.int64)
    counts = np.empty(len(starts), dtype=np.int64)
    twice = fields(data, starts, ends, ord(dialect.delimiter), spans, counts)
    reasons, details = _refusals(block.body, starts, ends, counts, width)
    bad = np.array([reason is not None for reason in reasons], dtype=bool)
    spans[:, 1, bad] = -1
    twice[:, bad] = False
    unquoted = _unquoted(block.body, spans, twice)
    columns = {
        "block": pa.array(np.full(len(starts), block.seq)),
        "row": pa.array(np.arange(len(starts))),
        "raw": gather(data, starts, ends - starts),
        "reason": pa.array(reasons, pa.string()),
        "detail": pa.array(details, pa.string()),
    }
    names = place(dialect.names, json.loads(block.headers.get("columns", "{}")))
    for index, name in enumerate(names):
        columns[name] = gather(unquoted, spans[index, 0], spans[index, 1], pa.string())
    if "zone" in block.headers and "time" in columns:
        columns["time"] = zoned(columns["time"], block.headers["zone"])
    return pa.table(columns)


def _refusals(
    body: bytes, starts: Ints, ends: Ints, counts: Ints, width: int
) -> tuple[list[str | None], list[str | None]]:
    reasons: list[str | None] = [None] * len(starts)
    details: list[str | None] = [None] * len(starts)
    for row in np.flatnonzero(counts != width).tolist():
        reasons[row] = Reason.UNREADABLE.value
        details[row] = "a stray quote" if counts[row] < 0 else f"{counts[row]} fields, the header has {width}"
    try:
        body.decode()
    except UnicodeDecodeError:
        for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            try:
                body[start:end].decode()
            except UnicodeDecodeError:
                reasons[row], details[row] = Reason.ENCODING.value, "bytes that are not UTF-8"
    return reasons, details


def _unquoted(body: bytes, spans: Ints, twice: NDArray[np.bool_]) -> Bytes:
    """The bytes, and at their end the fields in which quotes stand twice, with each once; spans point there."""
    side = bytearray()
    for field, row in np.argwhere(twice).tolist():
        start, length = spans[field, :, row].tolist()
        text = body[start : start + length].replace(b'""', b'"')
        spans[field, :, row] = len(body) + len(side), len(text)
        side += text
    return as_array(body + side) if side else as_array(body)


@kernel
def fields(  # noqa: PLR0913, PLR0917
    data: Bytes, starts: Ints, ends: Ints, delimiter: int, spans: Ints, counts: Ints
) -> NDArray[np.bool_]:
    """Fills the span of every field (length -1: empty) and the number of fields of every row (-1: a stray quote).

    Returns which fields hold a quote written twice.
    """
    width = spans.shape[0]
    twice = np.zeros((width, len(starts)), dtype=np.bool_)
    for row in range(len(starts)):
        at, end, count = starts[row], ends[row], 0
        spans[:, 1, row] = -1
        while True:
            begin, quoted, doubled = at, False, False
            if at < end and data[at] == 34:
                quoted = True
                at, doubled = _closing(data, at + 1, end)
            stop = at
            while at < end and data[at] != delimiter:
                at += 1
            if quoted and at != stop + 1:
                count = -1
                break
            if count < width:
                begin += quoted
                stop = stop if quoted else at
                spans[count, 0, row] = begin
                spans[count, 1, row] = stop - begin if stop > begin else -1
                twice[count, row] = doubled
            count += 1
            if at >= end:
                break
            at += 1
        counts[row] = count
    return twice


@leaf
def _closing(data: Bytes, at: int, end: int) -> tuple[int, bool]:
    """The place of the closing quote (the end when there is none), and whether a quote stands twice before it."""
    doubled = False
    while at < end:
        if data[at] == 34:
            if at + 1 < end and data[at + 1] == 34:
                doubled = True
                at += 1
            else:
                break
        at += 1
    return at, doubled

"""Comma-separated values: also tabs, semicolons and pipes, as Excel, databases and people write them.

    [sources.crm]
    type = "file"
    paths = ["dumps/*.csv"]
    columns = { time = "Created", user_id = "Contact ID" }

    [sources.bank]
    type = "file"
    paths = ["statements/*.csv"]
    codec = "csv"
    encoding = "cp1252"
    sheet = { delimiter = ";", decimal = ",", skip = 4, comment = "#", null = ["n/a"] }

Columns `event` (or `event_name`), `time` (or `timestamp ts datetime event_time date`), `event_id` (or
`message_id`), `user_id` and `anonymous_id` are the envelope, in any case of letters and with or without the
underscore; a source can name others. All other columns are properties. A column of numbers is a number, one of
`true` and `false` a boolean, anything else text; an empty field is null. Numbers with leading zeros stay text.

Found by themselves in the first 64 KB: the delimiter (also by Excel's line `sep=;`), quotes (`"` or `'`), whether a
backslash escapes, whether the first row names the columns (of a table whose rows hold numbers or times where it does
too it does not: they are `column_1`, `column_2` …), decimal commas, the `\\N` of databases, and whether it is UTF-8,
UTF-16 or Windows-1252. `sheet` says what is not found. The dumps of MySQL and Postgres are tables with tabs and
without quotes, in which `\\n` is a newline and `\\N` null.

A row with more or fewer fields than the header is refused as `unreadable`, and so is one with a stray quote;
the rows around it go through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trackway.flow.detect import detect_text
from trackway.flow.lines import is_utf8
from trackway.flow.rows import body_rows, marks, split
from trackway.flow.sheet import Style, names_of
from trackway.flow.spans import Bytes, Ints, as_array, gather
from trackway.flow.tabular import place, shape, zoned
from trackway.model.event import DECODED, Block, Reason
from trackway.model.parallel import in_parallel
from trackway.model.schema import Kind, Schema
from trackway.plan.component import Codec

LONGEST = 1_000_000
"""Bytes over which a field in quotes may go on, when the block does not say."""
MEANT = {ord(letter): meant for letter, meant in zip("ntrbfv0Z", "\n\t\r\b\f\v\0\x1a", strict=True)}
"""What letters after a backslash mean in dumps."""
DECIMAL = r"^[-+]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?$"


class Csv(Codec):
    """Rows with a header to events."""

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The rows, without a header line in the body."""
        return len(_rows(as_array(body), told(body, headers))[0])

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row a row."""
        if not blocks:
            return DECODED.empty_table()
        tables = in_parallel(partial(_table, known=known.properties), blocks)
        return shape(pa.concat_tables(tables, promote_options="default"), known.properties)


def told(body: bytes, headers: Mapping[str, str]) -> Mapping[str, str]:
    """What the headers of a block say of how it is written, or the body itself, which then begins with its header."""
    if "names" not in headers and "header" not in headers:
        found = detect_text(body, "csv")
        return {"fields": "1", **(found.headers if found else {}), **headers}
    return {**headers, "fields": str(len(names_of(headers))), "heading": "0", "skip": "0"}


def _rows(data: Bytes, headers: Mapping[str, str]) -> tuple[Ints, Ints]:
    return body_rows(data, headers, int(headers.get("max_line", LONGEST)))


def _table(block: Block, known: Mapping[str, Kind]) -> pa.Table:
    """All fields as text."""
    headers = told(block.body, block.headers)
    style, names = Style.of(headers), names_of(headers)
    data = as_array(block.body)
    starts, ends = _rows(data, headers)
    spans = np.empty((len(names), 2, len(starts)), dtype=np.int64)
    counts = np.empty(len(starts), dtype=np.int64)
    odd, quoted = split(data, starts, ends, marks(style), spans, counts)
    refused = _refusals(block.body, starts, ends, counts, len(names))
    bad = list(refused)
    spans[:, 1, bad] = -1
    odd[:, bad] = False
    nulls = pa.array(orjson.loads(headers.get("null", "[]")), pa.string())
    if len(nulls):
        odd &= ~_nothing(data, spans, quoted, nulls)
    plain = _plain(block.body, spans, odd, style)
    columns = {
        "block": pa.array(np.full(len(starts), block.seq)),
        "row": pa.array(np.arange(len(starts))),
        "raw": gather(data, starts, ends - starts),
        "reason": _column(refused, len(starts), 0),
        "detail": _column(refused, len(starts), 1),
    }
    comma = headers.get("decimal") == ","
    for index, name in enumerate(place(names, orjson.loads(block.headers.get("columns", "{}")))):
        column = gather(plain, spans[index, 0], spans[index, 1], pa.string())
        columns[name] = _with_points(column) if comma and known.get(name) != "string" else column
    if "zone" in block.headers and "time" in columns:
        columns["time"] = zoned(columns["time"], block.headers["zone"])
    return pa.table(columns)


def _nothing(data: Bytes, spans: Ints, quoted: NDArray[np.bool_], nulls: pa.Array) -> NDArray[np.bool_]:
    """Which fields are words that stand for nothing; they become empty."""
    none = np.zeros_like(quoted)
    for index in range(len(spans)):
        words = pc.is_in(gather(data, spans[index, 0], spans[index, 1]), nulls.cast(pa.binary()))
        none[index] = words.to_numpy(zero_copy_only=False) & ~quoted[index]
        spans[index, 1, none[index]] = -1
    return none


def _with_points(texts: pa.Array) -> pa.Array:
    """Numbers with a decimal comma as they are written elsewhere, when all of a column are such."""
    fits = pc.match_substring_regex(texts, DECIMAL)
    if texts.null_count == len(texts) or not pc.all(fits).as_py():
        return texts
    return pc.replace_substring(pc.replace_substring(texts, ".", ""), ",", ".")


def _refusals(body: bytes, starts: Ints, ends: Ints, counts: Ints, width: int) -> dict[int, tuple[str, str]]:
    """Reason and detail of the rows that cannot be read."""
    found: dict[int, tuple[str, str]] = {}
    for row in np.flatnonzero(counts != width).tolist():
        why = "a stray quote" if counts[row] < 0 else f"{counts[row]} fields, the header has {width}"
        found[row] = Reason.UNREADABLE.value, why
    if not is_utf8(body):
        for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            if not is_utf8(body[start:end]):
                found[row] = Reason.ENCODING.value, "bytes that are not UTF-8"
    return found


def _column(found: Mapping[int, tuple[str, str]], rows: int, place: int) -> pa.Array:
    """The reasons (0) or details (1) of all rows."""
    if not found:
        return pa.nulls(rows, pa.string())
    which = np.full(rows, -1)
    which[list(found)] = np.arange(len(found))
    return pa.array([told[place] for told in found.values()], pa.string()).take(pa.array(which, mask=which < 0))


def _plain(body: bytes, spans: Ints, odd: NDArray[np.bool_], style: Style) -> Bytes:
    """The bytes, and at their end the fields in which something is escaped, as they are meant; spans point there."""
    if not odd.any():
        return as_array(body)
    quote, escape = (bytes([mark]) if mark >= 0 else b"" for mark in (style.quote, style.escape))
    twice = re.escape(quote) * 2 if quote else b"(?!)"
    pattern = re.compile(re.escape(escape) + b"(.)|" + twice if escape else twice, re.DOTALL)

    def meant(found: re.Match[bytes]) -> bytes:
        if not escape or found[1] is None:
            return quote
        return found[1] if quote else MEANT.get(found[1][0], found[1].decode("latin-1")).encode("latin-1")

    side = bytearray()
    for field, row in np.argwhere(odd).tolist():
        start, length = spans[field, :, row].tolist()
        text = pattern.sub(meant, body[start : start + length])
        spans[field, :, row] = len(body) + len(side), len(text) or -1
        side += text
    return as_array(body + side)

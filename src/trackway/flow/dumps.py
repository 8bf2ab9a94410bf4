"""Dumps: the CSV in which a CRM hands out its rows, whose fields it described before.

Everything in a CSV is a text, so that the description says what is a number or a truth; a column that holds anything
else stays text. A field without a value is not in its record.

>>> dumped(b'"Id","Score","Open"\\n"a","7","true"\\n"b","",""\\n', {"Score": "number", "Open": "boolean"})
([{'Id': 'a', 'Score': 7, 'Open': True}, {'Id': 'b'}], [])
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow

from trackway.errors import SourceError
from trackway.flow.lines import is_utf8
from trackway.model.schema import Kind

MARK = b"\xef\xbb\xbf"
Column = Any
"""Texts and nulls: an array of Arrow, or a list when some are no text."""


def dumped(
    body: bytes, kinds: Mapping[str, Kind], nulls: Collection[str] = ("",)
) -> tuple[list[dict[str, Any]], list[str]]:
    """The records of a CSV that begins with its header, and the rows that have more or fewer fields than it. `nulls`
    are the texts that stand for no value. A text that is not UTF-8 has lone surrogates. Raises SourceError for what is
    no CSV."""
    if not body.strip():
        return [], []
    columns, odd = (_quickly(body, nulls) if is_utf8(body) else None) or _slowly(body, nulls)
    rows = zip(*(_values(column, kinds.get(name)) for name, column in columns.items()), strict=True)
    return [{name: value for name, value in zip(columns, row, strict=True) if value is not None} for row in rows], odd


def _quickly(body: bytes, nulls: Collection[str]) -> tuple[dict[str, Column], list[str]] | None:
    """The columns by name, and the odd rows; None for what is written otherwise than usual."""
    odd: list[str] = []

    def noted(row: Any) -> str:
        odd.append(row.text or "")
        return "skip"

    head = body.partition(b"\n")[0].removesuffix(b"\r").removeprefix(MARK)
    try:
        names = next(csv.reader([head.decode()]))
        table = arrow.read_csv(
            pa.BufferReader(body),
            read_options=arrow.ReadOptions(block_size=len(body) + 1, use_threads=False),
            parse_options=arrow.ParseOptions(newlines_in_values=True, invalid_row_handler=noted),
            convert_options=arrow.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=list(nulls), strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )  # fmt: skip
    except (pa.ArrowInvalid, csv.Error, StopIteration):
        return None
    return dict(zip(table.column_names, table.columns, strict=True)), odd


def _slowly(body: bytes, nulls: Collection[str]) -> tuple[dict[str, Column], list[str]]:
    """The same, row by row."""
    text = body.removeprefix(MARK).decode("utf-8", "surrogateescape")
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except csv.Error as error:
        raise SourceError(f"a CSV that cannot be read: {error}") from error
    names, *others = rows or [[]]
    whole = [row for row in others if len(row) == len(names)]
    columns: dict[str, Column] = {
        name: [None if row[index] in nulls else row[index] for row in whole] for index, name in enumerate(names)
    }
    return columns, [",".join(row) for row in others if len(row) != len(names)]


def _values(column: Column, kind: Kind | None) -> list[Any]:
    """The values of a column in its kind, if all are of it."""
    if isinstance(column, list):
        try:
            column = pa.chunked_array([column], pa.string())
        except UnicodeEncodeError:
            return list(column)
    for type_ in {"number": (pa.int64(), pa.float64()), "boolean": (pa.bool_(),)}.get(kind or "", ()):
        try:
            return list(column.cast(type_).to_pylist())
        except pa.ArrowInvalid:
            continue
    return list(column.to_pylist())

"""Dumps: the CSV in which a CRM hands out its rows, whose fields it described before.

Everything in a CSV is a text, so that the description says what is a number or a truth; a column that holds anything
else stays text. A field without a value is not in its record.

>>> dumped(b'"Id","Score","Open"\\n"a","7","true"\\n"b","",""\\n', {"Score": "number", "Open": "boolean"})
([{'Id': 'a', 'Score': 7, 'Open': True}, {'Id': 'b'}], [])
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow

from trackway.model.schema import Kind


def dumped(
    body: bytes, kinds: Mapping[str, Kind], nulls: Collection[str] = ("",)
) -> tuple[list[dict[str, Any]], list[str]]:
    """The records of a CSV that begins with its header, and the rows that have more or fewer fields than it, as they
    are written. `nulls` are the texts that stand for no value. A text that is not UTF-8 has lone surrogates."""
    if not body.strip():
        return [], []
    odd: list[str] = []

    def noted(row: Any) -> str:
        odd.append(row.text or "")
        return "skip"

    head = body.partition(b"\n")[0].removesuffix(b"\r").removeprefix(b"\xef\xbb\xbf")
    names = next(csv.reader([head.decode("utf-8", "replace")]))
    columns, text = {}, pa.string()
    try:
        table = _table(body, dict.fromkeys(names, text), nulls, noted)
    except pa.ArrowInvalid:
        odd.clear()
        table = _table(body, dict.fromkeys(names, pa.binary()), nulls, noted)
    for name, column in zip(table.column_names, table.columns, strict=True):
        columns[name] = _values(column, kinds.get(name))
    rows = zip(*columns.values(), strict=True)
    return [{name: value for name, value in zip(columns, row, strict=True) if value is not None} for row in rows], odd


def _table(body: bytes, types: Mapping[str, pa.DataType], nulls: Collection[str], noted: Any) -> pa.Table:
    return arrow.read_csv(
        pa.BufferReader(body),
        read_options=arrow.ReadOptions(block_size=len(body) + 1, use_threads=False),
        parse_options=arrow.ParseOptions(newlines_in_values=True, invalid_row_handler=noted),
        convert_options=arrow.ConvertOptions(
            column_types=dict(types), null_values=list(nulls), strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )  # fmt: skip


def _values(column: pa.ChunkedArray, kind: Kind | None) -> list[Any]:
    if pa.types.is_binary(column.type):
        return [None if one is None else one.decode("utf-8", "surrogateescape") for one in column.to_pylist()]
    for type_ in {"number": (pa.int64(), pa.float64()), "boolean": (pa.bool_(),)}.get(kind or "", ()):
        try:
            return list(column.cast(type_).to_pylist())
        except pa.ArrowInvalid:
            continue
    return list(column.to_pylist())

"""The forms of an answer beside JSON: CSV and Arrow."""

from __future__ import annotations

import csv
import io
from typing import Any

import pyarrow as pa

from trackway.plan.component import Answer


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Rows as CSV with a header; null is the empty field."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=names(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_arrow(answer: Answer) -> bytes:
    """Rows as an Arrow IPC stream."""
    columns = {name: [row.get(name) for row in answer.rows] for name in names(answer.rows)}
    table = pa.table(columns)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def names(rows: list[dict[str, Any]]) -> list[str]:
    """The columns of rows, in order of first use."""
    return list(dict.fromkeys(name for row in rows for name in row))

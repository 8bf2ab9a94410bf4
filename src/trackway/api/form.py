"""The forms of an answer beside JSON: CSV and Arrow."""

from __future__ import annotations

import csv
import io
from typing import Any

import pyarrow as pa

from trackway.plan.query import Answer


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Rows as CSV with a header; null is the empty field."""
    out, rows = io.StringIO(), flat(rows)
    writer = csv.DictWriter(out, fieldnames=names(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_arrow(answer: Answer) -> bytes:
    """Rows as an Arrow IPC stream."""
    rows = flat(answer.rows)
    columns = {name: [row.get(name) for row in rows] for name in names(rows)}
    table = pa.table(columns)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def flat(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with the ends of the intervals of a sample as columns.

    >>> flat([{"step": 1, "actors": 9, "intervals": {"actors": [7, 12]}}])
    [{'step': 1, 'actors': 9, 'actors_low': 7, 'actors_high': 12}]
    """
    made = []
    for row, bare in zip(rows, without_intervals(rows), strict=True):
        ends = {}
        for name, interval in row.get("intervals", {}).items():
            ends[f"{name}_low"], ends[f"{name}_high"] = interval or (None, None)
        made.append(bare | ends)
    return made


def without_intervals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as an exact answer has them."""
    return [{name: value for name, value in row.items() if name != "intervals"} for row in rows]


def names(rows: list[dict[str, Any]]) -> list[str]:
    """The columns of rows, in order of first use."""
    return list(dict.fromkeys(name for row in rows for name in row))

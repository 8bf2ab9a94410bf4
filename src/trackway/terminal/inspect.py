"""Profiles a file before it is loaded, by reading its beginning exactly as the file source would."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import TrackwayError
from trackway.flow.detect import detect
from trackway.model.event import DECODED, Block
from trackway.model.schema import Schema, kind_of
from trackway.model.size import Size
from trackway.plan import registry
from trackway.plan.component import Codec, Payload
from trackway.sources.file import File

SAMPLE = 500_000
"""About how many bytes are decoded."""
BLOCK = "500KB"
SHOWN = 3


def profile(path: Path) -> dict[str, Any]:
    """Format, columns, first events and hints of one file. Raises TrackwayError when it cannot be told."""
    found = detect(path)
    if not found.codec:
        raise TrackwayError(f"{path} is empty", hint="there is nothing to tell its format from")
    table = decoded(beginning(path))
    read = table.filter(pc.is_null(table["reason"]))
    columns = [column(read, name) for name in read.column_names if name not in DECODED.names]
    events = [
        {key: value for key, value in row.items() if key not in DECODED.names and value is not None}
        for row in read.slice(0, SHOWN).to_pylist()
    ]
    return {
        "file": str(path),
        "codec": found.codec,
        "form": found.form,
        "compression": found.compression,
        "encoding": found.encoding,
        "records": table.num_rows,
        "refused": table.num_rows - read.num_rows,
        "columns": columns,
        "events": events,
        "hints": hints({one["column"]: one for one in columns}, table.num_rows, read.num_rows),
    }


def beginning(path: Path) -> list[Payload]:
    """The first payloads that the file source makes of a file."""
    kept: list[Payload] = []
    stop = threading.Event()

    def keep(payloads: Sequence[Payload]) -> list[int]:
        kept.extend(payloads)
        if sum(len(payload.body) for payload in kept) >= SAMPLE:
            stop.set()
        return list(range(len(kept) - len(payloads), len(kept)))

    for _ in File(paths=[str(path)], block=Size(BLOCK)).read("inspect", keep, {}, stop):
        if stop.is_set():
            break
    return kept


def decoded(payloads: Sequence[Payload]) -> pa.Table:
    """The records of payloads, codec by codec."""
    now = time.time_ns() // 1_000
    blocks = [Block(i, p.source, now, p.codec, p.body, p.records, p.headers) for i, p in enumerate(payloads)]
    tables = []
    for name in dict.fromkeys(block.codec for block in blocks):
        codec = registry.load("codecs", name)()
        if isinstance(codec, Codec):
            tables.append(codec.decode([block for block in blocks if block.codec == name], Schema()))
    return pa.concat_tables(tables, promote_options="permissive") if tables else DECODED.empty_table()


def column(table: pa.Table, name: str) -> dict[str, Any]:
    """One column: kind, how many records have it, how many different values, the first of them."""
    values = table[name].drop_null()
    return {
        "column": name,
        "kind": kind_of(table.schema.field(name).type),
        "filled": round(len(values) / table.num_rows, 4) if table.num_rows else 0.0,
        "distinct": pc.count_distinct(values).as_py(),
        "example": values[0].as_py() if len(values) else None,
    }


def hints(columns: dict[str, dict[str, Any]], records: int, read: int) -> list[str]:
    """What could be done with these events, and what would make them better."""
    said = []
    if "user_agent" in columns:
        said.append('[transforms.browser] type = "expand_user_agent" makes browser, system and device of user_agent')
    links = [
        n
        for n, c in columns.items()
        if isinstance(c["example"], str) and c["example"].startswith(("http://", "https://"))
    ]
    if links:
        said.append(f'type = "expand_url" makes host, path and query columns of {links[0]}')
    if not any(columns.get(name, {}).get("filled") for name in ("user_id", "anonymous_id")):
        said.append("no user_id and no anonymous_id: such events are refused; [sources.…] columns can name the column")
    elif not columns.get("user_id", {}).get("filled"):
        said.append("no user_id: a visitor who logs in cannot be known again; log the user's id where there is one")
    if not columns.get("event_id", {}).get("filled"):
        said.append("no event_id: copies are known by their content alone")
    if read < records:
        said.append(
            f"{records - read:,} of the first {records:,} records cannot be read and will be refused, one by one"
        )
    return said

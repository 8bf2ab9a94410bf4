"""Plain JSON events: one object, a list of them, or one a line (NDJSON).

    [sources.web]
    type = "http"
    codecs = ["json"]

An event is `{"event": "Signed Up", "time": "2026-05-17T10:05:03Z", "user_id": "u1", "plan": "pro"}`.
`event`, `time`, `event_id`, `user_id` and `anonymous_id` are the envelope, everything else is a property; the
members of an object `properties` count as if they stood outside. `time` is ISO 8601 (UTC unless it says
otherwise) or an epoch in seconds or milliseconds; an event without one happened when it was received.

What is one object or one list must be JSON as a whole, or the sender is told so. Of lines, each bad one is
refused by itself and the good ones go through. Bodies are told apart by what they hold, never by a header;
only blocks of files, which are always lines, say so (`lines`), and may name the envelope (`columns`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, ClassVar

import numpy as np
import orjson
import pyarrow as pa

from trackway.errors import PayloadError
from trackway.model.cells import Path
from trackway.model.dialect import together
from trackway.model.documents import Records, Split, property_name, tabulate
from trackway.model.event import Block
from trackway.model.json_text import array_items, as_array, complaint, is_value, skip, text_lines
from trackway.model.schema import Kind, Schema
from trackway.plan.component import Codec, Reply, Request

ENVELOPE: dict[str, Kind] = {
    "event": "string", "time": "time", "event_id": "string", "user_id": "string", "anonymous_id": "string",
}  # fmt: skip
MARK = b"\xef\xbb\xbf"
"""The byte order mark some editors put in front of UTF-8."""


class Json(Codec):
    """Objects to records."""

    routes: ClassVar[tuple[str, ...]] = ("/v1/events",)

    def key(self, request: Request) -> str | None:
        """A bearer token, the user name of Basic authentication, or `?key=` where no header can be set."""
        user = request.authorization("basic")
        if user is not None:
            return user.partition(":")[0]
        return request.authorization("bearer") or request.query.get("key")

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The events in a body. Raises PayloadError for one object or list that is not JSON."""
        split = _split(body, headers)
        if "lines" not in headers and _form(body, headers) == "lines" and not _taken(body, split):
            raise PayloadError(f"not JSON: {complaint(body)}", hint="send an object, a list of objects, or one a line")
        return len(split.starts)

    def in_line(self, record: bytes) -> bool:
        """Whatever is no list, is not blank, and has no line breaks inside."""
        said = record.strip().removeprefix(MARK).lstrip()
        return bool(said) and b"\n" not in record and not said.startswith(b"[")

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every event."""
        if not blocks:
            return tabulate(Records.of([], []), ENVELOPE, property_name)
        groups = [(columns, list(some)) for columns, some in groupby(blocks, key=_columns)]
        return together([partial(_table, some, columns) for columns, some in groups], {**known.properties, **ENVELOPE})

    def reply(self, records: int) -> Reply:
        """How many events were kept."""
        return Reply(200, orjson.dumps({"ok": True, "received": records}))


def _columns(block: Block) -> str:
    """How a block names the envelope: JSON, or nothing when as usual."""
    return block.headers.get("columns", "")


def _table(blocks: Sequence[Block], columns: str, kinds: Mapping[str, Kind]) -> pa.Table:
    records = Records.of(blocks, [_split(block.body, block.headers) for block in blocks])
    return tabulate(records, kinds, partial(_name, named=_renamed(columns)))


def _form(body: bytes, headers: Mapping[str, str]) -> str:
    """`lines`, `list` or `object`."""
    if "lines" in headers:
        return "lines"
    data = as_array(body)
    first = skip(data, _start(body), len(data))
    if first < len(data) and is_value(data, first, len(data)):
        return "list" if body[first] == ord("[") else "object"
    return "lines"


def _split(body: bytes, headers: Mapping[str, str]) -> Split:
    data, start = as_array(body), _start(body)
    form = _form(body, headers)
    if form == "list":
        starts, ends, _ = array_items(data, start, len(data))
        return Split(starts, ends)
    if form == "object":
        return Split(np.array([skip(data, start, len(data))]), np.array([len(data)]))
    return Split(*text_lines(data, start, len(data)))


def _start(body: bytes) -> int:
    return len(MARK) if body.startswith(MARK) else 0


def _taken(body: bytes, split: Split) -> bool:
    """Whether lines from a sender can be taken in: some line is an object, so that it was meant as lines."""
    data = as_array(body)
    return any(
        body[start:end].lstrip().startswith(b"{") and is_value(data, start, end)
        for start, end in zip(split.starts.tolist(), split.ends.tolist(), strict=True)
    )


def _renamed(columns: str) -> dict[Path, str]:
    """Paths that are the envelope: as usual, or as a block of a file names them."""
    named: Any = orjson.loads(columns) if columns else {}
    return {tuple(named.get(name, name).split(".")): name for name in ENVELOPE}


def _name(path: Path, named: Mapping[Path, str]) -> str:
    """The column of a path."""
    if path in named:
        return named[path]
    if path[0] == "properties" and len(path) > 1:
        return property_name(path[1:])
    return property_name(path)

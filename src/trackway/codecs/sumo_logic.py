"""HTTP sources of Sumo Logic: lines of logs, as collectors and log shippers send them.

    [sources.logs]
    type = "http"
    codecs = ["sumo_logic"]
    write_keys = ["my-source-code"]

Send to `/receiver/v1/http/CODE`; the write key is the code. A line is an event; one that is a JSON object has its
members as columns, any other is the `message`. `X-Sumo-Name`, `-Host` and `-Category` become `_sourceName`,
`_sourceHost` and `_sourceCategory`, the pairs of `X-Sumo-Fields` columns. A line that names no event is the event
`log`; its actor is a user or visitor that it names, else the host, else the address that sent it. The protocol has
no event ids, and a line without a time of its own that is sent twice is two events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import orjson
import pyarrow as pa

from trackway.model.dialect import Dialect, revealed
from trackway.model.event import Block
from trackway.model.log_line import MESSAGE, as_events, hosts, meant, read_lines
from trackway.model.parcel import Parcel, lines
from trackway.model.schema import Schema
from trackway.plan.component import Codec, Reply, Request, Taken

NAMES = {"x-sumo-name": "_sourceName", "x-sumo-host": "_sourceHost", "x-sumo-category": "_sourceCategory"}
WORDS = Dialect({**meant(""), MESSAGE: "message"})
AROUND = Dialect({name: name for name in NAMES.values()})


class SumoLogic(Codec):
    """Lines to records."""

    routes: ClassVar[tuple[str, ...]] = ("/receiver/v1/http/{code}",)

    def key(self, request: Request) -> str | None:
        """The code in the path."""
        return request.parts.get("code")

    def take(self, request: Request) -> Taken:
        """The lines, and what the headers say of them."""
        around = {column: request.headers[name] for name, column in NAMES.items() if name in request.headers}
        pairs = (pair.partition("=") for pair in request.headers.get("x-sumo-fields", "").split(","))
        around |= {name.strip(): value.strip() for name, equals, value in pairs if equals and name.strip()}
        kept = {"sender": request.sender, "around": orjson.dumps(around).decode()}
        return Taken(request.body, self.count(request.body, kept), kept, Reply(200, b"", ""))

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The lines that are not blank."""
        return len(lines(body))

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every line."""
        table = read_lines(blocks, [_cut(block) for block in blocks], WORDS, known.properties, AROUND)
        return revealed(as_events(table, hosts(table, blocks, ["_sourceHost"])))


def _cut(block: Block) -> Parcel:
    parcel = lines(block.body)
    return Parcel(parcel.starts, parcel.ends, (block.headers.get("around", "{}").encode(),))

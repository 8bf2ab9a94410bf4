"""The intake of Loggly: one event to `/inputs/TOKEN`, one a line to `/bulk/TOKEN`.

    [sources.logs]
    type = "http"
    codecs = ["loggly"]
    write_keys = ["my-customer-token"]

The write key is the token in the path. An event that is a JSON object has its members as columns, any other, with all
its lines, is the `message`. Tags, in the path or in `X-LOGGLY-TAG`, are the column `tags`. An event without a name
is `log`; its actor is a user or visitor that it names, else its `host` or `hostname`, else the address that sent
it. The protocol has no event ids, and an event without a time of its own that is sent twice is two events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import orjson
import pyarrow as pa

from trackway.errors import TrackwayError
from trackway.model.dialect import Dialect, revealed
from trackway.model.event import Block
from trackway.model.log_line import MESSAGE, as_events, hosts, meant, read_lines
from trackway.model.parcel import Parcel, lines
from trackway.model.schema import Schema
from trackway.plan.component import Codec, Reply, Request, Taken

WORDS = Dialect({**meant(""), MESSAGE: "message"})
AROUND = Dialect({"tags": "tags"}, kinds={"tags": "json"})


class Loggly(Codec):
    """Events and lines to records."""

    routes: ClassVar[tuple[str, ...]] = (
        *(f"/{kind}/{{token}}{tags}" for kind in ("inputs", "bulk") for tags in ("", "/tag/{tags}")),
    )

    def key(self, request: Request) -> str | None:
        """The token in the path."""
        return request.parts.get("token")

    def take(self, request: Request) -> Taken:
        """The events, and their tags."""
        given = f"{request.parts.get('tags', '')},{request.headers.get('x-loggly-tag', '')}"
        tags = [tag.strip() for tag in given.split(",") if tag.strip()]
        around = {"tags": tags} if tags else {}
        kept = {
            "sender": request.sender,
            "around": orjson.dumps(around).decode(),
            **({"bulk": "yes"} if "/bulk/" in request.path else {}),
        }
        return Taken(request.body, self.count(request.body, kept), kept, Reply(200, b'{"response": "ok"}'))

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:
        """One, or the lines that are not blank."""
        return len(_cut(body, headers))

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every event."""
        table = read_lines(blocks, [_around(block) for block in blocks], WORDS, known.properties, AROUND)
        return revealed(as_events(table, hosts(table, blocks, ["host", "hostname"])))

    def complain(self, request: Request, error: TrackwayError) -> Reply | None:  # noqa: ARG002
        """A wrong token is 403, after which senders stop."""
        return Reply(403, b'{"response": "forbidden"}') if error.status == 401 else None


def _cut(body: bytes, headers: Mapping[str, str]) -> Parcel:
    if "bulk" in headers:
        return lines(body)
    start, end = len(body) - len(body.lstrip()), len(body.rstrip())
    some = np.array([start] if start < end else [], dtype=np.int64)
    return Parcel(some, np.full(len(some), end))


def _around(block: Block) -> Parcel:
    parcel = _cut(block.body, block.headers)
    return Parcel(parcel.starts, parcel.ends, (block.headers.get("around", "{}").encode(),))

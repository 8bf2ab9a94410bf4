"""CloudEvents 1.0 over HTTP: structured, batched and binary, and the handshake of webhooks.

    [sources.events]
    type = "http"
    codecs = ["cloudevents"]
    write_keys = ["my-token"]

Send to `/cloudevents` with the write key as bearer token or as `?access_token=`. `type` is the event; `source` and
`id` together are its id; members of `data` stand outside, attributes and extensions keep their names (`source` is
`properties.source`). The user is `user_id` or `userId` in the data or the extension `userid`, else the anonymous
id is the `subject`, else the `source`. A binary event is kept as the structured one it stands for.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import unquote

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import PayloadError, TrackwayError
from trackway.model.dialect import Dialect, called, only, put, revealed
from trackway.model.documents import HIDDEN, column_or_nulls
from trackway.model.event import Block
from trackway.model.parcel import Parcel, several
from trackway.model.schema import Schema
from trackway.plan.component import Codec, Reply, Request, Taken

EVENT, ID, SOURCE = f"{HIDDEN}type", f"{HIDDEN}id", "properties.source"
WORDS = Dialect(
    {
        EVENT: "type", ID: "id", SOURCE: "source", "subject": "subject", "time": "time",
        "user_id": ("data.user_id", "data.userId", "data.user.id", "userid"),
        "anonymous_id": ("data.anonymous_id", "data.anonymousId"),
    },
    inside={"data": ""},
    without=("specversion", "datacontenttype"),
)  # fmt: skip


class Cloudevents(Codec):
    """Events to records."""

    routes: ClassVar[tuple[str, ...]] = ("/cloudevents",)

    def greet(self, request: Request) -> Reply | None:
        """The handshake: whoever asks may send, as fast as it likes."""
        if request.method != "OPTIONS" or "webhook-request-origin" not in request.headers:
            return None
        said = {"webhook-allowed-origin": request.headers["webhook-request-origin"], "webhook-allowed-rate": "*",
                "allow": "POST"}  # fmt: skip
        return Reply(200, b"", "", said)

    def key(self, request: Request) -> str | None:
        """The bearer token, or the `access_token` in the address."""
        return request.authorization("bearer") or request.query.get("access_token")

    def take(self, request: Request) -> Taken:
        """The events; a binary one as a structured one."""
        body = _structured(request) if "ce-id" in request.headers else request.body
        return Taken(body, self.count(body, {}), {}, Reply(204, b"", ""))

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The events in a body. Raises PayloadError for what is not JSON."""
        return len(_cut(body))

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every event."""
        table = WORDS.read(blocks, [_cut(block.body) for block in blocks], known.properties)
        source, subject = column_or_nulls(table, SOURCE), column_or_nulls(table, "subject")
        nobody = pc.is_null(column_or_nulls(table, "user_id"))
        anonymous = pc.coalesce(column_or_nulls(table, "anonymous_id"), only(pc.coalesce(subject, source), nobody))
        ids = pc.binary_join_element_wise(source, column_or_nulls(table, ID), "#")
        table = put(table, event_id=pc.coalesce(ids, column_or_nulls(table, ID)), anonymous_id=anonymous)
        return revealed(called(table, column_or_nulls(table, EVENT), "without a type"))

    def complain(self, request: Request, error: TrackwayError) -> Reply | None:  # noqa: ARG002
        """Please wait is 429 to senders of webhooks, which must be told for how long."""
        if error.status == 503:
            return Reply(429, f"{error.message}; send it again\n".encode(), "text/plain; charset=utf-8")
        return None


def _structured(request: Request) -> bytes:
    """The event of a request in binary mode as JSON."""
    said: dict[str, Any] = {name[3:]: unquote(text) for name, text in request.headers.items() if name.startswith("ce-")}
    data = request.body.strip()
    if not data:
        return orjson.dumps(said)
    try:
        said["data"] = orjson.Fragment(data) if orjson.loads(data) is not None else None
    except orjson.JSONDecodeError:
        try:
            said["data"] = data.decode()
        except UnicodeDecodeError:
            said["data_base64"] = base64.b64encode(data).decode()
    return orjson.dumps(said)


def _cut(body: bytes) -> Parcel:
    """A batch, or one event. Raises PayloadError for what is none."""
    try:
        return several(body)
    except PayloadError as error:
        raise PayloadError(error.message, hint="send a CloudEvent, a list of them, or ce- headers") from error

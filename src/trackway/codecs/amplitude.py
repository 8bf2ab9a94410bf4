"""The HTTP API of Amplitude, version 2, and its batch API: what its libraries send.

    [sources.app]
    type = "http"
    codecs = ["amplitude"]
    write_keys = ["my-api-key"]

Point `server_url` at `/2/httpapi` or `/batch`. `event_type` is the event, `insert_id` its id, `user_id` and
`device_id` are user and anonymous id. Members of `event_properties` stand outside; user properties are traits
(`traits.email`, of `$set` too), other operations on them keep their names (`user_properties.$add.logins`).

Every event that is JSON is taken in and answered with 200; one without a type or an id is refused by itself later,
where it can be seen. Only what cannot be read at all, or has no `events` or a wrong key, is an error to the sender.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import orjson
import pyarrow as pa

from trackway.errors import PayloadError, TrackwayError
from trackway.model.dialect import Dialect, called, revealed
from trackway.model.documents import HIDDEN, column_or_nulls
from trackway.model.event import Block
from trackway.model.json_text import as_array, complaint, find_member
from trackway.model.parcel import Parcel, lines, opened
from trackway.model.schema import Schema
from trackway.plan.component import Codec, Reply, Request, Taken

EVENT = f"{HIDDEN}event"
OPERATIONS = ("$setOnce", "$add", "$append", "$prepend", "$unset", "$preInsert", "$postInsert", "$remove")
WORDS = Dialect(
    {
        "event_id": ("insert_id", "$insert_id", "uuid"), EVENT: "event_type", "time": ("time", "event_time"),
        "user_id": "user_id", "anonymous_id": "device_id",
    },
    inside={
        **{f"user_properties.{name}": f"user_properties.{name}." for name in OPERATIONS},
        "user_properties.$set": "traits.", "user_properties": "traits.", "event_properties": "",
    },
    without=("api_key",),
)  # fmt: skip


class Amplitude(Codec):
    """Events to records."""

    routes: ClassVar[tuple[str, ...]] = ("/2/httpapi", "/batch")

    def fits(self, request: Request) -> bool:
        """PostHog sends a `batch` to `/batch`."""
        data = as_array(request.body)
        return find_member(data, 0, len(data), as_array(b"events")) >= 0 or request.path.endswith("/httpapi")

    def key(self, request: Request) -> str | None:
        """The `api_key` around the events."""
        parcel = opened(request.body, b"events")
        found = parcel.outer.get("api_key") if parcel is not None else None
        return found if isinstance(found, str) else None

    def take(self, request: Request) -> Taken:
        """The events; the reply says how many, since the libraries read it."""
        records = self.count(request.body, {})
        said = {
            "code": 200, "events_ingested": records, "payload_size_bytes": len(request.raw),
            "server_upload_time": request.at // 1_000,
        }  # fmt: skip
        return Taken(request.body, records, {"path": request.path}, Reply(200, orjson.dumps(said)))

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:
        """The events in a body. Raises PayloadError for one without."""
        parcel = _cut(body, headers)
        if parcel is None:
            raise PayloadError(f"not JSON with a list of events: {complaint(body)}", hint='send {"events": [...]}')
        return len(parcel)

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every event."""
        parcels = [_cut(block.body, block.headers) or lines(block.body) for block in blocks]
        table = WORDS.read(blocks, parcels, known.properties)
        return revealed(called(table, column_or_nulls(table, EVENT), "without an event_type"))

    def complain(self, request: Request, error: TrackwayError) -> Reply | None:  # noqa: ARG002
        """The libraries read `code`, and take a 400 that names no field for a passing trouble."""
        if error.status == 401:
            return Reply(400, orjson.dumps({"code": 400, "error": f"Invalid API key: {error.message}"}))
        said = {"code": error.status, "error": error.message}
        if error.status == 400:
            said["missing_field"] = "events"
        return Reply(error.status, orjson.dumps(said))


def _cut(body: bytes, headers: Mapping[str, str]) -> Parcel | None:
    """A list of events as the libraries send it, or lines of an export; None for what is neither."""
    return lines(body) if headers.get("lines") else opened(body, b"events")

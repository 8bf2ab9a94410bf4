"""The tracking API of Segment: what analytics.js, the mobile and the server libraries send, one call or a batch.

    [sources.web]
    type = "http"
    codecs = ["segment"]
    write_keys = ["my-write-key"]

A `track` call becomes an event of its own name; the other calls become `Identify`, `Page`, `Screen`, `Group`
and `Alias`. Properties keep their bare names (`plan`), traits and context their prefix (`traits.email`,
`context.page.url`); the name and category of a page are properties. `messageId` is the event id, and
`alias` carries the id it replaces as `previous_id`. `/v1/pixel/track?data=…` takes one call from a mail or a page
without scripts, in base64; the settings that analytics.js asks for name no other destination.

The time of an event is its `timestamp` as given. Segment's servers move it by the clock skew they infer from
`sentAt`; that puts the events of one visitor out of order when only some calls carry `sentAt`, so here
`sent_at` is kept as a column and nothing is moved. Without `timestamp`, `originalTimestamp` counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import PayloadError
from trackway.model.cells import Path
from trackway.model.dialect import put, revealed
from trackway.model.documents import HIDDEN, IDS, Records, Split, column_or_nulls, property_name, tabulate
from trackway.model.event import Block, Reason
from trackway.model.form import PIXEL, unwrapped
from trackway.model.json_text import as_array, find_member, is_value
from trackway.model.parcel import Parcel, opened, several
from trackway.model.schema import ARROW, Kind, Schema
from trackway.model.time import instant
from trackway.plan.component import Codec, Reply, Request, Taken

CALLS = {"track": "track", "identify": "identify", "page": "page", "screen": "screen", "group": "group",
         "alias": "alias", "t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group",
         "a": "alias"}  # fmt: skip
"""Last part of the path -> type of call; analytics.js uses the single letters."""
BATCH = b"batch"
TYPE, EVENT, ORIGINAL = f"{HIDDEN}type", f"{HIDDEN}event", f"{HIDDEN}originalTimestamp"
NAMES: dict[str, str | None] = {
    "type": TYPE, "event": EVENT, "messageId": "event_id", "userId": "user_id", "anonymousId": "anonymous_id",
    "timestamp": "time", "originalTimestamp": ORIGINAL, "sentAt": "sent_at", "previousId": "previous_id",
    "groupId": "group_id", "writeKey": None, "write_key": None,
}  # fmt: skip
"""First part of a path -> column; the write key is a secret and is kept nowhere but in the journal."""
KINDS: dict[str, Kind] = {
    TYPE: "string", EVENT: "string", "event_id": "string", "user_id": "string", "anonymous_id": "string",
    "previous_id": "string", "group_id": "string", "time": "time", ORIGINAL: "time", "sent_at": "time",
}  # fmt: skip


class Segment(Codec):
    """Calls to records: `{"batch": [...]}` holds many, anything else is one."""

    routes: ClassVar[tuple[str, ...]] = (
        *(f"/v1/{call}" for call in CALLS), "/v1/batch", "/v1/import", "GET /v1/pixel/{call}",
        "GET /v1/projects/{key}/settings", "POST /v1/m",
    )  # fmt: skip

    def greet(self, request: Request) -> Reply | None:
        """The settings that analytics.js asks for, without other destinations; its own measurements are not kept."""
        if request.path.endswith("/settings"):
            said = {"apiKey": request.parts.get("key"), "apiHost": f"{request.headers.get('host', '')}/v1"}
            plan = {"track": {"__default": {"enabled": True}}}
            return Reply(200, orjson.dumps({"integrations": {"Segment.io": said}, "plan": plan}))
        return Reply(200, b'{"success": true}') if request.path.endswith("/v1/m") else None

    def take(self, request: Request) -> Taken:
        """The calls; of a pixel, the one in its address."""
        if request.method != "GET":
            return super().take(request)
        body = unwrapped(b"", request.query)
        kept = {"path": request.path}
        return Taken(body, self.count(body, kept), kept, Reply(200, PIXEL, "image/gif"))

    def key(self, request: Request) -> str | None:
        """The user name of Basic authentication, or the `writeKey` of the body."""
        user = request.authorization("basic")
        if user is not None:
            return user.partition(":")[0]
        try:
            body = request.body if request.method != "GET" else unwrapped(b"", request.query)
            batch = opened(body, BATCH)
            outer = orjson.loads(body) if batch is None else batch.outer
        except (orjson.JSONDecodeError, PayloadError):
            return None
        key = outer.get("writeKey") if isinstance(outer, dict) else None
        return key if isinstance(key, str) else None

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The calls in a batch, one, or one a line. Raises PayloadError for what is not JSON."""
        return len(_calls(body))

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every call."""
        batches = [_calls(block.body) for block in blocks]
        records = Records.of(blocks, [_split(batch) for batch in batches])
        table = tabulate(records, {**known.properties, **KINDS}, _name, ids=IDS | {EVENT, "previous_id", "group_id"})
        place = np.searchsorted([block.seq for block in blocks], records.block)
        routed = [CALLS.get(block.headers.get("path", "").rpartition("/")[2]) for block in blocks]
        types = pc.coalesce(pc.utf8_lower(column_or_nulls(table, TYPE)), pa.array(routed, pa.string()).take(place))
        sent = pa.array([_sent(batch) for batch in batches], ARROW["time"]).take(place)
        table = put(table, sent_at=pc.coalesce(column_or_nulls(table, "sent_at", "time"), sent))
        time = pc.coalesce(column_or_nulls(table, "time", "time"), column_or_nulls(table, ORIGINAL, "time"))
        table = put(table, time=time, **_named(table, types))
        return revealed(table)


def _calls(body: bytes) -> Parcel:
    """The calls of a batch, one by itself, or one a line. Raises PayloadError for what is none of these."""
    batch = opened(body, BATCH)
    if batch is not None:
        return batch
    data = as_array(body)
    if is_value(data, 0, len(data)) and find_member(data, 0, len(data), as_array(BATCH)) >= 0:
        raise PayloadError("cannot read the batch", hint='send {"batch": [calls]}, in UTF-8')
    try:
        return several(body)
    except PayloadError as error:
        raise PayloadError(error.message, hint='send one call, one a line, or {"batch": [calls]}') from error


def _split(batch: Parcel) -> Split:
    context = batch.outer.get("context")
    return Split(batch.starts, batch.ends, {"context": context} if isinstance(context, dict) and context else {})


def _sent(batch: Parcel) -> int | None:
    """When a batch was sent by the clock of the sender."""
    sent = batch.outer.get("sentAt")
    if not isinstance(sent, str):
        return None
    try:
        return instant(sent)
    except (ValueError, OverflowError):
        return None


def _named(table: pa.Table, types: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    """Reason, detail and event name of every call."""
    track = pc.fill_null(pc.equal(types, "track"), fill_value=False)
    known = pc.is_in(types, pa.array(sorted(set(CALLS.values()))))
    given = column_or_nulls(table, EVENT)
    event = pc.if_else(track, given, pc.if_else(known, pc.utf8_capitalize(types), pa.scalar(None, pa.string())))
    nameless = pc.and_(pc.is_null(event), pc.is_null(table["reason"]))
    why = pc.if_else(track, "a track call without the name of its event", "a call without a known type")
    return {
        "reason": pc.if_else(nameless, Reason.NO_EVENT.value, table["reason"]),
        "detail": pc.if_else(nameless, why, table["detail"]),
        "event": event,
    }


def _name(path: Path) -> str | None:
    """The column of a path."""
    if path[0] == "properties" and len(path) > 1:
        name = property_name(path[1:])
        return f"properties.{name}" if name in KINDS else name
    return NAMES[path[0]] if len(path) == 1 and path[0] in NAMES else property_name(path)

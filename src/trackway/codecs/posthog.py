"""The capture API of PostHog, both versions: what its browser, mobile and server libraries send.

    [sources.app]
    type = "http"
    codecs = ["posthog"]
    write_keys = ["phc_my-project-key"]

Point `host` (`api_host` in the browser) at Trackway. Events keep their names (`$pageview`), members of
`properties` stand outside, `$set` becomes traits (`traits.email`). `uuid` is the event id, `distinct_id` the user
id; `$identify` carries the id before it as `anonymous_id`, and so does `$create_alias` with its alias.

Version 0 comes as one event, a list or `{"batch": [...]}`; plain, as base64, as a form `data=` or in the address,
with gzip whatever the headers say. Version 1 is answered for every uuid. Times are taken as they are; of an event with
`offset` instead, so many milliseconds before it came. Feature flags and recordings are answered with: there are none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import PayloadError
from trackway.model.dialect import Dialect, called, only, put, revealed
from trackway.model.documents import HIDDEN, column_or_nulls
from trackway.model.event import Block
from trackway.model.form import unwrapped
from trackway.model.json_text import as_array, find_member
from trackway.model.parcel import Parcel, objects, opened, several
from trackway.model.schema import ARROW, Schema
from trackway.plan.component import Codec, Reply, Request, Taken

EVENT, ALIAS, OFFSET = f"{HIDDEN}event", f"{HIDDEN}alias", f"{HIDDEN}offset"
WORDS = Dialect(
    {
        "event_id": ("uuid", "properties.$uuid"), EVENT: "event", "time": "timestamp",
        "user_id": ("distinct_id", "properties.distinct_id"), "anonymous_id": "properties.$anon_distinct_id",
        "sent_at": "sent_at", ALIAS: "properties.alias", OFFSET: "offset",
    },
    inside={"properties.$set": "traits.", "$set": "traits.", "properties": ""},
    without=("api_key", "token", "properties.token", "properties.api_key"),
    kinds={"sent_at": "time", OFFSET: "number"},
)  # fmt: skip
AROUND = Dialect(
    {"sent_at": ("sent_at", "created_at")},
    without=("api_key", "token", "batch", "historical_migration"),
    kinds={"sent_at": "time"},
)
V1 = "/i/v1/analytics/events"
FLAGS = orjson.dumps(
    {
        "flags": {}, "featureFlags": {}, "featureFlagPayloads": {}, "errorsWhileComputingFlags": False,
        "sessionRecording": False, "supportedCompression": ["gzip", "gzip-js"], "toolbarParams": {}, "siteApps": [],
    }
)  # fmt: skip
JOINED = ("$create_alias", "$merge_dangerously")


class Posthog(Codec):
    """Captured events to records: of a batch, a list, or one."""

    routes: ClassVar[tuple[str, ...]] = (
        *(f"GET POST /{path}" for path in ("batch", "i/v0/e", "e", "capture", "track", "engage")),
        f"POST {V1}", "GET POST /flags", "GET POST /decide", "GET /_readiness", "GET /_liveness",
    )  # fmt: skip

    def fits(self, request: Request) -> bool:
        """Amplitude has its `events` at `/batch`, and Mixpanel has no `api_key` at `/track` and `/engage`."""
        last = request.path.rpartition("/")[2]
        if last == "batch":
            return not _has(request.body, b"events")
        return last not in ("track", "engage") or _has(request.body, b"api_key") or _has(request.body, b"batch")

    def greet(self, request: Request) -> Reply | None:
        """No feature flags, no recordings; alive and ready."""
        last = request.path.rpartition("/")[2]
        if last in ("flags", "decide"):
            return Reply(200, FLAGS)
        return Reply(200, b"ok", "text/plain") if last.startswith("_") else None

    def key(self, request: Request) -> str | None:
        """A bearer token, else the `api_key` or `token` around the events or in the first of them."""
        bearer = request.authorization("bearer")
        if bearer is not None:
            return bearer
        try:
            body = unwrapped(request.body, request.query)
            parcel = _cut(body)
        except PayloadError:
            return None
        first = next(objects(body, parcel), {})
        properties = first.get("properties")
        for place in (parcel.outer, first, properties if isinstance(properties, dict) else {}):
            for name in ("api_key", "token"):
                if isinstance(place.get(name), str):
                    return str(place[name])
        return None

    def take(self, request: Request) -> Taken:
        """The JSON that was sent, out of its wrapping."""
        body = unwrapped(request.body, request.query)
        parcel = _cut(body)
        if not request.path.endswith(V1):
            return Taken(body, len(parcel), {"path": request.path}, Reply(200, b'{"status": "Ok"}'))
        uuids = (event.get("uuid") for event in objects(body, parcel))
        results = {uuid: {"result": "ok"} for uuid in uuids if isinstance(uuid, str)}
        return Taken(body, len(parcel), {"path": request.path}, Reply(200, orjson.dumps({"results": results})))

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The events in a body. Raises PayloadError for what is not JSON."""
        return len(_cut(body))

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every event."""
        table = WORDS.read(blocks, [_cut(block.body) for block in blocks], known.properties, AROUND)
        event, alias = column_or_nulls(table, EVENT), column_or_nulls(table, ALIAS)
        joined = pc.is_in(event, pa.array(JOINED))
        table = put(table, anonymous_id=pc.coalesce(column_or_nulls(table, "anonymous_id"), only(alias, joined)))
        table = put(table, alias=only(alias, pc.invert(joined)), time=_times(table, blocks))
        return revealed(called(table, event, "without the name of an event"))


def _times(table: pa.Table, blocks: Sequence[Block]) -> pa.ChunkedArray:
    """The time as stated, or so long before the block came."""
    stated, offset = column_or_nulls(table, "time", "time"), column_or_nulls(table, OFFSET, "number")
    if offset.null_count == len(offset):
        return stated
    place = np.searchsorted([block.seq for block in blocks], table["block"].to_numpy())
    came = np.array([block.received_at for block in blocks], np.int64)[place]
    ago = offset.to_numpy(zero_copy_only=False)
    sane = ~np.isnan(ago) & (np.abs(ago) < 1e12)
    micros = came - np.where(sane, ago * 1000, 0).astype(np.int64)
    return pc.coalesce(stated, pa.array(micros, mask=~sane).cast(ARROW["time"]))


def _has(body: bytes, key: bytes) -> bool:
    data = as_array(body)
    return bool(find_member(data, 0, len(data), as_array(key)) >= 0)


def _cut(body: bytes) -> Parcel:
    """A batch, a list or one event. Raises PayloadError for what is none."""
    return opened(body, b"batch") or several(body)

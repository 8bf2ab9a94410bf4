"""The Events API of mParticle: a batch of events of one user, or many batches in one request.

    [sources.app]
    type = "http"
    codecs = ["mparticle"]
    write_keys = ["my-api-secret"]

A custom event has its `event_name`, any other its type (`screen_view`, `commerce_event`), a batch that only brings
what is known of a user is the event `Identify`. Members of `data` and its custom attributes stand outside, user
attributes are traits, everything else around the events keeps its dotted name (`device_info.platform`).
The user id is the customer id, else the mParticle id; the anonymous id is the device's. `source_message_id` is the
event id; without one the same batch sent again gives the same ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import PayloadError
from trackway.model.dialect import Dialect, called, revealed
from trackway.model.documents import HIDDEN, column_or_nulls
from trackway.model.event import Block
from trackway.model.parcel import Parcel, opened, several
from trackway.model.schema import Schema
from trackway.plan.component import Codec, Reply, Request, is_one_of

TYPE, NAME = f"{HIDDEN}type", f"{HIDDEN}name"
DEVICES = ("mp_deviceid", *(f"device_info.{name}" for name in (
    "ios_idfv", "android_uuid", "ios_advertising_id", "android_advertising_id", "amp_id", "roku_advertising_id")),
)  # fmt: skip
WORDS = Dialect(
    {
        TYPE: "event_type", NAME: ("data.event_name", "event_name"), "event_id": "data.source_message_id",
        "time": ("data.timestamp_unixtime_ms", "timestamp_unixtime_ms"),
        "user_id": ("user_identities.customer_id", "user_identities.customerid", "mpid"), "anonymous_id": DEVICES,
    },
    inside={"data.custom_attributes": "", "data": "", "user_attributes": "traits."},
    without=("api_key", "schema_version", "events"),
)  # fmt: skip


class Mparticle(Codec):
    """The events of batches to records; a batch without events is one itself."""

    routes: ClassVar[tuple[str, ...]] = ("/v2/events", "/v2/bulkevents", "/v2/bulkevents/historical")

    def shows(self, request: Request, keys: Sequence[str]) -> bool:
        """The secret, or the key, of Basic authentication."""
        key, _, secret = (request.authorization("basic") or "").partition(":")
        return any(is_one_of(half, keys) for half in (secret, key) if half)

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The events of all batches. Raises PayloadError for what is not JSON."""
        return len(_cut(body))

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every event."""
        parcels = [_cut(block.body) for block in blocks]
        table = WORDS.read(blocks, parcels, known.properties, WORDS, whole=False)
        kind, name = column_or_nulls(table, TYPE), column_or_nulls(table, NAME)
        alone = pc.and_(pc.is_null(table["reason"]), pc.is_valid(column_or_nulls(table, "user_id")))
        identify = pc.if_else(pc.and_(alone, pc.is_null(kind)), "Identify", pa.scalar(None, pa.string()))
        return revealed(called(table, pc.coalesce(name, kind, identify), "without an event_type"))

    def reply(self, records: int) -> Reply:  # noqa: ARG002
        """Accepted, without words."""
        return Reply(202, b"", "")


def _cut(body: bytes) -> Parcel:
    """The events of one batch or of a list of them. Raises PayloadError for what is not JSON."""
    batches = several(body)
    starts, ends, places = [], [], []
    around: list[bytes] = []
    for first, last in zip(batches.starts.tolist(), batches.ends.tolist(), strict=True):
        inner = opened(body[first:last], b"events")
        if inner is None or not len(inner):
            inner = Parcel(np.array([0]), np.array([last - first]))
        starts.append(inner.starts + first)
        ends.append(inner.ends + first)
        places.append(np.full(len(inner), len(around)))
        around.append(inner.around[0] if inner.around else b"{}")
    if not starts:
        raise PayloadError("no batch", hint="send a batch, or a list of batches")
    return Parcel(np.concatenate(starts), np.concatenate(ends), around, np.concatenate(places))

"""Currents of Braze, sent to a custom HTTP endpoint: messages, sessions and behaviour of users.

    [sources.braze]
    type = "http"
    codecs = ["braze"]
    write_keys = [{ env = "BRAZE_TOKEN" }]

Give Braze the address `https://…/webhooks/braze` and the write key as bearer token. `event_type` is the event
(`users.messages.email.Open`) and `id` its id; the user id is `external_user_id`, the anonymous id that of the
device, else Braze's own. Members of `properties` stand outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pyarrow as pa

from trackway.errors import PayloadError
from trackway.model.dialect import Dialect, called, revealed
from trackway.model.documents import HIDDEN, column_or_nulls
from trackway.model.event import Block
from trackway.model.json_text import complaint
from trackway.model.parcel import Parcel, opened
from trackway.model.schema import Schema
from trackway.plan.component import Codec, Request

EVENT = f"{HIDDEN}event"
WORDS = Dialect(
    {
        "event_id": "id", EVENT: "event_type", "time": "time",
        "user_id": ("user.external_user_id", "external_user_id", "properties.external_user_id"),
        "anonymous_id": ("user.device_id", "user.user_id", "properties.device_id", "user_id", "properties.user_id"),
    },
    inside={"properties": ""},
)  # fmt: skip


class Braze(Codec):
    """Events to records."""

    routes: ClassVar[tuple[str, ...]] = ("/webhooks/braze",)

    def key(self, request: Request) -> str | None:
        """The bearer token."""
        return request.authorization("bearer")

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The events in a body. Raises PayloadError for one without."""
        return len(_cut(body))

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every event."""
        table = WORDS.read(blocks, [_cut(block.body) for block in blocks], known.properties)
        return revealed(called(table, column_or_nulls(table, EVENT), "without an event_type"))


def _cut(body: bytes) -> Parcel:
    parcel = opened(body, b"events")
    if parcel is None:
        raise PayloadError(f"not JSON with a list `events`: {complaint(body)}", hint='send {"events": [...]}')
    return parcel

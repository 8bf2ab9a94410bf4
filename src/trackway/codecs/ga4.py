"""The Measurement Protocol of Google Analytics 4: what servers send to `/mp/collect`.

    [sources.web]
    type = "http"
    codecs = ["ga4"]
    write_keys = ["my-api-secret"]

The write key is `api_secret` in the address. `name` is the event, members of `params` stand outside, user properties
are traits (`traits.plan`), `user_id` and `client_id` (or `app_instance_id`) are user and anonymous id, and
`measurement_id` (or `firebase_app_id`) is a column. Google's protocol has no event ids: with a `timestamp_micros`
the same request sent again gives the same ids. `/debug/mp/collect` says that all is well and keeps nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa

from trackway.errors import PayloadError
from trackway.model.dialect import Dialect, called, put, revealed
from trackway.model.documents import HIDDEN, column_or_nulls
from trackway.model.event import Block
from trackway.model.json_text import DEEPEST, as_array, complaint, find_member, is_value, value_end
from trackway.model.parcel import Parcel, opened
from trackway.model.schema import Schema
from trackway.plan.component import Codec, Reply, Request, Taken

EVENT = f"{HIDDEN}name"
WORDS = Dialect({EVENT: "name", "time": "timestamp_micros"}, inside={"params": ""})
AROUND = Dialect(
    {"user_id": "user_id", "anonymous_id": ("client_id", "app_instance_id"), "time": "timestamp_micros"},
    inside={"user_properties": "traits."},
)
STREAMS = ("measurement_id", "firebase_app_id")
TRAIT = re.compile(r"(traits\..+)\.value")


class Ga4(Codec):
    """The events of a request to records."""

    routes: ClassVar[tuple[str, ...]] = ("/mp/collect", "/debug/mp/collect")

    def greet(self, request: Request) -> Reply | None:
        """No complaints."""
        return Reply(200, b'{"validationMessages": []}') if "/debug/" in request.path else None

    def key(self, request: Request) -> str | None:
        """The `api_secret` in the address."""
        return request.query.get("api_secret")

    def take(self, request: Request) -> Taken:
        """The events, and of which stream they are."""
        kept = {name: request.query[name] for name in STREAMS if name in request.query}
        return Taken(request.body, self.count(request.body, kept), kept, Reply(204, b"", ""))

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The events in a body. Raises PayloadError for one without."""
        return len(_cut(body))

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every event."""
        parcels = [_cut(block.body) for block in blocks]
        table = WORDS.read(blocks, parcels, known.properties, AROUND, whole=False)
        names = [match[1] if (match := TRAIT.fullmatch(name)) else name for name in table.column_names]
        table = table.rename_columns(names) if len(set(names)) == len(names) else table
        place = np.searchsorted([block.seq for block in blocks], table["block"].to_numpy())
        streams = {name: pa.array([block.headers.get(name) for block in blocks], pa.string()) for name in STREAMS}
        table = put(table, **{name: column.take(pa.array(place)) for name, column in streams.items()})
        return revealed(called(table, column_or_nulls(table, EVENT), "without a name"))


def _cut(body: bytes) -> Parcel:
    """The events of a request; some libraries send a single one without its list. Raises PayloadError without any."""
    parcel = opened(body, b"events")
    if parcel is not None:
        return parcel
    data = as_array(body)
    at = find_member(data, 0, len(data), as_array(b"events"))
    if 0 <= at < len(data) and data[at] == ord("{") and is_value(data, 0, len(data)):
        end = value_end(data, at, len(data), np.empty(DEEPEST, dtype=np.uint8))
        return Parcel(np.array([at]), np.array([end]), (body[:at] + b"null" + body[end:],))
    raise PayloadError(f"not JSON with a list `events`: {complaint(body)}", hint='send {"events": [...]}')

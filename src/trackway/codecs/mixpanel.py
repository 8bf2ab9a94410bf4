"""The ingestion API of Mixpanel: `/track`, `/engage`, `/groups` and `/import`, as its libraries send them.

    [sources.app]
    type = "http"
    codecs = ["mixpanel"]
    write_keys = ["my-project-token"]

Events keep their names and members of `properties` stand outside. `$insert_id` is the event id, `$user_id` or else
`distinct_id` the user id and `$device_id` the anonymous id, also when it only stands in `distinct_id` as
`$device:…`. `$identify` and `$create_alias` carry the two ids that are one as user id and anonymous id. An update
of a profile is an event `$engage` with traits (`traits.email` of `$set`), one of a group an event `$groups` of
the actor `KEY:ID`.

A form or an address with `data` (JSON or base64), a JSON list, or an event a line; `verbose=1` is answered with an
object, other forms with `1`, JSON to `/import` with the number of records. The write key is the project token, or
the secret or service account of `/import`.
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
from trackway.model.form import fields, unwrapped
from trackway.model.json_text import as_array, find_member
from trackway.model.parcel import objects, several
from trackway.model.schema import Schema
from trackway.plan.component import Codec, Reply, Request, Taken, is_one_of

EVENT, ALIAS, DEVICE = f"{HIDDEN}event", f"{HIDDEN}alias", f"{HIDDEN}device"
KEY, ID = f"{HIDDEN}group_key", f"{HIDDEN}group_id"
WORDS = Dialect(
    {
        "event_id": "properties.$insert_id", EVENT: "event", "time": ("properties.time", "$time"),
        "user_id": ("properties.$user_id", "properties.$identified_id", "properties.distinct_id", "$distinct_id"),
        "anonymous_id": ("properties.$device_id", "properties.$anon_id"), ALIAS: "properties.alias",
        KEY: "$group_key", ID: "$group_id",
    },
    inside={"$set": "traits.", "properties": ""},
    without=("properties.token", "$token", "token"),
)  # fmt: skip
UPDATES = {"engage": "$engage", "groups": "$groups"}


class Mixpanel(Codec):
    """Events and profile updates to records: a list, one a line, or one."""

    routes: ClassVar[tuple[str, ...]] = tuple(f"GET POST /{path}" for path in ("track", "engage", "groups", "import"))

    def fits(self, request: Request) -> bool:
        """PostHog has its `api_key` or `batch` in what it sends to `/track` and `/engage`."""
        data = as_array(request.body)
        return all(find_member(data, 0, len(data), as_array(key)) < 0 for key in (b"api_key", b"batch"))

    def key(self, request: Request) -> str | None:
        """The token in the first event."""
        try:
            body = unwrapped(request.body, request.query)
            first = next(objects(body, several(body)), {})
        except PayloadError:
            return None
        properties = first.get("properties")
        token = properties.get("token") if isinstance(properties, dict) else None
        found = token or first.get("$token") or first.get("token")
        return found if isinstance(found, str) else None

    def shows(self, request: Request, keys: Sequence[str]) -> bool:
        """The token of the events, or either half of the credentials of an import."""
        user, _, secret = (request.authorization("basic") or "").partition(":")
        legacy = fields(request.body).get("api_key", request.query.get("api_key", ""))
        return any(is_one_of(shown, keys) for shown in (self.key(request), user, secret, legacy))

    def take(self, request: Request) -> Taken:
        """The JSON that was sent, out of its wrapping."""
        body = unwrapped(request.body, request.query)
        records, kind = len(several(body)), request.path.rpartition("/")[2]
        form = fields(request.body) if "data" not in request.query else {}
        if kind == "import" and request.method == "POST" and "data" not in {**form, **request.query}:
            reply = Reply(200, orjson.dumps({"code": 200, "num_records_imported": records, "status": "OK"}))
        elif {**request.query, **form}.get("verbose") == "1":
            reply = Reply(200, b'{"status": 1, "error": null}')
        else:
            reply = Reply(200, b"1", "text/plain")
        return Taken(body, records, {"path": request.path}, reply)

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The events in a body. Raises PayloadError for what is not JSON."""
        return len(several(body))

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every event and every update."""
        table = WORDS.read(blocks, [several(block.body) for block in blocks], known.properties)
        place = np.searchsorted([block.seq for block in blocks], table["block"].to_numpy())
        routes = [UPDATES.get(block.headers.get("path", "").rpartition("/")[2]) for block in blocks]
        event = pc.coalesce(column_or_nulls(table, EVENT), pa.array(routes, pa.string()).take(pa.array(place)))
        table = called(_people(table, event), event, "without the name of an event")
        return revealed(table)


def _people(table: pa.Table, event: pa.ChunkedArray) -> pa.Table:
    """The table with user and anonymous id as Mixpanel means them."""
    user, anonymous = column_or_nulls(table, "user_id"), column_or_nulls(table, "anonymous_id")
    alias = column_or_nulls(table, ALIAS)
    aliased = pc.fill_null(pc.equal(event, "$create_alias"), fill_value=False)
    device = pc.fill_null(pc.starts_with(user, "$device:"), fill_value=False)
    inside = only(pc.replace_substring(user, "$device:", "", max_replacements=1), device)
    group = pc.binary_join_element_wise(column_or_nulls(table, KEY), column_or_nulls(table, ID), ":")
    return put(
        table,
        user_id=only(user, pc.invert(device)),
        anonymous_id=pc.coalesce(anonymous, inside, only(alias, aliased), group),
        alias=only(alias, pc.invert(aliased)),
    )

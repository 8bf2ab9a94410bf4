"""Webhooks of HubSpot: changes of contacts, companies, deals and other records of the CRM.

    [sources.crm]
    type = "http"
    codecs = ["hubspot"]
    write_keys = [{ env = "HUBSPOT_CLIENT_SECRET" }]

Give HubSpot the address `https://…/webhooks/hubspot`. The write key is the client secret of the app: signatures of
version 3 (not older than five minutes), 2 and 1 are checked. The subscription type is the event
(`contact.propertyChange`); a contact is a user by its `objectId`, any other record the anonymous id `TYPE:ID`.
An event id is made of `eventId`, subscription, object and time, since HubSpot sends again what was not answered
and its own ids repeat.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from trackway.model.dialect import Dialect, called, only, put, revealed
from trackway.model.documents import HIDDEN, column_or_nulls
from trackway.model.event import Block
from trackway.model.parcel import Parcel, several
from trackway.model.schema import Schema
from trackway.model.signature import is_fresh, is_signed
from trackway.plan.component import Codec, Reply, Request

TYPE, ID = f"{HIDDEN}type", f"{HIDDEN}id"
WORDS = Dialect({"time": "occurredAt", TYPE: ("subscriptionType", "eventType"), ID: "eventId", "object_id": "objectId",
                 "subscription_id": "subscriptionId"})  # fmt: skip


class Hubspot(Codec):
    """Notifications to records."""

    routes: ClassVar[tuple[str, ...]] = ("/webhooks/hubspot",)

    def shows(self, request: Request, keys: Sequence[str]) -> bool:
        """Signed with the secret, in the newest way that the request offers."""
        given, stated = (
            request.headers.get("x-hubspot-signature-v3"),
            request.headers.get("x-hubspot-request-timestamp", ""),
        )
        if given is not None:
            texts = [request.method.encode() + url.encode() + request.raw + stated.encode() for url in request.urls]
            fresh = is_fresh(stated, request.at, 1_000)
            return fresh and any(is_signed([given], key.encode(), text) for key in keys for text in texts)
        older = request.headers.get("x-hubspot-signature", "")
        heads = ["", *(request.method + url for url in request.urls)]
        wanted = [hashlib.sha256((key + head).encode() + request.raw).hexdigest() for key in keys for head in heads]
        return any(hmac.compare_digest(one.encode(), older.encode()) for one in wanted)

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The notifications in a body. Raises PayloadError for what is not JSON."""
        return len(_cut(body))

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every notification."""
        table = WORDS.read(blocks, [_cut(block.body) for block in blocks], known.properties)
        event, number = column_or_nulls(table, TYPE), column_or_nulls(table, "object_id")
        kind = pc.list_element(pc.split_pattern(pc.coalesce(event, ""), "."), 0)
        contact = pc.equal(kind, "contact")
        time = column_or_nulls(table, "time", "time").cast(pa.int64()).cast(pa.string())
        parts = [column_or_nulls(table, ID), column_or_nulls(table, "subscription_id"), number, time]
        ids = pc.binary_join_element_wise(*parts, "-", null_handling="replace", null_replacement="")
        table = put(
            table,
            event_id=only(ids, pc.is_valid(parts[0])),
            user_id=only(number, contact),
            anonymous_id=only(pc.binary_join_element_wise(kind, number, ":"), pc.invert(contact)),
        )
        return revealed(called(table, event, "without a subscriptionType"))

    def reply(self, records: int) -> Reply:  # noqa: ARG002
        """Taken."""
        return Reply(204, b"", "")


def _cut(body: bytes) -> Parcel:
    """A list of notifications, or one. Raises PayloadError for what is not JSON."""
    return several(body)

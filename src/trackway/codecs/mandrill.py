"""Webhooks of Mandrill (Mailchimp Transactional): what became of mails.

    [sources.mail]
    type = "http"
    codecs = ["mandrill"]
    write_keys = [{ env = "MANDRILL_WEBHOOK_KEY" }]

Give Mandrill the address `https://…/webhooks/mandrill`; the write key is the key of the webhook, with which it
signs. `event` is the event (`send`, `open`, `hard_bounce`), its id is made of the message, the event and its time;
the user id is `user_id` of the metadata of the mail, else its address. Members of `msg` keep their prefix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import PayloadError
from trackway.model.dialect import Dialect, called, put, revealed
from trackway.model.documents import HIDDEN, column_or_nulls
from trackway.model.event import Block
from trackway.model.form import fields, unwrapped
from trackway.model.parcel import Parcel, listed
from trackway.model.schema import Schema
from trackway.model.signature import is_signed
from trackway.plan.component import Codec, Reply, Request, Taken

EVENT, MESSAGE = f"{HIDDEN}event", f"{HIDDEN}id"
WORDS = Dialect({
    EVENT: ("event", "type"), MESSAGE: "_id", "time": "ts",
    "user_id": ("msg.metadata.user_id", "msg.metadata.userId", "msg.email", "reject.email"),
})  # fmt: skip
FIELD = "mandrill_events"
DONE = Reply(200, b"ok", "text/plain")


class Mandrill(Codec):
    """Events of mails to records."""

    routes: ClassVar[tuple[str, ...]] = ("GET HEAD POST /webhooks/mandrill",)

    def greet(self, request: Request) -> Reply | None:
        """The probes of a new webhook: a look, and a post without events under a key of its own."""
        empty = fields(request.body).get(FIELD) == "[]"
        return DONE if request.method != "POST" or empty else None

    def shows(self, request: Request, keys: Sequence[str]) -> bool:
        """Signed over the address and all fields of the form."""
        said = "".join(name + value for name, value in sorted(fields(request.raw).items()))
        given = request.headers.get("x-mandrill-signature", "")
        texts = [(url + said).encode() for url in request.urls]
        return any(is_signed([given], key.encode(), text, "sha1") for key in keys for text in texts)

    def take(self, request: Request) -> Taken:
        """The list in the form."""
        body = unwrapped(request.body, {}, FIELD)
        return Taken(body, self.count(body, {}), {}, DONE)

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The events in a list. Raises PayloadError for what is none."""
        return len(_cut(body))

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every event."""
        table = WORDS.read(blocks, [_cut(block.body) for block in blocks], known.properties)
        event = column_or_nulls(table, EVENT)
        time = column_or_nulls(table, "time", "time").cast(pa.int64()).cast(pa.string())
        ids = pc.binary_join_element_wise(column_or_nulls(table, MESSAGE), event, time, "-")
        return revealed(called(put(table, event_id=ids), event, "without an event"))


def _cut(body: bytes) -> Parcel:
    parcel = listed(body)
    if parcel is None:
        raise PayloadError("not a JSON list of events", hint=f"send a form with {FIELD}=[...]")
    return parcel

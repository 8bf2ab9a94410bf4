"""Webhooks of anybody: JSON or forms, signed or with a key in the address.

    [sources.shop]
    type = "http"
    codecs = ["webhook"]
    write_keys = [{ env = "SHOP_WEBHOOK_SECRET" }]

Give the sender the address `https://…/webhook/NAME`. The write key is the secret it signs with (HMAC over the raw
body, as GitHub, Shopify, Stripe, Slack, Standard Webhooks and those who sign in `X-Signature` do; signed times may
be five minutes old), or stands in the address as `?key=` or in the header as a bearer token.

An object is an event, and so is each object of a list and each line. Its name is that of the header (`X-GitHub-Event`,
`X-Shopify-Topic`), else `event`, `event_type`, `type` or `topic`, else NAME. Its id is that of the delivery, else
`event_id` or `id`. Its actor is `user_id` or another usual name, also in `data`, else an e-mail address, else NAME.
"""

from __future__ import annotations

import base64
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
from trackway.model.form import fields
from trackway.model.parcel import Parcel, several
from trackway.model.schema import Schema
from trackway.model.signature import is_fresh, is_signed
from trackway.plan.component import Codec, Reply, Request, Taken, is_one_of

EVENT, ID = f"{HIDDEN}event", f"{HIDDEN}id"
PEOPLE = ("user_id", "userId", "user.id", "customer_id", "customer.id", "contact.id", "email")
WORDS = Dialect({
    EVENT: ("event", "event_type", "eventType", "type", "topic"), ID: ("event_id", "eventId", "id"),
    "time": ("time", "timestamp", "occurred_at", "occurredAt", "created_at", "createdAt", "created", "updated_at"),
    "user_id": (*PEOPLE, *(f"data.{name}" for name in PEOPLE)),
    "anonymous_id": ("anonymous_id", "anonymousId", "data.anonymous_id", "sender.login"),
})  # fmt: skip
TOPICS = ("x-github-event", "x-gitlab-event", "x-shopify-topic", "x-event-key", "x-wc-webhook-topic", "x-event-type")
DELIVERIES = ("x-github-delivery", "x-shopify-webhook-id", "webhook-id", "svix-id", "x-gitlab-event-uuid",
              "x-request-uuid")  # fmt: skip
SHA256 = ("x-hub-signature-256", "x-shopify-hmac-sha256", "x-signature-256", "x-signature", "x-webhook-signature",
          "x-hmac-sha256", "x-wc-webhook-signature", "typeform-signature")  # fmt: skip


class Webhook(Codec):
    """Objects to records."""

    routes: ClassVar[tuple[str, ...]] = ("/webhook", "/webhook/{name}")

    def shows(self, request: Request, keys: Sequence[str]) -> bool:
        """Signed with a secret; a request without a signature must carry it."""
        signed = [(text, given, algorithm) for text, given, algorithm in _signatures(request) if given]
        if not signed:
            shown = request.query.get("key") or request.authorization("bearer")
            return is_one_of(shown, keys)
        return any(
            is_signed(given, secret, text, algorithm)
            for text, given, algorithm in signed
            for key in keys
            for secret in _secrets(key)
        )

    def key(self, request: Request) -> str | None:
        """Whether anything was shown, for the complaint."""
        return request.query.get("key") or request.authorization("bearer")

    def take(self, request: Request) -> Taken:
        """The objects, a form as one, and what the headers say of them."""
        body = request.body
        form = fields(body.strip())
        if form:
            body = form["payload"].encode() if "payload" in form else orjson.dumps(form)
        said = {"name": request.parts.get("name", "webhook")}
        for name, known in (("event", TOPICS), ("delivery", DELIVERIES)):
            given = [request.headers[header] for header in known if header in request.headers]
            said |= {name: given[0]} if given else {}
        return Taken(body, self.count(body, said), said, Reply(200, b'{"ok": true}'))

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The objects in a body. Raises PayloadError for what is not JSON."""
        return len(_cut(body))

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every object."""
        table = WORDS.read(blocks, [_cut(block.body) for block in blocks], known.properties)
        place = pa.array(np.searchsorted([block.seq for block in blocks], table["block"].to_numpy()))
        said = {name: pa.array([block.headers.get(name) for block in blocks], pa.string()).take(place)
                for name in ("event", "delivery", "name")}  # fmt: skip
        many = pc.greater(pa.array([block.records for block in blocks], pa.int64()).take(place), 1)
        numbered = pc.binary_join_element_wise(said["delivery"], table["row"].cast(pa.string()), "-")
        ids = pc.coalesce(pc.if_else(many, numbered, said["delivery"]), column_or_nulls(table, ID))
        anonymous, nobody = column_or_nulls(table, "anonymous_id"), pc.is_null(column_or_nulls(table, "user_id"))
        readable = pc.is_null(table["reason"])
        name = only(pc.fill_null(said["name"], "webhook"), readable)
        table = put(table, event_id=ids, anonymous_id=pc.coalesce(anonymous, only(name, nobody)))
        return revealed(
            called(table, pc.coalesce(said["event"], column_or_nulls(table, EVENT), name), "without a name")
        )


def _signatures(request: Request) -> list[tuple[bytes, list[str], str]]:
    """What may have been signed, the signatures given for it, and the algorithm."""
    headers, raw = request.headers, request.raw
    found = [(raw, [headers[name].removeprefix("sha256=")], "sha256") for name in SHA256 if name in headers]
    if "x-hub-signature" in headers and "x-hub-signature-256" not in headers:
        found.append((raw, [headers["x-hub-signature"].removeprefix("sha1=")], "sha1"))
    for front in ("webhook", "svix"):
        stated = headers.get(f"{front}-timestamp", "")
        given = [part.partition(",")[2] for part in headers.get(f"{front}-signature", "").split() if part[:3] == "v1,"]
        text = f"{headers.get(f'{front}-id', '')}.{stated}.".encode() + raw
        found.append((text, _believed(given, stated, request.at), "sha256"))
    parts = [part.partition("=") for part in headers.get("stripe-signature", "").split(",")]
    stated = next((value for name, _, value in parts if name.strip() == "t"), "")
    given = [value for name, _, value in parts if name.strip() == "v1"]
    found.append((stated.encode() + b"." + raw, _believed(given, stated, request.at), "sha256"))
    stated = headers.get("x-slack-request-timestamp", "")
    given = [headers["x-slack-signature"].removeprefix("v0=")] if "x-slack-signature" in headers else []
    found.append((f"v0:{stated}:".encode() + raw, _believed(given, stated, request.at), "sha256"))
    return found


def _believed(signatures: list[str], stated: str, now: int) -> list[str]:
    """Signatures of a time that is about now; of another, one that nobody can have given."""
    return signatures if not signatures or is_fresh(stated, now) else ["too old"]


def _secrets(key: str) -> list[bytes]:
    """A secret as it is, or what it holds in the form of Standard Webhooks."""
    if not key.startswith("whsec_"):
        return [key.encode()]
    try:
        return [base64.b64decode(key.removeprefix("whsec_")), key.encode()]
    except ValueError:
        return [key.encode()]


def _cut(body: bytes) -> Parcel:
    """A list, one object, or one a line. Raises PayloadError for what is none."""
    try:
        return several(body)
    except PayloadError as error:
        raise PayloadError(error.message, hint="send an object, a list of objects, one a line, or a form") from error

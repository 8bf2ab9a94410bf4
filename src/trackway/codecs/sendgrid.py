"""The event webhook of SendGrid: what became of mails.

    [sources.mail]
    type = "http"
    codecs = ["sendgrid"]
    write_keys = [{ env = "SENDGRID_VERIFICATION_KEY" }]

Give SendGrid the address `https://…/webhooks/sendgrid` and switch signatures on; the write key is the verification
key it shows (this needs `pip install 'trackway[sendgrid]'`). `event` is the event (`delivered`, `open`, `click`),
`sg_event_id` its id; the user id is the custom argument `user_id`, else the address of the mail.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import ClassVar

import pyarrow as pa

from trackway.errors import optional
from trackway.model.dialect import Dialect, called, revealed
from trackway.model.documents import HIDDEN, column_or_nulls
from trackway.model.event import Block
from trackway.model.parcel import Parcel, several
from trackway.model.schema import Schema
from trackway.plan.component import Codec, Reply, Request

EVENT = f"{HIDDEN}event"
WORDS = Dialect(
    {"event_id": "sg_event_id", EVENT: "event", "time": "timestamp", "user_id": ("user_id", "userId", "email")}
)
SIGNATURE, TIMESTAMP = (f"x-twilio-email-event-webhook-{name}" for name in ("signature", "timestamp"))


class Sendgrid(Codec):
    """Events of mails to records."""

    routes: ClassVar[tuple[str, ...]] = ("/webhooks/sendgrid",)

    def shows(self, request: Request, keys: Sequence[str]) -> bool:
        """Signed (ECDSA over the time and the body as sent) by the owner of a verification key."""
        signature, stated = request.headers.get(SIGNATURE, ""), request.headers.get(TIMESTAMP, "")
        return bool(signature) and any(_verified(key, signature, stated.encode() + request.raw) for key in keys)

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """The events in a body. Raises PayloadError for what is not JSON."""
        return len(_cut(body))

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every event."""
        table = WORDS.read(blocks, [_cut(block.body) for block in blocks], known.properties)
        return revealed(called(table, column_or_nulls(table, EVENT), "without an event"))

    def reply(self, records: int) -> Reply:  # noqa: ARG002
        """Taken."""
        return Reply(204, b"", "")


def _verified(key: str, signature: str, message: bytes) -> bool:
    """Whether a signature in base64 is one of a public key (DER in base64) over a message."""
    with optional("signatures of SendGrid", "sendgrid"):
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_der_public_key
    try:
        public = load_der_public_key(base64.b64decode(key))
        if not isinstance(public, EllipticCurvePublicKey):
            return False
        public.verify(base64.b64decode(signature), message, ECDSA(SHA256()))
    except (ValueError, InvalidSignature):
        return False
    return True


def _cut(body: bytes) -> Parcel:
    """A list of events, or one. Raises PayloadError for what is not JSON."""
    return several(body)

"""Webhooks of Mailchimp: people who subscribe, unsubscribe, change their profile or address, and campaigns.

    [sources.lists]
    type = "http"
    codecs = ["mailchimp"]
    write_keys = [{ env = "MAILCHIMP_WEBHOOK_KEY" }]

Mailchimp does not sign: give it the address `https://…/webhooks/mailchimp?key=SECRET`. `type` is the event, members
of `data` stand outside and `merges` are traits (`traits.FNAME`); the user id is the address of the mail. The same
form sent again is the same event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import orjson
import pyarrow as pa

from trackway.errors import PayloadError
from trackway.model.dialect import Dialect, called, revealed
from trackway.model.documents import HIDDEN, column_or_nulls
from trackway.model.event import Block
from trackway.model.form import MOST_FIELDS
from trackway.model.parcel import single
from trackway.model.schema import Schema
from trackway.plan.component import Codec, Reply, Request, Taken

EVENT = f"{HIDDEN}event"
WORDS = Dialect(
    {EVENT: "type", "time": "fired_at", "user_id": ("data.email", "data.new_email")},
    inside={"data.merges": "traits.", "data": ""},
)
PART = re.compile(r"\[([^\[\]]*)\]")
DONE = Reply(200, b"ok", "text/plain")


class Mailchimp(Codec):
    """A form is a record."""

    routes: ClassVar[tuple[str, ...]] = ("GET HEAD POST /webhooks/mailchimp",)

    def greet(self, request: Request) -> Reply | None:
        """The look at a new webhook."""
        return DONE if request.method != "POST" else None

    def key(self, request: Request) -> str | None:
        """The `key` in the address."""
        return request.query.get("key")

    def take(self, request: Request) -> Taken:
        """The form as an object."""
        try:
            pairs = parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
        except ValueError as error:
            raise PayloadError(f"not a form: {error}") from error
        if not pairs:
            raise PayloadError("not a form", hint="Mailchimp posts type=…&data[…]=…")
        return Taken(orjson.dumps(_nested(pairs)), 1, {}, DONE)

    def count(self, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        """One. Raises PayloadError for what is not JSON."""
        return len(single(body))

    def decode(self, blocks: Sequence[Block], known: Schema) -> pa.Table:
        """One row for every form."""
        table = WORDS.read(blocks, [single(block.body) for block in blocks], known.properties)
        return revealed(called(table, column_or_nulls(table, EVENT), "without a type"))


def _nested(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """`data[merges][FNAME]=Ann` as objects in objects; of a place that is both a value and an object the first counts.

    >>> _nested([("type", "subscribe"), ("data[merges][FNAME]", "Ann")])
    {'type': 'subscribe', 'data': {'merges': {'FNAME': 'Ann'}}}
    """
    made: dict[str, Any] = {}
    for name, value in pairs:
        first, _, _ = name.partition("[")
        *path, last = [first, *PART.findall(name)][:20]
        place: Any = made
        for part in path:
            place = place.setdefault(part, {}) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.setdefault(last, value)
    return made

"""Payloads in the wrappings of browsers: a form, the query of an address, base64; told by what they hold.

Libraries post forms under any content type and JSON under that of forms, so headers are not asked.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import parse_qsl

from trackway.errors import PayloadError

MOST_FIELDS = 100_000
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A picture of one transparent point, for those who ask by an image."""


def fields(body: bytes) -> dict[str, str]:
    """The fields of a form, empty for what is none; of equal names the last counts.

    >>> fields(b"data=%7B%7D&verbose=1")
    {'data': '{}', 'verbose': '1'}
    """
    if body[:1] in (b"{", b"[", b"") or b"=" not in body[:256]:
        return {}
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        return {}


def unwrapped(body: bytes, query: Mapping[str, str], name: str = "data") -> bytes:
    """The JSON of a request: its body, or what stands under a name in a form or in the address, perhaps in base64.

    Raises PayloadError for what is none of it.
    """
    text = body.strip()
    if not text and name in query:
        text = query[name].strip().encode()
    elif name in (found := fields(text)):
        text = found[name].strip().encode()
    if text[:1] in (b"{", b"["):
        return text
    try:
        return unbased(text)
    except ValueError as error:
        raise PayloadError("neither JSON nor JSON in base64", hint="send JSON") from error


def unbased(text: bytes) -> bytes:
    """Base64 of either alphabet, padded or not; a space stands for a plus that a form undid. Raises ValueError."""
    return base64.b64decode(text.translate(bytes.maketrans(b" -_", b"++/")) + b"==")

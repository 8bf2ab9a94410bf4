"""Signatures of webhooks: whether a message was written by someone who knows a secret."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable

FRESH = 300 * 1_000_000
"""Microseconds for which a signed time is believed; an older message may be one that somebody recorded."""


def is_signed(signatures: Iterable[str], secret: bytes, message: bytes, algorithm: str = "sha256") -> bool:
    """Whether one of some signatures, in hexadecimal or base64, is the HMAC of a message.

    >>> is_signed(["f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"], b"key",
    ...           b"The quick brown fox jumps over the lazy dog")
    True
    """
    digest = hmac.digest(secret, message, algorithm)
    known = (digest.hex().encode(), base64.b64encode(digest))
    found = False
    for signature in signatures:
        given = signature.strip().encode()
        for one in known:
            found |= hmac.compare_digest(given.lower() if one is known[0] else given, one)
    return found


def is_fresh(stated: str, now: int, unit: int = 1_000_000) -> bool:
    """Whether a time written in seconds (or in units of so many microseconds) is about now."""
    return stated.isdecimal() and len(stated) < 20 and abs(int(stated) * unit - now) <= FRESH

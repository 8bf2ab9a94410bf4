"""Bytes written as text: base64 as people write it, and hexadecimal digits."""

from __future__ import annotations

import base64

NORMAL = str.maketrans("-_", "+/")


def from_sextets(given: str) -> bytes:
    """The bytes of a base64 text, also of the alphabet for URLs, with or without padding. Raises ValueError.

    >>> from_sextets("w6Q"), from_sextets("_-8=")
    (b'\\xc3\\xa4', b'\\xff\\xef')
    """
    plain = given.strip().rstrip("=").translate(NORMAL)
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def from_digits(given: str) -> bytes:
    """The bytes of hexadecimal digits, with `0x` in front or without. Raises ValueError.

    >>> from_digits("0x5570")
    b'Up'
    """
    return bytes.fromhex(given.strip().removeprefix("0x"))

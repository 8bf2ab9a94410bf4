"""Records of Kinesis that hold many: what the Kinesis Producer Library packs together, taken apart again.

Such a record is four magic bytes, a message of protobuf, and the MD5 of that message. The message has the table of
partition keys as field 1, that of explicit hash keys as field 2, and the records as field 3; each of those has the
number of its partition key as field 1, of its hash key as field 2, and its bytes as field 3
(amazon-kinesis-producer, `aggregation-format.md`). What has the magic but not the checksum is a record like any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from trackway.model.json_text import Bytes
from trackway.model.protobuf import field_at, varint

MAGIC = b"\xf3\x89\x9a\xc2"
DIGEST = 16
"""Bytes of the checksum."""
NUMBER, TEXT = 0, 2
"""Wire types of protobuf: a number, and what says its length first."""


def unpacked(record: bytes) -> list[bytes] | None:
    """The records in one, in their order; None for a record that is none of these.

    Raises ValueError for one with the right checksum whose message is not as it should be.
    """
    if not record.startswith(MAGIC) or len(record) < len(MAGIC) + DIGEST:
        return None
    message, digest = record[len(MAGIC) : -DIGEST], record[-DIGEST:]
    if hashlib.md5(message, usedforsecurity=False).digest() != digest:
        return None
    data = np.frombuffer(message, dtype=np.uint8)
    keys, spans = 0, []
    for number, wire, start, end in _fields(data, 0, len(data)):
        if wire == TEXT:
            keys += number == 1
            if number == 3:
                spans.append((start, end))
    return [_body(message, data, span, keys) for span in spans]


def _body(message: bytes, data: Bytes, span: tuple[int, int], keys: int) -> bytes:
    """The bytes of one record. Raises ValueError when it has none, or no partition key."""
    key, body = -1, None
    for number, wire, start, end in _fields(data, *span):
        if number == 1 and wire == NUMBER:
            key = varint(data, start, end)[0]
        elif number == 3 and wire == TEXT:
            body = message[start:end]
    if body is None or not 0 <= key < keys:
        raise ValueError("an aggregated record without its data, or without its partition key")
    return body


def _fields(data: Bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type and place of the value of each field. Raises ValueError where the message breaks off."""
    while at < end:
        number, wire, start, after = field_at(data, at, end)
        if after < 0:
            raise ValueError("an aggregated record whose message is damaged")
        yield number, wire, start, after
        at = after

"""The body of a request: chunked or not, packed or plain, and never more of it in memory than allowed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import pyarrow as pa
from starlette.types import Receive

from trackway.errors import PayloadError

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
DRAINED = 8
"""Of a body that is too large, this many times the limit is read and dropped, so that the sender is still
listening when it is answered."""


class Gone(Exception):
    """The sender went away before its request was whole."""


async def read(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """The body as it was sent. Raises PayloadError (413) or Gone."""
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit and "expect" in headers:
        raise _too_large(limit)
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size <= limit:
            parts.append(part)
        elif size > DRAINED * limit:
            break
    if size > limit:
        raise _too_large(limit)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def unpack(raw: bytes, encoding: str, limit: int) -> bytes:
    """A body without its packing. Gzip and zstd are known by their first bytes, whatever the headers say.

    Raises PayloadError (413 too large, 400 damaged, 415 unknown packing).
    """
    encoding = encoding.strip().lower()
    if raw.startswith(GZIP):
        return _inflated(raw, 31, "gzip", limit)
    if raw.startswith(ZSTD):
        return _decompressed(raw, limit)
    if encoding == "deflate":
        return _inflated(raw, 15 if _wrapped(raw) else -15, "deflate", limit)
    if encoding in ("", "identity", "gzip", "x-gzip", "zstd"):
        return raw
    raise PayloadError(f"cannot unpack '{encoding}'", status=415, hint="send it plain, or as gzip, deflate or zstd")


def _wrapped(raw: bytes) -> bool:
    """Whether deflate begins with the two bytes of zlib; some senders leave them out."""
    return len(raw) > 1 and raw[0] & 15 == 8 and (raw[0] << 8 | raw[1]) % 31 == 0


def _decompressed(raw: bytes, limit: int) -> bytes:
    try:
        with pa.CompressedInputStream(pa.BufferReader(raw), "zstd") as stream:
            plain: bytes = stream.read(limit + 1)
    except (OSError, pa.ArrowException) as error:
        raise PayloadError(f"the zstd body is damaged: {error}") from error
    if len(plain) > limit:
        raise _too_large(limit)
    return plain


def _inflated(raw: bytes, window: int, name: str, limit: int) -> bytes:
    """All members, never more than `limit` and a byte in memory."""
    parts: list[bytes] = []
    left = limit + 1
    while raw:
        unit = zlib.decompressobj(window)
        try:
            parts.append(unit.decompress(raw, left))
        except zlib.error as error:
            raise PayloadError(f"the {name} body is damaged: {error}") from error
        left -= len(parts[-1])
        if left <= 0:
            raise _too_large(limit)
        if not unit.eof:
            raise PayloadError(f"the {name} body is cut off")
        raw = unit.unused_data
        if window != 31 or not raw.startswith(GZIP):
            break
    return b"".join(parts)


def _too_large(limit: int) -> PayloadError:
    hint = "send fewer events at a time; project.max_body is the limit"
    return PayloadError(f"more than {limit:,} bytes", status=413, hint=hint)

"""Avro's object container files: a schema, then blocks of records, each with its length.

A message of a queue is one record without its schema. As a block of one record it is a container like any file, and
the bytes of the record stay as they were; a record that cannot be read takes no other with it. From the Avro
specification, "Object Container Files".
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import int64, uint64
from numpy.typing import NDArray

from trackway.model.kernels import leaf

MAGIC = b"Obj\x01"
SYNC = 16
"""Bytes of the mark between blocks."""
LONGEST_VARINT = 10
WRONG = ("", "the last block is cut off", "a block without the mark at its end")
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


class AvroError(ValueError):
    """Bytes that are no container, or end in the middle of one."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container, its records not read yet."""

    schema: str
    """JSON."""
    compression: str
    records: Ints
    """How many there are in each block."""
    starts: Ints
    """Where the records of each block are written, still packed."""
    ends: Ints
    broken: str
    """What is wrong after the last block; empty when nothing is."""
    at: int
    """Where the first block begins."""


def container(schema: str, records: Sequence[bytes]) -> bytes:
    """Records of one schema, already written, as a container of blocks of one record each."""
    sync = hashlib.md5(schema.encode(), usedforsecurity=False).digest()
    parts = [MAGIC, varint(2)]
    for key, value in ((b"avro.schema", schema.encode()), (b"avro.codec", b"null")):
        parts += [varint(len(key)), key, varint(len(value)), value]
    parts += [varint(0), sync]
    one = varint(1)
    for record in records:
        parts += [one, varint(len(record)), record, sync]
    return b"".join(parts)


def opened(body: bytes, *, header_only: bool = False) -> Container:
    """What a container holds, or what its header says. Raises AvroError when that cannot be read."""
    if not body.startswith(MAGIC):
        raise AvroError("not an Avro container: it does not begin with Obj")
    at, told = _header(body, len(MAGIC))
    sync = body[at : at + SYNC]
    if len(sync) < SYNC:
        raise AvroError("an Avro container that ends in its header")
    schema = told.get("avro.schema", b"").decode("utf-8", "replace")
    begin, count, wrong = at + SYNC, 0, 0
    found = np.empty((3, 0 if header_only else (len(body) - at) // (SYNC + 2) + 1), np.int64)
    if not header_only:
        count, wrong = _blocks(np.frombuffer(body, np.uint8), begin, np.frombuffer(sync, np.uint8), found)
    records, starts, ends = found[:, :count].copy()
    packing = told.get("avro.codec", b"null").decode("ascii", "replace")
    return Container(schema, packing, records, starts, ends, WRONG[wrong], begin)


def _header(body: bytes, at: int) -> tuple[int, dict[str, bytes]]:
    told: dict[str, bytes] = {}
    while True:
        pairs, at = read_varint(body, at)
        if not pairs:
            return at, told
        if pairs < 0:
            _, at = read_varint(body, at)
        for _ in range(abs(pairs)):
            key, at = _bytes(body, at)
            told[key.decode("utf-8", "replace")], at = _bytes(body, at)


def _bytes(body: bytes, at: int) -> tuple[bytes, int]:
    length, at = read_varint(body, at)
    if length < 0 or at + length > len(body):
        raise AvroError("an Avro container that ends in its header")
    return body[at : at + length], at + length


@leaf
def _blocks(data: Bytes, at: int, sync: Bytes, found: Ints) -> tuple[int, int]:
    """Fills records, start and end of every whole block; how many there are, and what is wrong after them."""
    count, size = 0, len(data)
    while at < size:
        records, at = _number(data, at)
        length, at = _number(data, at) if at >= 0 else (0, -1)
        if at < 0 or records < 0 or length < 0 or length > size - at - SYNC or records > max(length, 1):
            return count, 1
        for place in range(SYNC):
            if data[at + length + place] != sync[place]:
                return count, 2
        found[0, count], found[1, count], found[2, count] = records, at, at + length
        at += length + SYNC
        count += 1
    return count, 0


@leaf
def _number(data: Bytes, at: int) -> tuple[int, int]:
    """As `read_varint`; the place is -1 at the end of the bytes."""
    rest, shift = uint64(0), uint64(0)
    for place in range(at, min(at + LONGEST_VARINT, len(data))):
        rest |= uint64(data[place] & 0x7F) << shift
        shift += uint64(7)
        if data[place] < 0x80:
            return int64(rest >> uint64(1)) ^ -int64(rest & uint64(1)), place + 1
    return int64(0), -1


def unpacked(data: bytes, compression: str, limit: int) -> bytes:
    """The records of a block. Raises AvroError for what cannot be unpacked, or would be longer than `limit`."""
    if compression == "null":
        return data
    if compression not in UNPACKERS:
        raise AvroError(f"packed with {compression}, which is not known here")
    try:
        out = UNPACKERS[compression](data, limit)
    except (OSError, ValueError, EOFError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
        raise AvroError(f"a block that is not packed with {compression}: {error}") from error
    if len(out) > limit:
        raise AvroError(f"a block of more than {limit:,} bytes")
    return out


def _deflate(data: bytes, limit: int) -> bytes:
    return zlib.decompressobj(-15).decompress(data, limit + 1)


def _bzip2(data: bytes, limit: int) -> bytes:
    return bz2.BZ2Decompressor().decompress(data, limit + 1)


def _xz(data: bytes, limit: int) -> bytes:
    return lzma.LZMADecompressor().decompress(data, limit + 1)


def _zstandard(data: bytes, limit: int) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        return bytes(stream.read(limit + 1))


def _snappy(data: bytes, limit: int) -> bytes:
    """Raw snappy says its length at its beginning; four bytes of a checksum follow."""
    length, shift, at = 0, 0, 0
    while at < len(data) and shift < 35:
        length |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            break
    if length > limit:
        raise AvroError(f"a block of more than {limit:,} bytes")
    return bytes(pa.decompress(data[:-4], decompressed_size=length, codec="snappy", asbytes=True))


UNPACKERS: dict[str, Callable[[bytes, int], bytes]] = {
    "deflate": _deflate, "bzip2": _bzip2, "xz": _xz, "zstandard": _zstandard, "snappy": _snappy,
}  # fmt: skip


def varint(number: int) -> bytes:
    """A number as Avro writes it: zigzag, seven bits a byte, the lowest first.

    >>> varint(1), varint(-65)
    (b'\\x02', b'\\x81\\x01')
    """
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place after it. Raises AvroError at the end of the bytes."""
    rest = shift = 0
    for place in range(at, min(at + LONGEST_VARINT, len(data))):
        rest |= (data[place] & 0x7F) << shift
        shift += 7
        if not data[place] & 0x80:
            return (rest >> 1) ^ -(rest & 1), place + 1
    raise AvroError("a number that does not end")

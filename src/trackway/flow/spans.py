"""Records as spans of one byte buffer: found, hashed, counted and gathered without a Python object per record.

A span is a start and an end (or a length) in bytes. A file of a million lines is a buffer and two integer
arrays; Arrow arrays are gathered from them in one copy. The kernels are compiled with numba, release the
GIL, and are cached on disk.
"""

from __future__ import annotations

import numpy as np
import orjson
import pyarrow as pa
from numba import uint64
from numpy.typing import NDArray

from trackway.model.json_text import byte_at
from trackway.model.kernels import kernel, leaf

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

NEWLINE, RETURN = 10, 13
REMEMBERED = 1 << 20
"""Records whose copies are surely recognised: the last million. Memory: 48 MB at most."""


def as_array(data: bytes | bytearray | memoryview) -> Bytes:
    """The bytes as a read-only array, without a copy."""
    return np.frombuffer(data, dtype=np.uint8)


def line_spans(data: Bytes) -> tuple[Ints, Ints]:
    """Starts and ends of the lines that are not blank, without their `\\n` or `\\r\\n`."""
    starts = np.empty(len(data) // 2 + 1, dtype=np.int64)
    ends = np.empty(len(data) // 2 + 1, dtype=np.int64)
    count = _line_spans(data, starts, ends)
    return starts[:count].copy(), ends[:count].copy()


@leaf
def _line_spans(data: Bytes, starts: Ints, ends: Ints) -> int:
    at, count, size = 0, 0, len(data)
    while at < size:
        stop = byte_at(data, at, size, NEWLINE)
        end = stop - 1 if stop > at and data[stop - 1] == RETURN else stop
        first = at
        while first < end and (data[first] == 32 or 9 <= data[first] <= 13):
            first += 1
        if first < end:
            starts[count], ends[count] = at, end
            count += 1
        at = stop + 1
    return count


@kernel
def hashes(data: Bytes, starts: Ints, ends: Ints) -> NDArray[np.uint64]:
    """A 64-bit hash of every span. Not for secrets: equal bytes give equal hashes, that is all."""
    found = np.empty(len(starts), dtype=np.uint64)
    for row in range(len(starts)):
        at, end = uint64(starts[row]), uint64(ends[row])
        state = uint64(0x9E3779B97F4A7C15) ^ ((end - at) * uint64(0xC2B2AE3D27D4EB4F))
        while at + uint64(8) <= end:
            word = (
                uint64(data[at])
                | uint64(data[at + uint64(1)]) << uint64(8)
                | uint64(data[at + uint64(2)]) << uint64(16)
                | uint64(data[at + uint64(3)]) << uint64(24)
                | uint64(data[at + uint64(4)]) << uint64(32)
                | uint64(data[at + uint64(5)]) << uint64(40)
                | uint64(data[at + uint64(6)]) << uint64(48)
                | uint64(data[at + uint64(7)]) << uint64(56)
            )
            state = (state ^ word) * uint64(0xFF51AFD7ED558CCD)
            state ^= state >> uint64(32)
            at += uint64(8)
        while at < end:
            state = (state ^ uint64(data[at])) * uint64(0x100000001B3)
            at += uint64(1)
        state = (state ^ (state >> uint64(29))) * uint64(0xC4CEB9FE1A85EC53)
        found[row] = (state ^ (state >> uint64(32))) | uint64(1)
    return found


@leaf
def _slot(keys: NDArray[np.uint64], key: int) -> int:
    """Where a key is, or the free place where it belongs; 0 marks a free place."""
    mask = uint64(len(keys) - 1)
    place = (uint64(key) >> uint64(7)) & mask
    while keys[place] != uint64(0) and keys[place] != uint64(key):
        place = (place + uint64(1)) & mask
    return place  # type: ignore[no-any-return]


@kernel
def _copies(
    found: NDArray[np.uint64],
    keys: NDArray[np.uint64],
    counts: NDArray[np.uint32],
    old_keys: NDArray[np.uint64],
    old_counts: NDArray[np.uint32],
) -> NDArray[np.uint32]:
    result = np.zeros(len(found), dtype=np.uint32)
    for row in range(len(found)):
        place = _slot(keys, found[row])
        if keys[place] == uint64(0):
            keys[place] = found[row]
            older = _slot(old_keys, found[row])
            counts[place] = old_counts[older] + 1 if old_keys[older] != uint64(0) else 0
        else:
            counts[place] += 1
        result[row] = counts[place]
    return result


@leaf
def _chain(total: np.uint64, found: NDArray[np.uint64]) -> int:
    state = uint64(total)
    for row in range(len(found)):
        state = (state ^ found[row]) * uint64(0x9FB21C651E98DF25)
        state ^= state >> uint64(32)
    return state  # type: ignore[no-any-return]


@leaf
def _refill(
    keys: NDArray[np.uint64], counts: NDArray[np.uint32], to_keys: NDArray[np.uint64], to_counts: NDArray[np.uint32]
) -> None:
    for row in range(len(keys)):
        if keys[row] != uint64(0):
            place = _slot(to_keys, keys[row])
            to_keys[place], to_counts[place] = keys[row], counts[row]


Table = tuple[NDArray[np.uint64], NDArray[np.uint32]]


def _table(size: int) -> Table:
    return np.zeros(size, dtype=np.uint64), np.zeros(size, dtype=np.uint32)


class Copies:
    """Which copy of the same record each one is, counted from the beginning of a file.

    The count depends on the file alone, never on how it was cut: the memory turns over every million
    records counted from the first, and a copy is recognised when it is at most a million records away
    from the one before.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._seen = 0
        self.total = 0
        """A hash of all records so far, in order: equal for equal contents."""
        self._new, self._old = _table(1024), _table(1024)

    def count(self, data: Bytes, starts: Ints, ends: Ints) -> NDArray[np.uint32]:
        """For every record how many identical ones came before it; goes on counting."""
        found = hashes(data, starts, ends)
        self.total = int(_chain(np.uint64(self.total), found))
        parts = []
        at = 0
        while at < len(found):
            take = min(len(found) - at, self._remembered - self._seen)
            self._make_room(take)
            parts.append(_copies(found[at : at + take], *self._new, *self._old))
            at += take
            self._seen += take
            if self._seen == self._remembered:
                self._new, self._old, self._seen = _table(1024), self._new, 0
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint32)

    def _make_room(self, more: int) -> None:
        size = len(self._new[0])
        while size < 2 * (self._seen + more):
            size *= 4
        if size > len(self._new[0]):
            roomy = _table(size)
            _refill(*self._new, *roomy)
            self._new = roomy


def write_copies(copies: NDArray[np.uint32]) -> str:
    """The text of a block's header `repeats`: `{"row": k}` for the rows with k >= 1, or the list of all k
    when most rows have one; empty when none has."""
    rows = np.flatnonzero(copies)
    if len(rows) > len(copies) // 4:
        return orjson.dumps(copies, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return (
        orjson.dumps(dict(zip(map(str, rows.tolist()), copies[rows].tolist(), strict=True))).decode()
        if len(rows)
        else ""
    )


def read_copies(header: str, records: int) -> NDArray[np.uint32]:
    """For each of `records` rows its k, from the header `repeats` (empty: all 0)."""
    if header.startswith("["):
        return np.array(orjson.loads(header), dtype=np.uint32)
    copies = np.zeros(records, dtype=np.uint32)
    for row, k in (orjson.loads(header) if header else {}).items():
        copies[int(row)] = k
    return copies


@kernel
def _gather(data: Bytes, starts: Ints, offsets: NDArray[np.int32]) -> Bytes:
    out = np.empty(offsets[-1], dtype=np.uint8)
    for row in range(len(starts)):
        source, at, end = uint64(starts[row]), uint64(offsets[row]), uint64(offsets[row + 1])
        while at < end:
            out[at] = data[source]
            at += uint64(1)
            source += uint64(1)
    return out


def gather(data: Bytes, starts: Ints, lengths: Ints, kind: pa.DataType | None = None) -> pa.Array:
    """An Arrow array (`pa.binary()` unless told) of the spans; a negative length is a null."""
    null = lengths < 0
    offsets = np.zeros(len(starts) + 1, dtype=np.int32)
    np.cumsum(np.where(null, 0, lengths), out=offsets[1:])
    values = _gather(data, starts, offsets)
    mask = pa.py_buffer(np.packbits(~null, bitorder="little")) if null.any() else None
    buffers = [mask, pa.py_buffer(offsets), pa.py_buffer(values)]
    return pa.Array.from_buffers(kind or pa.binary(), len(starts), buffers)


def text_spans(texts: pa.Array) -> tuple[Bytes, Ints]:
    """The bytes of an Arrow array of texts, and starts and lengths in them; nulls and empty texts are of length -1."""
    edges = np.frombuffer(texts.buffers()[1], dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    lengths = np.diff(edges.astype(np.int64))
    there = texts.is_valid().to_numpy(zero_copy_only=False) & (lengths > 0)
    return as_array(texts.buffers()[2] or b""), np.stack([edges[:-1].astype(np.int64), np.where(there, lengths, -1)])


def join(data: Bytes, starts: Ints, ends: Ints, *, flat: bool = False) -> tuple[Bytes, Ints, Ints]:
    """The spans one after another, each ended by a newline, and where they are now.

    With `flat`, line breaks inside a span become spaces.
    """
    offsets = np.zeros(len(starts) + 1, dtype=np.int64)
    np.cumsum(ends - starts + 1, out=offsets[1:])
    return _join(data, starts, offsets, flat), offsets[:-1], offsets[1:] - 1


@kernel
def _join(data: Bytes, starts: Ints, offsets: Ints, flat: bool) -> Bytes:
    out = np.empty(offsets[-1], dtype=np.uint8)
    for row in range(len(starts)):
        source, at, end = uint64(starts[row]), uint64(offsets[row]), uint64(offsets[row + 1] - 1)
        while at < end:
            byte = data[source]
            out[at] = 32 if flat and byte in (10, 13) else byte
            at += uint64(1)
            source += uint64(1)
        out[end] = 10
    return out

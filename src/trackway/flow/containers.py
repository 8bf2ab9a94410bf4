"""Reading one Avro file: its blocks unpacked, its records found one by one, in pieces for the journal.

Avro records have no ends of their own; only their schema tells where the next begins. Each is put into a block by
itself, in a container without packing: so it has its own bytes, by which copies are known, and one that cannot be read
takes no other with it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from typing import Any, BinaryIO

import numpy as np
import orjson

from trackway.errors import optional
from trackway.flow.reading import HEAD, Mark, Piece, digest
from trackway.flow.records import Bad
from trackway.flow.spans import Copies, as_array
from trackway.model.avro import SYNC, AvroError, container, opened, read_varint, unpacked
from trackway.model.event import Reason

LARGEST = 256 << 20
"""Bytes that one block of a file may unpack to."""
READ = 1 << 20
"""Bytes read at once."""
FAULTS = (
    ValueError, TypeError, LookupError, EOFError, ArithmeticError, AttributeError, AssertionError, RecursionError,
    MemoryError,
)  # fmt: skip
"""What reading bytes that are not of a schema raises."""


class Containers:
    """One Avro file, as a `flow.reading.Reading`."""

    def __init__(self, file: BinaryIO, *, block: int, limit: int) -> None:
        """`block` is how many bytes a piece holds, about; `limit` the largest record."""
        self._file = file
        self._block, self._limit = block, limit
        self._buffer = b""
        self._head = self._file.read(HEAD)
        self._file.seek(0)
        self._copies = Copies()
        self._pieces = self._all()
        self.mark = Mark()

    @property
    def consumed(self) -> int:
        """Bytes of the file read so far."""
        return self._file.tell()

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def pieces(self, *, final: bool) -> Iterator[Piece]:  # noqa: ARG002 - such a file is always finished
        """All records from the mark on."""
        yield from self._pieces

    def skim(self, mark: Mark) -> bool:
        """Reads up to the mark, keeping nothing but the counts."""
        while self.mark.until < mark.until and next(self._pieces, None) is not None:
            continue
        return self.mark.until == mark.until and self.mark.total == mark.total

    def _all(self) -> Iterator[Piece]:
        """The file in pieces."""
        try:
            schema, compression, sync = self._opened()
        except AvroError as error:
            yield self._piece("", [], [Bad(0, self._head[:READ], Reason.TRUNCATED, str(error))], last=True)
            return
        records: list[bytes] = []
        bad: list[Bad] = []
        size = 0
        for data, count in self._blocks(sync, bad):
            found = self._records(schema, compression, data, count, bad)
            records += found
            size += sum(map(len, found))
            if size >= self._block:
                yield self._piece(schema, records, bad)
                records, bad[:], size = [], [], 0
        if records or bad:
            yield self._piece(schema, records, bad, last=True)

    def _piece(self, schema: str, records: list[bytes], bad: list[Bad], *, last: bool = False) -> Piece:
        lengths = np.array([len(record) for record in records], dtype=np.int64)
        ends = np.cumsum(lengths)
        copies = self._copies.count(as_array(b"".join(records)), ends - lengths, ends)
        before = self.mark.until
        self.mark = Mark(before + len(records) + len(bad), self._copies.total, digest(self._head), len(self._head))
        body = container(schema, records) if records else b""
        return Piece(body, len(records), copies, before, self.mark, list(bad), last=last)

    def _opened(self) -> tuple[str, str, bytes]:
        """Schema, packing and the mark between blocks. Raises AvroError."""
        while True:
            more = self._file.read(READ)
            self._buffer += more
            try:
                found, at = opened(self._buffer, header_only=True), 0
            except AvroError:
                if not more or len(self._buffer) > LARGEST:
                    raise
                continue
            at = found.at
            sync, self._buffer = self._buffer[at - SYNC : at], self._buffer[at:]
            return found.schema, found.compression, sync

    def _blocks(self, sync: bytes, bad: list[Bad]) -> Iterator[tuple[bytes, int]]:
        """Each block as it is packed, and how many records it should have."""
        while self._fill(1):
            try:
                yield self._next(sync)
            except AvroError as error:
                bad.append(Bad(self.consumed, self._buffer[: self._limit], Reason.TRUNCATED, str(error)))
                self._buffer = b""
                self._file.seek(0, io.SEEK_END)

    def _next(self, sync: bytes) -> tuple[bytes, int]:
        """The next block. Raises AvroError when it is not whole."""
        self._fill(20)
        count, start = read_varint(self._buffer, 0)
        length, start = read_varint(self._buffer, start)
        if count < 0 or not 0 <= length <= LARGEST or not self._fill(start + length + SYNC):
            raise AvroError("the last block is cut off")
        if self._buffer[start + length : start + length + SYNC] != sync:
            raise AvroError("a block without the mark at its end")
        data, self._buffer = self._buffer[start : start + length], self._buffer[start + length + SYNC :]
        return data, count

    def _fill(self, size: int) -> bool:
        """Whether so many bytes are there."""
        while len(self._buffer) < size and (more := self._file.read(max(READ, size - len(self._buffer)))):
            self._buffer += more
        return len(self._buffer) >= size

    def _records(self, schema: str, compression: str, data: bytes, count: int, bad: list[Bad]) -> list[bytes]:
        """The records of a block; what cannot be told apart is refused as one."""
        found: list[bytes] = []
        at, plain = 0, b""
        try:
            plain = unpacked(data, compression, LARGEST)
            if count > len(plain):
                raise AvroError("more records than bytes")
            type_, read = parsed(schema)
            stream = io.BytesIO(plain)
            for _ in range(count):
                read(stream, type_, None)
                found.append(plain[at : stream.tell()])
                at = stream.tell()
            if at < len(plain):
                raise AvroError("bytes are left after the last record")
        except FAULTS as error:
            why = f"{count - len(found)} records not of the schema: {type(error).__name__} {error}"[:300]
            rest = plain[at:] or data
            bad.append(Bad(self.consumed, rest[: self._limit], Reason.UNREADABLE, why))
        large = [record for record in found if len(record) > self._limit]
        why = f"longer than {self._limit:,} bytes"
        bad += [Bad(self.consumed, record[: self._limit], Reason.TOO_LARGE, why) for record in large]
        return [record for record in found if 0 < len(record) <= self._limit]


def separated(body: bytes, limit: int) -> bytes:
    """A container with every record in a block of its own, not packed. Raises AvroError when a part of it cannot be
    read, or when it unpacks to more than a limit."""
    whole = b""
    for piece in Containers(io.BytesIO(body), block=READ, limit=limit).pieces(final=True):
        if piece.bad:
            raise AvroError(piece.bad[0].detail)
        whole = piece.body if not whole else whole + piece.body[opened(piece.body, header_only=True).at :]
        if len(whole) > limit:
            raise AvroError(f"more than {limit:,} bytes when unpacked")
    return whole


@cache
def parsed(schema: str) -> tuple[Any, Any]:
    """The schema as the reader wants it, and the reader. Raises what fastavro raises, and MissingDriver."""
    with optional("the codec avro", "avro"):
        import fastavro
    try:
        told = orjson.loads(schema)
        _without_traps(told, {})
        return fastavro.parse_schema(told), fastavro.schemaless_reader
    except fastavro.schema.SchemaParseException as error:
        raise ValueError(f"a schema that cannot be read: {error}") from error


def _without_traps(schema: Any, named: dict[str, bool]) -> bool:
    """Whether a value of a schema may take no bytes. Raises ValueError for lists of such values: a few bytes could
    then stand for a number of them that fits in no memory.
    """
    if isinstance(schema, str) or schema is None:
        return schema == "null" or named.get(str(schema), False)
    if isinstance(schema, list):
        for one in schema:
            _without_traps(one, named)
        return False
    kind = schema.get("type")
    if kind in ("array", "map"):
        if _without_traps(schema.get("items" if kind == "array" else "values"), named) and kind == "array":
            raise ValueError("lists of values without bytes are not read")
        return False
    if kind in ("record", "error"):
        full = [field for field in schema["fields"] if not _without_traps(field["type"], named)]
        named[str(schema.get("name"))] = not full
        return not full
    return not schema.get("size") if kind == "fixed" else _without_traps(kind, named)

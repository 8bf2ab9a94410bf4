"""Reading one file: text or Parquet, from its beginning or from where reading stopped, in pieces for the journal.

Where reading stopped is a mark: how far, and a hash of all that was read. A file is known again by its
content up to the mark, whatever its name is now and however it was packed since; a mark is never trusted
without reading that far, since skipping what was never read would lose it. The same reading rebuilds the
count of identical records, so that a restart gives every record the number it would have had without.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from trackway.flow.detect import Detected
from trackway.flow.records import Bad, Cut, Cutter, Elements, Entries, Headed, Lines
from trackway.flow.rows import Rows
from trackway.flow.spans import Copies, as_array, line_spans
from trackway.flow.streams import Stream, open_file
from trackway.model.event import Reason

HEAD = 4096
"""Bytes at the beginning of a file by which it is looked up among the marks."""
SLICE = 50_000
"""Rows of one block of a Parquet file."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a file was read."""

    until: int = 0
    """Bytes of text (after unpacking), or rows of a Parquet file."""
    total: int = 0
    """Hash of the records up to there."""
    head: str = ""
    """Hash of its first `length` bytes of text."""
    length: int = 0
    stat: tuple[int, int, int] = (0, 0, 0)
    """Inode, size and time of the file when it was read to its end; zeros before."""

    def as_text(self) -> str:
        """The cursor kept in the journal."""
        return orjson.dumps([self.until, str(self.total), self.head, self.length, *self.stat]).decode()

    @classmethod
    def of(cls, text: str) -> Mark:
        """The mark of a cursor."""
        until, total, head, length, *stat = orjson.loads(text)
        return cls(until, int(total), head, length, (stat[0], stat[1], stat[2]))


@dataclass(frozen=True, slots=True)
class Piece:
    """Some records of a file, ready for the journal, and the records refused among them."""

    body: bytes
    records: int
    copies: NDArray[np.uint32]
    offset: int
    mark: Mark
    bad: list[Bad] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    """What the codec must know of what stands before it."""
    last: bool = False
    """Whether nothing of the file is left after it, for now."""


class Reading(Protocol):
    """One file being read."""

    mark: Mark

    def pieces(self, *, final: bool) -> Iterator[Piece]:
        """What there is to read now; with `final` also a last record without its end."""
        ...

    def skim(self, mark: Mark) -> bool:
        """Goes to a mark; False (and of no further use) when the file is not the one the mark was made in."""
        ...

    @property
    def consumed(self) -> int:
        """Bytes of the file read so far."""
        ...

    def close(self) -> None:
        """Lets go of the file."""
        ...


def stat_of(path: Path) -> tuple[int, int, int]:
    """Inode, size, and time of the last change in nanoseconds."""
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def open_reading(path: Path, found: Detected, *, encoding: str, block: int, limit: int) -> Reading:
    """The reading of a file of a known format. Raises TrackwayError when it cannot be opened."""
    if found.form == "parquet":
        return Slices(path)
    return Text(open_file(path), found, encoding=encoding, block=block, limit=limit)


def head_of(path: Path, encoding: str, *, plain: bool = False) -> bytes:
    """The first bytes of the text of a file; of the file itself when `plain`."""
    with open_file(path) as file:
        if plain:
            return file.read(HEAD)
        stream = Stream(file, encoding)
        text = b""
        while len(text) < HEAD and (piece := stream.read(HEAD - len(text))):
            text += piece
        return text[:HEAD]


def digest(data: bytes) -> str:
    """A short name for some bytes."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()[:16]


class Text:
    """A file of records in text: cut by its form, packed or plain."""

    def __init__(self, file: BinaryIO, found: Detected, *, encoding: str, block: int, limit: int) -> None:
        self._stream = Stream(file, encoding)
        self._block = block
        self._buffer = b""
        self._fed = 0
        self._head = b""
        self._copies = Copies()
        self._cutter = _cutter(found, limit)
        self.mark = Mark()

    @property
    def consumed(self) -> int:
        """Bytes of the file read so far."""
        return self._stream.consumed

    def close(self) -> None:
        """Lets go of the file."""
        self._stream.close()

    def pieces(self, *, final: bool) -> Iterator[Piece]:
        """What there is to read now; the mark after an unfinished last record is the one before it."""
        held = None
        while data := self._read(self._block):
            piece = self._piece(self._cutter.feed(data))
            if piece is not None and held is not None:
                yield held
            held = piece or held
        ending = self._ending() if final else None
        if held is not None:
            yield replace(held, last=ending is None and (final or not self._cutter.holding))
        if ending is not None:
            yield ending

    def _ending(self) -> Piece | None:
        before = self.mark
        piece = self._piece(self._cutter.end(self._stream.damage))
        self.mark = before
        return None if piece is None else replace(piece, mark=before, last=True)

    def skim(self, mark: Mark) -> bool:
        """Reads up to the mark, keeping nothing but the counts."""
        while self._fed < mark.until:
            data = self._read(min(self._block, mark.until - self._fed))
            if not data:
                return False
            self._piece(self._cutter.feed(data))
        return self.mark.until == mark.until and self.mark.total == mark.total

    def _read(self, size: int) -> bytes:
        """At most `size` bytes; a packed file may give more at once, which is kept for the next time."""
        if not self._buffer:
            self._buffer = self._stream.read(size)
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        self._fed += len(data)
        if len(self._head) < HEAD:
            self._head += data[: HEAD - len(self._head)]
        return data

    def _piece(self, cut: Cut) -> Piece | None:
        copies = self._copies.count(cut.body, cut.starts, cut.ends)
        self.mark = Mark(cut.until, self._copies.total, digest(self._head), len(self._head))
        if not len(cut.starts) and not cut.bad:
            return None
        return Piece(cut.body.tobytes(), len(cut.starts), copies, cut.offset, self.mark, cut.bad, cut.headers)


def _cutter(found: Detected, limit: int) -> Cutter:
    if found.form == "rows":
        return Rows(limit, found.headers)
    if found.form == "entries":
        return Entries(limit, found.headers.get("format", ""))
    if found.form == "headed":
        return Headed(limit)
    return Elements(limit) if found.form == "elements" else Lines(limit)


class Slices:
    """A Parquet file, some rows at a time, each slice an Arrow IPC stream."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._damage = ""
        self._copies = Copies()
        self._skip = 0
        self.mark = Mark()
        with open_file(path) as file:
            self._head = file.read(HEAD)
            file.seek(-min(HEAD, path.stat().st_size), os.SEEK_END)
            self._total = int.from_bytes(hashlib.md5(file.read(), usedforsecurity=False).digest()[:8], "little")
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            self._damage = f"not a whole Parquet file: {str(error).splitlines()[0]}"

    @property
    def consumed(self) -> int:
        """Bytes of the file read so far, by its rows."""
        if self._damage or not self._file.metadata.num_rows:
            return self._path.stat().st_size
        return int(self._path.stat().st_size * self.mark.until / self._file.metadata.num_rows)

    def close(self) -> None:
        """Lets go of the file."""
        if not self._damage:
            self._file.close()

    def skim(self, mark: Mark) -> bool:
        """Goes on after the rows of the mark, when head and foot of the file are the same."""
        self._skip = mark.until
        return mark.total == self._total and not self._damage

    def pieces(self, *, final: bool) -> Iterator[Piece]:  # noqa: ARG002 - such a file is always finished
        """All rows from the mark on."""
        if self._damage:
            bad = Bad(0, self._head, Reason.TRUNCATED, self._damage)
            yield Piece(b"", 0, np.zeros(0, dtype=np.uint32), 0, self._mark(0), [bad], last=True)
            return
        row = 0
        for batch in self._file.iter_batches(batch_size=SLICE):
            raw = b"\n".join(rows_as_json(batch)) + b"\n"
            data = as_array(raw)
            copies = self._copies.count(data, *line_spans(data))
            row += len(batch)
            if row > self._skip:
                self.mark = self._mark(row)
                last = row == self._file.metadata.num_rows
                yield Piece(_stream_of(batch), len(batch), copies, row - len(batch), self.mark, last=last)

    def _mark(self, row: int) -> Mark:
        return Mark(row, self._total, digest(self._head), len(self._head))


def rows_as_json(batch: pa.RecordBatch | pa.Table) -> list[bytes]:
    """Every row as one line of JSON: the original bytes of a record that has no text of its own."""
    return [orjson.dumps(row, default=_plain, option=orjson.OPT_NON_STR_KEYS) for row in batch.to_pylist()]


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else str(value)


def _stream_of(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]

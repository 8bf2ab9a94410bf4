"""A bounded sample of a file of any size: its head, and of one whose lines stand alone its middle and its tail.

A sample is read exactly as the file source would read it, so what is said of it holds for the load.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from trackway.errors import TrackwayError
from trackway.flow.detect import Detected, detect
from trackway.model.event import DECODED, Block
from trackway.model.schema import Schema
from trackway.model.size import Size
from trackway.plan import registry
from trackway.plan.component import Payload
from trackway.sources.file import File

HEAD, PIECE = 500_000, 250_000
"""Bytes of the head, and of the middle and the tail each."""
CUT = frozenset({"lines", "rows", "headed", "entries"})
"""Forms of which a piece can be read alone."""


@dataclass(frozen=True)
class Sample:
    """What was read of a file."""

    path: Path
    size: int
    """Bytes of the file."""
    found: Detected
    parts: list[tuple[str, pa.Table]]
    """`head`, `middle` and `tail`, each with its records as the codec decodes them."""
    records: int | None
    """How many records the file has, about, unless `whole`; None when that cannot be told."""
    whole: bool
    """Whether all of it was read."""

    @property
    def table(self) -> pa.Table:
        """All records of the sample."""
        return together([part for _, part in self.parts])


def sample(path: Path) -> Sample:
    """Detect, read and decode. Raises TrackwayError when the file cannot be read or its format cannot be told."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise TrackwayError(f"cannot read {path}: {error.strerror}") from error
    found = detect(path)
    if not found.codec:
        raise TrackwayError(f"{path} is empty", hint="there is nothing to tell its format from")
    if found.form == "parquet":
        count = pq.ParquetFile(path).metadata.num_rows
        table, _ = read(path, found)
        return Sample(path, size, found, [("head", table)], count, whole=count == table.num_rows)
    if not parted(found) or size <= HEAD + 2 * PIECE:
        table, used = read(path, found)
        whole = used >= size if found.compression == "none" else used < HEAD
        return Sample(path, size, found, [("head", table)], table.num_rows if whole else None, whole=whole)
    with path.open("rb") as file:
        starts = {"head": (0, HEAD), "middle": ((size - PIECE) // 2, PIECE), "tail": (size - PIECE, PIECE)}
        taken = {name: _at(file, start, length) for name, (start, length) in starts.items()}
    return of_pieces(taken, path, size, found)


def _at(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)


def parted(found: Detected) -> bool:
    """Whether a piece of such a file can be read alone."""
    return found.compression == "none" and found.form in CUT and found.encoding.lower().startswith("utf-8")


def of_pieces(taken: Mapping[str, bytes], path: Path, size: int, found: Detected) -> Sample:
    """A sample of pieces (`head`, `middle`, `tail`), each read from its first whole line to its last; what says the
    columns stands above each."""
    lines = taken["head"].split(b"\n", 50)[:50]
    before = int(found.headers.get("skip", 0)) + int(found.headers.get("heading", 1))
    above = lines[:before] if found.form == "rows" else []
    above = [line for line in lines if line.startswith(b"#")] if found.form == "headed" else above
    parts, used = [], 0
    for name, piece in taken.items():
        text = piece if name == "head" else piece[piece.find(b"\n") + 1 :]
        text = text if name == "tail" else text[: text.rfind(b"\n") + 1] or text
        if not text.strip():
            continue
        with as_file((b"" if name == "head" else b"".join(line + b"\n" for line in above)) + text, path) as own:
            parts.append((name, read(own, found)[0]))
        used += len(text)
    count = sum(table.num_rows for _, table in parts)
    return Sample(path, size, found, parts, round(count * size / max(used, 1)), whole=False)


@contextmanager
def as_file(text: bytes, named: Path) -> Iterator[Path]:
    """A piece as a file of its own, with the ending of the whole."""
    with tempfile.NamedTemporaryFile(suffix="".join(named.suffixes[-2:])[-40:]) as file:
        file.write(text)
        file.flush()
        yield Path(file.name)


def read(path: Path, found: Detected) -> tuple[pa.Table, int]:
    """The first records of a file, and of how many bytes of text they are."""
    kept: list[Payload] = []
    stop = threading.Event()

    def keep(payloads: Sequence[Payload]) -> list[int]:
        kept.extend(payloads)
        if sum(len(payload.body) for payload in kept) >= HEAD:
            stop.set()
        return list(range(len(kept) - len(payloads), len(kept)))

    source = File(paths=[str(path)], block=Size("500KB"), codec=found.codec)
    for _ in source.read("inspect", keep, {}, stop):
        if stop.is_set():
            break
    return decoded(kept), path.stat().st_size if not stop.is_set() else sum(len(payload.body) for payload in kept)


def decoded(payloads: Sequence[Payload]) -> pa.Table:
    """The records of payloads."""
    now = time.time_ns() // 1_000
    blocks = [Block(i, p.source, now, p.codec, p.body, p.records, p.headers) for i, p in enumerate(payloads)]
    names = dict.fromkeys(block.codec for block in blocks)
    return together([registry.codec(name).decode([b for b in blocks if b.codec == name], Schema()) for name in names])


def together(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables below one another; a column that has several kinds is text."""
    if not tables:
        return DECODED.empty_table()
    types: dict[str, set[pa.DataType]] = {}
    for table in tables:
        for field in table.schema:
            types.setdefault(field.name, set()).add(field.type)
    mixed = {name for name, several in types.items() if len(several) > 1}
    alike = [_texts(table, mixed) for table in tables]
    return pa.concat_tables(alike, promote_options="default")


def _texts(table: pa.Table, names: set[str]) -> pa.Table:
    for name in names & set(table.column_names):
        table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.string()))
    return table

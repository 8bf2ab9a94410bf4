"""The dictionaries of all columns, and their files: one file per time the columns were written to disk.

Every actor has a place in [0, 2**32), by a hash of the name that never changes: actors are kept in that order, so
that any stretch of places is a random sample of them, and lies in one piece.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numba import njit

from trackway.model.schema import Kind
from trackway.store.columns.dictionary import Dictionary

MOST_FILES = 8


class Words:
    """Column -> dictionary, and the place of every actor."""

    def __init__(self) -> None:
        self.columns: dict[str, Dictionary] = {"actor": Dictionary("string")}
        self._places = np.zeros(1, np.uint32)

    @classmethod
    def load(cls, folder: Path, files: Sequence[str], kinds: dict[str, Kind]) -> Words:
        """The dictionaries of these files, oldest first; values are mapped, not loaded."""
        parts: dict[str, list[pa.Array]] = {name: [] for name in kinds}
        for file in files:
            with pa.memory_map(str(folder / file)) as source, pa.ipc.open_file(source) as reader:
                batch = reader.get_batch(0)
            for name in batch.schema.names:
                if name in parts:
                    parts[name].append(batch.column(name).flatten())
        words = cls()
        words.columns |= {name: Dictionary(kind, parts[name]) for name, kind in kinds.items()}
        return words

    def write(self, path: Path, *, whole: bool) -> None:
        """Put what is new (or all) into a file, from which it is read from now on."""
        new = {name: dictionary.values() if whole else dictionary.fresh() for name, dictionary in self.columns.items()}
        arrays = {name: _one_list(values) for name, values in new.items() if len(values)}
        batch = pa.record_batch(list(arrays.values()), names=list(arrays))
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)

    def written(self) -> None:
        """Note that all values are on disk."""
        for dictionary in self.columns.values():
            dictionary.kept(dictionary.fresh())

    def places(self) -> np.ndarray:
        """The place of every actor code (uint32)."""
        known, actors = len(self._places), self.columns["actor"]
        if known <= len(actors):
            self._places = np.append(self._places, places_of(actors.values().slice(known - 1)))
        return self._places


def places_of(names: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """The place of each actor name, as `place_of` has it."""
    chunks = names.chunks if isinstance(names, pa.ChunkedArray) else [names]
    out = np.empty(len(names), np.uint32)
    begin = 0
    for chunk in chunks:
        if len(chunk):
            _, ends, text = chunk.buffers()
            starts = np.frombuffer(ends, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
            _place(starts, np.frombuffer(text or b"", np.uint8), TABLE, out[begin : begin + len(chunk)])
        begin += len(chunk)
    return out


def place_of(name: str) -> int:
    """The place of an actor: the CRC-32 of the name, mixed by the finalizer of MurmurHash3, in [0, 2**32).

    >>> place_of("ann")
    149493943
    """
    place = zlib.crc32(name.encode())
    place = ((place ^ place >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    place = ((place ^ place >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    return place ^ place >> 16


def _table() -> np.ndarray:
    """The CRC of each byte alone."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> np.uint32(1)) ^ (table & np.uint32(1)) * np.uint32(0xEDB88320)
    return table


TABLE = _table()


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _place(starts: np.ndarray, text: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    for index in range(len(out)):
        place = np.uint32(0xFFFFFFFF)
        for at in range(starts[index], starts[index + 1]):
            place = table[(place ^ text[at]) & np.uint32(255)] ^ (place >> np.uint32(8))
        place ^= np.uint32(0xFFFFFFFF)
        place = np.uint32((place ^ (place >> np.uint32(16))) * np.uint32(0x85EBCA6B))
        place = np.uint32((place ^ (place >> np.uint32(13))) * np.uint32(0xC2B2AE35))
        out[index] = place ^ (place >> np.uint32(16))


def _one_list(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """An array of one list that holds all values."""
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return pa.LargeListArray.from_arrays(pa.array([0, len(flat)], pa.int64()), flat)

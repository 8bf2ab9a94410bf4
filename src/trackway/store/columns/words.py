"""The dictionaries of all columns, and their files: one file per time the columns were written to disk."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from trackway.model.schema import Kind
from trackway.store.columns.dictionary import Dictionary
from trackway.store.columns.run import SHARDS, Run

MOST_FILES = 8


class Words:
    """Column -> dictionary, and the shard of every actor."""

    def __init__(self) -> None:
        self.columns: dict[str, Dictionary] = {"actor": Dictionary("string")}
        self._shards = np.zeros(1, np.uint8)
        self._runs: Sequence[Run] = ()

    @classmethod
    def load(cls, folder: Path, files: Sequence[str], kinds: dict[str, Kind], runs: Sequence[Run]) -> Words:
        """The dictionaries of these files, oldest first, of these runs; values are mapped, not loaded."""
        parts: dict[str, list[pa.Array]] = {name: [] for name in kinds}
        for file in files:
            with pa.memory_map(str(folder / file)) as source, pa.ipc.open_file(source) as reader:
                batch = reader.get_batch(0)
            for name in batch.schema.names:
                if name in parts:
                    parts[name].append(batch.column(name).flatten())
        words = cls()
        words._runs = runs
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

    def shards(self) -> np.ndarray:
        """The shard of every actor code (uint8), by a hash of the name that never changes."""
        if self._runs:
            self._shards = np.zeros(1 + max(int(run.actors.max(initial=0)) for run in self._runs), np.uint8)
            for run in self._runs:
                self._shards[run.actors] = np.repeat(np.arange(SHARDS, dtype=np.uint8), np.diff(run.bounds))
            self._runs = ()
        known, actors = len(self._shards), self.columns["actor"]
        if known <= len(actors):
            names = actors.values().slice(known - 1)
            self._shards = np.append(self._shards, shards_of(names))
        return self._shards


def shards_of(names: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """The shard of each actor name."""
    return np.fromiter((zlib.crc32(name.encode()) % SHARDS for name in names.to_pylist()), np.uint8, len(names))


def _one_list(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """An array of one list that holds all values."""
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return pa.LargeListArray.from_arrays(pa.array([0, len(flat)], pa.int64()), flat)

"""Columns too wide for codes as part of an actor: their values are read from the lake and brought to the rows.

A column of ids has too many values for the dictionaries, which know each by a Python object. Here a value is known
by 96 bits of its md5, in a table of numbers, and is kept only as text of an Arrow array.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.model.schema import Kind, Schema
from trackway.store.columns.actors import texts
from trackway.store.columns.combinations import Combinations
from trackway.store.columns.dictionary import Dictionary
from trackway.store.columns.locate import Finder, events, may_hold
from trackway.store.columns.run import Run
from trackway.store.keys import of_texts

HALF = np.uint64(32)


class Many(Dictionary):
    """Distinct values of a column that has very many."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self._seen = Combinations(3)

    def encode(self, values: pa.Array) -> np.ndarray:
        """The codes of values (uint32), giving new ones to values not seen before."""
        out = np.zeros(len(values), np.uint32)
        some = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
        if not len(some):
            return out
        kept = values.take(pa.array(some))
        high, low = of_texts(as_text(pa.chunked_array([kept]), self.kind))
        known = len(self._seen)
        parts = [high >> HALF, high, low >> HALF]
        codes = self._seen.encode([np.maximum(part.astype(np.uint32), 1) for part in parts])
        fresh = np.flatnonzero(codes > known)
        _, first = np.unique(codes[fresh], return_index=True)
        self.kept(kept.take(pa.array(fresh[first])))
        out[some] = codes
        return out


def brought(
    runs: Sequence[Run], columns: Mapping[str, Many], files: Sequence[str], actors: Dictionary
) -> dict[str, list[np.ndarray]]:
    """The codes of each column for the rows of each run, read from the files of the lake that may hold them."""
    finder = Finder(runs, actors)
    out = {name: [np.zeros(run.rows, np.uint32) for run in runs] for name in columns}
    first = min((int(run.first.min()) for run in runs if run.rows), default=1)
    last = max((int(run.last.max()) for run in runs if run.rows), default=0)
    for path in files:
        if not may_hold(path, first, last):
            continue
        for batch in events(path, *columns):
            held = {name: columns[name].encode(batch.column(name)) for name in columns if name in batch.schema.names}
            for number, places, rows in finder.find(batch):
                for name, codes in held.items():
                    out[name][number][rows] = codes[places]
    return out


def as_text(values: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    """Values as the text they have in the name of an actor."""
    if kind in ("string", "json"):
        return values
    if kind == "boolean":
        return pc.cast(values, pa.string())
    return pa.chunked_array([texts(pa.table({"v": values}), ("v",), Schema({"v": kind}))], pa.string())

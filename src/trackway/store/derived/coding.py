"""Values to codes, and codes from actors or sessions to their events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.model.parallel import in_parallel
from trackway.store.columns.folds import measures
from trackway.store.columns.lanes import nothing, over
from trackway.store.columns.run import width
from trackway.store.columns.view import Coded, Shard, View

NO_BASE = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Built(Coded):
    """A derived column, and what is known of it beyond the codes of events."""

    each: np.ndarray | None = None
    """The code of each actor, or of each session in the order of actors; None for a column of events."""
    base: np.ndarray | None = None
    """Of a column that numbers sessions: how many sessions the actors before each actor have, and the total."""
    sessions: bool = False
    """Whether `each` is of sessions."""
    outside: np.ndarray | None = None
    """Then the codes of events in no session, by actor; None when they have no value."""

    @property
    def size(self) -> int:
        """Bytes."""
        extra = sum(each.nbytes for each in (self.each, self.base, self.outside) if each is not None)
        return sum(codes.nbytes for codes in self.arrays) + int(self.values.nbytes) + extra


def coded(values: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, pa.ChunkedArray]:
    """The codes of values (uint32, null is 0) and the distinct values; times become integers."""
    (codes,), distinct = coded_parts([values])
    return codes, distinct


def coded_parts(parts: Sequence[pa.Array | pa.ChunkedArray]) -> tuple[list[np.ndarray], pa.ChunkedArray]:
    """The same for several arrays with one dictionary, which may be encoded each by itself already."""
    encoded = [part if pa.types.is_dictionary(part.type) else encode(part) for part in parts]
    if not encoded:
        return [], pa.chunked_array([], pa.string())
    unified = pa.chunked_array(encoded).unify_dictionaries()
    places = [pc.fill_null(chunk.indices, -1).to_numpy(zero_copy_only=False) for chunk in unified.chunks]
    return [(part + 1).astype(np.uint32) for part in places], pa.chunked_array([unified.chunk(0).dictionary])


def encode(values: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    """Values with their dictionary; times become integers."""
    plain = flat(values) if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_timestamp(plain.type):
        plain = plain.cast(pa.timestamp("us", plain.type.tz)).cast(pa.int64())
    return pc.dictionary_encode(plain)


def booleans(true: np.ndarray) -> tuple[np.ndarray, pa.ChunkedArray]:
    """The codes and values of plain truths, none missing."""
    return true.astype(np.uint32) + np.uint32(1), pa.chunked_array([pa.array([False, True])])


def flat(values: pa.ChunkedArray) -> pa.Array:
    """One array."""
    return pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)


def taken(values: pa.ChunkedArray, codes: np.ndarray) -> pa.Array:
    """The values of codes, null for 0."""
    return flat(values).take(pa.array(codes.astype(np.int64) - 1, mask=codes == 0))


def over_shards(view: View, work: Callable[[Shard], None]) -> None:
    """Do some work for every shard, on all cores."""
    in_parallel(work, view.shards)


def empty(view: View, largest: int) -> list[np.ndarray]:
    """Codes up to `largest` for all events, all 0 yet."""
    return [np.zeros(run.rows, width(largest)) for run in view.runs]


def given(
    view: View, each: np.ndarray, values: pa.ChunkedArray, number: Built | None, outside: np.ndarray | None = None
) -> Built:
    """A column of actors, or of sessions when they are numbered, from the code of each.

    `outside` are the codes of events in no session, by actor; without it they have no value.
    """
    beyond = np.zeros(0, np.uint32) if outside is None else outside
    most = int(max(each.max(initial=0), beyond.max(initial=0)))
    arrays = empty(view, most)
    codes, rest, out = each.astype(width(most)), beyond.astype(width(most)), over(arrays, NO_BASE)
    numbers = nothing(view) if number is None else over(number.arrays, NO_BASE)
    base = NO_BASE if number is None or number.base is None else number.base
    over_shards(view, lambda shard: measures.expand(
        view.first, view.run, view.lo, view.hi, shard.begin, shard.end,
        numbers.addresses, numbers.like, base, codes, rest, out.addresses, out.like,
    ))  # fmt: skip
    return Built(arrays, values, each, sessions=number is not None, outside=outside)

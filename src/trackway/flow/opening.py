"""JSON texts in a column, opened: the members of objects become columns, as the codec `json` makes them.

Objects are read in one compiled pass over all of them (`model.documents`), with the same rules for kinds, so that an
object in a text gives the columns it would have given outside of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trackway.flow.names import filled_in, replaced
from trackway.model.documents import Naming, Records, tabulate
from trackway.model.event import DECODED
from trackway.model.json_text import array_items, as_array, is_value, skip
from trackway.model.kernels import kernel
from trackway.model.schema import Kind, kind_of

Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


def opened(
    documents: Sequence[bytes], known: Mapping[str, Kind], naming: Naming, deepest: int | None = None
) -> tuple[pa.Table, Bools]:
    """The columns of the members of objects, a row for each; and which of the documents are objects."""
    sizes = np.array([len(one) for one in documents], np.int64)
    ends = np.cumsum(sizes)
    numbers = np.arange(len(documents))
    records = Records(b"".join(documents), ends - sizes, ends, numbers, numbers)
    table = tabulate(records, known, naming, ids=(), deepest=deepest)
    return table.drop_columns(DECODED.names), table["reason"].is_null().to_numpy()


def texts_like(events: pa.Table, column: str, openings: str) -> NDArray[np.int64]:
    """The rows whose text in a column begins with one of some signs (of a pattern of RE2)."""
    values = events[column] if column in events.column_names else None
    if values is None or not pa.types.is_string(values.type):
        return np.zeros(0, np.int64)
    likely = pc.match_substring_regex(values, rf"^\s*[{openings}]")
    return np.flatnonzero(pc.fill_null(likely, False).to_numpy())


@dataclass(frozen=True, slots=True)
class Lists:
    """The items of JSON lists, those of one list behind one another."""

    counts: Ints
    """Items of each; -1 for what is no list."""
    data: bytes
    starts: Ints
    ends: Ints
    """Where each item is written in the data."""

    def written(self) -> list[bytes]:
        """Every item as it is written."""
        return [self.data[start:end] for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]


def lists(texts: Sequence[bytes]) -> Lists:
    """The lists of texts.

    >>> lists([b'[1, {"a": []}]', b"[1,"]).written()
    [b'1', b'{"a": []}']
    """
    data = b"".join(texts)
    edges = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    counts, first, last = _lists(as_array(data), edges[:-1], edges[1:])
    return Lists(counts, data, first, last)


@kernel
def _lists(data: Bytes, begins: Ints, stops: Ints) -> tuple[Ints, Ints, Ints]:
    counts, n = np.full(len(begins), -1, np.int64), 0
    starts, ends = np.empty(1024, np.int64), np.empty(1024, np.int64)
    for row in range(len(begins)):
        at, stop = skip(data, begins[row], stops[row]), stops[row]
        first, last, after = array_items(data, at, stop)
        if after < 0 or skip(data, after, stop) < stop or not is_value(data, at, after):
            continue
        while n + len(first) > len(starts):
            starts = np.concatenate((starts, np.empty_like(starts)))
            ends = np.concatenate((ends, np.empty_like(ends)))
        counts[row] = len(first)
        starts[n : n + len(first)], ends[n : n + len(first)] = first, last
        n += len(first)
    return counts, starts[:n], ends[:n]


def kinds(events: pa.Table) -> dict[str, Kind]:
    """The kinds of the columns there are."""
    return {field.name: kind_of(field.type) for field in events.schema}


def spread(table: pa.Table, rows: NDArray[np.int64], size: int) -> pa.Table:
    """The rows of a table at their places among `size` rows, the others null."""
    places = np.full(size, -1, np.int64)
    places[rows] = np.arange(len(rows))
    return table.take(pa.array(places, mask=places < 0))


def put_in(events: pa.Table, found: pa.Table) -> pa.Table:
    """Events with columns that were found in them, and what fits none of these in `more`."""
    events = filled_in(events, {name: found[name] for name in found.column_names if name != "more"})
    if "more" not in found.column_names:
        return events
    if "more" not in events.column_names:
        return events.append_column("more", found["more"])
    pairs = zip(events["more"].to_pylist(), found["more"].to_pylist(), strict=True)
    return replaced(events, "more", pa.array([_together(held, new) for held, new in pairs], pa.string()))


def _together(held: str | None, new: str | None) -> str | None:
    """Two JSON objects as one; what is held stays."""
    if held is None or new is None:
        return held or new
    return json.dumps({**json.loads(new), **json.loads(held)})


def emptied(events: pa.Table, column: str, rows: NDArray[np.int64]) -> pa.Table:
    """Events without the values of a column in some rows; without the column when none is left."""
    gone = np.zeros(len(events), np.bool_)
    gone[rows] = True
    values = pc.if_else(pa.array(gone), pa.scalar(None, events[column].type), events[column])
    if values.null_count == len(values):
        return events.drop_columns([column])
    return replaced(events, column, values)

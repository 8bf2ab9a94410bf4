"""Payloads that hold many records: where each lies, and what the sender wrote once around them.

`{"batch": [{…}, {…}], "sentAt": …}` is one parcel with two records; so is a plain list, one object, or lines.
What stands around counts for every record that does not say it itself (`below`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import PayloadError
from trackway.model.documents import Records, Split
from trackway.model.event import DECODED, Block
from trackway.model.json_text import Ints, array_items, as_array, complaint, find_member, is_value, skip, text_lines

NOWHERE: Ints = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Parcel:
    """The records of one payload."""

    starts: Ints
    ends: Ints
    around: Sequence[bytes] = ()
    """JSON objects around the records."""
    place: Ints = field(default_factory=lambda: NOWHERE)
    """Which of them stands around each record; empty when there is one for all."""

    def __len__(self) -> int:
        return len(self.starts)

    def __bool__(self) -> bool:
        """There, even when it is empty."""
        return True

    @cached_property
    def outer(self) -> dict[str, Any]:
        """What stands around all records."""
        found = orjson.loads(self.around[0]) if self.around else {}
        return found if isinstance(found, dict) else {}


def opened(body: bytes, key: bytes) -> Parcel | None:
    """An object with a list of records under a key; None when the payload is none."""
    data = as_array(body)
    at = find_member(data, 0, len(data), as_array(key))
    if at < 0:
        return None
    starts, ends, after = array_items(data, at, len(data))
    if after < 0:
        return None
    around = body[:at] + b"null" + body[after:]
    try:
        found = orjson.loads(around)
    except orjson.JSONDecodeError:
        return None
    return Parcel(starts, ends, (around,)) if found[key.decode()] is None else None


def listed(body: bytes) -> Parcel | None:
    """A list of records; None when the payload is none."""
    data = as_array(body)
    starts, ends, after = array_items(data, 0, len(data))
    return Parcel(starts, ends) if after >= 0 and skip(data, after, len(data)) == len(data) else None


def single(body: bytes) -> Parcel:
    """One record. Raises PayloadError when it is not JSON."""
    data = as_array(body)
    if not is_value(data, 0, len(data)):
        raise PayloadError(f"not JSON: {complaint(body)}")
    return Parcel(np.array([skip(data, 0, len(data))]), np.array([len(data)]))


def lines(body: bytes) -> Parcel:
    """A record a line."""
    data = as_array(body)
    return Parcel(*text_lines(data, 0, len(data)))


def several(body: bytes) -> Parcel:
    """Records in a list, one by itself, or one a line. Raises PayloadError for what is none of these."""
    found, data = listed(body), as_array(body)
    if found is None and b"\n" in body and not is_value(data, 0, len(data)):
        rows = lines(body)
        if any(is_value(data, start, end) for start, end in zip(rows.starts.tolist(), rows.ends.tolist(), strict=True)):
            return rows
    return found or single(body)


def objects(body: bytes, parcel: Parcel) -> Iterator[dict[str, Any]]:
    """The records one by one, empty for what is no object; for what a reply must say of each."""
    for start, end in zip(parcel.starts.tolist(), parcel.ends.tolist(), strict=True):
        try:
            found = orjson.loads(body[start:end])
        except orjson.JSONDecodeError:
            found = {}
        yield found if isinstance(found, dict) else {}


def records_of(blocks: Sequence[Block], parcels: Sequence[Parcel]) -> Records:
    """The records of blocks, each cut into its own."""
    return Records.of(blocks, [Split(parcel.starts, parcel.ends) for parcel in parcels])


def arounds_of(parcels: Sequence[Parcel]) -> tuple[Records, Ints]:
    """What stands around, as records of its own, and for every record the one that is around it (-1: none)."""
    texts = [text for parcel in parcels for text in parcel.around]
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    ends, number = np.cumsum(sizes), np.arange(len(texts))
    around = Records(b"".join(texts), ends - sizes, ends, number, number)
    places, first = [NOWHERE], 0
    for parcel in parcels:
        one = np.full(len(parcel), first if parcel.around else -1)
        places.append(parcel.place + first if len(parcel.place) else one)
        first += len(parcel.around)
    return around, np.concatenate(places)


def below(table: pa.Table, around: pa.Table, place: Ints) -> pa.Table:
    """The table with what stands around each record where the record itself says nothing.

    Columns of both have one type when `around` was tabulated with the kinds of the table.
    """
    taken = pa.array(place, mask=place < 0)
    for name in around.column_names[len(DECODED) :]:
        values = around[name].take(taken)
        if name not in table.column_names:
            table = table.append_column(name, values)
        else:
            join: Callable[..., Any] = both if name == "more" else pc.coalesce
            table = table.set_column(table.column_names.index(name), name, join(table[name], values))
    return table


def aside(table: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    """The table with texts that do not fit their column put into `more`."""
    texts = [None if text is None else orjson.dumps({name: text}).decode() for text in values.to_pylist()]
    more = pa.chunked_array([texts], pa.string())
    if "more" not in table.column_names:
        return table.append_column("more", more)
    return table.set_column(table.column_names.index("more"), "more", both(table["more"], more))


def both(above: pa.ChunkedArray, below_: pa.ChunkedArray) -> pa.ChunkedArray:
    """JSON objects of two columns as one; seldom both are there."""
    made = pc.coalesce(above, below_).to_pylist()
    for row in np.flatnonzero(pc.and_(above.is_valid(), below_.is_valid()).to_numpy(zero_copy_only=False)).tolist():
        merged = {**orjson.loads(below_[row].as_py()), **orjson.loads(above[row].as_py())}
        made[row] = orjson.dumps(merged, option=orjson.OPT_SORT_KEYS).decode()
    return pa.chunked_array([made], pa.string())

"""Make several events of one: an event for each item of a list.

    [transforms.lines]
    type = "explode"
    where = "event = 'Order Completed'"
    column = "products"
    into = "product"
    place = "position"

Every item gets an event with all the other columns. An item that is an object gives a column for each of its members
(`product.sku`), any other one value in `product`. The first event keeps the id; the others get the same with `#1`, `#2`
… behind it, so that a retry gives the same events. They are counted as `made` in the ledger. An event whose column
holds no list, or an empty one, stays as it is. Sums over a column of the whole, such as the total of an order, then
count it once for each item: sum the column of the items instead, or look at `position = 1`.
"""

from __future__ import annotations

from itertools import compress

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from trackway.flow.expressions import Target
from trackway.flow.names import filled_in
from trackway.flow.opening import emptied, kinds, lists, opened, put_in, spread, texts_like
from trackway.model.event import Reason
from trackway.plan.component import Reshape, Reshaped, Transform


class Explode(Transform):
    """Events from the items of a list."""

    column: Target
    """The column with a JSON list."""
    into: Target | None = None
    """The column of an item, or what the names of its columns begin with; the same when left out."""
    place: Target | None = None
    """The column for the number of the item, from 1."""
    most: int = Field(default=1_000, ge=1, le=100_000)
    """The longest list; an event with a longer one is refused (`too_large`)."""

    def reshape(self) -> Reshape:
        """The events of the items."""
        return Exploding(self)


class Exploding(Reshape):
    """Takes lists apart."""

    makes = True

    def __init__(self, options: Explode) -> None:
        self._column, self._place, self._most = options.column, options.place, options.most
        self._into = options.into or options.column

    def writes(self, name: str) -> bool:
        """The columns of items."""
        return name in (self._into, self._place) or name.startswith(f"{self._into}.")

    def __call__(self, events: pa.Table) -> Reshaped:
        """An event for every item, those of one list behind one another."""
        size = len(events)
        likely = texts_like(events, self._column, r"\[")
        found = lists(_texts(events, self._column, likely))
        long = found.counts > self._most
        refused = {
            int(row): (Reason.TOO_LARGE, f"a list of {count:,} items in '{self._column}'")
            for row, count in zip(likely[long], found.counts[long], strict=True)
        }
        counts, listed = np.ones(size, np.int64), (found.counts > 0) & ~long
        if not listed.any():
            return Reshaped(events, refused=refused)
        counts[likely[listed]] = found.counts[listed]
        rows = np.repeat(np.arange(size), counts)
        mine = np.isin(rows, likely[listed])
        every = compress(found.written(), np.repeat(listed, np.maximum(found.counts, 0)).tolist())
        events = self._filled(events.take(pa.array(rows)), list(every), np.flatnonzero(mine))
        if self._place is not None:
            events = filled_in(events, {self._place: _places(rows, mine)})
        return Reshaped(events, rows, refused)

    def _filled(self, events: pa.Table, every: list[bytes], rows: NDArray[np.int64]) -> pa.Table:
        """Events with an item each in some rows, in place of the list."""
        events = emptied(events, self._column, rows)
        documents = [b'{"":' + item + b"}" for item in every]
        known = kinds(events)
        found, good = opened(documents, known, lambda path: ".".join((self._into, *path[1:])))
        if not good.all():
            odd = [None if fine else item.decode() for item, fine in zip(every, good.tolist(), strict=True)]
            found = filled_in(found, {self._into: pa.chunked_array([pa.array(odd, pa.string())])})
        return put_in(events, spread(found, rows, len(events)))


def _texts(events: pa.Table, column: str, rows: NDArray[np.int64]) -> list[bytes]:
    if not len(rows):
        return []
    return [text.encode() for text in events[column].take(pa.array(rows)).to_pylist()]


def _places(rows: NDArray[np.int64], listed: NDArray[np.bool_]) -> pa.ChunkedArray:
    """The number of every item among those of its event."""
    numbers = np.arange(len(rows))
    first = np.maximum.accumulate(np.where(np.diff(rows, prepend=-1) > 0, numbers, 0))
    return pa.chunked_array([pa.array((numbers - first + 1).astype(np.float64), mask=~listed)])

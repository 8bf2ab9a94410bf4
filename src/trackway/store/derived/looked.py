"""Columns of lookups as codes: once for each key where time does not matter, else for each event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.model.parallel import in_parallel
from trackway.plan.lookup import KNOWN
from trackway.store.columns.groups import Groups, groups
from trackway.store.columns.masks import CHUNK, look_up
from trackway.store.columns.run import width
from trackway.store.columns.view import View
from trackway.store.derived.coding import Built, booleans, coded, empty, flat
from trackway.store.derived.virtual import Looked
from trackway.store.lookups import JOINT
from trackway.store.standing import EVER, texts


@dataclass(frozen=True)
class Lookups:
    """Looking things up for the events of a view."""

    view: View

    def make(self, one: Looked) -> Built:
        """The column."""
        held = groups(self.view, one.keys)
        keys = pc.index_in(self._keys(held, one), value_set=one.versions.names)
        numbers = pc.fill_null(keys, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        known = one.column == KNOWN
        codes, values = booleans(one.versions.there) if known else coded(one.versions.column(one.column))
        table = np.append(np.uint32(known), codes).astype(width(int(codes.max(initial=1))))
        out = empty(self.view, int(table.max(initial=0)))
        if one.latest or (len(one.versions.since) == len(one.versions.names) and (one.versions.since == EVER).all()):
            standing = table[one.versions.at(numbers, None) + 1]
            in_parallel(lambda pair: look_up(pair[0], standing, pair[1]), zip(held.arrays, out, strict=True))
            return Built(out, values)

        def work(place: tuple[int, int]) -> None:
            run, part = place[0], slice(place[1], place[1] + CHUNK)
            rows = one.versions.at(numbers[held.arrays[run][part]], self.view.runs[run].time[part])
            out[run][part] = table[rows + 1]

        in_parallel(work, [(run, lo) for run, rows in enumerate(self.view.runs) for lo in range(0, rows.rows, CHUNK)])
        return Built(out, values)

    def _keys(self, held: Groups, one: Looked) -> pa.Array:
        """The key of every group."""
        rest = np.arange(held.size) if held.seen is None else held.seen
        parts: list[pa.Array] = []
        for name in reversed(one.keys):
            values = texts(flat(self.view.dictionary(name)))
            rest, codes = np.divmod(rest.astype(np.int64), len(values) + 1)
            parts.insert(0, values.take(pa.array(codes - 1, mask=codes == 0)))
        return pc.binary_join_element_wise(*parts, JOINT)

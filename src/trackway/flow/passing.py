"""A batch on its way through the steps: the rows that are still there, and what became of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trackway.flow.fuse import FRAME, Fusion, Way
from trackway.flow.marks import Marks
from trackway.flow.reshaping import Turned
from trackway.model.schema import SQL, Kind, kind_of
from trackway.store.stretches import keep


@dataclass
class Passing:
    """A batch on its way, and what became of the rest of it."""

    table: pa.Table
    placed: Marks
    kinds: Mapping[str, Kind]
    counts: Counter[Way] = field(default_factory=Counter)
    drift: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: list[pa.Table] = field(default_factory=list)

    def go_on(self, fusion: Fusion, out: pa.Table, stays: NDArray[np.bool_]) -> None:
        """The rows that stay, with their columns as a query left them."""
        read = set(self.table.column_names)
        columns: dict[str, Any] = {name: self.table[name] for name in FRAME}
        for name in fusion.columns:
            if name in fusion.changed:
                columns[name] = out[name]
            elif name in read:
                columns[name] = self.table[name]
        self.kinds = {name: fusion.columns[name] for name in columns if name not in FRAME}
        self.table = keep(pa.table(columns), stays)
        self.placed = self.placed if stays.all() else self.placed.take(np.flatnonzero(stays))

    def turned(self, turned: Turned) -> None:
        """The rows behind a reshaping."""
        kinds, self.table, self.placed = self.kinds, turned.table, turned.placed
        self.kinds = {
            name: kinds[name] if name in kinds and SQL[kinds[name]] == SQL[kind] else kind
            for name, kind in kinds_of(self.table).items()
        }

    def only(self, event_id: str) -> None:
        """One row: that of an id, or of which the event of that id was made later; else the first."""
        ids = self.table["event_id"].to_pylist() if "event_id" in self.table.column_names else []
        like = [(len(one), row) for row, one in enumerate(ids) if one and f"{event_id}#".startswith(f"{one}#")]
        row = max(like)[1] if like else 0
        self.table, self.placed = self.table.slice(row, 1), self.placed.take(np.array([row]))


def kinds_of(table: pa.Table) -> dict[str, Kind]:
    """The columns of a batch that are of its events."""
    return {field.name: kind_of(field.type) for field in table.schema if field.name not in FRAME}

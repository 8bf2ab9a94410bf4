"""Picking rows of a table in stretches: where rows stay together, nothing is copied but where they begin and end.

A batch loses a few rows (refused, duplicate) or falls into a few days; copying the others for that was a tenth of
the flow's work.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

ENOUGH = 512
"""Rows of a stretch, on average, from which a slice is cheaper than a copy, for all who read the table later."""


def keep(table: pa.Table, kept: NDArray[np.bool_]) -> pa.Table:
    """The rows for which `kept` is true."""
    if kept.all():
        return table
    edges = np.flatnonzero(np.diff(kept, prepend=False, append=False))
    return _slices(table, edges[::2], edges[1::2]) or table.filter(pa.array(kept))


def together(table: pa.Table, keys: NDArray[Any]) -> pa.Table:
    """All rows, those of equal key together, keys ascending; in the order given otherwise."""
    if bool((keys[1:] >= keys[:-1]).all()):
        return table
    starts = np.append(0, np.flatnonzero(keys[1:] != keys[:-1]) + 1)
    ends = np.append(starts[1:], len(keys))
    order = np.argsort(keys[starts], kind="stable")
    return _slices(table, starts[order], ends[order]) or table.take(pa.array(np.argsort(keys, kind="stable")))


def _slices(table: pa.Table, starts: NDArray[Any], ends: NDArray[Any]) -> pa.Table | None:
    """The rows of some stretches; None when they are too short."""
    if len(starts) * ENOUGH > table.num_rows + ENOUGH:
        return None
    parts = [table.slice(start, end - start) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    return pa.concat_tables(parts) if parts else table.slice(0, 0)

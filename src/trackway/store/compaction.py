"""Compaction: many small files of a table become few larger ones, in the background; no answer changes.

Files of like size in one partition are merged once there are enough of them, so each event is rewritten only
a few times in its life. Old files stay for a week for those who still read them; then they are deleted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from trackway.store.delta import File, Table

ENOUGH = 16
"""Files of like size in one partition that are worth merging."""
SMALLEST = 64 << 10
LARGEST = 256 << 20
"""Bytes: smaller files are all alike, larger ones are left alone."""

Arrange = Callable[[pa.Table], pa.Table]


def compact(table: Table, arrange: Arrange | None = None, most: int = 64) -> int:
    """Merge files of like size, at most `most` groups; returns how many files there are less.

    `arrange` gives the rows their order (and their partition column).
    """
    less = 0
    for _, group in zip(range(most), groups(table.every_file()), strict=False):
        rows = _read(table, group)
        made = table.replace([file.path for file in group], arrange(rows) if arrange else rows)
        less += len(group) - made
    return less


def groups(files: list[File]) -> Iterator[list[File]]:
    """Files that are worth merging with each other."""
    tiers: defaultdict[tuple[str, int], list[File]] = defaultdict(list)
    for file in files:
        if file.size < LARGEST:
            tiers[file.partition, _tier(file.size)].append(file)
    for _, members in sorted(tiers.items()):
        for start in range(0, len(members) - ENOUGH + 1, ENOUGH):
            yield members[start : start + ENOUGH]


def _tier(size: int) -> int:
    """0 for the smallest, one more for every factor of 8."""
    return max(0, (size // SMALLEST).bit_length() - 1) // 3


def _read(table: Table, group: list[File]) -> pa.Table:
    schema = pa.schema(list(table.fields().items()))
    return pa.concat_tables(
        [schema.empty_table(), *(pq.read_table(Path(table.folder) / file.path, partitioning=None) for file in group)],
        promote_options="default",
    ).select(schema.names)

"""Where events of the lake lie in the runs: found by actor, time and tie, which is their order.

With it, what the columns do not keep is brought to their rows (a column too wide for codes), and events are
taken out of a view (those that came after an earlier version) without touching a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numba import njit

from trackway.store.columns.dictionary import Dictionary
from trackway.store.columns.reading import ROWS, codes_of, integers
from trackway.store.columns.run import Run

PLACE = ("time", "tie", "actor")


class Finder:
    """Finds events in some runs; each row is found once, so that twins of equal place stay two."""

    def __init__(self, runs: Sequence[Run], actors: Dictionary) -> None:
        self._runs = runs
        self._actors = actors
        self._stretches = [_stretch_of(run, len(actors)) for run in runs]
        self.found = [np.zeros(run.rows, np.bool_) for run in runs]
        """Which rows of each run were found."""

    def find(self, batch: pa.RecordBatch) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """For each run that holds some of these events: its number, the places in the batch, and the rows."""
        codes = codes_of(batch.column("actor"), self._actors, learn=False)
        time, tie = integers(batch.column("time")), integers(batch.column("tie"))
        rows = np.full(len(codes), -1, np.int64)
        for number, run in enumerate(self._runs):
            before = rows >= 0
            seek(codes, time, tie, self._stretches[number], run.starts, run.time, run.tie, self.found[number], rows)
            places = np.flatnonzero((rows >= 0) & ~before)
            if len(places):
                yield number, places, rows[places]


def gone(paths: Iterable[str], runs: Sequence[Run], actors: Dictionary) -> list[np.ndarray] | None:
    """The rows of each run that are the events of some files; None when one is in no run."""
    finder = Finder(runs, actors)
    for path in paths:
        for batch in events(path):
            if sum(len(places) for _, places, _ in finder.find(batch)) < batch.num_rows:
                return None
    return [np.flatnonzero(found) for found in finder.found]


def events(path: str, *columns: str) -> Iterator[pa.RecordBatch]:
    """Places of the events of a file, and some columns; a column the file lacks is left out."""
    with pq.ParquetFile(Path(path), memory_map=True, read_dictionary=["actor"]) as file:
        names = set(file.schema_arrow.names)
        yield from file.iter_batches(
            ROWS, columns=[name for name in dict.fromkeys((*PLACE, *columns)) if name in names]
        )


def may_hold(path: str, first: int, last: int) -> bool:
    """Whether a file can have events between two times, by its footer."""
    metadata = pq.read_metadata(path)
    place = metadata.schema.names.index("time")
    for group in range(metadata.num_row_groups):
        statistics = metadata.row_group(group).column(place).statistics
        if statistics is None or not statistics.has_min_max:
            return True
        low, high = integers(pa.array([statistics.min, statistics.max], pa.timestamp("us", "UTC")))
        if low <= last and high >= first:
            return True
    return False


def _stretch_of(run: Run, actors: int) -> np.ndarray:
    """The stretch of each actor code; -1 without one."""
    out = np.full(actors + 1, -1, np.int64)
    out[run.actors] = np.arange(len(run.actors))
    return out


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def seek(  # noqa: PLR0913, PLR0917
    codes: np.ndarray, time: np.ndarray, tie: np.ndarray, stretch_of: np.ndarray, starts: np.ndarray,
    times: np.ndarray, ties: np.ndarray, found: np.ndarray, rows: np.ndarray,
) -> None:  # fmt: skip
    """Write to `rows` where each event lies in a run, unless it is known already or the run does not hold it."""
    for i in range(len(codes)):
        stretch = stretch_of[codes[i]]
        if rows[i] >= 0 or stretch < 0:
            continue
        end = starts[stretch + 1]
        lo, hi = starts[stretch], end
        while lo < hi:
            middle = (lo + hi) // 2
            if times[middle] < time[i] or (times[middle] == time[i] and ties[middle] < tie[i]):
                lo = middle + 1
            else:
                hi = middle
        while lo < end and times[lo] == time[i] and ties[lo] == tie[i]:
            if not found[lo]:
                found[lo] = True
                rows[i] = lo
                break
            lo += 1

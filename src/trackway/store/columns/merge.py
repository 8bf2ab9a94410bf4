"""Several runs into one, shard by shard, so that merging a hundred million rows needs the memory of a few million."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trackway.model.parallel import in_parallel
from trackway.store.columns.order import by_actor, pick, settle, spread
from trackway.store.columns.run import COLUMN, FIXED, QUARTER, SHARDS, Run, create, layout, width

Arrays = dict[str, np.ndarray]
Places = dict[str, list[Any]]
LONG = np.dtype(np.int64)


def merge(
    runs: Sequence[Run], place: np.ndarray, path: Path | None = None, without: Collection[str] = ()
) -> tuple[Run, Places]:
    """One run with the rows of all, in memory or (with `path`) in a new file; and where its arrays stand there.

    Columns in `without` are left out. Raises OSError when the disk has no room.
    """
    rows = sum(run.rows for run in runs)
    room = sum(len(run.actors) for run in runs)
    kinds: dict[str, tuple[np.dtype[Any], int]] = {"time": (LONG, rows), "tie": (LONG, rows)}
    kinds |= {COLUMN + name: (kind, rows) for name, kind in _widths(runs, without).items()}
    columns = list(kinds)
    oldest, newest = _ends(runs)
    kinds["quarters"] = (np.dtype(width(newest // QUARTER - oldest // QUARTER)), rows)
    kinds |= dict.fromkeys(("first", "last"), (LONG, room)) | {"actors": (np.dtype(np.uint32), room)}
    kinds |= {"starts": (LONG, room + 1), "bounds": (LONG, SHARDS + 1)}
    places, size = layout(kinds)
    target = create(path, places, size) if path else {name: np.empty(n, kind) for name, (kind, n) in kinds.items()}
    stretches = _fill(runs, place, columns, target, oldest // QUARTER)
    for name, spare in (("first", 0), ("last", 0), ("actors", 0), ("starts", 1)):
        target[name] = target[name][: stretches + spare]
        places[name][2] = stretches + spare
    codes = {name.removeprefix(COLUMN): a for name, a in target.items() if name.startswith(COLUMN)}
    return Run(**{name: target[name] for name in FIXED}, codes=codes, name=path.name if path else ""), places


def _widths(runs: Sequence[Run], without: Collection[str]) -> dict[str, np.dtype[Any]]:
    """The code type each column needs to hold the codes of all runs."""
    widths: dict[str, np.dtype[Any]] = {}
    for run in runs:
        for name, codes in run.codes.items():
            if name not in without:
                widths[name] = max(widths.get(name, codes.dtype), codes.dtype, key=lambda kind: kind.itemsize)
    return widths


def _ends(runs: Sequence[Run]) -> tuple[int, int]:
    """Time of the oldest and the newest row."""
    some = [run for run in runs if run.rows]
    return min((int(run.first.min()) for run in some), default=0), max((int(run.last.max()) for run in some), default=0)


def _fill(runs: Sequence[Run], place: np.ndarray, columns: Sequence[str], target: Arrays, first_quarter: int) -> int:
    """Write every array; returns how many stretches there are."""
    sizes = [sum(int(_end(run, shard) - _begin(run, shard)) for run in runs) for shard in range(SHARDS)]
    tops = np.concatenate([[0], np.cumsum(sizes)])

    def one(shard: int) -> tuple[np.ndarray, np.ndarray]:
        rows, actors, starts = _weave(runs, shard, place)
        for name in columns:
            pick(_whole(runs, name, shard), rows, target[name][tops[shard] : tops[shard + 1]])
        mine = slice(tops[shard], tops[shard + 1])
        target["quarters"][mine] = target["time"][mine] // QUARTER - first_quarter
        return actors, starts[:-1] + tops[shard]

    stretches = in_parallel(one, range(SHARDS))
    target["bounds"][0] = 0
    target["bounds"][1:] = np.cumsum([len(actors) for actors, _ in stretches])
    count = int(target["bounds"][-1])
    target["actors"][:count] = np.concatenate([actors for actors, _ in stretches])
    starts = target["starts"]
    starts[:count] = np.concatenate([begin for _, begin in stretches])
    starts[count] = tops[-1]
    target["first"][:count] = target["time"][starts[:count]]
    target["last"][:count] = target["time"][starts[1 : count + 1] - 1]
    return count


def _weave(runs: Sequence[Run], shard: int, place: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Order of the concatenated rows of one shard of all runs; its actors; where their rows begin."""
    codes, low, high = [], [], []
    base = 0
    for run in runs:
        begin, end = run.bounds[shard], run.bounds[shard + 1]
        offset = base - _begin(run, shard)
        codes.append(run.actors[begin:end])
        low.append(run.starts[begin:end] + offset)
        high.append(run.starts[begin + 1 : end + 1] + offset)
        base += int(_end(run, shard) - _begin(run, shard))
    lo, hi = np.concatenate(low), np.concatenate(high)
    order, groups, actors, _ = by_actor(np.concatenate(codes), place, SHARDS)
    starts = np.concatenate([[0], np.cumsum((hi - lo)[order])])[groups]
    rows = spread(lo[order], hi[order])
    if len(runs) > 1:
        settle(rows, starts, _whole(runs, "time", shard), _whole(runs, "tie", shard))
    return rows, actors, starts


def _begin(run: Run, shard: int) -> Any:
    return run.starts[run.bounds[shard]]


def _end(run: Run, shard: int) -> Any:
    return run.starts[run.bounds[shard + 1]]


def _whole(runs: Sequence[Run], name: str, shard: int) -> np.ndarray:
    """One array of one shard of all runs, after each other; zeros where a run lacks the column."""
    parts = []
    for run in runs:
        begin, end = _begin(run, shard), _end(run, shard)
        source: Mapping[str, np.ndarray] = {"time": run.time, "tie": run.tie} if name in ("time", "tie") else run.codes
        found = source.get(name.removeprefix(COLUMN))
        parts.append(np.zeros(end - begin, np.uint8) if found is None else found[begin:end])
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts, dtype=max((part.dtype for part in parts), key=lambda kind: kind.itemsize))

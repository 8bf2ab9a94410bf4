"""Laying the stretches of several runs side by side: identities, the order of actors, and what overlaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from trackway.model.schema import Schema
from trackway.store.columns.order import by_actor, overlapping, pick, settle, spread
from trackway.store.columns.run import SHARDS, Run, quarters
from trackway.store.columns.view import Dictionaries, Gone, Owners, View
from trackway.store.columns.words import Words, places_of
from trackway.store.identity import resolve


class Gathered(Mapping[str, np.ndarray]):
    """The columns of an overlay, gathered from the runs when first read."""

    def __init__(self, runs: Sequence[Run], run: np.ndarray, row: np.ndarray) -> None:
        self._runs, self._run, self._row = runs, run, row
        self._found: dict[str, np.ndarray] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for run in self._runs for name in run.codes))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._found:
            sources = [run.codes.get(name) for run in self._runs]
            kinds = [source.dtype for source in sources if source is not None]
            if not kinds:
                raise KeyError(name)
            self._found[name] = _gather(sources, self._run, self._row, max(kinds, key=lambda kind: kind.itemsize))
        return self._found[name]


def _gather(sources: Sequence[np.ndarray | None], run: np.ndarray, row: np.ndarray, kind: Any) -> np.ndarray:
    out = np.zeros(len(row), kind)
    for number, source in enumerate(sources):
        if source is not None:
            mine = np.flatnonzero(run == number)
            part = np.empty(len(mine), kind)
            pick(source, row[mine], part)
            out[mine] = part
    return out


Laid = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""The arrays `first run lo hi codes bounds` of a view."""


def arrange(  # noqa: PLR0913, PLR0917
    version: int, schema: Schema, runs: Sequence[Run], words: Words, wide: frozenset[str], facts: pa.Table | None,
    gone: Gone = (),
) -> View:  # fmt: skip
    """The view of some runs under some identity facts, without the rows that are gone."""
    dictionaries = {name: (dictionary, len(dictionary)) for name, dictionary in words.columns.items()}
    mapping = resolve(facts) if facts is not None else None
    known = identified(words, mapping) if mapping is not None and mapping.num_rows else None
    return laid(version, schema, runs, known or Owners(None, words.places()), dictionaries, wide, gone)


def identified(words: Words, mapping: pa.Table) -> Owners | None:
    """What a table (id, actor) makes of actor codes; None when none of its ids has events."""
    actors = words.columns["actor"]
    ids = actors.find(mapping["id"].combine_chunks())
    known = ids > 0
    if not known.any():
        return None
    ids, names = ids[known], mapping["actor"].combine_chunks().filter(pa.array(known))
    owners = actors.find(names)
    count = len(actors)
    more: dict[str, int] = {}
    for index in np.flatnonzero(owners == 0):
        owners[index] = more.setdefault(names[int(index)].as_py(), count + 1 + len(more))
    new = np.arange(count + 1 + len(more), dtype=np.uint32)
    new[ids] = owners
    places = words.places()
    if more:
        places = np.append(places, places_of(pa.array(list(more), pa.string())))
    return Owners(new, places, tuple(more))


def laid(  # noqa: PLR0913, PLR0917
    version: int, schema: Schema, runs: Sequence[Run], owners: Owners, dictionaries: Dictionaries,
    wide: frozenset[str], gone: Gone = (),
) -> View:  # fmt: skip
    """The view of some runs whose stretches belong to these owners, without the rows that are gone."""
    less = gone or [np.zeros(0, np.int64)] * len(runs)
    kept = [(run, rows) for run, rows in zip(runs, less, strict=True) if len(rows) < run.rows]
    parts = [run for run, _ in kept]
    gone = tuple(rows for _, rows in kept) if any(len(rows) for _, rows in kept) else ()
    if len(parts) == 1 and owners.of is None and not gone:
        run = parts[0]
        stretches = len(run.actors)
        number = np.zeros(stretches, np.int32)
        places: Laid = np.arange(stretches + 1), number, run.starts[:-1], run.starts[1:], run.actors, run.bounds
    else:
        lay = _Layout(list(parts), owners, gone)
        places = lay.laid()
        parts = lay.runs
    first, number, lo, hi, codes, bounds = places
    ends = [_ends(run, rows) for run, rows in kept]
    return View(
        version, schema, tuple(parts), first, number, lo, hi, codes, bounds,
        rows=sum(run.rows - len(rows) for run, rows in kept),
        oldest=min((first for first, _ in ends), default=None),
        newest=max((last for _, last in ends), default=None),
        wide=wide, overlaid=len(parts) > len(kept), owners=owners, dictionaries=dictionaries, gone=gone,
    )  # fmt: skip


Pieces = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Stretches: the actor code of each, its first row and the one after its last, the times of its first and last."""


def _pieces(run: Run, gone: np.ndarray) -> Pieces:
    """The stretches of a run, cut where rows are gone."""
    if not len(gone):
        return run.actors, run.starts[:-1], run.starts[1:], run.first, run.last
    lo, hi = np.sort(np.append(run.starts[:-1], gone + 1)), np.sort(np.append(run.starts[1:], gone))
    some = hi > lo
    lo, hi = lo[some], hi[some]
    actors = run.actors[np.searchsorted(run.starts, lo, side="right") - 1]
    return actors, lo, hi, run.time[lo], run.time[hi - 1]


def _ends(run: Run, gone: np.ndarray) -> tuple[int, int]:
    """Times of the oldest and newest row that is there."""
    _, _, _, first, last = _pieces(run, gone)
    return int(first.min()), int(last.max())


class _Layout:
    """Laying the stretches of several runs side by side."""

    def __init__(self, runs: list[Run], owners: Owners, gone: Gone) -> None:
        self.runs = runs
        self._owners = owners
        self._gone = gone or [np.zeros(0, np.int64)] * len(runs)

    def laid(self) -> Laid:
        """The arrays `first run lo hi codes bounds` of the view; overlapping stretches go to an overlay run."""
        runs = self.runs
        if not runs:
            empty = np.zeros(0, np.int64)
            return np.zeros(1, np.int64), empty.astype(np.int32), empty, empty, empty, np.zeros(SHARDS + 1, np.int64)
        pieces = [_pieces(run, rows) for run, rows in zip(runs, self._gone, strict=True)]
        number = np.repeat(np.arange(len(runs), dtype=np.int32), [len(piece[0]) for piece in pieces])
        codes, lo, hi, first, last = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
        if self._owners.of is not None:
            codes = self._owners.of[codes]
        order, starts, actors, bounds = by_actor(codes, self._owners.places, SHARDS)
        settle(order, starts, first, last)
        clash = overlapping(order, starts, first, last)
        number, lo, hi = number[order], lo[order], hi[order]
        if clash.any():
            starts, number, lo, hi = self._overlaid(clash, starts, number, lo, hi)
        return starts, number, lo, hi, actors, bounds

    def _overlaid(
        self, clash: np.ndarray, starts: np.ndarray, number: np.ndarray, lo: np.ndarray, hi: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Replace the stretches of clashing actors by one stretch each, in a new run at the end."""
        counts = np.diff(starts)
        clashing = np.repeat(clash, counts)
        run = np.repeat(number[clashing], (hi - lo)[clashing])
        row = spread(lo[clashing], hi[clashing])
        sizes = np.add.reduceat(hi - lo, starts[:-1])[clash]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        times = _gather([r.time for r in self.runs], run, row, np.int64)
        ties = _gather([r.tie for r in self.runs], run, row, np.int64)
        order = np.arange(len(row))
        settle(order, offsets, times, ties)
        time = times[order]
        overlay = Run(
            time, ties[order], quarters(time), Gathered(tuple(self.runs), run[order], row[order]),
            np.zeros(len(sizes), np.uint32), offsets, time[offsets[:-1]], time[offsets[1:] - 1],
            np.zeros(SHARDS + 1, np.int64), "overlay",
        )  # fmt: skip
        self.runs = [*self.runs, overlay]
        kept = ~clashing
        head = np.zeros(len(clashing), np.bool_)
        head[starts[:-1][clash]] = True
        keep = kept | head
        new = np.where(clash, 1, counts)
        number = np.where(clashing, len(self.runs) - 1, number)[keep].astype(np.int32)
        low, high = lo.copy(), hi.copy()
        low[head], high[head] = offsets[:-1], offsets[1:]
        return np.concatenate([[0], np.cumsum(new)]), number, low[keep], high[keep]

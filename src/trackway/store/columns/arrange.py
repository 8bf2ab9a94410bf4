"""Laying the stretches of several runs side by side: identities, the order of actors, and what overlaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from trackway.model.schema import Schema
from trackway.store.columns.order import by_actor, overlapping, pick, settle, spread
from trackway.store.columns.run import SHARDS, Run, quarters
from trackway.store.columns.view import View
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
    version: int, schema: Schema, runs: tuple[Run, ...], words: Words, wide: frozenset[str], facts: pa.Table | None
) -> View:
    """The view of some runs under some identity facts."""
    dictionaries = {name: (dictionary, len(dictionary)) for name, dictionary in words.columns.items()}
    parts = [run for run in runs if run.rows]
    lay = _Layout(parts, words)
    mapping = resolve(facts) if facts is not None else None
    if mapping is not None and mapping.num_rows:
        lay.identify(mapping)
    if len(parts) == 1 and not lay.owners and lay.plain:
        run = parts[0]
        stretches = len(run.actors)
        number = np.zeros(stretches, np.int32)
        laid: Laid = np.arange(stretches + 1), number, run.starts[:-1], run.starts[1:], run.actors, run.bounds
    else:
        laid = lay.laid()
        parts = lay.runs
    first, number, lo, hi, codes, bounds = laid
    times = [(int(run.first.min()), int(run.last.max())) for run in runs if run.rows]
    return View(
        version, schema, tuple(parts), first, number, lo, hi, codes, bounds,
        rows=sum(run.rows for run in runs),
        oldest=min((first for first, _ in times), default=None),
        newest=max((last for _, last in times), default=None),
        wide=wide, overlaid=len(parts) > len(times), _dictionaries=dictionaries, _owners=tuple(lay.owners),
    )  # fmt: skip


class _Layout:
    """Laying the stretches of several runs side by side."""

    def __init__(self, runs: list[Run], words: Words) -> None:
        self.runs = runs
        self.words = words
        self.owners: list[str] = []
        self.plain = True
        self._new = np.zeros(0, np.uint32)
        """Actor code -> code of the actor it belongs to."""

    def identify(self, mapping: pa.Table) -> None:
        """Give the stretches of ids in `mapping` (id, actor) to their actors."""
        actors = self.words.columns["actor"]
        ids = actors.find(mapping["id"].combine_chunks())
        known = ids > 0
        if not known.any():
            return
        ids, names = ids[known], mapping["actor"].combine_chunks().filter(pa.array(known))
        owners = actors.find(names)
        count = len(actors)
        places: dict[str, int] = {}
        for index in np.flatnonzero(owners == 0):
            owners[index] = places.setdefault(names[int(index)].as_py(), count + 1 + len(places))
        self.owners = list(places)
        self._new = np.arange(count + 1 + len(places), dtype=np.uint32)
        self._new[ids] = owners
        self.plain = False

    def laid(self) -> Laid:
        """The arrays `first run lo hi codes bounds` of the view; overlapping stretches go to an overlay run."""
        runs = self.runs
        if not runs:
            empty = np.zeros(0, np.int64)
            return np.zeros(1, np.int64), empty.astype(np.int32), empty, empty, empty, np.zeros(SHARDS + 1, np.int64)
        codes = np.concatenate([run.actors for run in runs])
        number = np.repeat(np.arange(len(runs), dtype=np.int32), [len(run.actors) for run in runs])
        lo = np.concatenate([run.starts[:-1] for run in runs])
        hi = np.concatenate([run.starts[1:] for run in runs])
        first = np.concatenate([run.first for run in runs])
        last = np.concatenate([run.last for run in runs])
        place = self.words.places()
        if not self.plain:
            codes = self._new[codes]
            if self.owners:
                place = np.append(place, places_of(pa.array(self.owners, pa.string())))
        order, starts, actors, bounds = by_actor(codes, place, SHARDS)
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

"""A view: all events of one lake version, as each actor's stretches in order of time, whichever run they lie in.

Identity is applied here, by giving stretches another actor, so that merging or undoing identities never
rewrites a run. Where stretches of one actor overlap in time, the rows of that actor are gathered into a
small overlay in memory; everywhere else nothing is copied.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import QuestionError, suggest
from trackway.model.schema import Schema
from trackway.store.columns.dictionary import Dictionary
from trackway.store.columns.order import by_actor, overlapping, pick, settle, spread
from trackway.store.columns.run import SHARDS, Run
from trackway.store.columns.words import Words, shards_of
from trackway.store.identity import resolve


@dataclass(frozen=True)
class Shard:
    """Some of the actors: [begin, end) of the view's actors."""

    view: View
    number: int
    begin: int
    end: int


@dataclass(frozen=True, eq=False)
class View:
    """Events of one version. Actor `a` has the stretches `first[a]` to `first[a + 1]`; stretch `s` is the
    rows `lo[s]` to `hi[s]` of `runs[run[s]]`."""

    version: int
    schema: Schema
    runs: tuple[Run, ...]
    first: np.ndarray
    run: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    codes: np.ndarray
    """The code of each actor (uint32) in `dictionary("actor")`, identities resolved."""
    bounds: np.ndarray
    rows: int
    oldest: int | None
    """Time of the oldest event, microseconds; None without events."""
    newest: int | None
    wide: frozenset[str]
    _dictionaries: Mapping[str, tuple[Dictionary, int]]
    _owners: tuple[str, ...] = ()
    _memo: dict[Any, Any] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def actors(self) -> int:
        """How many actors there are."""
        return len(self.codes)

    @property
    def shards(self) -> list[Shard]:
        """The shards, by number; a shard's actors never share an event with another's."""
        return [Shard(self, i, int(self.bounds[i]), int(self.bounds[i + 1])) for i in range(SHARDS)]

    def once(self, key: Any, make: Any) -> Any:
        """What `make` gives, made once for this view and kept."""
        with self._lock:
            if key not in self._memo:
                self._memo[key] = make()
            return self._memo[key]

    def dictionary(self, column: str) -> pa.ChunkedArray:
        """The distinct values of a column: value `i` has code `i + 1`, code 0 is null. Times are integers."""
        if column not in self._dictionaries:
            return pa.chunked_array([], Dictionary(self.schema[column]).type)
        dictionary, count = self._dictionaries[column]
        values = dictionary.values(count)
        if column == "actor" and self._owners:
            return pa.chunked_array([*values.chunks, pa.array(self._owners, pa.string())])
        return values

    def column(self, name: str) -> list[np.ndarray]:
        """The codes of a column, one array per run, all of one type; `actor` with identities resolved."""
        if name == "actor":
            return list(self.once("actor codes", self._actor_codes))
        found = [run.codes.get(name) for run in self.runs]
        kinds = [codes.dtype for codes in found if codes is not None]
        widest = max(kinds, key=lambda kind: kind.itemsize, default=np.dtype(np.uint8))
        return [
            np.zeros(run.rows, widest) if codes is None else codes.astype(widest, copy=False)
            for run, codes in zip(self.runs, found, strict=True)
        ]

    def _actor_codes(self) -> list[np.ndarray]:
        out = [np.zeros(run.rows, np.uint32) for run in self.runs]
        per_actor = np.repeat(self.codes, np.diff(self.first))
        for number, codes in enumerate(out):
            mine = np.flatnonzero(self.run == number)
            codes[spread(self.lo[mine], self.hi[mine])] = np.repeat(per_actor[mine], (self.hi - self.lo)[mine])
        return out

    def live(self, number: int) -> np.ndarray | None:
        """Which rows of a run belong to it still, and not to the overlay; None when all do."""
        if len(self.runs) == 1 or not isinstance(self.runs[-1].codes, Gathered):
            return None
        mine = np.flatnonzero(self.run == number)
        rows = np.zeros(self.runs[number].rows, np.bool_)
        rows[spread(self.lo[mine], self.hi[mine])] = True
        return rows

    def counts(self, column: str) -> np.ndarray:
        """How many events have each code of a column."""

        def count() -> np.ndarray:
            total = np.zeros(len(self.dictionary(column)) + 1, np.int64)
            for number, codes in enumerate(self.column(column)):
                live = self.live(number)
                total += np.bincount(codes if live is None else codes[live], minlength=len(total))
            return total

        return np.asarray(self.once(("counts", column), count))

    def values(self, column: str, prefix: str = "", most: int = 20) -> list[tuple[Any, int]]:
        """Values of a column that begin with `prefix` (any case) and how many events have them, most first.

        For type-ahead. Raises QuestionError for a column whose values are not kept.
        """
        if column not in self.schema or column in self.wide:
            raise QuestionError(f"no values are kept of '{column}'", hint=suggest(column, self._dictionaries))
        counts = self.counts(column)[1:]
        values = self.dictionary(column).combine_chunks()
        wanted = counts > 0
        if prefix:
            text = values if pa.types.is_string(values.type) else values.cast(pa.string())
            wanted &= pc.starts_with(text, prefix, ignore_case=True).to_numpy(zero_copy_only=False)
        places = np.flatnonzero(wanted)
        order = np.argsort(-counts[places], kind="stable")
        edge = counts[places][order[min(most, len(order)) - 1]] if len(order) else 0
        found = places[counts[places] >= edge]
        pairs = zip(values.take(pa.array(found)).to_pylist(), counts[found].tolist(), strict=True)
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:most]

    def events(self) -> list[tuple[Any, int]]:
        """All event names with how many events have them, most first."""
        return self.values("event", most=1_000_000)


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
        laid: tuple[np.ndarray, ...] = (np.arange(stretches + 1), np.zeros(stretches, np.int32), run.starts[:-1], run.starts[1:], run.actors,
                run.bounds)  # fmt: skip
    else:
        laid = lay.laid()
        parts = lay.runs
    times = [(int(run.first.min()), int(run.last.max())) for run in runs if run.rows]
    return View(
        version, schema, tuple(parts), *laid,
        rows=sum(run.rows for run in runs),
        oldest=min((first for first, _ in times), default=None),
        newest=max((last for _, last in times), default=None),
        wide=wide, _dictionaries=dictionaries, _owners=tuple(lay.owners),
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

    def laid(self) -> tuple[np.ndarray, ...]:
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
        shard_of = self.words.shards()
        if not self.plain:
            codes = self._new[codes]
            if self.owners:
                shard_of = np.append(shard_of, shards_of(pa.array(self.owners, pa.string())))
        order, starts, actors, bounds = by_actor(codes, shard_of, SHARDS)
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
            time, ties[order], Gathered(tuple(self.runs), run[order], row[order]),
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

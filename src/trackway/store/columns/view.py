"""A view: all events of one lake version, as each actor's stretches in order of time, whichever run they lie in.

Identity is applied here, by giving stretches another actor, so that merging or undoing identities never
rewrites a run. Where stretches of one actor overlap in time, the rows of that actor are gathered into a
small overlay in memory; everywhere else nothing is copied.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trackway.errors import QuestionError, suggest
from trackway.model.schema import Schema
from trackway.store.columns.dictionary import Dictionary
from trackway.store.columns.order import spread
from trackway.store.columns.run import SHARDS, Run


@dataclass(frozen=True)
class Shard:
    """Some of the actors: [begin, end) of the view's actors."""

    view: View
    number: int
    begin: int
    end: int


Dictionaries = Mapping[str, tuple[Dictionary, int]]
"""Column -> its dictionary, and how many of its values a view knows."""


Gone = Sequence[np.ndarray]
"""For each run the rows (ascending) that are not in the view; empty when all are."""


@dataclass(frozen=True, eq=False)
class Owners:
    """Whose the stretches of runs are: what identity facts make of actor codes."""

    of: np.ndarray | None
    """Actor code -> code of the actor it belongs to; None when each is its own."""
    places: np.ndarray
    """The place of every actor code (`words.places_of`)."""
    names: tuple[str, ...] = ()
    """Owners without events of their own; their codes follow those of the dictionary."""


@dataclass(frozen=True, eq=False)
class Coded:
    """A column that is no part of the runs: its codes, and what they mean."""

    arrays: list[np.ndarray]
    """One per run, all of one type."""
    values: pa.ChunkedArray
    """The distinct values, value `i` with code `i + 1`; times are integers."""


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
    """Columns whose values are not kept as codes."""
    overlaid: bool
    """Whether the last run holds rows of the others again, in order: those of actors whose stretches overlap."""
    owners: Owners
    dictionaries: Dictionaries
    gone: Gone = ()
    """Rows of the runs (but of the overlay) that came after this version."""
    key: tuple[str, ...] = ("actor",)
    """The columns whose values make an actor."""
    left_out: int = 0
    """Events of the version that have no actor of this kind."""
    derived: Mapping[str, Coded] = field(default_factory=dict, repr=False)
    """Columns that are worked out, by name; they go before those of the runs."""
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
        if column in self.derived:
            return self.derived[column].values
        if column not in self.dictionaries:
            return pa.chunked_array([], Dictionary(self.schema[column]).type)
        dictionary, count = self.dictionaries[column]
        values = dictionary.values(count)
        if column == "actor" and self.owners.names:
            return pa.chunked_array([*values.chunks, pa.array(self.owners.names, pa.string())])
        return values

    @property
    def lineage(self) -> object:
        """What views have in common in which a code of any dictionary means the same."""
        return self.dictionaries["actor"][0]

    def names(self, codes: np.ndarray) -> pa.Array | pa.ChunkedArray:
        """The names of some actors, by their codes."""
        if self.owners.names:
            return self.dictionary("actor").take(pa.array(codes.astype(np.int64) - 1))
        return self.dictionaries["actor"][0].take(codes)

    def column(self, name: str) -> list[np.ndarray]:
        """The codes of a column, one array per run, all of one type; `actor` with identities resolved."""
        if name == "actor":
            return list(self.once("actor codes", self._actor_codes))
        if name in self.derived:
            return self.derived[name].arrays
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
        if not self.overlaid and not self.gone:
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

    def values(self, column: str, part: str = "", most: int = 20) -> list[tuple[Any, int]]:
        """Values of a column that contain `part` (any case) and how many events have them, for type-ahead.

        Those that begin with it come first, then the most frequent. Raises QuestionError for a column whose
        values are not kept.
        """
        if column not in self.schema or column in self.wide:
            raise QuestionError(f"no values are kept of '{column}'", hint=suggest(column, self.dictionaries))
        counts = self.counts(column)[1:]
        values = self.dictionary(column).combine_chunks()
        wanted, weight = counts > 0, counts
        if part:
            text = values if pa.types.is_string(values.type) else values.cast(pa.string())
            wanted = wanted & pc.match_substring(text, part, ignore_case=True).to_numpy(zero_copy_only=False)
            begins = pc.starts_with(text, part, ignore_case=True).to_numpy(zero_copy_only=False)
            weight = counts + begins * (self.rows + 1)
        places = np.flatnonzero(wanted)
        order = np.argsort(-weight[places], kind="stable")
        edge = weight[places][order[min(most, len(order)) - 1]] if len(order) else 0
        found = places[weight[places] >= edge]
        names = values.take(pa.array(found)).to_pylist()
        triples = zip(names, weight[found].tolist(), counts[found].tolist(), strict=True)
        ordered = sorted(triples, key=lambda one: (-one[1], one[0]))
        return [(value, count) for value, _, count in ordered[:most]]

    def events(self) -> list[tuple[Any, int]]:
        """All event names with how many events have them, most first."""
        return self.values("event", most=1_000_000)

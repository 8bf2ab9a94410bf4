"""The same events by another actor: a view whose actors are the values of any columns, built when first asked.

Each run is put in the order (place of the key, time, tie) by a permutation, and its columns when they are read.
Runs never change, so only new ones cost anything, and several are laid side by side as in any view: folds, masks,
groups and samples do not know the difference.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numba import njit

from trackway.model.parallel import in_parallel
from trackway.model.schema import Schema
from trackway.store.columns import keyed_file
from trackway.store.columns.actors import Key, texts
from trackway.store.columns.arrange import laid
from trackway.store.columns.combinations import SPREAD, Combinations
from trackway.store.columns.dictionary import Dictionary
from trackway.store.columns.many import Many, as_text, brought
from trackway.store.columns.order import by_actor, pick, settle
from trackway.store.columns.run import SHARDS, Run, quarters
from trackway.store.columns.view import Owners, View
from trackway.store.columns.words import places_of

if TYPE_CHECKING:
    from trackway.store.lake import Lake

MOST_KEYS = 3
"""Keys whose runs are kept; the one asked longest ago gives way."""
MOST_VIEWS = 3
"""Views of one key that are kept."""
PARTS = 16
"""Pieces a permutation is worked on at a time, by as many threads as there are cores."""
Values = Callable[[str], pa.ChunkedArray]
"""The values of a column, by their codes."""


class Rekeyed(Run):
    """The rows of a run that have a key, in the order of the key."""

    def __init__(self, source: Run, actors: np.ndarray, found: Mapping[str, np.ndarray]) -> None:
        """`found` are `order time quarters starts bounds`; `actors` the key of each stretch."""
        time, starts = found["time"], found["starts"]
        kept: dict[str, Any] = {
            **found, "codes": Permuted(source.codes, found["order"]), "actors": actors, "name": source.name,
            "first": time[starts[:-1]], "last": time[starts[1:] - 1], "source": source,
        }  # fmt: skip
        self.__dict__.update(kept)

    source: Run
    order: np.ndarray
    """The row of the source that each row is."""

    @cached_property
    def tie(self) -> np.ndarray:
        """Gathered when read: only stretches that overlap need it."""
        return permuted(self.source.tie, self.order)


class Permuted(Mapping[str, np.ndarray]):
    """The columns of a run in another order, each permuted when first read."""

    def __init__(self, source: Mapping[str, np.ndarray], order: np.ndarray) -> None:
        self._source, self._order = source, order
        self._found: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[str]:
        return iter(self._source)

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, name: str) -> np.ndarray:
        source = self._source[name]
        with self._lock:
            if name not in self._found:
                self._found[name] = permuted(source, self._order)
            return self._found[name]


class Names(Dictionary):
    """The texts of keys, made when read: many questions never name an actor."""

    def __init__(self, key: Key, schema: Schema, values: Values, parts: Sequence[np.ndarray]) -> None:
        super().__init__("string")
        self._key, self._schema, self._values_of, self._codes_of = key, schema, values, parts

    def __len__(self) -> int:
        return len(self._codes_of[0]) - 1

    def values(self, count: int | None = None) -> pa.ChunkedArray:
        """The first `count` texts in the order of their codes."""
        return pa.chunked_array([self.take(np.arange(1, (len(self) if count is None else count) + 1))], pa.string())

    def take(self, codes: np.ndarray) -> pa.Array:
        """The texts of keys."""
        columns = {
            name: self._values_of(name).take(pa.array(part[codes].astype(np.int64) - 1))
            for name, part in zip(self._key, self._codes_of, strict=True)
        }
        return texts(pa.table(columns), self._key, self._schema)


class Rekeying:
    """The keyed views of one copy of the lake; any number of threads may ask."""

    def __init__(self, folder: Path, lake: Lake) -> None:
        self._folder, self._lake = folder, lake
        self._lock = threading.Lock()
        self._keys: dict[Key, _Kept] = {}

    def view(self, view: View, key: Key) -> View:
        """The events of a view that have a key, by that key."""
        with self._lock:
            kept = self._keys.pop(key, None)
            if kept is None or not kept.serves(view):
                kept = _Kept(view, key, self._folder, self._lake)
            self._keys[key] = kept
            while len(self._keys) > MOST_KEYS:
                del self._keys[next(iter(self._keys))]
            return kept.view(view)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._keys = {}


class _Kept:
    """What is kept of one key, while the dictionaries whose codes it is made of live."""

    def __init__(self, view: View, key: Key, folder: Path, lake: Lake) -> None:
        self._lineage = view.lineage
        self._key, self._folder, self._lake = key, folder, lake
        self._many = {name: Many(view.schema[name]) for name in key if name in view.wide}
        self._combinations = Combinations(len(key))
        self._runs: list[Rekeyed] = []
        self._views: list[tuple[View, View]] = []
        self._known: dict[str, np.ndarray] = {}

    def view(self, view: View) -> View:
        """The keyed view of a view."""
        for plain, made in self._views:
            if plain is view:
                return made
        self._runs = self._ordered(view, view.runs[:-1] if view.overlaid else view.runs)
        of = self._owned(view)
        parts = self._parts(view)
        places = self._places(view, parts)
        names = Names(self._key, view.schema, lambda name: self._values(view, name), parts)
        dictionaries = {**view.dictionaries, "actor": (names, len(names))}
        less = [_permuted_rows(rows, run) for rows, run in zip(view.gone, self._runs, strict=False)]
        made = laid(view.version, view.schema, self._runs, Owners(of, places), dictionaries, view.wide, less)
        made = replace(made, key=self._key, left_out=view.rows - made.rows)
        self._views = [*self._views[1 - MOST_VIEWS :], (view, made)]
        return made

    def serves(self, view: View) -> bool:
        """Whether codes mean the same in a view, and the same columns are too wide for them."""
        return self._lineage is view.lineage and set(self._many) == view.wide & set(self._key)

    def _ordered(self, view: View, runs: Sequence[Run]) -> list[Rekeyed]:
        """Some runs in the order of the key: those known, those on disk, and the others, which are sorted."""
        have = {id(run.source): run for run in self._runs}
        for run in runs:
            kept = keyed_file.load(self._path(run), self._key) if id(run) not in have and self._keeps(run) else None
            if kept is not None:
                have[id(run)] = Rekeyed(run, self._combinations.encode(kept[1]), kept[0])
        new = [run for run in runs if id(run) not in have]
        coded = self._coded(view, new)
        places = self._places(view, self._parts(view))
        for run in new:
            have[id(run)] = made = rekeyed(run, coded.pop(id(run)), places)
            if self._keeps(run):
                found = {name: getattr(made, name) for name in ("order", "time", "quarters", "starts", "bounds")}
                parts = [part[made.actors] for part in self._parts(view)]
                have[id(run)] = Rekeyed(run, made.actors, keyed_file.save(self._path(run), self._key, found, parts))
        return [have[id(run)] for run in runs]

    def _keeps(self, run: Run) -> bool:
        """Whether the order of a run is kept on disk: its codes mean the same in every process."""
        return not self._many and keyed_file.worth(run)

    def _path(self, run: Run) -> Path:
        return keyed_file.path_of(self._folder, run, self._key)

    def _parts(self, view: View) -> list[np.ndarray]:
        """The codes of which each key is made; keys of other views are given codes that this one knows."""
        sizes = [len(self._values(view, name)) for name in self._key]
        parts = self._combinations.parts(sizes[0])
        return [np.minimum(part, size) for part, size in zip(parts, sizes, strict=True)]

    def _values(self, view: View, name: str) -> pa.ChunkedArray:
        """The values of a column of the key, by their codes."""
        return self._many[name].values() if name in self._many else view.dictionary(name)

    def _coded(self, view: View, runs: Sequence[Run]) -> dict[int, np.ndarray]:
        """The key of each row of some runs, identities not yet applied; by the `id` of the run."""
        columns = {name: [_codes(run, name) for run in runs] for name in self._key if name not in self._many}
        if self._many and runs:
            columns |= brought(runs, self._many, self._lake.files(), view.dictionaries["actor"][0])
        return {
            id(run): self._combinations.encode([columns[name][place] for name in self._key])
            for place, run in enumerate(runs)
        }

    def _owned(self, view: View) -> np.ndarray | None:
        """Key -> the key it is when the actor in it is the owner of the id."""
        if view.owners.of is None or "actor" not in self._key:
            return None
        place = self._key.index("actor")
        parts = self._combinations.parts(0)
        parts[place] = view.owners.of[np.minimum(parts[place], len(view.owners.of) - 1)]
        new = self._combinations.encode(parts)
        return np.append(new, np.arange(len(new), len(self._combinations) + 1, dtype=np.uint32))

    def _places(self, view: View, parts: Sequence[np.ndarray]) -> np.ndarray:
        """The place of every key, mixed from those of its values."""
        total = np.zeros(len(parts[0]), np.uint64)
        for name, part in zip(self._key, parts, strict=True):
            blend(total, self._placed(view, name), part)
        return (total >> np.uint64(32)).astype(np.uint32)

    def _placed(self, view: View, name: str) -> np.ndarray:
        """The place of every value of a column, by its code; kept, since values are only ever added."""
        if name == "actor":
            return view.owners.places
        known = self._known.get(name, np.zeros(1, np.uint32))
        values = self._values(view, name)
        if len(values) >= len(known):
            new = as_text(values.slice(len(known) - 1), view.schema[name])
            known = self._known[name] = np.append(known, places_of(new))
        return known


def rekeyed(run: Run, codes: np.ndarray, places: np.ndarray) -> Rekeyed:
    """A run by the key codes of its rows, whose places these are; rows of code 0 are left out."""
    some = np.flatnonzero(codes)
    order, starts, actors, bounds = by_actor(codes if len(some) == len(codes) else codes[some], places, SHARDS)
    if len(some) < len(codes):
        order = some[order]
    edges = np.searchsorted(starts, np.linspace(0, len(order), PARTS + 1).astype(np.int64))
    in_parallel(
        lambda part: settle(order, starts[part[0] : part[1] + 1], run.time, run.tie), _pairs(edges, len(actors))
    )
    narrow = order.astype(np.uint32) if run.rows < 1 << 32 else order
    time = permuted(run.time, narrow)
    found = {"order": narrow, "time": time, "quarters": quarters(time), "starts": starts, "bounds": bounds}
    return Rekeyed(run, actors, found)


def _permuted_rows(rows: np.ndarray, run: Rekeyed) -> np.ndarray:
    """Where rows of the source are in a keyed run, ascending; those without a key are nowhere."""
    marks = np.zeros(run.source.rows, np.bool_)
    marks[rows] = True
    return np.flatnonzero(permuted(marks, run.order)) if len(rows) else np.zeros(0, np.int64)


def permuted(source: np.ndarray, order: np.ndarray) -> np.ndarray:
    """`source[order]`, by all cores."""
    out = np.empty(len(order), source.dtype)
    edges = np.linspace(0, len(order), PARTS + 1).astype(np.int64)
    in_parallel(lambda part: pick(source, order[slice(*part)], out[slice(*part)]), _pairs(edges, len(order)))
    return out


def _pairs(edges: np.ndarray, end: int) -> list[tuple[int, int]]:
    """The pieces between edges, up to an end."""
    ends = np.unique(np.append(np.minimum(edges, end), [0, end])).tolist()
    return list(pairwise(ends))


def _codes(run: Run, name: str) -> np.ndarray:
    """The codes of a column of a run, actors without identities applied."""
    if name == "actor":
        return np.repeat(run.actors, np.diff(run.starts))
    return run.codes.get(name, np.zeros(run.rows, np.uint8))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def blend(total: np.ndarray, more: np.ndarray, part: np.ndarray) -> None:
    """Mix the place of one more value into each total."""
    for i in range(len(total)):
        mixed = (total[i] ^ more[part[i]]) * SPREAD
        total[i] = mixed ^ (mixed >> np.uint64(29))

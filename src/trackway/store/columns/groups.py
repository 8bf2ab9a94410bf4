"""Breakdowns: which group an event is in, and how groups are named and ranked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from trackway.errors import QuestionError
from trackway.model.schema import Kind
from trackway.model.time import iso
from trackway.store.columns.lanes import Lane, over
from trackway.store.columns.settled import settled
from trackway.store.columns.view import View

DENSE = 1 << 22
"""Combinations of several columns' values up to which every combination gets a number, seen or not."""
REST = "other"
"""What the groups beyond the first are together."""

Key = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Groups:
    """Every combination of values of some columns, by number."""

    view: View
    columns: tuple[str, ...]
    arrays: Sequence[np.ndarray]
    """The group of each row, one array per run."""
    size: int
    """One more than the largest group number."""
    seen: np.ndarray | None = None
    """When only combinations that occur are numbered: what the dense number of each is."""

    def lane(self, table: np.ndarray | None = None) -> Lane:
        """The group of every event, through `table` when given."""
        return over(self.arrays, np.arange(self.size) if table is None else table)

    def keys(self, numbers: np.ndarray) -> list[Key]:
        """The values of groups."""
        rest = numbers if self.seen is None else self.seen[numbers]
        columns: list[list[Any]] = []
        for name in reversed(self.columns):
            values = self.view.dictionary(name)
            rest, codes = np.divmod(rest.astype(np.int64), len(values) + 1)
            flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
            columns.insert(0, flat.take(pa.array(codes - 1, mask=codes == 0)).to_pylist())
        return list(zip(*columns, strict=True))


def groups(view: View, columns: Sequence[str]) -> Groups:
    """The groups of these columns, kept by the view."""
    names = tuple(columns)
    made: Groups = view.once(("groups", names), lambda: _made(view, names))
    return made


def _made(view: View, names: tuple[str, ...]) -> Groups:
    if len(names) == 1:
        return Groups(view, names, view.column(names[0]), len(view.dictionary(names[0])) + 1)
    sizes = [len(view.dictionary(name)) + 1 for name in names]
    if math.prod(sizes) >= 1 << 62:
        raise QuestionError(f"too many combinations of {', '.join(names)}", path="by", hint="leave one out")
    kind = np.int64 if math.prod(sizes) > DENSE else np.uint32
    arrays = [_numbered(codes, sizes, kind) for codes in zip(*(view.column(name) for name in names), strict=True)]
    if math.prod(sizes) <= DENSE:
        return Groups(view, names, arrays, math.prod(sizes))
    seen = np.unique(np.concatenate([np.unique(total) for total in arrays] or [np.zeros(0, np.int64)]))
    found = [np.searchsorted(seen, total).astype(np.uint32) for total in arrays]
    return Groups(view, names, found, len(seen), seen)


def _numbered(codes: Sequence[np.ndarray], sizes: Sequence[int], kind: Any) -> np.ndarray:
    """One number for the codes of several columns."""
    total = codes[0].astype(kind)
    for size, more in zip(sizes[1:], codes[1:], strict=True):
        total = total * kind(size) + more
    return np.asarray(total, kind)


def ranked(keys: Sequence[Key], weights: Sequence[int]) -> list[int]:
    """Places of the groups, heaviest first; of equal weight the smaller values, null last.

    Among a part of a sample, in the order they have in the whole.
    """
    names = [tuple(map(sortable, key)) for key in keys]
    order = sorted(range(len(keys)), key=lambda place: (-weights[place], *names[place]))
    place_of = {name: place for place, name in enumerate(settled(lambda: [names[place] for place in order]))}
    return sorted(order, key=lambda place: place_of.get(names[place], len(place_of)))


def shown_of(keys: Sequence[Key], order: Sequence[int], top: int | None) -> list[int]:
    """Places of the groups that are shown, of those in the order of `ranked`: the first `top`, None for all.

    Among a part of the actors, those that are shown of the whole.
    """
    names = [tuple(map(sortable, key)) for key in keys]
    shown = settled(lambda: None if top is None else {names[place] for place in order[:top]})
    return [place for place in order if shown is None or names[place] in shown]


def beyond(hidden: int) -> str:
    """A note that says how many groups are not shown by themselves."""
    return f"{hidden:,} smaller groups are together '{REST}'." if hidden > 1 else f"1 smaller group is '{REST}'."


def sortable(value: Any) -> tuple[int, Any]:
    """Values in the order DuckDB has them: NaN after all numbers, null last."""
    if value is None:
        return (2, 0)
    return (1, 0) if value != value else (0, value)  # noqa: PLR0124


def label(value: Any, kind: Kind, zone: str) -> Any:
    """A group's value as JSON shows it: times as ISO text, whole numbers without a point."""
    if value is None or isinstance(value, bool):
        return value
    if kind == "time":
        return iso(value, zone)
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        return int(value) if value.is_integer() and abs(value) < 1 << 53 else value
    return value

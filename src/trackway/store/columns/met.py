"""Which actors have an event of some groups in some spans of time: who is behind the points of a trend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from trackway.model.condition import literal
from trackway.store.columns.folds import met as fold
from trackway.store.columns.groups import Groups, Key, sortable
from trackway.store.columns.lanes import Mask, nothing, times
from trackway.store.columns.view import Shard, View

Spans = Sequence[tuple[int, int]]
"""[from, to) in microseconds."""


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same spans without those that touch each other.

    >>> merged([(4, 6), (0, 2), (2, 3), (5, 9)])
    [(0, 3), (4, 9)]
    """
    out: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((begin, end))
    return out


def met(  # noqa: PLR0913, PLR0917
    view: View, marks: tuple[Mask, int], groups: Groups | None, known: np.ndarray, shown: Iterable[Key],
    wanted: Mapping[Key | None, Spans],
) -> Callable[[Shard], np.ndarray]:  # fmt: skip
    """Asked of a shard, for each of its actors whether they have an event with one of some bits of a mask, in a span of
    its group. What is none of the groups `shown` is the group None; `known` are the numbers those are among.
    """
    mask, bits = marks
    slots = list(wanted.values())
    table = np.zeros(0, np.int64)
    if groups is not None:
        place = {_same(key): slot for slot, key in enumerate(wanted)}
        rest, apart = place.get(None, -1), {_same(key) for key in shown}
        table = np.full(groups.size, rest)
        table[known] = [place.get(key, -1) if key in apart else rest for key in map(_same, groups.keys(known))]
    lane, time = (nothing(view) if groups is None else groups.lane(table)), times(view)
    bounds = np.cumsum([0, *map(len, slots)])
    ends = np.array([span for spans in slots for span in spans], np.int64).reshape(-1, 2)
    starts, stops = ends[:, 0].copy(), ends[:, 1].copy()

    def of(shard: Shard) -> np.ndarray:
        out = np.zeros(shard.end - shard.begin, np.bool_)
        if slots:
            fold.met(
                view.first, view.run, view.lo, view.hi, shard.begin, shard.end, *mask.parts, bits, *lane.parts,
                time.addresses, time.like, bounds, starts, stops, out,
            )  # fmt: skip
        return out

    return of


def _same(key: Key | None) -> Any:
    """What is equal for equal keys, NaN being one number."""
    return None if key is None else tuple(map(sortable, key))


def met_sql(wanted: Mapping[Key | None, Spans], shown: Iterable[Key], columns: Sequence[str]) -> str:
    """DuckDB text over `t` and the columns of the groups: whether an event is of a wanted group, in one of its spans.

    What is none of the groups `shown` is the group None.
    """
    others = " or ".join(_is(key, columns) for key in shown) or "false"
    parts = [
        f"({f'not ({others})' if key is None else _is(key, columns)})"
        f" and ({' or '.join(f't >= {begin} and t < {end}' for begin, end in spans)})"
        for key, spans in wanted.items()
    ]  # fmt: skip
    return " or ".join(f"({part})" for part in parts) or "false"


def _is(key: Key, columns: Sequence[str]) -> str:
    return "(" + (" and ".join(map(same, columns, key)) or "true") + ")"


def same(column: str, value: Any) -> str:
    """Whether a column has a value, never null itself."""
    if isinstance(value, float):
        written = f"'{value!r}'::double"
    elif value is None or isinstance(value, bool):
        written = {None: "null", True: "true", False: "false"}[value]
    else:
        written = str(value) if isinstance(value, int) else literal(str(value))
    return f"{column} is not distinct from {written}"

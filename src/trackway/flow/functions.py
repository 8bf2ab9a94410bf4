"""Text functions of transforms, called by DuckDB, run once for every distinct value.

A user agent or a URL repeats a thousand times in a batch; what was found for it is remembered, within a
bound, also for the batches after.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import duckdb
import pyarrow as pa

from trackway.plan.component import Rewrite

REMEMBERED = 200_000
"""Most values remembered for one function; then it starts anew."""

Function = Callable[[pa.Array], pa.Array]


def each(function: Callable[[str], str]) -> Function:
    """A function of one text as one of many; it gives an empty text for what has no value."""

    def of_all(values: pa.Array) -> pa.Array:
        return pa.array([None if one is None else function(one) for one in values.to_pylist()], pa.string())

    return of_all


class Remembering:
    """A function of distinct texts that looks up what it has seen."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._known: dict[str | None, str | None] = {}

    def __call__(self, values: pa.ChunkedArray | pa.Array) -> pa.Array:
        """One result for every value."""
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        encoded = values.dictionary_encode()
        distinct = encoded.dictionary.to_pylist()
        known = self._known
        new = [value for value in distinct if value not in known]
        if new:
            if len(known) > REMEMBERED:
                known = {value: known[value] for value in distinct if value in known}
            results = self._function(pa.array(new, pa.string())).to_pylist()
            known = {**known, **dict(zip(new, results, strict=True))} if len(new) > len(known) else known
            known.update(zip(new, results, strict=True))
            self._known = known
        return pa.array([known[value] for value in distinct], pa.string()).take(encoded.indices)


class Functions:
    """The functions registered with one connection, each under a name of its own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._names: list[str] = []

    def register(self, rewrite: Rewrite) -> Rewrite:
        """The rewrite with its functions registered and called by their registered names."""
        if not rewrite.functions:
            return rewrite
        names = {}
        for name, function in rewrite.functions.items():
            names[name] = f"{name}__{len(self._names)}"
            self._connection.create_function(
                names[name], Remembering(function), ["VARCHAR"], "VARCHAR", type="arrow", null_handling="default"
            )
            self._names.append(names[name])
        return Rewrite(
            set={column: (_renamed(text, names), kind) for column, (text, kind) in rewrite.set.items()},
            drop=rewrite.drop,
            verdicts=[
                type(v)(_renamed(v.when, names), v.bin, v.reason, _renamed(v.detail, names)) for v in rewrite.verdicts
            ],
        )

    def clear(self) -> None:
        """Remove them all."""
        for name in self._names:
            self._connection.remove_function(name)
        self._names = []


def _renamed(text: str, names: dict[str, str]) -> str:
    """An expression that calls functions by other names."""
    for old, new in names.items():
        text = re.sub(rf"\b{re.escape(old)}(?=\s*\()", new, text)
    return text

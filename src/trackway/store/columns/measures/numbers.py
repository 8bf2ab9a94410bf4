"""The numbers of a column: what its codes mean to a measure."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

from trackway.errors import QuestionError
from trackway.model.schema import Schema
from trackway.model.statistic import Measure
from trackway.store.columns.view import View

NUMERIC = frozenset({"number", "integer", "boolean"})


def check(measure: Measure, schema: Schema, path: str) -> None:
    """Raises QuestionError for a measure that its column does not have."""
    if measure.inner.column is None:
        return
    column = schema.resolve(measure.inner.column)
    name, kind = measure.inner.name, schema[column]
    ordered = kind == "time" and name in {"min", "max"} and measure.over is None
    if kind not in NUMERIC and not ordered and name not in {"first", "last", "distinct"}:
        what = {"time": "is a time", "json": "is JSON"}.get(kind, "is text")
        raise QuestionError(
            f"'{column}' {what}, of which there is no {measure}", path=path,
            hint=f"distinct({column}), first({column}) or last({column}) can be asked",
        )  # fmt: skip


def numbers(view: View, column: str) -> np.ndarray:
    """The number of each code of a column, as float64; NaN for null and what is not finite."""

    def make() -> np.ndarray:
        values = view.dictionary(column)
        flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        found = np.full(len(flat) + 1, np.nan)
        found[1:] = np.asarray(flat.to_numpy(zero_copy_only=False), np.float64)
        found[~np.isfinite(found)] = np.nan
        return found

    return np.asarray(view.once(("numbers", column), make))


def ranks(view: View, column: str) -> tuple[np.ndarray, np.ndarray]:
    """The rank of each code among the numbers of a column (-1: none), and the numbers in ascending order."""

    def make() -> tuple[np.ndarray, np.ndarray]:
        found = numbers(view, column)
        ordered = np.unique(found[np.isfinite(found)])
        rank = np.searchsorted(ordered, found)
        rank[np.isnan(found)] = -1
        return rank, ordered

    rank, ordered = view.once(("ranks", column), make)
    return rank, ordered


def plain(value: float | None) -> float | None:
    """A number as JSON shows it: whole ones without a point."""
    if value is None:
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() and abs(value) < 1 << 53 else value
    return value if abs(value) < 1 << 53 else float(value)

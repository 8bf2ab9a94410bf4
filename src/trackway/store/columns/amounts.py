"""The numbers of a column, for sums that are exact in whatever order they are added."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa

from trackway.errors import QuestionError
from trackway.model.condition import quoted
from trackway.model.schema import Schema
from trackway.store.columns.folds.exact import SCALE, reach
from trackway.store.columns.lanes import Lane, nothing, over
from trackway.store.columns.view import View

NUMERIC = frozenset({"number", "integer", "boolean"})


@dataclass(frozen=True, eq=False)
class Amounts:
    """`lane` gives the bits of a double for every event; those of NaN when it has no finite number."""

    lane: Lane
    base: int
    """The first limb that sums need (`folds.exact`)."""
    limbs: int

    def exact(self, limbs: np.ndarray) -> Fraction:
        """The sum that some limbs hold."""
        whole = sum(limb << (32 * place) for place, limb in enumerate(limbs.tolist()))
        return Fraction(whole) * Fraction(2) ** (32 * self.base - SCALE)


def amounts(view: View, column: str | None) -> Amounts:
    """The numbers of a column; without one, an empty table."""
    if column is None:
        return Amounts(Lane(nothing(view).addresses, np.empty(0, np.uint8), np.zeros(0, np.int64), ()), 0, 1)

    def make() -> np.ndarray:
        values = view.dictionary(column)
        flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        found = np.full(len(flat) + 1, np.nan)
        found[1:] = np.asarray(flat.to_numpy(zero_copy_only=False), np.float64)
        found[~np.isfinite(found)] = np.nan
        return found

    values = np.asarray(view.once(("amounts", column), make))
    base, limbs = reach(values)
    return Amounts(over(view.column(column), values.view(np.int64)), base, limbs)


def nearest(exact: Fraction) -> float | None:
    """The double nearest to an exact sum; None when it is too large for one."""
    try:
        return float(exact)
    except OverflowError:
        return None


def numeric(schema: Schema, name: str, path: str) -> str:
    """The column a name means, which must hold numbers. Raises QuestionError."""
    column = schema.resolve(name)
    if schema[column] not in NUMERIC:
        hint = "choose a column of numbers, or cast it when it is read"
        raise QuestionError(f"'{column}' holds no numbers but is of kind {schema[column]}", path=path, hint=hint)
    return column


def amount_sql(column: str) -> str:
    """The finite number of a column as a double, else null."""
    value = f"{quoted(column)}::double"
    return f"case when isfinite({value}) then {value} end"

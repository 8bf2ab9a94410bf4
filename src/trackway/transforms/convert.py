"""Bring amounts to one unit or currency.

    [transforms.revenue]
    type = "convert"
    column = "amount"
    unit = "currency"
    factors = { USD = 1, EUR = 1.08, GBP = 1.27 }
    into = "amount_usd"

    [transforms.duration]
    type = "convert"
    column = "duration_ms"
    factor = 0.001
    into = "seconds"

An amount in a unit without a factor has no value in the new column.
"""

from __future__ import annotations

import math
from typing import Self

from pydantic import Field, model_validator

from trackway.flow.expressions import Target, converted, kind_for, text
from trackway.model.condition import literal
from trackway.model.schema import SQL, Schema
from trackway.plan.component import Rewrite, Transform


class Convert(Transform):
    """A number times a factor."""

    column: str
    """The column with the amount."""
    into: Target
    """The column that is written."""
    unit: str | None = None
    """The column that says what the amount is in."""
    factors: dict[str, float] = Field(default_factory=dict, max_length=1_000)
    """Unit -> what one of it is worth; compared as texts, upper and lower case alike."""
    factor: float | None = None
    """What every amount is multiplied by, where there is no unit."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.factor is None) == (self.unit is None) or bool(self.factors) != (self.unit is not None):
            raise ValueError("needs either a factor, or a unit and its factors")
        if not all(map(math.isfinite, [*self.factors.values(), self.factor or 0.0])):
            raise ValueError("a factor is a finite number")
        if len({name.lower() for name in self.factors}) < len(self.factors):
            raise ValueError("two factors of one unit")
        return self

    def rewrite(self, schema: Schema) -> Rewrite:
        """One number."""
        amount, kind = converted(self.column, schema, "number"), kind_for(self.into, "number", schema)
        by = f"{self.factor!r}::double"
        if self.unit is not None:
            cases = " ".join(
                f"when {literal(one.lower())} then {float(to)!r}::double" for one, to in self.factors.items()
            )
            by = f"case lower(trim({text(self.unit, schema)})) {cases} end"
        return Rewrite(set={self.into: (f"try_cast({amount} * ({by}) as {SQL[kind]})", kind)})

"""Give values other names.

    [transforms.plans]
    type = "map_values"
    column = "plan"
    values = { p1 = "free", p2 = "pro", p3 = "team" }
    otherwise = "keep"

Values are compared as texts, `7` for the number seven.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trackway.flow.expressions import Target, text
from trackway.model.condition import literal
from trackway.model.schema import Schema
from trackway.plan.component import Rewrite, Transform


class MapValues(Transform):
    """A column by a table of values."""

    column: Target
    """The column to read."""
    values: dict[str, str] = Field(min_length=1, max_length=1_000)
    """Value -> the one it becomes."""
    into: Target | None = None
    """The column that is written; the same when left out."""
    otherwise: Literal["keep", "null"] = "keep"
    """What becomes of other values."""

    def rewrite(self, schema: Schema) -> Rewrite:
        """One text column."""
        given = text(self.column, schema)
        cases = " ".join(f"when {literal(old)} then {literal(new)}" for old, new in self.values.items())
        rest = given if self.otherwise == "keep" else "null::varchar"
        return Rewrite(set={self.into or self.column: (f"case {given} {cases} else {rest} end", "string")})

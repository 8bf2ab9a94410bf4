"""Take the first value there is.

    [transforms.email]
    type = "coalesce"
    columns = ["email", "context.traits.email", "mail"]
    into = "email"
    default = "unknown"

Empty texts are no values. Columns of different kinds give text.
"""

from __future__ import annotations

from pydantic import Field

from trackway.flow.expressions import Target, converted, find, kind_for
from trackway.model.condition import literal
from trackway.model.schema import SQL, Kind, Schema
from trackway.plan.component import Rewrite, Transform


class Coalesce(Transform):
    """One column from several."""

    columns: list[str] = Field(min_length=1)
    """Where to look, in this order; those that do not exist have no value."""
    into: Target
    """The column that is written."""
    default: str | None = None
    """The value where there is none; left empty when left out."""

    def rewrite(self, schema: Schema) -> Rewrite:
        """One column, of the kind that all have in common, else text."""
        kinds = {schema[found] for name in self.columns if (found := find(name, schema))}
        kind: Kind = kind_for(self.into, kinds.pop() if len(kinds) == 1 else "string", schema)
        values = [converted(name, schema, kind) for name in self.columns]
        if SQL[kind] == "VARCHAR":
            values = [f"nullif({value}, '')" for value in values]
        if self.default is not None:
            values.append(f"try_cast({literal(self.default)} as {SQL[kind]})")
        return Rewrite(set={self.into: (f"coalesce({', '.join(values)}, null)", kind)})

"""Put texts together.

    [transforms.name]
    type = "join"
    columns = ["first_name", "last_name"]
    separator = " "
    into = "name"

Columns without a value, or with an empty text, leave no separator behind.
"""

from __future__ import annotations

from pydantic import Field

from trackway.flow.expressions import Target, text
from trackway.model.condition import literal
from trackway.model.schema import Schema
from trackway.plan.component import Rewrite, Transform


class Join(Transform):
    """One text from several columns."""

    columns: list[str] = Field(min_length=1)
    """What is put together, in this order."""
    separator: str = " "
    """What stands between."""
    into: Target
    """The column that is written."""

    def rewrite(self, schema: Schema) -> Rewrite:
        """One text column."""
        texts = ", ".join(f"nullif({text(name, schema)}, '')" for name in self.columns)
        return Rewrite(set={self.into: (f"nullif(concat_ws({literal(self.separator)}, {texts}), '')", "string")})

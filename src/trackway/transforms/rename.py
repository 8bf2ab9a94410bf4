"""Give columns other names.

    [transforms.names]
    type = "rename"
    columns = { userId = "user_id", "page.url" = "url" }

Where the new name is already a column, the value under the old name wins and the other fills its gaps.
"""

from __future__ import annotations

from pydantic import field_validator

from trackway.flow.expressions import Target, converted, find, kind_for
from trackway.model.condition import quoted
from trackway.model.schema import SQL, Kind, Schema
from trackway.plan.component import Rewrite, Transform


class Rename(Transform):
    """Moves columns."""

    columns: dict[str, Target]
    """Old name -> new name."""

    @field_validator("columns")
    @classmethod
    def _apart(cls, value: dict[str, str]) -> dict[str, str]:
        if len(set(value.values())) < len(value):
            raise ValueError("two columns get the same name")
        return value

    def rewrite(self, schema: Schema) -> Rewrite:
        """New columns from old ones; those that do not exist change nothing."""
        moved = {found: new for old, new in self.columns.items() if (found := find(old, schema)) and found != new}
        sets: dict[str, tuple[str, Kind]] = {}
        for old, new in moved.items():
            kind = kind_for(new, schema[old], schema)
            text = converted(old, schema, kind)
            if new in schema and new not in moved:
                text = f"coalesce({text}, try_cast({quoted(new)} as {SQL[kind]}))"
            sets[new] = (text, kind)
        return Rewrite(set=sets, drop=[old for old in moved if old not in sets])

"""Take a text apart at a separator.

    [transforms.place]
    type = "split"
    column = "location"
    separator = ", "
    into = ["city", "country"]

    [transforms.tags]
    type = "split"
    column = "labels"
    separator = ";"
    into = "tags"

With a list, each part becomes a column and parts beyond are left out; with one name, all parts become a JSON list.
Blanks around a part are taken off, and empty parts have no value.
"""

from __future__ import annotations

from pydantic import Field

from trackway.flow.expressions import Target, text
from trackway.model.condition import literal
from trackway.model.schema import Kind, Schema
from trackway.plan.component import Rewrite, Transform


class Split(Transform):
    """Columns, or a list, from one text."""

    column: str
    """The column to read."""
    separator: str = Field(default=",", min_length=1)
    """What stands between the parts."""
    into: Target | list[Target]
    """The columns of the parts, or the one column of their list."""

    def rewrite(self, schema: Schema) -> Rewrite:
        """Text columns, or one of JSON."""
        given, between = text(self.column, schema), literal(self.separator)
        if isinstance(self.into, str):
            parts = f"[trim(part) for part in string_split({given}, {between}) if trim(part) <> '']"
            found = f"case when {given} is not null then to_json({parts})::varchar end"
            return Rewrite(set={self.into: (found, "json")})
        sets: dict[str, tuple[str, Kind]] = {
            name: (f"nullif(trim(split_part({given}, {between}, {place})), '')", "string")
            for place, name in enumerate(self.into, 1)
        }
        return Rewrite(set=sets)

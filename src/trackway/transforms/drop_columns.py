"""Leave columns out.

    [transforms.lean]
    type = "drop_columns"
    columns = ["context.library.*", "password"]

    [transforms.nothing_personal]
    type = "drop_columns"
    tags = ["personal"]

    [contracts.signed_up]
    event = "Signed Up"
    properties = { email = { kind = "string", tags = ["personal"] } }

`*` stands for any text. `tags` are those of the properties of contracts. Values of such names that lie in `more`, since
they did not fit their column, are left out too. The original bytes in the journal keep them until they are pruned.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Self

from pydantic import Field, field_validator, model_validator

from trackway.flow.fuse import without
from trackway.flow.tags import tagged
from trackway.model.schema import Schema
from trackway.plan.component import Place, Rewrite, Transform

IDS = ("event_id", "user_id", "anonymous_id")


class DropColumns(Transform):
    """Drops columns by name or pattern."""

    columns: list[str] = Field(default_factory=list)
    """Names, or patterns such as `utm_*`; of the envelope only `event_id`, `user_id` and `anonymous_id`."""

    tags: list[str] = Field(default_factory=list)
    """Tags of contracts: what any contract tags with one of them is dropped, from all events."""

    @field_validator("columns")
    @classmethod
    def _droppable(cls, value: list[str]) -> list[str]:
        for name in value:
            if name in Schema() and name not in IDS:
                raise ValueError(f"'{name}' cannot be dropped; every event has it")
        return value

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.columns and not self.tags:
            raise ValueError("needs columns or tags")
        return self

    def settle(self, place: Place) -> Self:
        """With the columns that contracts tag, and those below them."""
        found = tagged(self.tags, place.contracts)
        return self.model_copy(update={"columns": [*self.columns, *found, *(f"{name}.*" for name in found)]})

    def rewrite(self, schema: Schema) -> Rewrite:
        """The columns that match."""
        patterns = [name.removeprefix("properties.") for name in self.columns] + self.columns
        names = [*schema.properties, *(name for name in IDS if name in self.columns)]
        gone = [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
        return Rewrite(
            set={"more": without(sorted({*gone, *(name for name in patterns if "*" not in name)}))}, drop=gone
        )

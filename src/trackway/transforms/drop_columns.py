"""Leave columns out.

    [transforms.lean]
    type = "drop_columns"
    columns = ["context.library.*", "password"]

`*` stands for any text. The original bytes in the journal keep them until they are pruned.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from pydantic import field_validator

from trackway.model.schema import Schema
from trackway.plan.component import Rewrite, Transform

IDS = ("event_id", "user_id", "anonymous_id")


class DropColumns(Transform):
    """Drops columns by name or pattern."""

    columns: list[str]
    """Names, or patterns such as `utm_*`; of the envelope only `event_id`, `user_id` and `anonymous_id`."""

    @field_validator("columns")
    @classmethod
    def _droppable(cls, value: list[str]) -> list[str]:
        for name in value:
            if name in Schema() and name not in IDS:
                raise ValueError(f"'{name}' cannot be dropped; every event has it")
        return value

    def rewrite(self, schema: Schema) -> Rewrite:
        """The columns that match."""
        patterns = [name.removeprefix("properties.") for name in self.columns] + self.columns
        names = [*schema.properties, *(name for name in IDS if name in self.columns)]
        return Rewrite(drop=[name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)])

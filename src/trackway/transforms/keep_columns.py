"""Keep some columns and leave the others out.

    [transforms.only_what_we_need]
    type = "keep_columns"
    columns = ["plan", "amount", "context.page.*"]

`*` stands for any part of a name. Event, time, ids and whatever else makes an event stay.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from pydantic import Field

from trackway.flow.expressions import find
from trackway.model.schema import ENVELOPE, Schema
from trackway.plan.component import Rewrite, Transform


class KeepColumns(Transform):
    """Drops all other columns."""

    columns: list[str] = Field(min_length=1)
    """Names, or patterns of names."""

    def rewrite(self, schema: Schema) -> Rewrite:
        """The others dropped."""
        kept = {found for name in self.columns if (found := find(name, schema))}
        gone = [
            name for name in schema
            if name not in ENVELOPE and name not in kept
            and not any(fnmatchcase(name, pattern.removeprefix("properties.")) for pattern in self.columns)
        ]  # fmt: skip
        return Rewrite(drop=gone)

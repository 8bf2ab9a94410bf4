"""Replace what a regular expression finds.

    [transforms.no_session_ids]
    type = "replace"
    columns = ["path", "referrer"]
    pattern = ';jsessionid=[^?#]*'
    by = ""

`\\1` in `by` stands for the first group. The dialect is RE2, which has no look-around.
"""

from __future__ import annotations

import duckdb
from pydantic import Field, field_validator

from trackway.flow.expressions import find, target, text
from trackway.model.condition import literal
from trackway.model.schema import Kind, Schema
from trackway.plan.component import Rewrite, Transform


class Replace(Transform):
    """Rewrites texts."""

    columns: list[str] = Field(min_length=1)
    """The columns that are rewritten, as texts."""
    pattern: str
    """What is replaced, everywhere it is found."""
    by: str = ""
    """What is put there instead."""

    @field_validator("columns")
    @classmethod
    def _targets(cls, value: list[str]) -> list[str]:
        return [target(name) for name in value]

    @field_validator("pattern")
    @classmethod
    def _readable(cls, value: str) -> str:
        try:
            duckdb.execute("select regexp_matches('', ?)", [value]).fetchall()
        except duckdb.Error as error:
            raise ValueError(f"cannot read the pattern: {str(error).splitlines()[0]}") from error
        return value

    def rewrite(self, schema: Schema) -> Rewrite:
        """The columns that exist, as texts."""
        found = [name for name in self.columns if find(name, schema)]
        sets: dict[str, tuple[str, Kind]] = {
            name: (f"regexp_replace({text(name, schema)}, {literal(self.pattern)}, {literal(self.by)}, 'g')", "string")
            for name in found
        }
        return Rewrite(set=sets)

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
from pydantic import field_validator

from trackway.flow.expressions import Targets, rewritten
from trackway.model.condition import literal
from trackway.model.schema import Schema
from trackway.plan.component import Rewrite, Transform


class Replace(Transform):
    """Rewrites texts."""

    columns: Targets
    """The columns that are rewritten, as texts."""
    pattern: str
    """What is replaced, everywhere it is found."""
    by: str = ""
    """What is put there instead."""

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
        pattern, by = literal(self.pattern), literal(self.by)
        return Rewrite(
            set=rewritten(self.columns, schema, lambda given: f"regexp_replace({given}, {pattern}, {by}, 'g')")
        )

"""Take parts out of a text with a regular expression; every named group becomes a column.

    [transforms.product]
    type = "extract"
    column = "path"
    pattern = '^/shop/(?P<category>[^/]+)/(?P<product>[^/?]+)'

A group that matches nothing, or an event whose text does not match, leaves the column as it was. The dialect is
RE2, which has no look-around.
"""

from __future__ import annotations

import re

import duckdb
from pydantic import field_validator

from trackway.flow.expressions import kind_for, target, text
from trackway.model.condition import literal, quoted
from trackway.model.schema import SQL, Kind, Schema
from trackway.plan.component import Rewrite, Transform


class Extract(Transform):
    """Columns from named groups."""

    column: str
    """The column to read."""
    pattern: str
    """A regular expression with named groups, `(?P<name>…)`."""
    prefix: str = ""
    """Put before the names of the groups."""

    @field_validator("pattern")
    @classmethod
    def _readable(cls, value: str) -> str:
        try:
            groups = re.compile(value).groupindex
            duckdb.execute("select regexp_matches('', ?)", [value]).fetchall()
        except (re.error, duckdb.Error) as error:
            raise ValueError(f"cannot read the pattern: {str(error).splitlines()[0]}") from error
        if not groups:
            raise ValueError("the pattern has no named group; write (?P<name>…)")
        for name in groups:
            target(name)
        return value

    def rewrite(self, schema: Schema) -> Rewrite:
        """A column for every group."""
        given = text(self.column, schema)
        sets: dict[str, tuple[str, Kind]] = {}
        for group, index in re.compile(self.pattern).groupindex.items():
            name = target(self.prefix + group)
            kind = kind_for(name, "string", schema)
            found = f"nullif(regexp_extract({given}, {literal(self.pattern)}, {index}), '')"
            if kind != "string":
                found = f"try_cast({found} as {SQL[kind]})"
            sets[name] = (f"coalesce({found}, {quoted(name)}::{SQL[kind]})" if name in schema else found, kind)
        return Rewrite(set=sets)

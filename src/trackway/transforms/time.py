"""Read the time of an event from a column.

    [transforms.when]
    type = "time"
    column = "created"
    formats = ["%d.%m.%Y %H:%M"]
    timezone = "Europe/Berlin"

Formats are those of strptime and are tried first; then ISO 8601 and epochs (seconds, or `unit`). An event without
a value keeps the time it has, or the time it was received.
"""

from __future__ import annotations

from typing import Literal

import duckdb
from pydantic import Field, field_validator

from trackway.flow.expressions import find, text
from trackway.flow.times import time_sql
from trackway.flow.zones import Zone
from trackway.model.condition import quoted
from trackway.model.event import Reason
from trackway.model.schema import Schema
from trackway.plan.component import Rewrite, Transform, Verdict


class Time(Transform):
    """Sets `time`."""

    column: str
    """The column with the time."""
    formats: list[str] = Field(default_factory=list)
    """Such as `%d/%m/%Y %H:%M:%S`."""
    unit: Literal["", "s", "ms", "us", "ns"] = ""
    """Of epochs; guessed from their size when left out."""
    timezone: Zone = Zone("UTC")
    """For times without an offset."""
    otherwise: Literal["refuse", "received"] = "refuse"
    """What becomes of an event whose time cannot be read: refused (`no_time`), or as if it had none."""

    @field_validator("formats")
    @classmethod
    def _readable(cls, value: list[str]) -> list[str]:
        for format_ in value:
            try:
                duckdb.execute("select try_strptime('', ?)", [format_]).fetchall()
            except duckdb.Error as error:
                raise ValueError(f"cannot read the format '{format_}': {str(error).splitlines()[0]}") from error
        return value

    def rewrite(self, schema: Schema) -> Rewrite:
        """The time from the column where it has a value."""
        found = find(self.column, schema)
        if found is None:
            return Rewrite()
        if schema[found] == "time":
            return Rewrite(set={"time": (f'coalesce({quoted(found)}, "time")', "time")})
        given = f"nullif(trim({text(self.column, schema)}), '')"
        parsed = time_sql(given, self.timezone, self.formats, self.unit)
        wrong = f"{given} is not null and ({parsed}) is null"
        detail = f"'cannot read the time: ' || left({given}, 100)"
        verdicts = [Verdict(wrong, "refused", Reason.NO_TIME, detail)] if self.otherwise == "refuse" else []
        return Rewrite(set={"time": (f'coalesce({parsed}, "time")', "time")}, verdicts=verdicts)

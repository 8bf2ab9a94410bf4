"""Turn values into another kind.

    [transforms.kinds]
    type = "cast"
    columns = { amount = "number", zip = "string", signed_up_at = "time" }
    timezone = "Europe/Berlin"
    otherwise = "more"

Kinds are `string number integer boolean time json`. Times are ISO 8601 or epochs; those without an offset are
read in `timezone`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from trackway.flow.expressions import converted, find, target, text
from trackway.flow.fuse import spill
from trackway.flow.zones import Zone
from trackway.model.condition import literal, quoted
from trackway.model.event import Reason
from trackway.model.schema import ENVELOPE, SQL, Kind, Schema
from trackway.plan.component import Rewrite, Transform, Verdict


class Cast(Transform):
    """Changes kinds."""

    columns: dict[str, Kind]
    """Column -> kind."""
    timezone: Zone = Zone("UTC")
    """For times without an offset."""
    otherwise: Literal["more", "null", "refuse"] = "more"
    """What becomes of a value that does not fit: kept in `more`, lost, or the event refused (`contract`)."""

    @field_validator("columns")
    @classmethod
    def _targets(cls, value: dict[str, Kind]) -> dict[str, Kind]:
        for name in value:
            if target(name) in ENVELOPE:
                raise ValueError(f"'{name}' always has its kind")
        return {target(name): kind for name, kind in value.items()}

    def rewrite(self, schema: Schema) -> Rewrite:
        """The columns that exist and are of another kind, in the wanted one."""
        sets: dict[str, tuple[str, Kind]] = {}
        misfits: dict[str, str] = {}
        for name, kind in self.columns.items():
            if not find(name, schema) or schema[name] == kind:
                continue
            fitting = converted(name, schema, kind, self.timezone)
            sets[name] = (fitting, kind)
            if SQL[kind] not in ("VARCHAR", SQL[schema[name]]):
                misfits[name] = f"({quoted(name)} is not null and ({fitting}) is null)"
        if self.otherwise == "more" and misfits:
            sets["more"] = (spill(misfits, quoted("more")), "json")
        verdicts = []
        if self.otherwise == "refuse":
            verdicts = [
                Verdict(when, "refused", Reason.CONTRACT, _detail(name, self.columns[name], schema))
                for name, when in misfits.items()
            ]
        return Rewrite(set=sets, verdicts=verdicts)


def _detail(name: str, kind: Kind, schema: Schema) -> str:
    return f"{literal(f'{name} is not a {kind}: ')} || left({text(name, schema)}, 100)"

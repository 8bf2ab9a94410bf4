"""Leave events out.

    [transforms.no_health_checks]
    type = "drop_events"
    where = "path = '/health' or user_agent like '%bot%'"

    [transforms.only_ours]
    type = "drop_events"
    unless = "event in ('Signed Up', 'Logged In')"

They are counted as `dropped` under the name of this transform.
"""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from trackway.flow.fuse import guard
from trackway.model.condition import Condition
from trackway.model.schema import Schema
from trackway.plan.component import Rewrite, Transform, Verdict


class DropEvents(Transform):
    """Drops the events for which `where` is true, or for which `unless` is not."""

    unless: Condition | None = None
    """Events for which this is true stay."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.where is None and self.unless is None:
            raise ValueError("needs where or unless, else it would drop every event")
        return self

    def rewrite(self, schema: Schema) -> Rewrite:
        """One verdict."""
        stays = f"coalesce({guard(self.unless, schema)}, false)" if self.unless else "false"
        return Rewrite(verdicts=[Verdict(f"not ({stays})", "dropped")])

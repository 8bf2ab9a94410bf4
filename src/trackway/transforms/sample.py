"""Keep the events of some actors, all of them, the same ones each time.

    [transforms.a_tenth]
    type = "sample"
    share = 0.1

    [transforms.fewer_pings]
    type = "sample"
    where = "event = 'Ping'"
    share = 0.01
    by = ["device_id"]

Who is kept depends on the id alone, so that journeys stay whole, also over sources and days; the others are counted as
`dropped` under the name of this transform. Events without any of the ids stay.
"""

from __future__ import annotations

from pydantic import Field

from trackway.flow.expressions import text
from trackway.model.condition import literal
from trackway.model.schema import Schema
from trackway.plan.component import Rewrite, Transform, Verdict

FINE = 1_000_000
"""Shares are as exact as one in so many."""


class Sample(Transform):
    """Drops the events of most actors."""

    share: float = Field(gt=0, lt=1)
    """How many of the actors are kept, about."""
    by: list[str] = Field(default=["user_id", "anonymous_id"], min_length=1)
    """The columns of the id: the first that has a value."""
    seed: str = ""
    """Another seed keeps other actors."""

    def rewrite(self, schema: Schema) -> Rewrite:
        """One verdict, by a hash that is the same on every machine."""
        ids = ", ".join(f"nullif({text(name, schema)}, '')" for name in self.by)
        number = f"md5_number_upper({literal(self.seed)} || coalesce({ids}, null)) % {FINE}"
        return Rewrite(verdicts=[Verdict(f"coalesce({number} >= {round(self.share * FINE)}, false)", "dropped")])

"""Count copies of an event once, by what makes them the same.

    [transforms.orders_once]
    type = "dedupe"
    where = "event = 'Order Completed'"
    by = ["event", "order_id"]

The event id becomes a hash of these columns, so that a later event with the same values is a duplicate of the
first, within the dedup horizon of the project. An event without a value in any of them keeps its id.
"""

from __future__ import annotations

from pydantic import Field

from trackway.flow.expressions import text
from trackway.model.condition import quoted
from trackway.model.schema import Schema
from trackway.plan.component import Rewrite, Transform


class Dedupe(Transform):
    """Sets `event_id`."""

    by: list[str] = Field(min_length=1)
    """Columns that are the same in all copies."""

    def rewrite(self, schema: Schema) -> Rewrite:
        """A hash of the columns, in which an absent value differs from every text."""
        texts = [text(name, schema) for name in self.by]
        key = f"'d' || md5(to_json([{', '.join(texts)}])::varchar)"
        some = " or ".join(f"{each} is not null" for each in texts)
        return Rewrite(set={"event_id": (f"case when {some} then {key} else {quoted('event_id')} end", "string")})

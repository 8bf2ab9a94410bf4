"""Set columns to values of expressions.

    [transforms.plan]
    type = "set"
    where = "event = 'Signed Up'"
    values = { plan = "lower(coalesce(plan, 'free'))", event = "'Account Created'" }

Expressions are of the language of conditions; texts stand in single quotes.
"""

from __future__ import annotations

from trackway.flow.expressions import Target, kind_for, kind_of_expression
from trackway.flow.fuse import guard
from trackway.flow.times import time_sql
from trackway.model.condition import Condition
from trackway.model.schema import Kind, Schema
from trackway.plan.component import Rewrite, Transform


class Set(Transform):
    """Computes columns."""

    values: dict[Target, Condition]
    """Column -> expression, over the columns as they are before this step."""

    def rewrite(self, schema: Schema) -> Rewrite:
        """One new or replaced column for every value; columns that do not exist are null."""
        sets: dict[str, tuple[str, Kind]] = {}
        for name, expression in self.values.items():
            text = f"({guard(expression, schema)})"
            found = kind_of_expression(text, schema)
            kind = kind_for(name, found, schema)
            if kind == "time" and found != "time":
                text = time_sql(f"({text})::varchar")
            sets[name] = (text, kind)
        return Rewrite(set=sets)

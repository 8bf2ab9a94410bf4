"""Keep the beginning or the end of texts and lists.

    [transforms.messages]
    type = "shorten"
    columns = ["message"]
    first = 200

    [transforms.last_items]
    type = "shorten"
    columns = ["products"]
    last = 3
    of = "items"

`characters` are those of a text, `items` those of a JSON list; what is no list stays as it was.
"""

from __future__ import annotations

from functools import partial
from typing import Literal, Self

from pydantic import Field, model_validator

from trackway.flow.expressions import Targets, rewritten
from trackway.flow.functions import each
from trackway.flow.opening import lists
from trackway.model.schema import Schema
from trackway.plan.component import Rewrite, Transform


class Shorten(Transform):
    """Cuts values."""

    columns: Targets
    """The columns that are cut."""
    first: int | None = Field(default=None, ge=1, le=1_000_000)
    """How many are kept from the beginning."""
    last: int | None = Field(default=None, ge=1, le=1_000_000)
    """How many are kept from the end, instead."""
    of: Literal["characters", "items"] = "characters"
    """What is counted."""

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if (self.first is None) == (self.last is None):
            raise ValueError("needs either first or last")
        return self

    def rewrite(self, schema: Schema) -> Rewrite:
        """The columns that exist, as texts."""
        if self.of == "items":
            cut = each(partial(_cut, kept=slice(self.first) if self.first else slice(-(self.last or 0), None)))
            sets = rewritten(self.columns, schema, lambda given: f"shorten({given})")
            return Rewrite(set=sets, functions={"shorten": cut} if sets else {})
        end, count = ("left", self.first) if self.first else ("right", self.last)
        return Rewrite(set=rewritten(self.columns, schema, lambda given: f"{end}({given}, {count})"))


def _cut(given: str, kept: slice) -> str:
    found = lists([given.encode()])
    return given if found.counts[0] < 0 else f"[{b','.join(found.written()[kept]).decode()}]"

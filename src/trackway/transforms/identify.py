"""Say which columns tell who it was.

    [transforms.who]
    type = "identify"
    user_id = ["user.id", "email"]
    anonymous_id = ["cookie_id"]
    hash = ["ip", "user_agent"]

The first column with a value is taken; without any, what the event already says stays. `hash` makes an
`anonymous_id` of several columns for events that have no id at all.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from trackway.flow.expressions import text
from trackway.model.condition import literal
from trackway.model.schema import Kind, Schema
from trackway.plan.component import Rewrite, Transform


class Identify(Transform):
    """Sets `user_id` and `anonymous_id`."""

    user_id: list[str] = Field(default_factory=list)
    """Columns that may hold the user id, best first."""
    anonymous_id: list[str] = Field(default_factory=list)
    """Columns that may hold the anonymous id, best first."""
    hash: list[str] = Field(default_factory=list)
    """Columns whose values together are an anonymous id when there is no other id."""
    salt: str = ""
    """Mixed into the hash, so that nobody without it can compute it: `{ env = "NAME" }`."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not (self.user_id or self.anonymous_id or self.hash):
            raise ValueError("needs user_id, anonymous_id or hash")
        return self

    def rewrite(self, schema: Schema) -> Rewrite:
        """The ids that were asked for."""
        user = _first([*self.user_id, "user_id"], schema)
        anonymous = _first([*self.anonymous_id, "anonymous_id"], schema)
        if self.hash:
            anonymous = f"coalesce({anonymous}, case when ({user}) is null then {self._hashed(schema)} end)"
        sets: dict[str, tuple[str, Kind]] = {}
        if self.user_id:
            sets["user_id"] = (user, "string")
        if self.anonymous_id or self.hash:
            sets["anonymous_id"] = (anonymous, "string")
        return Rewrite(set=sets)

    def _hashed(self, schema: Schema) -> str:
        texts = [text(name, schema) for name in self.hash]
        values = " || ' ' || ".join(f"coalesce({each}, '-')" for each in texts)
        salted = f"{literal(self.salt)} || {values}" if self.salt else values
        return f"case when coalesce({', '.join(texts)}) is not null then left(md5({salted}), 16) end"


def _first(names: list[str], schema: Schema) -> str:
    texts = [f"nullif(trim({text(name, schema)}), '')" for name in names]
    return f"coalesce({', '.join(texts)})"

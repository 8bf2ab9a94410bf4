"""What columns events have, and of which kind.

Every event has the envelope. A property becomes a column under its dotted name: `plan`,
`address.city`; traits and context keep their prefix (`traits.email`, `context.page.url`), and so does
a property whose name the envelope already uses (`properties.time`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import BeforeValidator

from trackway.errors import ConditionError, suggest

Kind = Literal["string", "number", "integer", "boolean", "time", "json"]

ARROW: dict[str, pa.DataType] = {
    "string": pa.string(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", "UTC"),
    "json": pa.string(),
}
SQL: dict[str, str] = {
    "string": "VARCHAR",
    "number": "DOUBLE",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "time": "TIMESTAMPTZ",
    "json": "VARCHAR",
}
ENVELOPE: dict[str, Kind] = {
    "event_id": "string",
    "time": "time",
    "received_at": "time",
    "stored_at": "time",
    "source": "string",
    "event": "string",
    "actor": "string",
    "user_id": "string",
    "anonymous_id": "string",
    "tie": "integer",
    "block": "integer",
    "row": "integer",
    "more": "json",
}
"""`tie` is 64 bits of the hash of (source, event_id): it orders events of one actor at one instant.
`block` and `row` say where the original bytes are in the journal. `more` holds, as a JSON object, the
values that did not fit the type of their column."""


def _names(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(_names)]
"""One column or several, as people write them."""


class Schema(Mapping[str, Kind]):
    """Column names and kinds, envelope first; a value, never changed in place."""

    def __init__(self, properties: Mapping[str, Kind] | Iterable[tuple[str, Kind]] = ()) -> None:
        self._kinds: dict[str, Kind] = {**ENVELOPE, **{k: v for k, v in dict(properties).items() if k not in ENVELOPE}}

    def __getitem__(self, name: str) -> Kind:
        return self._kinds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def __repr__(self) -> str:
        return f"Schema({self.properties})"

    @property
    def properties(self) -> dict[str, Kind]:
        """All columns but the envelope."""
        return {name: kind for name, kind in self._kinds.items() if name not in ENVELOPE}

    def arrow(self) -> pa.Schema:
        """The Arrow schema, envelope first."""
        return pa.schema([(name, ARROW[kind]) for name, kind in self._kinds.items()])

    def resolve(self, name: str) -> str:
        """The column a condition means: its own name, or without a leading `properties.`.

        Raises ConditionError with a suggestion when there is none.
        """
        if name in self._kinds:
            return name
        bare = name.removeprefix("properties.")
        if bare in self._kinds and bare not in ENVELOPE:
            return bare
        raise ConditionError(f"unknown column '{name}'", hint=suggest(name, self._kinds))


def kind_of(arrow: pa.DataType) -> Kind:
    """The kind that holds an Arrow type; anything nested is JSON.

    >>> kind_of(pa.int32())
    'integer'
    """
    if pa.types.is_boolean(arrow):
        return "boolean"
    if pa.types.is_integer(arrow):
        return "integer"
    if pa.types.is_floating(arrow) or pa.types.is_decimal(arrow):
        return "number"
    if pa.types.is_timestamp(arrow) or pa.types.is_date(arrow):
        return "time"
    if pa.types.is_nested(arrow):
        return "json"
    return "string"

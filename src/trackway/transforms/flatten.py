"""Make columns of the members of JSON objects that stand in a column.

    [transforms.payload]
    type = "flatten"
    columns = ["payload"]

    [transforms.details]
    type = "flatten"
    columns = ["context.details"]
    name = "{path}"
    depth = 3
    lists = "number"

Codecs do this for the objects of an event by themselves; here it is done for JSON in a text, in a column of a database,
in a message of a log. `{"a": {"b": 1}}` in the column `payload` gives the column `payload.a.b`; `name` says otherwise.
What lies in more than `depth` objects goes to `more`, and so does a value whose column has another one already. Lists
stay lists, as JSON; with `lists = "number"` their first items become columns too: `payload.items.0.sku`. What is no
JSON object stays as it was.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator

from trackway.flow.expressions import Targets
from trackway.flow.opening import emptied, kinds, opened, put_in, spread, texts_like
from trackway.model.cells import Path
from trackway.model.documents import property_name
from trackway.plan.component import Reshape, Reshaped, Transform

FIRST_ITEMS = 20
"""Items of a list that become columns."""


class Flatten(Transform):
    """Columns from JSON objects."""

    columns: Targets
    """The columns with JSON texts."""
    name: str = "{column}.{path}"
    """The name of a new column, from `{column}` and the `{path}` in it."""
    separator: str = "."
    """What stands between the parts of a path."""
    depth: int = Field(default=20, ge=1, le=100)
    """How many objects deep a value may lie to become a column."""
    lists: Literal["keep", "number"] = "keep"
    """What becomes of lists: one column of JSON, or a column for each of their first 20 items."""
    keep: bool = False
    """Whether the text stays beside the columns made of it."""

    @field_validator("name")
    @classmethod
    def _names_the_path(cls, value: str) -> str:
        rest = value.replace("{path}", "", 1).replace("{column}", "", 1)
        if "{path}" not in value or "{" in rest or "}" in rest:
            raise ValueError("the name holds {path} once, and {column} if you like, such as '{column}.{path}'")
        return value

    def reshape(self) -> Reshape:
        """The columns of what is in the texts."""
        return Flattening(self)

    def named(self, column: str, path: Path) -> str:
        """The column of a value; of an envelope's name, it is a property."""
        name = self.name.replace("{column}", column).replace("{path}", self.separator.join(path))
        return property_name((name,))


class Flattening(Reshape):
    """Opens objects, column after column."""

    def __init__(self, options: Flatten) -> None:
        self._options = options

    def writes(self, name: str) -> bool:
        """Whatever is in the texts, under its pattern."""
        starts = [self._options.named(column, ("",)) for column in self._options.columns]
        return any(len(start) > 1 and name.startswith(start) for start in starts)

    def __call__(self, events: pa.Table) -> Reshaped:
        """The same events with more columns."""
        for column in self._options.columns:
            events = self._opened(events, column)
        return Reshaped(events)

    def _opened(self, events: pa.Table, column: str) -> pa.Table:
        options = self._options
        numbered = options.lists == "number"
        rows = texts_like(events, column, r"\{\[" if numbered else r"\{")
        if not len(rows):
            return events
        texts = [text.encode() for text in events[column].take(pa.array(rows)).to_pylist()]
        if numbered:
            texts = [_numbered(text) if b"[" in text else text for text in texts]
        known = {name: kind for name, kind in kinds(events).items() if name != column}
        found, good = opened(texts, known, lambda path: options.named(column, path), options.depth)
        if not good.any():
            return events
        found, rows = found.filter(pa.array(good)), rows[np.flatnonzero(good)]
        events = events if options.keep else emptied(events, column, rows)
        return put_in(events, spread(found, rows, len(events)))


def _numbered(text: bytes) -> bytes:
    """A JSON text with its lists as objects of their numbers; what is no JSON as it was."""
    try:
        return json.dumps(_objects(json.loads(text))).encode()
    except (ValueError, RecursionError):
        return text


def _objects(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _objects(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return {str(place): _objects(inner) for place, inner in enumerate(value[:FIRST_ITEMS])}
    return value

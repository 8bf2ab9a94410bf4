"""What comes of importing a contract from the words of others: the promise, and what of it could not be kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trackway.errors import ConfigError
from trackway.model.contracts.promise import Promise, Property

DEEPEST = 64
"""Levels of objects in objects; a definition that holds itself goes deeper than any."""

MOST = 10_000
"""Properties of one contract."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A contract of elsewhere."""

    promise: Promise
    name: str = ""
    version: str = ""
    notes: tuple[str, ...] = ()
    """What it says that a contract does not."""


@dataclass(slots=True)
class Gathered:
    """Properties as they are found, with where each stands."""

    properties: dict[str, Property] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def keep(self, path: tuple[str, ...], found: Property, *, required: bool) -> None:
        """One property. Of two that would bear the same name the first is kept."""
        name = ".".join(path)
        if len(self.properties) >= MOST:
            raise ConfigError(f"more than {MOST:,} properties", path=name[:100])
        if name in self.properties:
            self.notes.append(f"{name}: there are two of this name")
            return
        self.properties[name] = found
        if required:
            self.required.add(name)

    def lost(self, path: tuple[str, ...], what: Iterable[str]) -> None:
        """Notes what is not kept of a place."""
        said = ", ".join(sorted(what))
        if said:
            self.notes.append(f"{'.'.join(path) or 'the event'}: not kept: {said}")


def document(text: bytes, what: str) -> Mapping[str, Any]:
    """A JSON object. Raises ConfigError."""
    import orjson

    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"not JSON: {error}", path=what) from error
    if not isinstance(found, dict):
        raise ConfigError("expected a JSON object", path=what, hint="a JSON Schema, an Avro record or an Iglu schema")
    return found

"""What an event promises, as a value with an address: the same promise has the same hash, wherever it was written.

How a workspace enforces it (`mode`) is no part of the promise, and neither is its version.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import orjson
from pydantic import BaseModel, ConfigDict, model_validator

from trackway.errors import ConfigError
from trackway.model.schema import Kind

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
"""Names under which contracts are published: they become parts of addresses and files."""


class Property(BaseModel):
    """What is promised of one property; a bare kind such as `"string"` is short for `{ kind = "string" }`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    kind: Kind
    """`string number integer boolean time json`; `json` is any value."""
    values: list[str] = []
    """The only values it may have, for kind `string`; any when left out."""
    description: str = ""
    """For whoever sends or reads it."""
    tags: list[str] = []
    """Words that others act on, such as `email` or `personal`."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _values_are_of_strings(self) -> Self:
        if self.values and self.kind != "string":
            raise ValueError(f"values can be listed for kind string, not for {self.kind}")
        return self

    def document(self) -> dict[str, Any]:
        """Its canonical form: what is not said is left out, and lists have one order."""
        said = {"kind": self.kind, "values": sorted(set(self.values)), "description": self.description,
                "tags": sorted(set(self.tags))}  # fmt: skip
        return {key: value for key, value in said.items() if value}


@dataclass(frozen=True)
class Node:
    """A place in an event: a value (`property`), or an object of further places."""

    property: Property | None = None
    inside: Mapping[str, Node] = field(default_factory=dict)
    required: bool = False


@dataclass(frozen=True)
class Promise:
    """What the events of one name promise. Build it with `Promise.of`, which checks and orders it."""

    event: str
    """The name of the event, or `*`."""
    properties: Mapping[str, Property]
    """By dotted name: `address.city` is `city` inside of the object `address`."""
    required: frozenset[str]
    closed: bool = False
    """Whether nothing but the declared properties is allowed."""
    description: str = ""

    @classmethod
    def of(
        cls, event: str, properties: Mapping[str, Property], required: Iterable[str] = (), *,
        closed: bool = False, description: str = "",
    ) -> Promise:  # fmt: skip
        """A promise. A property that is required and has no kind may have any value.

        Raises ConfigError when a property is both a value and an object that others are in.
        """
        needed = frozenset(required)
        every = {**{name: Property(kind="json") for name in needed}, **properties}
        for name in sorted(every):
            above = next((part for part in _above(name) if part in every), None)
            if above is not None:
                raise ConfigError(
                    f"'{above}' is a value, and '{name}' is inside of it", path=f"properties.{above}",
                    hint="declare the parts of an object, or the whole as kind json",
                )  # fmt: skip
        return cls(event, dict(sorted(every.items())), needed, closed, description)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Promise:
        """A promise from its canonical form."""
        properties = {name: Property.model_validate(one) for name, one in document["properties"].items()}
        needed = frozenset(document["required"])
        return cls.of(
            document["event"], properties, needed, closed=document["content"] == "closed",
            description=document.get("description", ""),
        )  # fmt: skip

    def document(self) -> dict[str, Any]:
        """The canonical form, as JSON."""
        said: dict[str, Any] = {
            "event": self.event,
            "content": "closed" if self.closed else "open",
            "properties": {name: one.document() for name, one in self.properties.items()},
            "required": sorted(self.required),
        }
        return said | ({"description": self.description} if self.description else {})

    @cached_property
    def hash(self) -> str:
        """The address of the content: `sha256:` and 64 digits, of the canonical form with its keys in order."""
        return "sha256:" + hashlib.sha256(orjson.dumps(self.document(), option=orjson.OPT_SORT_KEYS)).hexdigest()

    @cached_property
    def tree(self) -> Node:
        """The same as objects in objects. An object is required when something in it is."""
        return _grown({tuple(parts(name)): name for name in self.properties}, self)


def parts(name: str) -> list[str]:
    """The keys that lead to a property; a name with an empty part is one key.

    >>> parts("address.city"), parts(".hidden")
    (['address', 'city'], ['.hidden'])
    """
    split = name.split(".")
    return split if all(split) else [name]


def _above(name: str) -> Iterator[str]:
    split = parts(name)
    return (".".join(split[:count]) for count in range(1, len(split)))


def _grown(names: Mapping[tuple[str, ...], str], promise: Promise) -> Node:
    inside: dict[str, Node] = {}
    for key in dict.fromkeys(keys[0] for keys in names):
        below = {keys[1:]: name for keys, name in names.items() if keys[0] == key}
        if () in below:
            name = below[()]
            inside[key] = Node(promise.properties[name], required=name in promise.required)
        else:
            inside[key] = _grown(below, promise)
    return Node(None, inside, any(one.required for one in inside.values()))

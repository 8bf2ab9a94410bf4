"""Contracts as JSON Schema (2020-12), and back.

`address.city` is `city` in the object `address`. Whatever need not be there may be null, as null says no more than
being absent. `time` is a string of format `date-time`, `json` any value; tags are the keyword `x-tags`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trackway.errors import ConfigError
from trackway.model.contracts.imported import DEEPEST, Gathered, Imported
from trackway.model.contracts.promise import Node, Promise, Property
from trackway.model.schema import Kind

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ANY = ["array", "boolean", "number", "object", "string"]
"""Every type but null."""
UNDERSTOOD = frozenset({"type", "format", "enum", "const", "description", "x-tags", "properties", "required",
                        "additionalProperties", "$ref", "title", "examples", "default", "$comment"})  # fmt: skip
OUTSIDE = frozenset({"$schema", "$id", "$defs", "definitions", "self"})
FORMATS = frozenset({"date-time", "date"})


def written(promise: Promise) -> dict[str, Any]:
    """The schema of the events that keep a promise."""
    said = {"$schema": DIALECT, "title": promise.event}
    return said | body(promise)


def body(promise: Promise) -> dict[str, Any]:
    """The same without what says which schema it is."""
    described = {"description": promise.description} if promise.description else {}
    return described | _object(promise.tree, promise, nullable=False)


def _object(node: Node, promise: Promise, *, nullable: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"type": ["object", "null"] if nullable else "object"}
    said["properties"] = {
        key: _value(one.property, required=one.required)
        if one.property is not None
        else _object(one, promise, nullable=not one.required)
        for key, one in sorted(node.inside.items())
    }
    needed = sorted(key for key, one in node.inside.items() if one.required)
    return said | ({"required": needed} if needed else {}) | ({"additionalProperties": False} if promise.closed else {})


def _value(one: Property, *, required: bool) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if one.kind == "json":
        said |= {"type": ANY} if required else {}
    else:
        type_ = "string" if one.kind == "time" else one.kind
        said["type"] = type_ if required else [type_, "null"]
    if one.kind == "time":
        said["format"] = "date-time"
    if one.values:
        said["enum"] = sorted(set(one.values)) + ([] if required else [None])
    if one.description:
        said["description"] = one.description
    return said | ({"x-tags": sorted(set(one.tags))} if one.tags else {})


# ── and back ────────────────────────────────────────────────────────────────────────────────────────


def read(schema: Mapping[str, Any]) -> Imported:
    """A contract from a JSON Schema of an object. Raises ConfigError when it is of something else."""
    return _Reader(schema).whole()


@dataclass(frozen=True, slots=True)
class _Reader:
    """Walks one schema."""

    schema: Mapping[str, Any]

    def whole(self) -> Imported:
        found = Gathered()
        top = self._meant(self.schema, found, ())
        if "object" not in _types(top) and "properties" not in top:
            raise ConfigError("a contract needs a schema of an object", path="type")
        self._object(top, (), found, required=True)
        found.lost((), {key for key in self.schema if key not in UNDERSTOOD | OUTSIDE})
        promise = Promise.of(
            str(top.get("title") or self.schema.get("title") or ""), found.properties, found.required,
            closed=top.get("additionalProperties") is False, description=str(top.get("description") or ""),
        )  # fmt: skip
        return Imported(promise, notes=tuple(found.notes))

    def _object(self, one: Mapping[str, Any], path: tuple[str, ...], found: Gathered, *, required: bool) -> None:
        inside = one.get("properties")
        needed = one.get("required")
        needed = {key for key in needed if isinstance(key, str)} if isinstance(needed, list) else set()
        if len(path) > DEEPEST:
            raise ConfigError("the schema holds itself, or is too deep", path=".".join(path[:3]))
        inside = inside if isinstance(inside, Mapping) else {}
        for key in [*inside, *sorted(needed - set(inside))]:
            part, here = self._meant(inside.get(key, True), found, (*path, key)), (*path, key)
            if key in needed and not required:
                found.lost(here, {"required inside of what is optional"})
            self._place(part, here, found, required=required and key in needed)

    def _place(self, one: Mapping[str, Any], path: tuple[str, ...], found: Gathered, *, required: bool) -> None:
        types = _types(one)
        if required and "null" in types:
            found.lost(path, {"required, though it may be null"})
        required = required and "null" not in types
        if types - {"null"} == {"object"} and one.get("properties"):
            found.lost(path, {key for key in one if key not in UNDERSTOOD})
            self._object(one, path, found, required=required)
            return
        kept = {"type", "description", "x-tags", "$ref", "title", "examples", "default", "$comment"}
        kind = _kind(types, one)
        kept |= {"format"} if kind == "time" else set()
        values = one.get("enum", [one["const"]] if "const" in one else [])
        listed = [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
        whole = isinstance(values, list) and all(value is None or isinstance(value, str) for value in values)
        if kind == "json" and listed and whole and not types:
            kind = "string"
        kept |= {"enum", "const"} if listed and whole and kind == "string" else set()
        found.lost(path, {key for key in one if key not in kept})
        tags = one.get("x-tags")
        made = Property(
            kind=kind, values=listed if whole and kind == "string" else [],
            description=str(one.get("description") or ""),
            tags=[tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else [],
        )  # fmt: skip
        found.keep(path, made, required=required)

    def _meant(self, one: Any, found: Gathered, path: tuple[str, ...]) -> Mapping[str, Any]:
        """A schema, or what it refers to inside of this document."""
        for _ in range(DEEPEST):
            if not isinstance(one, Mapping):
                return {}
            reference = one.get("$ref")
            if not isinstance(reference, str):
                return one
            target: Any = self.schema if reference.startswith("#") else None
            for key in reference.lstrip("#").split("/")[1:]:
                key = key.replace("~1", "/").replace("~0", "~")  # noqa: PLW2901
                target = target.get(key) if isinstance(target, Mapping) else None
            if target is None:
                found.lost(path, {f"$ref {reference}"})
                return {key: value for key, value in one.items() if key != "$ref"}
            one = (
                {**target, **{key: value for key, value in one.items() if key != "$ref"}}
                if isinstance(target, Mapping)
                else target
            )
        raise ConfigError("the schema refers to itself", path=".".join(path))


def _types(one: Mapping[str, Any]) -> set[str]:
    found = one.get("type", [])
    return {str(name) for name in found} if isinstance(found, list) else {str(found)}


def _kind(types: set[str], one: Mapping[str, Any]) -> Kind:
    """The kind that holds values of these types."""
    some = types - {"null"}
    if some == {"string"}:
        return "time" if one.get("format") in FORMATS else "string"
    if some == {"integer", "number"}:
        return "number"
    kinds: dict[str, Kind] = {"number": "number", "integer": "integer", "boolean": "boolean"}
    return kinds.get(next(iter(some)), "json") if len(some) == 1 else "json"

"""Contracts as Avro records, and back.

`address.city` is `city` in the record `address`; what need not be there is a union with null, null by default. `time`
is `timestamp-micros`, `json` a string that holds JSON. A name that Avro cannot have is written in letters it can, and
the real one stands beside it as `property`; `content`, `values` and `tags` are attributes, which readers ignore.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trackway.errors import ConfigError
from trackway.model.contracts.imported import DEEPEST, Gathered, Imported
from trackway.model.contracts.promise import Node, Promise, Property
from trackway.model.schema import Kind

TYPES: dict[Kind, Any] = {
    "string": {"type": "string"}, "number": {"type": "double"}, "integer": {"type": "long"},
    "boolean": {"type": "boolean"}, "time": {"type": "long", "logicalType": "timestamp-micros"},
    "json": {"type": "string", "content": "json"},
}  # fmt: skip
KINDS: dict[str, Kind] = {
    "string": "string", "int": "integer", "long": "integer", "float": "number", "double": "number",
    "boolean": "boolean", "enum": "string",
}  # fmt: skip
MOMENTS = re.compile(r"(local-)?timestamp-(milli|micro|nano)s|date")
FIELD = frozenset({"name", "type", "doc", "default", "aliases", "order", "property", "tags", "values"})


def named(name: str) -> str:
    """A name in letters that Avro has, each name another; one that Avro can have is itself.

    >>> named("plan"), named("user id"), named("2nd")
    ('plan', 'user_u20_id', '_u32_nd')
    """
    safe = re.sub(r"_(?=u[0-9a-f]+_)", "_u5f_", name)
    safe = re.sub(r"[^A-Za-z0-9_]", lambda found: f"_u{ord(found[0]):x}_", safe)
    return f"_u{ord(safe[0]):x}_{safe[1:]}" if safe[:1].isdigit() else safe or "_u_"


def written(promise: Promise, name: str) -> dict[str, Any]:
    """The record of the events that keep a promise."""
    record = _record(promise.tree, named(name))
    said = {"type": "record", "name": record["name"], "doc": promise.description, "event": promise.event,
            "content": "closed" if promise.closed else "open", "fields": record["fields"]}  # fmt: skip
    return {key: value for key, value in said.items() if key != "doc" or value}


def _record(node: Node, name: str) -> dict[str, Any]:
    fields = [_field(key, one, name) for key, one in sorted(node.inside.items())]
    return {"type": "record", "name": name, "fields": fields}


def _field(key: str, one: Node, inside: str) -> dict[str, Any]:
    safe = named(key)
    said: dict[str, Any] = {"name": safe}
    if safe != key:
        said["property"] = key
    if one.property is None:
        type_: Any = _record(one, f"{inside}__{safe}")
    else:
        whole = TYPES[one.property.kind]
        type_ = whole["type"] if len(whole) == 1 else dict(whole)
        beside = {"doc": one.property.description, "values": sorted(set(one.property.values)),
                  "tags": sorted(set(one.property.tags))}  # fmt: skip
        said |= {key: value for key, value in beside.items() if value}
    return said | ({"type": type_} if one.required else {"type": ["null", type_], "default": None})


# ── and back ────────────────────────────────────────────────────────────────────────────────────────


def read(schema: Mapping[str, Any]) -> Imported:
    """A contract from an Avro record. Raises ConfigError when it is of something else."""
    if schema.get("type") != "record":
        raise ConfigError("a contract needs an Avro record", path="type")
    reader = _Reader()
    reader.record(schema, (), required=True)
    name = str(schema.get("name") or "").rpartition(".")[2]
    promise = Promise.of(
        str(schema.get("event") or name), reader.found.properties, reader.found.required,
        closed=schema.get("content") == "closed", description=str(schema.get("doc") or ""),
    )  # fmt: skip
    return Imported(promise, name, notes=tuple(reader.found.notes))


@dataclass(slots=True)
class _Reader:
    """Walks one schema; named types are known from where they are defined on."""

    found: Gathered = field(default_factory=Gathered)
    types: dict[str, Any] = field(default_factory=dict)

    def record(self, one: Mapping[str, Any], path: tuple[str, ...], *, required: bool) -> None:
        if len(path) > DEEPEST:
            raise ConfigError("the record holds itself, or is too deep", path=".".join(path[:3]))
        fields = one.get("fields")
        for part in fields if isinstance(fields, list) else []:
            if isinstance(part, Mapping) and "type" in part:
                here = (*path, str(part.get("property", part.get("name"))))
                self.found.lost(here, {key for key in part if key not in FIELD})
                self._field(part, here, required=required)

    def _field(self, part: Mapping[str, Any], path: tuple[str, ...], *, required: bool) -> None:
        type_, optional = part["type"], "default" in part
        if isinstance(type_, list):
            some = [one for one in type_ if one != "null"]
            optional |= len(some) < len(type_)
            if len(some) != 1:
                self.found.lost(path, {"a union of several types"})
            type_ = some[0] if len(some) == 1 else {"type": "map"}
        if not optional and not required:
            self.found.lost(path, {"required inside of what is optional"})
        whole = self._meant(type_)
        if whole.get("type") == "record":
            self.record(whole, path, required=required and not optional)
            return
        kind = _kind(whole)
        if kind == "json" and whole.get("content") != "json":
            self.found.lost(path, {f"type {whole.get('type')}"})
        values = part.get("values") or whole.get("symbols") or []
        tags = part.get("tags") or []
        made = Property(kind=kind, values=[str(value) for value in values] if kind == "string" else [],
                        description=str(part.get("doc") or ""), tags=[str(tag) for tag in tags])  # fmt: skip
        self.found.keep(path, made, required=required and not optional)

    def _meant(self, type_: Any) -> Mapping[str, Any]:
        """A type as an object, also of a name that was defined above."""
        if isinstance(type_, str):
            return self.types.get(type_.rpartition(".")[2], {"type": type_})  # type: ignore[no-any-return]
        if not isinstance(type_, Mapping):
            return {"type": "map"}
        if isinstance(type_.get("type"), Mapping):
            return self._meant(type_["type"])
        if isinstance(type_.get("name"), str):
            self.types[type_["name"].rpartition(".")[2]] = type_
        return type_


def _kind(whole: Mapping[str, Any]) -> Kind:
    """The kind that holds the values of a type."""
    logical = str(whole.get("logicalType") or "")
    if whole.get("content") == "json" or logical == "decimal":
        return "json"
    if MOMENTS.fullmatch(logical):
        return "time"
    return KINDS.get(str(whole.get("type")), "json")

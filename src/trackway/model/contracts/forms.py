"""The forms that contracts are written in for others: JSON Schema, Avro, Iglu, and types of two languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from trackway.errors import ConfigError, suggest
from trackway.model import toml_text
from trackway.model.contracts import avro, iglu, json_schema, stubs
from trackway.model.contracts.imported import Imported, document
from trackway.model.contracts.promise import Promise, Property
from trackway.model.contracts.version import Version

SCHEMAS = ("json_schema", "avro", "iglu")
MEDIA = {"json_schema": "application/schema+json", "avro": "application/vnd.apache.avro+json",
         "iglu": "application/schema+json", "python": "text/x-python", "typescript": "text/typescript"}  # fmt: skip
VENDOR = "com.example"


def written(form: str, name: str, promise: Promise, version: Version, vendor: str = VENDOR) -> bytes:
    """A contract in a form. Raises ConfigError for an unknown one, or for what the form has no word for."""
    if form in stubs.LANGUAGES:
        return stubs.LANGUAGES[form]({name: promise}).encode()
    if form not in SCHEMAS:
        raise ConfigError(f"no form '{form}'", path="as", hint=suggest(form, MEDIA))
    made: Mapping[str, Any] = (
        iglu.written(promise, name, version, vendor) if form == "iglu"
        else avro.written(promise, name) if form == "avro" else json_schema.written(promise)
    )  # fmt: skip
    return orjson.dumps(made, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read(text: bytes, place: str) -> Imported:
    """A contract from a JSON Schema, an Avro record or an Iglu schema, whichever it is. Raises ConfigError."""
    found = document(text, place)
    if isinstance(found.get("self"), Mapping):
        return iglu.read(found)
    return avro.read(found) if found.get("type") == "record" else json_schema.read(found)


def table(name: str, promise: Promise, version: str = "") -> str:
    """The table of trackway.toml for a promise."""
    properties = {one: _short(kept) for one, kept in promise.properties.items()}
    head = toml_text.table(
        f"contracts.{toml_text.key(name)}",
        {"event": promise.event, "version": version, "content": "closed" if promise.closed else None,
         "description": promise.description, "required": sorted(promise.required)},
    )  # fmt: skip
    if not properties:
        return head
    return head + "\n\n" + toml_text.table(f"contracts.{toml_text.key(name)}.properties", properties)


def _short(one: Property) -> Any:
    said = one.document()
    return one.kind if len(said) == 1 else said

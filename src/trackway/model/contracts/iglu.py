"""Contracts as self-describing JSON Schemas of Iglu, which say their vendor, name and SchemaVer, and back.

A contract at 1.2.3 has the SchemaVer 1-2-3: what is major here is a new model there, what is minor a revision (an
addition that history may not fit), and what is patch an addition. Iglu has no model 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trackway.errors import ConfigError
from trackway.model.contracts import json_schema
from trackway.model.contracts.imported import Imported
from trackway.model.contracts.promise import Promise
from trackway.model.contracts.version import Version

DIALECT = "http://iglucentral.com/schemas/com.snowplowanalytics.self-desc/schema/jsonschema/1-0-0#"
VENDOR = re.compile(r"[a-zA-Z0-9_.-]+")
SCHEMA_VERSION = re.compile(r"([1-9]\d{0,8})-(0|[1-9]\d{0,8})-(0|[1-9]\d{0,8})")


def named(name: str) -> str:
    """The name of a contract in the letters that Iglu has."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)


def written(promise: Promise, name: str, version: Version, vendor: str) -> dict[str, Any]:
    """The self-describing schema of a promise. Raises ConfigError for what Iglu has no word for."""
    if not VENDOR.fullmatch(vendor):
        raise ConfigError(f"'{vendor}' is no vendor", path="vendor", hint="such as com.acme")
    if version.major < 1:
        raise ConfigError(f"Iglu has no version {version}", path="version", hint="publish 1.0.0 first")
    own = {"vendor": vendor, "name": named(name), "format": "jsonschema", "version": "-".join(map(str, version))}
    return {"$schema": DIALECT, "self": own, "title": promise.event, **json_schema.body(promise)}


def read(schema: Mapping[str, Any]) -> Imported:
    """A contract from a self-describing schema. Raises ConfigError."""
    own = schema.get("self")
    own = own if isinstance(own, Mapping) else {}
    found = SCHEMA_VERSION.fullmatch(str(own.get("version", "")))
    if found is None:
        raise ConfigError(f"no SchemaVer such as 1-0-0: {own.get('version')!r}", path="self.version")
    made = json_schema.read(schema)
    name = str(own.get("name") or "")
    promise = made.promise if made.promise.event else replace(made.promise, event=name)
    return replace(made, promise=promise, name=name, version=str(Version(*map(int, found.groups()))))

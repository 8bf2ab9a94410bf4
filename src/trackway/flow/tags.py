"""Columns by what contracts tag them with, such as `personal`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from trackway.errors import ConfigError, suggest
from trackway.flow.expressions import find
from trackway.model.schema import Schema
from trackway.plan.component import Contract


def tagged(tags: Iterable[str], contracts: Mapping[str, Contract]) -> list[str]:
    """The properties that any contract tags with one of `tags`. Raises ConfigError for a tag that no contract has."""
    every: dict[str, list[str]] = {}
    for contract in contracts.values():
        for name, one in contract.properties.items():
            for tag in one.tags:
                every.setdefault(tag, []).append(name)
    for place, tag in enumerate(tags):
        if tag not in every:
            told = suggest(tag, every) if every else 'write properties = { email = { kind = "string", tags = ["…"] } }'
            raise ConfigError(f"no contract has the tag '{tag}'", path=f"tags[{place}]", hint=told)
    return sorted({name for tag in tags for name in every[tag]})


def below(names: Sequence[str], schema: Schema) -> list[str]:
    """The columns of these names, and those that lie in them: `address` and `address.city`."""
    roots = tuple(f"{name}." for name in names)
    found = [column for name in names if (column := find(name, schema))]
    return [*found, *(name for name in schema.properties if name.startswith(roots) and name not in found)]

"""Tables as people would write them into trackway.toml."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

BARE = re.compile(r"[A-Za-z0-9_-]+")
WIDTH = 100
"""Longest line before an inline table is set in lines of its own."""


def table(name: str, options: Mapping[str, Any]) -> str:
    """A table `[name]`, its keys aligned; options of None or nothing are left out, tables of tables become inline.

    >>> print(table("sources.shop", {"type": "file", "columns": {"time": "created at"}, "zone": None}))
    [sources.shop]
    type    = "file"
    columns = { time = "created at" }
    """
    said = {key(one): value for one, value in options.items() if value not in (None, [], {}, "")}
    wide = max(map(len, said), default=0)
    return "\n".join([f"[{name}]", *(f"{one:<{wide}} = {_long(one, value, wide)}" for one, value in said.items())])


def key(name: str) -> str:
    """A key, quoted where it must be."""
    return name if BARE.fullmatch(name) else text(name)


def text(value: str) -> str:
    """A basic string."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def inline(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key(one)} = {inline(other)}" for one, other in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inline, value)) + "]"
    return text(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _long(name: str, value: Any, wide: int) -> str:
    """A value; a list that is too long for a line has one item on each."""
    whole = inline(value)
    if isinstance(value, list) and max(wide, len(name)) + len(whole) > WIDTH:
        return "[\n" + "".join(f"  {inline(one)},\n" for one in value) + "]"
    return whole

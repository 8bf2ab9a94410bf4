"""Take URLs apart.

    [transforms.pages]
    type = "expand_url"
    column = "context.page.url"
    prefix = "page."
    parts = ["host", "path"]
    parameters = ["utm_*", "ref"]

Parts are `scheme host port path query fragment`. Each of the `parameters` of the query becomes a column of its own
(decoded, the first one when there are several); `utm_*` stands for the five of them and `utm_id`; `*` keeps
all of them as one JSON object in the column `parameters`.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import parse_qsl, urlsplit

import orjson
from pydantic import Field, field_validator

from trackway.flow.expressions import target, text
from trackway.flow.functions import each
from trackway.model.condition import literal
from trackway.model.schema import Kind, Schema
from trackway.plan.component import Rewrite, Transform

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "utm_id")
Part = Literal["scheme", "host", "port", "path", "query", "fragment"]


class ExpandUrl(Transform):
    """Columns from the parts of a URL."""

    column: str = "url"
    """The column with the URL, absolute or beginning with `/`."""
    prefix: str | None = None
    """Put before the names of the new columns; the name of the column and a dot when left out."""
    parts: list[Part] = Field(default=["scheme", "host", "path", "query", "fragment"])
    """The parts to take."""
    parameters: list[str] = Field(default_factory=list)
    """Parameters of the query to take."""

    @field_validator("parameters")
    @classmethod
    def _plain(cls, value: list[str]) -> list[str]:
        for name in value:
            if '"' in name:
                raise ValueError(f"{name!r} holds a quote")
            if "*" in name and name not in ("*", "utm_*"):
                raise ValueError(f"'{name}': name each parameter; only 'utm_*' and '*' stand for several")
        return value

    def rewrite(self, schema: Schema) -> Rewrite:
        """A text column for every part and parameter."""
        prefix = f"{self.column}." if self.prefix is None else self.prefix
        given = f"expand_url({text(self.column, schema)})"
        sets: dict[str, tuple[str, Kind]] = {}
        for part in self.parts:
            sets[target(prefix + part)] = (f"json_extract_string({given}, {literal(f'$.{part}')})", "string")
        names = [each for name in self.parameters for each in (UTM if name == "utm_*" else (name,))]
        for name in names:
            if name == "*":
                sets[target(f"{prefix}parameters")] = (f"json_extract({given}, '$.parameters')::varchar", "json")
            else:
                path = literal(f'$.parameters."{name}"')
                sets[target(prefix + name)] = (f"json_extract_string({given}, {path})", "string")
        return Rewrite(set=sets, functions={"expand_url": each(_parts)})


def _parts(url: str) -> str:
    """A URL as a JSON object of its parts; an empty one for what is no URL."""
    try:
        split = urlsplit(url.strip())
        host, port = split.hostname, split.port
        parameters = dict(reversed(parse_qsl(split.query, keep_blank_values=True)))
    except ValueError:
        return "{}"
    found = {
        "scheme": split.scheme, "host": host, "port": port, "path": split.path, "query": split.query,
        "fragment": split.fragment, "parameters": dict(sorted(parameters.items())),
    }  # fmt: skip
    return _json({name: value for name, value in found.items() if value})


def _json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return "{}"

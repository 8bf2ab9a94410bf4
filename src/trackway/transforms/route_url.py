"""Put the addresses of a site together by what they show: `/p/123` and `/p/456` are both `/p/:id`.

    [transforms.routes]
    type = "route_url"
    column = "path"
    into = "route"
    rules = ["/shop/:category/:product", "/blog/*"]

The first rule that fits gives the name; `:name` is one part between slashes, `*` any rest. Of other addresses, parts
that look like a number, a UUID, a date or a long token become `:id`, `:uuid`, `:date` and `:token`. What follows `?` or
`#` is no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from trackway.flow.expressions import Target, text
from trackway.flow.functions import each
from trackway.model.schema import Schema
from trackway.plan.component import Rewrite, Transform

SHAPES = (
    (":uuid", re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)),
    (":date", re.compile(r"(?:19|20)\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])")),
    (":id", re.compile(r"\d+")),
    (":token", re.compile(r"(?=[^0-9]*[0-9])[0-9a-f]{12,}|(?=[^0-9]*[0-9])(?=.*[A-Za-z])[\w=-]{20,}", re.IGNORECASE)),
)
"""What a part that stands for many looks like, and its name."""


class RouteUrl(Transform):
    """A column with the kind of page."""

    column: str = "path"
    """The column with the path or URL."""
    into: Target = "route"
    """The column that is written."""
    rules: list[str] = Field(default_factory=list, max_length=1_000)
    """Templates such as `/p/:id`, the more special ones first."""
    otherwise: Literal["generalise", "keep", "null"] = "generalise"
    """What becomes of addresses that fit no rule."""

    @field_validator("rules")
    @classmethod
    def _paths(cls, value: list[str]) -> list[str]:
        for rule in value:
            if not rule.startswith("/"):
                raise ValueError(f"a rule begins with a slash, such as /p/:id; got {rule!r}")
        return value

    def rewrite(self, schema: Schema) -> Rewrite:
        """One text column."""
        route = partial(_route, rules=[(rule, compiled(rule)) for rule in self.rules], otherwise=self.otherwise)
        return Rewrite(
            set={self.into: (f"nullif(route_url({text(self.column, schema)}), '')", "string")},
            functions={"route_url": each(route)},
        )


def compiled(rule: str) -> re.Pattern[str]:
    """A rule as a pattern of the whole path."""
    parts = re.split(r"(:\w+|\*)", rule)
    shapes = [".*" if part == "*" else "[^/]+" if part.startswith(":") else re.escape(part) for part in parts]
    return re.compile("".join(shapes) + "/?", re.DOTALL)


def _route(given: str, rules: Sequence[tuple[str, re.Pattern[str]]], otherwise: str) -> str:
    try:
        path = urlsplit(given.strip()).path or "/"
    except ValueError:
        return ""
    for rule, pattern in rules:
        if pattern.fullmatch(path):
            return rule
    if otherwise == "generalise":
        return "/".join(map(_shape, path.split("/")))
    return path if otherwise == "keep" else ""


def _shape(part: str) -> str:
    return next((name for name, pattern in SHAPES if pattern.fullmatch(part)), part)

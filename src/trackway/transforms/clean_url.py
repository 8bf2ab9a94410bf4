"""Leave out what a URL need not say: parameters that are not on a list, the fragment, a trailing slash.

    [transforms.pages]
    type = "clean_url"
    columns = ["url", "context.page.url"]
    keep = ["utm_*", "q"]

The parameters that stay are in the order of their names, so that the same page has the same address. `*` stands for any
text. What is no URL stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial
from urllib.parse import SplitResult, urlsplit, urlunsplit

import pyarrow as pa
from pydantic import Field, field_validator

from trackway.flow.expressions import find, target, text
from trackway.model.schema import Kind, Schema
from trackway.plan.component import Rewrite, Transform


class CleanUrl(Transform):
    """Shortens URLs."""

    columns: list[str] = Field(min_length=1)
    """The columns with URLs, absolute or beginning with `/`."""
    keep: list[str] = Field(default_factory=list, max_length=1_000)
    """Names of parameters that stay, or patterns of them."""
    fragment: bool = False
    """Whether what follows `#` stays."""

    @field_validator("columns")
    @classmethod
    def _targets(cls, value: list[str]) -> list[str]:
        return [target(name) for name in value]

    def rewrite(self, schema: Schema) -> Rewrite:
        """The columns that exist, as texts."""
        found = [name for name in self.columns if find(name, schema)]
        sets: dict[str, tuple[str, Kind]] = {name: (f"clean_url({text(name, schema)})", "string") for name in found}
        clean = partial(cleaned, keep=self.keep, fragment=self.fragment)
        return Rewrite(set=sets, functions={"clean_url": clean} if sets else {})


def cleaned(urls: pa.Array, keep: Sequence[str], *, fragment: bool) -> pa.Array:
    """Every URL without what need not be said."""
    return pa.array([None if url is None else _clean(url, keep, fragment) for url in urls.to_pylist()], pa.string())


def _clean(url: str, keep: Sequence[str], fragment: bool) -> str:
    try:
        split = urlsplit(url.strip())
        _ = split.port
    except ValueError:
        return url
    stay = sorted(one for one in split.query.split("&") if _kept(one.partition("=")[0], keep))
    path = split.path.rstrip("/") or ("/" if split.path else "")
    return urlunsplit(SplitResult(split.scheme, split.netloc, path, "&".join(stay), split.fragment if fragment else ""))


def _kept(name: str, keep: Sequence[str]) -> bool:
    return bool(name) and any(fnmatchcase(name, pattern) for pattern in keep)

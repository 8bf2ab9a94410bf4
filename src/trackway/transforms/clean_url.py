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

from pydantic import Field

from trackway.flow.expressions import Targets, rewritten
from trackway.flow.functions import each
from trackway.model.schema import Schema
from trackway.plan.component import Rewrite, Transform


class CleanUrl(Transform):
    """Shortens URLs."""

    columns: Targets
    """The columns with URLs, absolute or beginning with `/`."""
    keep: list[str] = Field(default_factory=list, max_length=1_000)
    """Names of parameters that stay, or patterns of them."""
    fragment: bool = False
    """Whether what follows `#` stays."""

    def rewrite(self, schema: Schema) -> Rewrite:
        """The columns that exist, as texts."""
        sets = rewritten(self.columns, schema, lambda given: f"clean_url({given})")
        clean = each(partial(_clean, keep=self.keep, fragment=self.fragment))
        return Rewrite(set=sets, functions={"clean_url": clean} if sets else {})


def _clean(url: str, keep: Sequence[str], *, fragment: bool) -> str:
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

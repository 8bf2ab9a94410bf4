"""Routes as codecs write them: `/v1/track`, `GET POST /batch`, `POST PUT /{index}/_bulk`, `/inputs/{token}/{rest*}`.

Methods stand in front, POST alone when there are none. `{name}` is one part of the path, or of a part;
`{name*}` is the rest of the path, slashes included. What they stood for is `Request.parts`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

HOLE = re.compile(r"\{(\w+)(\*?)\}")


@dataclass(frozen=True)
class Route:
    """A path, perhaps with holes, and the methods it is answered on."""

    methods: frozenset[str]
    path: str

    @classmethod
    def read(cls, text: str) -> Route:
        """A route from its text.

        >>> sorted(Route.read("POST PUT /{index}/_bulk").methods), Route.read("/v1/t").methods
        (['POST', 'PUT'], frozenset({'POST'}))
        """
        *methods, path = text.split()
        return cls(frozenset(methods or ["POST"]), path.rstrip("/"))

    def under(self, prefix: str) -> Route:
        """The same route below a prefix."""
        return Route(self.methods, prefix + self.path)

    @property
    def exact(self) -> bool:
        """Whether it is one path only."""
        return "{" not in self.path

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        out, at = "", 0
        for hole in HOLE.finditer(self.path):
            inside = ".+" if hole[2] else "[^/]+?"
            out += re.escape(self.path[at : hole.start()]) + f"(?P<{hole[1]}>{inside})"
            at = hole.end()
        return re.compile(out + re.escape(self.path[at:]))

    def match(self, path: str) -> dict[str, str] | None:
        """What the holes stand for in a path, None when it is another.

        >>> Route.read("/inputs/{token}/tag/{tags*}").match("/inputs/abc/tag/a,b")
        {'token': 'abc', 'tags': 'a,b'}
        """
        found = self._pattern.fullmatch(path)
        return None if found is None else found.groupdict()

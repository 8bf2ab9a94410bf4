"""Versions of contracts: semantic ones, and how far a change must move them."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from trackway.errors import ConfigError

Bump = Literal["none", "patch", "minor", "major"]
"""The leftmost number that must grow."""
SIZES: tuple[Bump, ...] = ("none", "patch", "minor", "major")
WRITTEN = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")


class Version(NamedTuple):
    """Major, minor, patch; they compare as they are ordered.

    >>> str(Version.read("1.4.2").after("minor"))
    '1.5.0'
    """

    major: int
    minor: int
    patch: int

    @classmethod
    def read(cls, text: str) -> Version:
        """A version such as `1.4.2`. Raises ConfigError."""
        found = WRITTEN.fullmatch(text)
        if found is None:
            raise ConfigError(f"expected a version such as 1.4.2, got '{text}'", path="version")
        return cls(*map(int, found.groups()))

    def __str__(self) -> str:
        return ".".join(map(str, self))

    def after(self, bump: Bump) -> Version:
        """The next version."""
        following = {
            "none": self, "patch": Version(self.major, self.minor, self.patch + 1),
            "minor": Version(self.major, self.minor + 1, 0), "major": Version(self.major + 1, 0, 0),
        }  # fmt: skip
        return following[bump]

    def bump_to(self, later: Version) -> Bump:
        """The leftmost number that grew up to a later version."""
        if later.major > self.major:
            return "major"
        return "minor" if later.minor > self.minor else "patch" if later.patch > self.patch else "none"


FIRST = Version(1, 0, 0)


def wrong(before: Version, after: Version, needed: Bump) -> str | None:
    """Why a change that needs a bump cannot be published as `after`; None when it can. A larger bump is right too:
    a property may come to mean something else, which no comparison sees."""
    if after <= before:
        return f"{after} does not come after {before}"
    made = before.bump_to(after)
    if SIZES.index(made) < SIZES.index(needed):
        return f"{before} to {after} is a {made} bump, and the change is {needed}"
    return None

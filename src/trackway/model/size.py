"""Sizes as people write them: `64KB`, `1MB`, `2GB`.

>>> Size("1MB").bytes
1000000
"""

from __future__ import annotations

import re
from typing import Self

from trackway.model.written import Written

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
SHAPE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([KMG]?I?B)\s*$", re.IGNORECASE)


class Size(Written):
    """A number of bytes: `512B 64KB 8MB 2GB`, decimal; `KiB MiB GiB` are binary."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if not SHAPE.match(str(text)):
            raise ValueError(f"expected a size such as '64KB' or '8MB', got {str(text)!r}")
        return super().__new__(cls, str(text).strip())

    @property
    def bytes(self) -> int:
        """The number of bytes."""
        number, unit = SHAPE.match(self).groups()  # type: ignore[union-attr]
        return round(float(number) * UNITS[unit.upper()])

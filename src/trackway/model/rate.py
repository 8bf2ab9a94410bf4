"""Rates as people write them: `500/s`, `20000/m`, `1000000/h`.

>>> Rate("600/m").per_second
10.0
"""

from __future__ import annotations

import re
from typing import Self

from trackway.model.written import Written

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
SHAPE = re.compile(r"^\s*(\d+)\s*/\s*([smhd])\s*$")


class Rate(Written):
    """How many in a second, minute, hour or day: `500/s`."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        found = SHAPE.match(str(text))
        if found is None or not int(found[1]):
            raise ValueError(f"expected a rate such as '500/s' or '20000/m', got {str(text)!r}")
        return super().__new__(cls, str(text).strip())

    @property
    def per_second(self) -> float:
        """How many in a second."""
        number, unit = SHAPE.match(self).groups()  # type: ignore[union-attr]
        return int(number) / SECONDS[unit]

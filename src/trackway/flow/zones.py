"""A time zone as people name it: `Europe/Berlin`."""

from __future__ import annotations

from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trackway.model.written import Written


class Zone(Written):
    """The name of a time zone that exists."""

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"unknown time zone '{name}', expected one such as 'Europe/Berlin'") from error
        return super().__new__(cls, name)

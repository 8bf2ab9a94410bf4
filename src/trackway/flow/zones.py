"""A time zone as people name it: `Europe/Berlin`."""

from __future__ import annotations

from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic_core import core_schema


class Zone(str):
    """The name of a time zone that exists."""

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"unknown time zone '{name}', expected one such as 'Europe/Berlin'") from error
        return super().__new__(cls, name)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(), serialization=core_schema.to_string_ser_schema()
        )

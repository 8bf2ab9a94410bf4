"""Texts of a configuration that mean more than their letters: checked when read, and still the text as written."""

from __future__ import annotations

from typing import Any

from pydantic_core import core_schema


class Written(str):
    """A text with what it means beside it. Equal texts mean the same; `__new__` refuses what means nothing."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(), serialization=core_schema.to_string_ser_schema()
        )

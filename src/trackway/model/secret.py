"""Secrets: texts that come from the environment, and that nothing prints.

>>> Secret("hunter2")
<secret>
"""

from __future__ import annotations

from typing import Any, Self

from pydantic_core import core_schema


class Secret(str):
    """What `{ env = "NAME" }` stands for. An option of this type takes no plain text, since files are shared.

    It shows itself nowhere: not in a message, not in a dump.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        shown = core_schema.plain_serializer_function_ser_schema(repr)
        return core_schema.no_info_plain_validator_function(cls._from_outside, serialization=shown)

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
        return {"type": "object", "properties": {"env": {"type": "string"}}, "required": ["env"]}

    @classmethod
    def _from_outside(cls, value: object) -> Self:
        if not isinstance(value, cls):
            raise ValueError('a secret does not stand in the file: write { env = "NAME" }')  # noqa: TRY004
        return value

"""Steps, as every question writes them that follows actors through several events."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from trackway.model.condition import Condition

MOST_STEPS = 16


class Step(BaseModel):
    """One step: an event for which `when` is true."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True)
    name: str = ""
    """Shown in the answer; the condition itself when left out."""
    when: Condition
    """Which events are this step."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return {"when": value} if isinstance(value, str) else value

"""Moments as people write them: a date, a time, an epoch, `now`, or a time before now such as `-30d`."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator

from trackway.model.time import Duration, instant

RELATIVE = re.compile(r"^-\s*(\d+(?:\.\d+)?\s*(?:ms|mo|s|m|h|d|w))$")


def as_moment(value: Any) -> str:
    """A date, an ISO time, an epoch, `now`, or a time before now such as `-30d`; as text."""
    if isinstance(value, datetime | date):
        value = value.isoformat()
    text = str(value).strip()
    if text == "now" or RELATIVE.match(text):
        return text
    try:
        instant(_number(text))
    except (ValueError, OverflowError):
        raise ValueError(f"expected a date, a time or one such as '-30d', got {text!r}") from None
    return text


def _number(text: str) -> str | float:
    return float(text) if re.fullmatch(r"-?\d{6,}(\.\d+)?", text) else text


Moment = Annotated[str, BeforeValidator(as_moment)]
"""A point in time as people write it."""


def micros(text: str, now: int, zone: str) -> int:
    """The instant a moment means when it is `now`.

    >>> micros("-1m", 120_000_000, "UTC")
    60000000
    """
    if text == "now":
        return now
    if relative := RELATIVE.match(text):
        return now - Duration(relative[1]).micros
    return instant(_number(text), zone)

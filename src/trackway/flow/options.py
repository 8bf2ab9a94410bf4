"""Options that several kinds of sources have: what they may be, and what a codec is told of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import AfterValidator

from trackway.errors import suggest
from trackway.flow.zones import Zone
from trackway.plan import registry

NAMED = ("event", "time", "event_id", "user_id", "anonymous_id")
"""What a column may be named for."""
ACTOR = ("event", "user_id", "anonymous_id")
"""The same where the source itself says when an event happened and how it is known."""


def _codec(*others: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        names = (*registry.names("codecs"), *others)
        if value not in names:
            raise ValueError(f"unknown codec '{value}'; {suggest(value, names)}")
        return value

    return check


def _columns(names: Sequence[str]) -> Callable[[dict[str, str]], dict[str, str]]:
    def check(value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name not in names:
                raise ValueError(f"unknown column '{name}'; {suggest(name, names)}")
        return value

    return check


CodecName = Annotated[str, AfterValidator(_codec())]
CodecNameOrAuto = Annotated[str, AfterValidator(_codec("auto"))]
Columns = Annotated[dict[str, str], AfterValidator(_columns(NAMED))]
"""Which of the source's columns is one of the envelope's."""
ActorColumns = Annotated[dict[str, str], AfterValidator(_columns(ACTOR))]


def told(layout: str, zone: Zone) -> dict[str, str]:
    """What a codec is told with every block: how a line is laid out, and the time zone, where they say something."""
    said = {"format": layout, "zone": "" if zone == "UTC" else zone}
    return {name: value for name, value in said.items() if value}

"""Choices that depend on all actors, kept while parts of the actors are answered for.

An answer ranks groups, or chooses how wide the bars of a histogram are. When the same question is answered for
parts of a sample, to learn how sure its numbers are, the same choices must hold, or the rows would not be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar


@dataclass
class Choices:
    """What was chosen, in the order of choosing."""

    made: list[Any] = field(default_factory=list)
    replayed: bool = False
    at: int = 0


T = TypeVar("T")
_CHOICES: ContextVar[Choices | None] = ContextVar("choices", default=None)


@contextmanager
def choosing(before: Choices | None = None) -> Iterator[Choices]:
    """While the block runs, note the choices that are made; or, with those of `before`, make the same ones."""
    choices = Choices() if before is None else Choices(before.made, replayed=True)
    token = _CHOICES.set(choices)
    try:
        yield choices
    finally:
        _CHOICES.reset(token)


def settled(choose: Callable[[], T]) -> T:
    """What `choose` gives; or what was chosen in its place for all actors, when this is a part of them."""
    choices = _CHOICES.get()
    if choices is None:
        return choose()
    if choices.replayed:
        choices.at += 1
        return choices.made[choices.at - 1] if choices.at <= len(choices.made) else choose()
    choices.made.append(choose())
    made: T = choices.made[-1]
    return made

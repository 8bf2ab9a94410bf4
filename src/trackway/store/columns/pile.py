"""Partials put on a pile, in bounded memory.

Counts are merged as they come, so that there is one of them at any time. Per-actor tables do not get smaller by that:
they are put on disk, and the whole table is a mapped file, which the system takes from memory when it is short.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trackway.errors import StorageError
from trackway.plan.query import Query

SHARED = {"shared": True}
"""Metadata of a field that all partials have in common, and that none of them owns."""
SMALLER = 0.75
"""Merging is worth it when two partials become one of this part of their sizes."""


def size(partial: Any) -> int:
    """Bytes of the arrays of a partial, however they are nested."""
    if isinstance(partial, np.ndarray):
        return partial.nbytes
    if isinstance(partial, dict):
        return sum(size(value) for value in partial.values())
    if isinstance(partial, list | tuple):
        return sum(size(value) for value in partial)
    if is_dataclass(partial):
        return sum(size(getattr(partial, one.name)) for one in fields(partial) if "shared" not in one.metadata)
    return 0


class Pile:
    """The partials of one pass of one question."""

    def __init__(self, query: Query, memory: int, folder: Path | None) -> None:
        self._query, self._memory, self._folder = query, memory, folder
        self._parts: list[Any] = []
        self._bytes = 0
        self._tables: bool | None = None
        """Whether partials are tables, whose merging is to put them behind each other."""

    def add(self, partial: Any) -> None:
        """Put a partial on the pile."""
        self._parts.append(partial)
        self._bytes += size(partial)
        if self._tables is None:
            some = [part for part in self._parts if size(part)][:2]
            if len(some) < 2:
                return
            self._tables = self._are_tables(*some)
        if not self._tables:
            self._parts = [self._query.merge(self._parts)]
        elif self._bytes * 3 > self._memory:
            self._parts = [_on_disk(part, self._folder) for part in self._parts]
            self._bytes = 0

    def _are_tables(self, first: Any, second: Any) -> bool:
        """Whether merging two partials is to put one behind the other, whichever comes first."""
        both = self._query.merge([first, second])
        if not is_dataclass(first) or size(both) < SMALLER * (size(first) + size(second)):
            return False
        return all(
            _same(mine, theirs)
            for pair, merged in (([first, second], both), ([second, first], self._query.merge([second, first])))
            for mine, theirs in zip(_values(merged), _joined(pair), strict=True)
        )

    def whole(self) -> Any:
        """What all partials together are."""
        if not self._tables or not any(isinstance(value, np.memmap) for part in self._parts for value in _values(part)):
            return self._query.merge(self._parts)
        names = [one.name for one in fields(self._parts[0])]
        made = (_mapped(arrays, self._folder) for arrays in zip(*map(_values, self._parts), strict=True))
        return replace(self._parts[0], **dict(zip(names, made, strict=True)))


def _values(partial: Any) -> list[Any]:
    return [getattr(partial, one.name) for one in fields(partial)]


def _joined(parts: Sequence[Any]) -> Iterator[Any]:
    """The fields of partials, arrays behind each other along their last axis."""
    for values in zip(*map(_values, parts), strict=True):
        arrays = all(isinstance(value, np.ndarray) and value.ndim for value in values)
        fit = arrays and len({value.shape[:-1] for value in values}) == 1
        yield np.concatenate(values, axis=-1) if fit else values[0]


def _same(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, np.ndarray):
        return isinstance(theirs, np.ndarray) and mine.dtype == theirs.dtype and np.array_equal(mine, theirs)
    return mine is theirs


def _on_disk(partial: Any, folder: Path | None) -> Any:
    """A partial whose arrays are mapped files; one that is on disk already stays as it is."""
    return replace(
        partial,
        **{
            one.name: _mapped([value], folder)
            for one in fields(partial)
            if isinstance(value := getattr(partial, one.name), np.ndarray) and not isinstance(value, np.memmap)
        },
    )


def _mapped(arrays: Sequence[Any], folder: Path | None) -> Any:
    """Arrays behind each other in one mapped file without a name, gone when nobody holds it. Raises StorageError."""
    first = arrays[0]
    if not isinstance(first, np.ndarray):
        return first
    shape = (*first.shape[:-1], sum(array.shape[-1] for array in arrays))
    if 0 in shape:
        return np.concatenate(arrays, axis=-1)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, math.prod(shape) * first.dtype.itemsize)
            made = np.memmap(file, first.dtype, "r+", shape=shape)
            at = 0
            for array in arrays:
                made[..., at : at + array.shape[-1]] = array
                at += array.shape[-1]
    except OSError as error:
        hint = "make room, or ask a sample"
        raise StorageError(f"no room for what is folded: {error.strerror or error}", hint=hint) from error
    return made

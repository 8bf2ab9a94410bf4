"""How kernels are compiled: with numba, free of the interpreter lock, cached on disk, typed as functions are."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def njit_free(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code. Its module is where the cache looks for changes."""
    compiled: Callable[P, R] = njit(cache=True, nogil=True)(function)
    return compiled

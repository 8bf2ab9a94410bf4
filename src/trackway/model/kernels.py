"""How passes over bytes are compiled: with numba, free of the interpreter lock, cached on disk, typed as functions are.

Handing an array to a function counts a reference, twice an atomic operation; in a function that is called for every
value of a payload that is most of its time. Functions that make no arrays need no counting: they are `leaf`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """The function as machine code. Its module is where the cache looks for changes."""
    compiled: Callable[P, R] = njit(cache=True, nogil=True)(function)
    return compiled


def leaf(function: Callable[P, R]) -> Callable[P, R]:
    """The same for a function that makes no arrays; one that does cannot be compiled so."""
    compiled: Callable[P, R] = njit(cache=True, nogil=True, _nrt=False)(function)
    return compiled


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """A leaf that becomes part of whoever calls it: small, or called from one place."""
    compiled: Callable[P, R] = njit(cache=True, nogil=True, _nrt=False, forceinline=True)(function)
    return compiled

"""Independent work on all cores."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


@cache
def workers() -> ThreadPoolExecutor:
    """A thread for each further core, for all of the process: starting them would take longer than some folds, and
    the one who asks works too.
    """
    return ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1), thread_name_prefix="work")


def in_parallel(work: Callable[[S], T], values: Iterable[S]) -> list[T]:
    """What some work gives for each value, in their order; it must let go of the interpreter to gain by it.

    The caller's thread works too, from the other end: asleep it would leave its core to a scheduler that may then run
    all workers on one. So work may itself ask for parallel work. When it raises for one value, no other is begun.
    """
    items = list(values)
    found: dict[int, T] = {}
    left = deque(range(len(items)))

    def go(take: Callable[[], int]) -> None:
        while (place := _taken(take)) is not None:
            found[place] = work(items[place])

    others = min(len(items), os.cpu_count() or 1) - 1
    futures = [workers().submit(go, left.popleft) for _ in range(others)]
    try:
        go(left.pop)
    finally:
        left.clear()
        wait([future for future in futures if not future.cancel()])
    for future in futures:
        if not future.cancelled():
            future.result()
    return [found[place] for place in range(len(items))]


def _taken(take: Callable[[], int]) -> int | None:
    try:
        return take()
    except IndexError:
        return None

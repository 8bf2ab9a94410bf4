"""Following an actor by rows: one whose events lie in one run, no two of those that matter at the same instant.

Then the order of rows is the order of times, and a chain is the rows of its events. Whether it is inside the window is
nearly always decided by the quarters of an hour its events are in, which take two bytes instead of eight. The exact
times of the chains that count are read at the end of many actors, having been asked for when their rows were found, so
that no actor waits for memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.extending import intrinsic

from trackway.store.columns.folds.reading import bits
from trackway.store.columns.lanes import pointer
from trackway.store.columns.run import CROWD, QUARTER

AT_ONCE = 256
"""Chains whose times are read together: few enough that what was asked for is still in the cache."""


@intrinsic  # type: ignore[untyped-decorator]
def fetch(_context: Any, array: Any, _row: Any) -> Any:
    """Ask for a row of an array that is needed later, without waiting for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        known = builder.module.globals.get("llvm.prefetch.p0i8")
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        call = known or ir.Function(builder.module, kind, "llvm.prefetch.p0i8")
        place = builder.bitcast(builder.gep(made.data, [arguments[1]]), byte)
        builder.call(call, [place, *(ir.Constant(word, value) for value in (0, 3, 1))])  # to read; near; data
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def further(live: int, steps: int) -> int:
    """The bits that can lengthen a chain, when the longest has `live` steps: the first step only at the beginning."""
    return 1 if live == 0 else ((1 << min(live + 1, steps)) - 1) & ~1


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def following(  # noqa: PLR0913, PLR0917
    step: np.ndarray, codes: np.ndarray, also: np.ndarray, others: np.ndarray, i: int, last: int, wanted: int,
    pending: int,
) -> tuple[int, int]:  # fmt: skip
    """The next row with a wanted bit, `last` when there is none; and the last before it that is step 1, else `pending`.

    Rows as unsigned numbers need no look at whether they count from the end.
    """
    if len(also):
        while i < last:
            matched = step[codes[np.uint64(i)]] & also[others[np.uint64(i)]]
            if matched & wanted:
                break
            pending = i if matched & 1 else pending
            i += 1
    elif wanted == 1:
        while i < last and not step[codes[np.uint64(i)]] & 1:
            i += 1
    else:
        while i < last:
            matched = step[codes[np.uint64(i)]]
            if matched & wanted:
                break
            pending = i if matched & 1 else pending
            i += 1
    return i, pending


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def near(times: np.ndarray, quarters: np.ndarray, a: int, b: int, within: int) -> bool:
    """Whether row `b` is at most so many microseconds after row `a`."""
    apart = np.int64(quarters[np.uint64(b)]) - np.int64(quarters[np.uint64(a)])
    if (apart + 1) * QUARTER <= within:
        return True
    return bool((apart - 1) * QUARTER < within and times[np.uint64(b)] - times[np.uint64(a)] <= within)


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def by_rows(  # noqa: PLR0913, PLR0917
    step: np.ndarray, codes: np.ndarray, also: np.ndarray, others: np.ndarray,
    times: np.ndarray, quarters: np.ndarray, crowded: np.ndarray, i: int, last: int, within: int,
    state: np.ndarray, table: np.ndarray, found: int,
) -> tuple[int, int]:  # fmt: skip
    """The length of the longest chain, whose rows are written to the table, and the row of the first step 1.

    The length is -1 when an event that matters is at the instant of another.
    """
    steps, live, begun, pending, start = len(table), 0, -1, np.int64(-1), i
    while True:
        i, pending = following(step, codes, also, others, i, last, further(live, steps), pending)
        if i >= last:
            return live, begun
        if crowded[np.uint64(i) // CROWD]:
            time = times[i]
            if (i > start and times[i - 1] == time) or (i + 1 < last and times[i + 1] == time):
                return -1, -1
        if live == 0:
            begun = i
        if pending >= 0:
            state[0, 0] = pending
        matched = bits(step, codes, also, others, i)
        live = longer(state, live, matched, times, quarters, crowded, i, within, table, found)
        if live == steps:
            return live, begun
        i, pending = i + 1, np.int64(-1)


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def longer(  # noqa: PLR0913, PLR0917
    state: np.ndarray, live: int, matched: int, times: np.ndarray, quarters: np.ndarray, crowded: np.ndarray,
    row: int, within: int, table: np.ndarray, found: int,
) -> int:  # fmt: skip
    """Let one row lengthen the chains, the longest first so that it is used once; the length of the longest.

    When it grew, the table holds the rows of that chain.
    """
    deepest = live
    for k in range(min(live, len(state) - 1), 0, -1):
        begun = state[k - 1, 0]
        if (matched >> k) & 1 and near(times, quarters, begun, row, within) and (
            k >= live or later(times, crowded, begun, state[k, 0])
        ):  # fmt: skip
            for j in range(k):
                state[k, j] = state[k - 1, j]
            state[k, k] = row
            deepest = max(deepest, k + 1)
    if matched & 1:
        state[0, 0] = row
        deepest = max(deepest, 1)
    if deepest > live:
        for j in range(deepest):
            table[j, found] = state[deepest - 1, j]
            fetch(times, state[deepest - 1, j])
    return deepest


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def later(times: np.ndarray, crowded: np.ndarray, a: int, b: int) -> bool:
    """Whether row `a` is at a later time than row `b`."""
    return a > b and not (crowded[np.uint64(a) // CROWD] and times[a] == times[b])


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def timed(  # noqa: PLR0913, PLR0917
    time_at: np.ndarray, time_like: np.ndarray, where: np.ndarray, depth: np.ndarray,
    begin: int, end: int, table: np.ndarray,
) -> None:  # fmt: skip
    """Rows of chains into their times; `where` is the run of each, -1 for one that has times already."""
    for k in range(len(table)):
        for i in range(begin, end):
            if depth[i] > k and where[i] >= 0:
                row = table[k, i]
                table[k, i] = carray(pointer(time_at[where[i]], time_like), row + 1)[np.uint64(row)]

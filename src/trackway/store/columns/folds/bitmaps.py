"""Bitmaps of the rows that matter: bit `i & 63` of word `i >> 6` says whether row `i` of a block does.

Whether the next event matters is as good as random, and a wrong guess of the processor costs more than looking at fifty
events side by side. So a block is compared as a whole first, and then only the rows that matter are visited.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

WORD = 64
FEW = 8
"""Codes that are compared one after the other; more are looked up in their table."""
GATHER = np.uint64(0x0102040810204080)
"""Times eight bytes of 0 or 1, the highest byte of the product holds them as bits, the first byte as the lowest."""


@intrinsic  # type: ignore[untyped-decorator]
def lowest(_context: Any, _word: Any) -> Any:
    """The number of the lowest bit of a word that is not 0: one instruction."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def room(rows: int) -> int:
    """Flags (bytes) for so many rows, in whole words."""
    return (rows + WORD - 1) // WORD * WORD


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def few(table: np.ndarray) -> np.ndarray:
    """The codes with a bit, at most one more than FEW of them."""
    found, n = np.empty(FEW + 1, np.int64), 0
    for code in range(len(table)):
        if table[code]:
            found[n] = code
            n += 1
            if n > FEW:
                break
    return found[:n]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def bitmap(  # noqa: PLR0913, PLR0917
    codes: np.ndarray, table: np.ndarray, some: np.ndarray,
    others: np.ndarray, also: np.ndarray, some_also: np.ndarray, bit: int, flags: np.ndarray, words: np.ndarray,
) -> None:  # fmt: skip
    """Fill `words` with the rows that have a bit: by the codes of one column, and (with a table `also`) of another.

    `some` are the `few` codes of a table. `flags` is scratch of two rows, each with `room` for the codes.
    """
    size = room(len(codes))
    flags[0, len(codes) : size] = 0
    flag(codes, table, some, bit, flags[0])
    if len(also):
        flag(others, also, some_also, bit, flags[1])
        for i in range(len(codes)):
            flags[0, i] &= flags[1, i]
    packed(flags[0, :size].view(np.uint64), words.view(np.uint8))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def flag(codes: np.ndarray, table: np.ndarray, some: np.ndarray, bit: int, flags: np.ndarray) -> None:
    """1 for each code with a bit, else 0."""
    if len(some) > FEW:
        for i in range(len(codes)):
            flags[i] = (table[codes[i]] >> bit) & 1
        return
    flags[: len(codes)] = 0
    for code in some:
        if (table[code] >> bit) & 1:
            equal(codes, codes.dtype.type(code), flags)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def equal(codes: np.ndarray, code: Any, flags: np.ndarray) -> None:
    """Set the flags of one code."""
    for i in range(len(codes)):
        flags[i] |= np.uint8(1) if codes[i] == code else np.uint8(0)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def packed(flags: np.ndarray, out: np.ndarray) -> None:
    """Eight flags to a byte."""
    for i in range(len(flags)):
        out[i] = np.uint8((flags[i] * GATHER) >> np.uint64(56))

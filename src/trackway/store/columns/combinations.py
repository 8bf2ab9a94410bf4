"""Codes for combinations of codes: (user, item) pairs and triples, numbered in the order of first sight.

An open-addressing table holds each combination once; rows cost one look at it, whatever the number of rows or
combinations. Rows that repeat the combination before them, as sorted rows mostly do, do not even cost that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

CHUNK = 1 << 16
"""Rows coded between two looks at whether the table has room."""
SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: multiplying by it spreads neighbouring numbers (Knuth, TAOCP 6.4)."""


class Pairs:
    """The codes of pairs of codes. Pair `(a, b)` of which one is 0 (null) has code 0."""

    def __init__(self) -> None:
        self._slots = np.zeros(1 << 10, np.uint64)
        self._codes = np.zeros(1 << 10, np.uint32)
        self._pairs = np.zeros(1 << 10, np.uint64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def encode(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The code of each pair (uint32), giving new ones to pairs not seen before."""
        out = np.empty(len(first), np.uint32)
        for lo in range(0, len(first), CHUNK):
            part = slice(lo, min(lo + CHUNK, len(first)))
            self._make_room(part.stop - lo)
            a, b = first[part].astype(np.uint32), second[part].astype(np.uint32)
            self._count = number(a, b, self._slots, self._codes, self._pairs, self._count, out[part])
        return out

    def _make_room(self, more: int) -> None:
        if len(self._pairs) < self._count + more + 1:
            self._pairs = np.append(self._pairs, np.zeros(len(self._pairs) + more, np.uint64))
        size = len(self._slots)
        while size < 2 * (self._count + more):
            size *= 2
        if size > len(self._slots):
            self._slots, self._codes = np.zeros(size, np.uint64), np.zeros(size, np.uint32)
            seat(self._pairs, self._count, self._slots, self._codes)

    def parts(self) -> tuple[np.ndarray, np.ndarray]:
        """The codes (uint32) of which each pair is made, by its code; those of code 0 are 0."""
        pairs = self._pairs[: self._count + 1]
        return (pairs >> np.uint64(32)).astype(np.uint32), pairs.astype(np.uint32)


class Combinations:
    """The codes of combinations of one, two or more codes; of one, the code itself."""

    def __init__(self, width: int) -> None:
        self._tables = [Pairs() for _ in range(width - 1)]

    def __len__(self) -> int:
        return len(self._tables[-1])

    def encode(self, columns: Sequence[np.ndarray]) -> np.ndarray:
        """The code of each row; 0 where one of the columns is 0 (null)."""
        codes = columns[0]
        for table, more in zip(self._tables, columns[1:], strict=True):
            codes = table.encode(codes, more)
        return codes

    def parts(self, singles: int) -> list[np.ndarray]:
        """For each column, its code in every combination, by the code of the combination.

        `singles` is how many values a single column has.
        """
        if not self._tables:
            return [np.arange(singles + 1, dtype=np.uint32)]
        first, last = self._tables[-1].parts()
        found = [last]
        for table in reversed(self._tables[:-1]):
            outer, second = table.parts()
            found.insert(0, second[first])
            first = outer[first]
        return [first, *found]


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def number(  # noqa: PLR0913, PLR0917
    first: np.ndarray, second: np.ndarray, slots: np.ndarray, codes: np.ndarray, pairs: np.ndarray, count: int,
    out: np.ndarray,
) -> int:  # fmt: skip
    """Write the code of each pair to `out`; returns how many pairs are known now."""
    size = np.uint64(len(slots) - 1)
    before, same = np.uint64(0), np.uint32(0)
    for row in range(len(first)):
        if first[row] == 0 or second[row] == 0:
            out[row] = 0
            continue
        pair = (np.uint64(first[row]) << np.uint64(32)) | np.uint64(second[row])
        if pair != before:
            before = pair
            at = place(pair, size)
            while slots[at] != pair and slots[at] != 0:
                at = (at + np.uint64(1)) & size
            if slots[at] == 0:
                count += 1
                slots[at], codes[at], pairs[count] = pair, count, pair
            same = codes[at]
        out[row] = same
    return count


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def seat(pairs: np.ndarray, count: int, slots: np.ndarray, codes: np.ndarray) -> None:
    """Put all known pairs into an empty table."""
    size = np.uint64(len(slots) - 1)
    for code in range(1, count + 1):
        at = place(pairs[code], size)
        while slots[at] != 0:
            at = (at + np.uint64(1)) & size
        slots[at], codes[at] = pairs[code], code


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def place(pair: np.uint64, size: np.uint64) -> np.uint64:
    """Where in a table of `size + 1` slots (a power of two) a pair is looked for first."""
    mixed = np.uint64(pair) * SPREAD
    return np.uint64((mixed ^ (mixed >> np.uint64(32))) & size)

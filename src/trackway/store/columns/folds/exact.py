"""Exact sums of floating-point numbers, the same in every order.

A sum by place is kept as a long integer: limbs of 32 bits in int64, each number shifted to where its bits stand
(Kulisch, "Computer Arithmetic and Validity", 2013). A sum of a few numbers at a time is kept as non-overlapping
parts (Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997), as `math.fsum` does. Both are rounded once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

MANTISSA = (1 << 52) - 1
LOW = (1 << 32) - 1
INFINITE = 2047
"""The exponent of what is no number."""
SCALE = 1075
"""The bit that is 2 ** 0."""
PARTS = 64
"""More non-overlapping parts than a sum can have: 2,098 bits in parts of 53."""


def reach(values: np.ndarray, spare: int = 0) -> tuple[int, int]:
    """The first limb that sums of these numbers need, and how many; with `spare` limbs at both ends."""
    bits = values[np.isfinite(values) & (values != 0)].view(np.int64)
    exponents = np.maximum((bits >> 52) & INFINITE, 1)
    if not len(exponents):
        return 0, 3 + 2 * spare
    begin = max(0, (int(exponents.min()) >> 5) - spare)
    return begin, (int(exponents.max()) >> 5) + 4 + spare - begin


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def put(limbs: np.ndarray, place: int, base: int, bits: int, sign: int) -> None:
    """Add to `limbs[place]`, `sign` times, the number of these bits; it must be finite."""
    exponent = (bits >> 52) & INFINITE
    mantissa = bits & MANTISSA
    if exponent:
        mantissa |= 1 << 52
    else:
        exponent = 1
    if bits < 0:
        sign = -sign
    at, shift = (exponent >> 5) - base, exponent & 31
    if mantissa == 0:
        return
    low, high = (mantissa & LOW) << shift, (mantissa >> 32) << shift
    limbs[place, at] += sign * (low & LOW)
    limbs[place, at + 1] += sign * (((low >> 32) & LOW) + (high & LOW))
    limbs[place, at + 2] += sign * (high >> 32)


def carried(limbs: np.ndarray) -> np.ndarray:
    """The same numbers with limbs of 32 bits again, the last one signed: so that many such can be added up."""
    for limb in range(limbs.shape[-1] - 1):
        limbs[..., limb + 1] += limbs[..., limb] >> 32
        limbs[..., limb] &= LOW
    return limbs


def rounded(limbs: np.ndarray, base: int) -> list[float | None]:
    """The number nearest to each sum (rows of limbs); None for one too large to be a number."""
    shift = 32 * base - SCALE
    whole = limbs[:, 0].tolist()
    for place in range(1, limbs.shape[1]):
        if limbs[:, place].any():
            whole = [low + (high << 32 * place) for low, high in zip(whole, limbs[:, place].tolist(), strict=True)]
    return [_nearest(one, shift) for one in whole]


def _nearest(whole: int, shift: int) -> float | None:
    try:
        return float(whole << shift) if shift >= 0 else whole / (1 << -shift)
    except OverflowError:
        return None


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def extended(parts: np.ndarray, n: int, x: float) -> int:
    """Add a number to a sum of `n` non-overlapping parts, smallest first; how many parts it has then."""
    kept = 0
    for i in range(n):
        y = parts[i]
        if abs(x) < abs(y):
            x, y = y, x
        high = x + y
        low = y - (high - x)
        if low != 0 and np.isfinite(high):
            parts[kept] = low
            kept += 1
        x = high
    if not np.isfinite(x):
        parts[0] = np.inf
        return 1
    parts[kept] = x
    return kept + 1


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def nearest(parts: np.ndarray, n: int) -> float:
    """The number nearest to a sum of parts, of two as near the even one."""
    if n == 0:
        return 0.0
    n -= 1
    high, low = parts[n], 0.0
    while n > 0 and low == 0:
        n -= 1
        x, y = high, parts[n]
        high = x + y
        low = y - (high - x)
    if n > 0 and ((low < 0 and parts[n - 1] < 0) or (low > 0 and parts[n - 1] > 0)):
        y = low * 2
        x = high + y
        if y == x - high:
            high = x
    return float(high)


@njit(cache=True, nogil=True, forceinline=True)  # type: ignore[untyped-decorator]
def added(high: float, low: float, x: float) -> tuple[float, float, float]:
    """A sum of two parts and a number more, and what the two parts cannot hold of it."""
    one = high + x
    y = one - high
    error = (high - (one - y)) + (x - y)
    two = low + error
    z = two - low
    return one, two, (low - (two - z)) + (error - z)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def summed(number: np.ndarray, first: int, end: int, parts: np.ndarray) -> tuple[float, int]:
    """The number nearest to the sum of `number[first:end]`, and how many of them are finite; others add nothing.

    Two parts hold the sum of nearly all numbers there are, which the errors of their additions prove (Knuth, "The Art
    of Computer Programming" II, 4.2.2, theorem B); where they do not, as many `parts` as it takes.
    """
    high, low, n, lost = 0.0, 0.0, 0, False
    for i in range(first, end):
        if np.isfinite(number[i]):
            n += 1
            high, low, error = added(high, low, number[i])
            lost |= error != 0
    if not lost:
        return high + low, n
    m = 0
    for i in range(first, end):
        if np.isfinite(number[i]):
            m = extended(parts, m, number[i])
    return nearest(parts, m), n

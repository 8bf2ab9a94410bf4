"""Bytes compared and copied 32 at a time, for compiled passes over text.

Each function becomes a few vector instructions (or whatever the processor has instead); the results are bits, the
lowest for the first byte. None of them checks bounds: at least WIDE bytes must follow every place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WIDE = 32
BITS = ir.IntType(WIDE)
VECTOR = ir.VectorType(ir.IntType(8), WIDE)


def _place(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """A pointer to WIDE bytes of an array."""
    begin = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(begin, [at]), VECTOR.as_pointer())


def _all(byte: int) -> Any:
    return ir.Constant(VECTOR, [byte] * WIDE)


@intrinsic  # type: ignore[untyped-decorator]
def specials(_context: Any, data: Any, _at: Any) -> tuple[Any, Callable[..., Any]]:
    """Which bytes from `at` on end a run of plain bytes in a JSON text: quotes, backslashes, controls."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = builder.load(_place(context, builder, signature.args[0], *arguments), align=1)
        ends = builder.or_(builder.icmp_unsigned("==", found, _all(34)), builder.icmp_unsigned("==", found, _all(92)))
        return builder.bitcast(builder.or_(ends, builder.icmp_unsigned("<", found, _all(32))), BITS)

    return types.uint32(data, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]
def equal_to(_context: Any, data: Any, _at: Any, _byte: Any) -> tuple[Any, Callable[..., Any]]:
    """Which bytes from `at` on are one byte."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, at, byte = arguments
        found = builder.load(_place(context, builder, signature.args[0], array, at), align=1)
        one = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), byte, ir.Constant(BITS, 0))
        lanes = ir.Constant(ir.VectorType(BITS, WIDE), [0] * WIDE)
        all_ = builder.shuffle_vector(one, ir.Constant(VECTOR, ir.Undefined), lanes)
        return builder.bitcast(builder.icmp_unsigned("==", found, all_), BITS)

    return types.uint32(data, types.intp, types.uint8), generate


@intrinsic  # type: ignore[untyped-decorator]
def alike(_context: Any, data: Any, _one: Any, _other: Any) -> tuple[Any, Callable[..., Any]]:
    """Which bytes are the same at two places."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, *places = arguments
        pair = [builder.load(_place(context, builder, signature.args[0], array, at), align=1) for at in places]
        return builder.bitcast(builder.icmp_unsigned("==", *pair), BITS)

    return types.uint32(data, types.intp, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]
def copy_wide(_context: Any, source: Any, _at: Any, target: Any, _to: Any) -> tuple[Any, Callable[..., Any]]:
    """Copies WIDE bytes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, at, target, to = arguments
        found = builder.load(_place(context, builder, signature.args[0], source, at), align=1)
        builder.store(found, _place(context, builder, signature.args[2], target, to), align=1)
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]
def lowest(_context: Any, _bits: Any) -> tuple[Any, Callable[..., Any]]:
    """The number of the lowest bit; of none, any."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        found = builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))
        return builder.zext(found, ir.IntType(types.intp.bitwidth))

    return types.intp(types.uint32), generate

"""Machine arithmetic for the kernels: the operations whose width shows in the result, each as one instruction or two.

numba widens every integer expression to 64 bits, which costs the fixed-point transform a factor of four in vector
width. These intrinsics say in which width to compute, and how a result is rounded; compilers know the rounding product
as a single instruction (``pmulhrsw``, and nearly so ``sqrdmulh``).
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

__all__ = ["cross_difference", "cross_sum", "energy", "halved_difference", "halved_sum", "larger_magnitude",
           "leading_zeros", "product", "windowed"]  # fmt: skip

i16, i32, i64 = types.int16, types.int32, types.int64


@intrinsic
def leading_zeros(typingctx: Any, value: Any) -> Any:
    """Count the leading zeros of an int64; 64 for zero."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        from llvmlite import ir

        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return i64(i64), codegen


@intrinsic
def product(typingctx: Any, a: Any, b: Any) -> Any:
    """Multiply int16 by int16, drop 15 fraction bits, round half up, wrap to int16."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide, one = _widened(builder, args), _constant(1)
        # (((a * b) >> 14) + 1) >> 1 equals (a * b + (1 << 14)) >> 15, and is the form that compilers recognise.
        halves = builder.lshr(builder.mul(*wide), _constant(14))
        return _narrowed(builder, builder.lshr(builder.add(halves, one), one))

    return i16(i16, i16), codegen


@intrinsic
def cross_difference(typingctx: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Compute a * b - c * d of int16 in 32 bits, drop 15 fraction bits, round half up, wrap to int16."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, b, c, d = _widened(builder, args)
        return _rounded(builder, builder.sub(builder.mul(a, b), builder.mul(c, d)))

    return i16(i16, i16, i16, i16), codegen


@intrinsic
def cross_sum(typingctx: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Compute a * b + c * d of int16 in 32 bits, drop 15 fraction bits, round half up, wrap to int16."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, b, c, d = _widened(builder, args)
        return _rounded(builder, builder.add(builder.mul(a, b), builder.mul(c, d)))

    return i16(i16, i16, i16, i16), codegen


@intrinsic
def halved_sum(typingctx: Any, a: Any, b: Any) -> Any:
    """Compute (a + b) >> 1 of int16 without overflow."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _narrowed(builder, builder.ashr(builder.add(*_widened(builder, args)), _constant(1)))

    return i16(i16, i16), codegen


@intrinsic
def halved_difference(typingctx: Any, a: Any, b: Any) -> Any:
    """Compute (a - b) >> 1 of int16 without overflow."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _narrowed(builder, builder.ashr(builder.sub(*_widened(builder, args)), _constant(1)))

    return i16(i16, i16), codegen


@intrinsic
def energy(typingctx: Any, re: Any, im: Any) -> Any:
    """Compute the squared magnitude of an int16 pair, wrapping to int32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, b = _widened(builder, args)
        return builder.add(builder.mul(a, a), builder.mul(b, b))

    return i32(i16, i16), codegen


@intrinsic
def windowed(typingctx: Any, sample: Any, weight: Any) -> Any:
    """Multiply int16 by int16 and drop 12 fraction bits, rounding down."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        from edge.frontend_tables import WINDOW_BITS

        return _narrowed(builder, builder.ashr(builder.mul(*_widened(builder, args)), _constant(WINDOW_BITS)))

    return i16(i16, i16), codegen


@intrinsic
def larger_magnitude(typingctx: Any, peak: Any, value: Any) -> Any:
    """Return the larger of an int16 and the magnitude of another; that of -32768 wraps, and is never the larger."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        peak, value = args
        zero = _constant(0, 16)
        magnitude = builder.select(builder.icmp_signed("<", value, zero), builder.sub(zero, value), value)
        return builder.select(builder.icmp_signed(">", magnitude, peak), magnitude, peak)

    return i16(i16, i16), codegen


def _constant(value: int, bits: int = 32) -> Any:
    from llvmlite import ir

    return ir.Constant(ir.IntType(bits), value)


def _widened(builder: Any, values: Any) -> list[Any]:
    from llvmlite import ir

    return [builder.sext(value, ir.IntType(32)) for value in values]


def _narrowed(builder: Any, value: Any) -> Any:
    from llvmlite import ir

    return builder.trunc(value, ir.IntType(16))


def _rounded(builder: Any, value: Any) -> Any:
    return _narrowed(builder, builder.ashr(builder.add(value, _constant(1 << 14)), _constant(15)))

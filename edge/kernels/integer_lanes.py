"""Sixteen outputs of an integer network at a time, as explicit vector instructions.

A layer is a sum of products for each of its outputs. With one output in each lane of a vector there is nothing to add
across lanes, an input is a single number for all of them, and the sums stay where they are; 64-bit Arm multiplies int16
by one int16 and adds to int32 in a single instruction (``smlal`` by element), with no need of its later extensions. A
compiler does not find this by itself, as it cannot know that sums, weights and inputs lie apart. An index counts
numbers, and points to the first of :data:`edge.wake_tables.OUTPUTS` of them.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

from edge.wake_tables import INPUTS, OUTPUTS

__all__ = ["add_products", "add_tap", "requantise"]

_INDEX = types.int64


@intrinsic
def add_products(
    typingctx: Any, begun: Any, start: Any, weights: Any, at: Any, inputs: Any, first: Any, totals: Any, to: Any
) -> Any:
    """Add to sixteen sums the products of eight inputs.

    Reads the sums from `begun` (int32), sixteen weights for each input from `weights` (int16), the inputs (int16), and
    writes the sums to `totals` (int32).
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = _Lanes(context, builder, signature, args)
        sums = lanes.load(0, OUTPUTS)
        given = lanes.load(4, INPUTS)
        for i in range(INPUTS):
            factor = builder.shuffle_vector(given, given, lanes.whole([i] * OUTPUTS, 32))
            weight = lanes.load(2, OUTPUTS, i * OUTPUTS)
            sums = builder.add(sums, builder.mul(lanes.wide(weight, 32), lanes.wide(factor, 32)))
        lanes.store(sums, 6)
        return context.get_dummy_value()

    return types.void(begun, _INDEX, weights, _INDEX, inputs, _INDEX, totals, _INDEX), codegen


@intrinsic
def add_tap(
    typingctx: Any, begun: Any, start: Any, weights: Any, at: Any, row: Any, first: Any, totals: Any, to: Any,
    kept: Any, where: Any,
) -> Any:  # fmt: skip
    """Add to sixteen sums the product of each channel's value in a row with its weight, and keep the row.

    As :func:`add_products`, but every sum has an input of its own, int8, and all sixteen are written to `kept`.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = _Lanes(context, builder, signature, args)
        sums, weight, given = lanes.load(0, OUTPUTS), lanes.load(2, OUTPUTS), lanes.load(4, OUTPUTS)
        products = builder.mul(lanes.wide(weight, 32), lanes.wide(lanes.wide(given, 16), 32))
        lanes.store(builder.add(sums, products), 6)
        lanes.store(given, 8)
        return context.get_dummy_value()

    return types.void(begun, _INDEX, weights, _INDEX, row, _INDEX, totals, _INDEX, kept, _INDEX), codegen


@intrinsic
def requantise(
    typingctx: Any, totals: Any, at: Any, multipliers: Any, first: Any, shifts: Any, second: Any,
    zero: Any, low: Any, high: Any, narrow: Any, to: Any, wide: Any, there: Any,
) -> Any:  # fmt: skip
    """Turn sixteen sums into what the next layer is given: once as int8, once as int16.

    A sum is scaled by ``multiplier / 2 ** (31 + shift)`` and rounded twice, as the reference kernels do it: the product
    to 32 bits, half up, and what the shift drops, half away from zero. Zero point and limits are int32.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = _Lanes(context, builder, signature, args)
        sums, multiplier, shift = (lanes.load(i, OUTPUTS) for i in (0, 2, 4))
        zero, low, high = (lanes.spread(args[i]) for i in (6, 7, 8))
        product = builder.mul(lanes.wide(sums, 64), lanes.wide(multiplier, 64))
        product = builder.add(product, lanes.whole([1 << 30] * OUTPUTS, 64))
        value = lanes.narrow(builder.ashr(product, lanes.whole([31] * OUTPUTS, 64)), 32)
        one = lanes.whole([1] * OUTPUTS, 32)
        mask = builder.sub(builder.shl(one, shift), one)
        # A half is not enough to round a negative number up: it is one step nearer to zero.
        sign = builder.ashr(value, lanes.whole([31] * OUTPUTS, 32))
        half = builder.sub(builder.ashr(mask, one), sign)
        up = builder.zext(builder.icmp_signed(">", builder.and_(value, mask), half), lanes.kind(OUTPUTS, 32))
        value = builder.add(builder.add(builder.ashr(value, shift), up), zero)
        value = builder.select(builder.icmp_signed("<", value, low), low, value)
        value = builder.select(builder.icmp_signed(">", value, high), high, value)
        lanes.store(lanes.narrow(value, 8), 9)
        lanes.store(lanes.narrow(value, 16), 11)
        return context.get_dummy_value()

    number = types.int32
    kinds = [totals, _INDEX, multipliers, _INDEX, shifts, _INDEX, number, number, number, narrow, _INDEX, wide, _INDEX]
    return types.void(*kinds), codegen


class _Lanes:
    """Loads and stores of vectors in arrays, for code generation; array `i` is an argument, and its index the next."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        from llvmlite import ir

        self._ir, self._context, self._builder = ir, context, builder
        self._kinds, self._args = signature.args, args

    def kind(self, size: int, bits: int) -> Any:
        return self._ir.VectorType(self._ir.IntType(bits), size)

    def whole(self, values: list[int], bits: int) -> Any:
        """Return a constant vector."""
        return self._ir.Constant(self.kind(len(values), bits), values)

    def _pointer(self, i: int, size: int, offset: int) -> Any:
        builder = self._builder
        array = self._context.make_array(self._kinds[i])(self._context, builder, self._args[i])
        at = builder.add(self._args[i + 1], self._ir.Constant(self._ir.IntType(64), offset))
        bits = self._kinds[i].dtype.bitwidth
        return builder.bitcast(builder.gep(array.data, [at]), self.kind(size, bits).as_pointer()), bits // 8

    def load(self, i: int, size: int, offset: int = 0) -> Any:
        pointer, align = self._pointer(i, size, offset)
        return self._builder.load(pointer, align=align)

    def store(self, value: Any, i: int) -> None:
        pointer, align = self._pointer(i, value.type.count, 0)
        self._builder.store(value, pointer, align=align)

    def wide(self, value: Any, bits: int) -> Any:
        return self._builder.sext(value, self.kind(value.type.count, bits))

    def narrow(self, value: Any, bits: int) -> Any:
        return self._builder.trunc(value, self.kind(value.type.count, bits))

    def spread(self, value: Any) -> Any:
        """Return a vector of one number."""
        empty = self._ir.Constant(self.kind(OUTPUTS, 32), self._ir.Undefined)
        first = self._builder.insert_element(empty, value, self._ir.Constant(self._ir.IntType(32), 0))
        return self._builder.shuffle_vector(first, empty, self.whole([0] * OUTPUTS, 32))

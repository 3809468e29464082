"""Eight signals at a time: the steps of a float transform as explicit vector instructions.

Frames of a spectrogram all take the same path through a transform. With one frame in each lane of a vector there is
nothing to shuffle and every twiddle serves eight frames; a compiler does not find this by itself, as it cannot know
that what a butterfly reads and what it writes lie apart. An index counts vectors of :data:`edge.spectrum_tables.LANES`
float32.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

from edge.spectrum_tables import LANES

__all__ = ["radix2_lanes", "radix4_lanes", "real_power_lanes"]


@intrinsic
def radix4_lanes(
    typingctx: Any, work: Any, at: Any, distance: Any, to: Any, spread: Any, im: Any,
    w1r: Any, w1i: Any, w2r: Any, w2i: Any, w3r: Any, w3i: Any,
) -> Any:  # fmt: skip
    """Radix-4 butterfly, decimation in frequency.

    Reads four points `distance` apart from `at`, and writes four, `spread` apart, from `to`; three of them are turned
    by a twiddle. Imaginary parts lie `im` behind the real parts.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = _Lanes(context, builder, signature, args)
        _, at, distance, to, spread, im, *twiddles = args
        points = []
        for _ in range(4):
            points.append((lanes.load(at), lanes.load(builder.add(at, im))))
            at = builder.add(at, distance)
        (ar, ai), (br, bi), (cr, ci), (dr, di) = points
        add, sub = builder.fadd, builder.fsub
        evens, outer = (add(ar, cr), add(ai, ci)), (sub(ar, cr), sub(ai, ci))
        odds, inner = (add(br, dr), add(bi, di)), (sub(br, dr), sub(bi, di))
        results = [
            (add(evens[0], odds[0]), add(evens[1], odds[1])),
            (add(outer[0], inner[1]), sub(outer[1], inner[0])),
            (sub(evens[0], odds[0]), sub(evens[1], odds[1])),
            (sub(outer[0], inner[1]), add(outer[1], inner[0])),
        ]
        for i, (re, im_part) in enumerate(results):
            if i:
                wr, wi = (lanes.spread(twiddle) for twiddle in twiddles[2 * i - 2 : 2 * i])
                re, im_part = lanes.turn(re, im_part, wr, wi)
            lanes.store(re, to)
            lanes.store(im_part, builder.add(to, im))
            to = builder.add(to, spread)
        return context.get_dummy_value()

    return types.void(work, *[types.int64] * 5, *[types.float32] * 6), codegen


@intrinsic
def radix2_lanes(typingctx: Any, work: Any, at: Any, distance: Any, to: Any, spread: Any, im: Any) -> Any:
    """Radix-2 butterfly without a twiddle; arguments as of :func:`radix4_lanes`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = _Lanes(context, builder, signature, args)
        _, at, distance, to, spread, im = args
        for offset in (None, im):
            first, result = (at, to) if offset is None else (builder.add(at, offset), builder.add(to, offset))
            a, b = lanes.load(first), lanes.load(builder.add(first, distance))
            lanes.store(builder.fadd(a, b), result)
            lanes.store(builder.fsub(a, b), builder.add(result, spread))
        return context.get_dummy_value()

    return types.void(work, *[types.int64] * 5), codegen


@intrinsic
def real_power_lanes(typingctx: Any, work: Any, low: Any, high: Any, im: Any, to: Any, wr: Any, wi: Any) -> Any:
    """Power of one bin of a real signal, from the two bins of the half-length complex transform that share it.

    Reads the complex bins `low` and `high`, k and N/2 - k, and writes the squared magnitude of bin k to `to`; the
    twiddle is exp(-2 pi i k / N).
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = _Lanes(context, builder, signature, args)
        _, low, high, im, to, wr, wi = args
        zr, zi = lanes.load(low), lanes.load(builder.add(low, im))
        yr, yi = lanes.load(high), lanes.load(builder.add(high, im))
        add, sub, mul = builder.fadd, builder.fsub, builder.fmul
        # Even samples give (z + y*) / 2, odd ones (z - y*) / 2i; the halves are taken together, as a quarter of power.
        even_r, even_i = add(zr, yr), sub(zi, yi)
        odd_r, odd_i = add(zi, yi), sub(yr, zr)
        turned_r, turned_i = lanes.turn(odd_r, odd_i, lanes.spread(wr), lanes.spread(wi))
        re, im_part = add(even_r, turned_r), add(even_i, turned_i)
        lanes.store(mul(add(mul(re, re), mul(im_part, im_part)), lanes.spread(lanes.number(0.25))), to)
        return context.get_dummy_value()

    return types.void(work, *[types.int64] * 4, *[types.float32] * 2), codegen


class _Lanes:
    """Loads, stores and twiddles of vectors in a float32 array, for code generation."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        from llvmlite import ir

        self._ir, self._builder = ir, builder
        self._vector = ir.VectorType(ir.FloatType(), LANES)
        array = context.make_array(signature.args[0])(context, builder, args[0])
        self._base = builder.bitcast(array.data, self._vector.as_pointer())

    def number(self, value: float) -> Any:
        return self._ir.Constant(self._ir.FloatType(), value)

    def load(self, at: Any) -> Any:
        return self._builder.load(self._builder.gep(self._base, [at]), align=4)

    def store(self, value: Any, at: Any) -> None:
        self._builder.store(value, self._builder.gep(self._base, [at]), align=4)

    def spread(self, value: Any) -> Any:
        """Return a vector of one number."""
        i32 = self._ir.IntType(32)
        empty = self._ir.Constant(self._vector, self._ir.Undefined)
        first = self._builder.insert_element(empty, value, self._ir.Constant(i32, 0))
        mask = self._ir.Constant(self._ir.VectorType(i32, LANES), [0] * LANES)
        return self._builder.shuffle_vector(first, empty, mask)

    def turn(self, re: Any, im: Any, wr: Any, wi: Any) -> tuple[Any, Any]:
        """Multiply by a twiddle."""
        mul = self._builder.fmul
        return (
            self._builder.fsub(mul(re, wr), mul(im, wi)),
            self._builder.fadd(mul(re, wi), mul(im, wr)),
        )

"""Compiled kernel of the wake network: one step of its int8 arithmetic.

The integers are those of TensorFlow Lite's reference kernels. Sums are exact, so that their order is free; what is
rounded is rounded as there (:func:`edge.kernels.integer_lanes.requantise`). Layers take whole vectors: what pads them
is computed along, and has weights of zero wherever it is read.
"""

from numba import int16, int32, int64, njit

from edge.frontend_tables import FEATURE_TOP
from edge.kernels.integer_lanes import add_products, add_tap, requantise
from edge.kernels.options import OPTIONS
from edge.wake_tables import INPUTS, OUTPUTS, SCALARS_HEAD, SCALARS_LAYER

__all__ = ["wake_step"]


@njit("void(int16[::1], int64, int16[::1], int64, int64, int32[::1], int64, int32[::1])", **OPTIONS)
def _mix(weights, at, inputs, n_inputs, n_outputs, numbers, biases, totals) -> None:  # type: ignore[no-untyped-def]
    """Sum the products of every output with all inputs."""
    for to in range(0, n_outputs, OUTPUTS):
        add_products(numbers, biases + to, weights, at, inputs, 0, totals, to)
        at += INPUTS * OUTPUTS
        for first in range(INPUTS, n_inputs, INPUTS):
            add_products(totals, to, weights, at, inputs, first, totals, to)
            at += INPUTS * OUTPUTS


@njit("void(int8[::1], int64, int64, int16[::1], int64, int8[::1], int64, int32[::1], int64, int32[::1])", **OPTIONS)
def _over_time(state, at, taps, weights, weights_at, row, n, numbers, biases, totals) -> None:  # type: ignore[no-untyped-def]
    """Sum the products of every channel over its rows, and move the rows up by one: the new row is the last."""
    for i in range(0, n, OUTPUTS):
        # The oldest row stays where it is until the next one takes its place.
        add_tap(numbers, biases + i, weights, weights_at + i, state, at + i, totals, i, state, at + i)
    for tap in range(1, taps - 1):
        here, weight = at + tap * n, weights_at + tap * n
        for i in range(0, n, OUTPUTS):
            add_tap(totals, i, weights, weight + i, state, here + i, totals, i, state, here + i - n)
    here, weight = at + (taps - 2) * n, weights_at + (taps - 1) * n
    for i in range(0, n, OUTPUTS):
        add_tap(totals, i, weights, weight + i, row, i, totals, i, state, here + i)


@njit("void(int32[::1], int64, int32[::1], int64, int64[::1], int64, int8[::1], int16[::1])", **OPTIONS)
def _finish(totals, n, numbers, biases, scalars, layer, row, values) -> None:  # type: ignore[no-untyped-def]
    """Turn the sums of a layer into its outputs."""
    zero, low, high = int32(scalars[layer + 1]), int32(scalars[layer + 2]), int32(scalars[layer + 3])
    multipliers, shifts = biases + n, biases + 2 * n
    for i in range(0, n, OUTPUTS):
        requantise(totals, i, numbers, multipliers + i, numbers, shifts + i, zero, low, high, row, i, values, i)


@njit(
    "void(uint16[::1], int8[::1], int8[::1], int16[::1], int32[::1], int64[::1], int16[::1], int32[::1], int8[::1])",
    **OPTIONS,
)
def wake_step(  # type: ignore[no-untyped-def]
    window, quantised, state, weights, numbers, scalars, values, totals, row
) -> None:
    """Run the network once.

    Parameters
    ----------
    window : (features,) uint16
        What the network is shown: features of the frontend.
    quantised : (FEATURE_TOP + 1,) int8
        What the network sees of each feature; beyond them the last one.
    state : (rows * width,) int8
        Read and updated.
    weights, numbers, scalars
        Of :class:`edge.wake_tables.WakeTables`.
    values : (scratch,) int16
        Scratch, as are the sums.
    totals : (scratch,) int32
    row : (scratch,) int8
        The logits, in its first numbers.
    """
    n_inputs, width, n_words = scalars[1], scalars[2], scalars[3]
    for i in range(scalars[0]):
        values[i] = int16(quantised[min(int64(window[i]), FEATURE_TOP)])
    _mix(weights, 0, values, n_inputs, width, numbers, 0, totals)
    layer = SCALARS_HEAD
    _finish(totals, width, numbers, 0, scalars, layer, row, values)
    at, biases, rows = n_inputs * width, 3 * width, 0
    for _ in range(scalars[4]):
        layer += SCALARS_LAYER
        taps = scalars[layer]
        _over_time(state, rows, taps, weights, at, row, width, numbers, biases, totals)
        _finish(totals, width, numbers, biases, scalars, layer, row, values)
        at, biases, rows = at + taps * width, biases + 3 * width, rows + (taps - 1) * width
        layer += SCALARS_LAYER
        _mix(weights, at, values, width, width, numbers, biases, totals)
        _finish(totals, width, numbers, biases, scalars, layer, row, values)
        at, biases = at + width * width, biases + 3 * width
    layer += SCALARS_LAYER
    _mix(weights, at, values, width, n_words, numbers, biases, totals)
    _finish(totals, n_words, numbers, biases, scalars, layer, row, values)

"""Compiled kernels of the fixed-point frontend: arithmetic, and nothing else.

A kernel gets arrays that its caller owns, allocates nothing and checks nothing; :mod:`edge.frontend` does that. The
integer operations and their order are those of the reference, because rounding makes them part of the result, but which
points a stage of the transform takes first is free: here the stages run over contiguous points, sixteen or
sixty-four in a row, so that the compiler can take several at once. ``tests/naive.py`` holds a slow twin of each step.
"""

import math

from numba import int16, int64, njit, uint16, uint32, uint64

from edge.frontend_tables import (
    CORRECTION_BITS,
    EDGES_AT,
    FFT_SIZE,
    GAIN_AT,
    LOG_AT,
    LOG_COEFFICIENT,
    NOISE_BITS,
    OVER_2,
    OVER_4,
    PCAN_OUTPUT_BITS,
    PCAN_SNR_BITS,
    REAL_TWIDDLES_AT,
    TWIDDLES_AT,
    UNWEIGHTS_AT,
    WEIGHTS_AT,
    WINDOW_AT,
)
from edge.kernels.arithmetic import (
    cross_difference,
    cross_sum,
    energy,
    halved_difference,
    halved_sum,
    larger_magnitude,
    leading_zeros,
    product,
    windowed,
)
from edge.kernels.options import OPTIONS

__all__ = ["frontend_frames"]

_HALF = FFT_SIZE // 2
_QUARTER = FFT_SIZE // 4
_MASK32 = 0xFFFFFFFF
_OVER_4, _OVER_2 = int16(OVER_4), int16(OVER_2)

# The transform works in one block, so that distances between its parts are known when it is compiled.
_IM = _HALF  # from a real part to its imaginary part
_FRAME = 0
_ONE = FFT_SIZE
_OTHER = _ONE + FFT_SIZE
_MIRRORED = _HALF


@njit("int64(int64)", inline="always", **OPTIONS)
def _bit_length(x: int) -> int:
    return 64 - leading_zeros(x)


@njit("int64(int16[::1], int64, int16[::1], int16[::1], int64)", **OPTIONS)
def _window(samples, start, tables, work, size) -> int:  # type: ignore[no-untyped-def]
    """Window a frame and scale it up until its largest magnitude has 15 bits; return the shift."""
    peak = int16(0)
    first = uint64(start)  # an unsigned index spares the test for a negative one
    for i in range(uint64(size)):
        value = windowed(samples[first + i], tables[WINDOW_AT + i])
        work[_FRAME + i] = value
        peak = larger_magnitude(peak, value)
    shift = 15 - _bit_length(int64(peak))
    factor = int16(1 << shift)
    for i in range(uint64(size)):
        work[_FRAME + i] = int16(work[_FRAME + i] * factor)
    for i in range(uint64(size), uint64(FFT_SIZE)):
        work[_FRAME + i] = int16(0)
    return shift


@njit(inline="always", **OPTIONS)
def _combine(work, to, spread, ar, ai, br, bi, cr, ci, dr, di) -> None:  # type: ignore[no-untyped-def]
    """Add four turned and quartered points up to four results, `spread` apart."""
    outer_r, outer_i = int16(ar - cr), int16(ai - ci)
    even_r, even_i = int16(ar + cr), int16(ai + ci)
    odd_r, odd_i = int16(br + dr), int16(bi + di)
    inner_r, inner_i = int16(br - dr), int16(bi - di)
    work[to], work[to + _IM] = int16(even_r + odd_r), int16(even_i + odd_i)
    to += spread
    work[to], work[to + _IM] = int16(outer_r + inner_i), int16(outer_i - inner_r)
    to += spread
    work[to], work[to + _IM] = int16(even_r - odd_r), int16(even_i - odd_i)
    to += spread
    work[to], work[to + _IM] = int16(outer_r - inner_i), int16(outer_i + inner_r)


@njit(inline="always", **OPTIONS)
def _radix4(work, at, distance, to, spread, w1r, w2r, w3r, w1i, w2i, w3i) -> None:  # type: ignore[no-untyped-def]
    """One radix-4 butterfly, decimation in time; each of its inputs is divided by four."""
    ar, ai = product(work[at], _OVER_4), product(work[at + _IM], _OVER_4)
    at += distance
    br, bi = product(work[at], _OVER_4), product(work[at + _IM], _OVER_4)
    at += distance
    cr, ci = product(work[at], _OVER_4), product(work[at + _IM], _OVER_4)
    at += distance
    dr, di = product(work[at], _OVER_4), product(work[at + _IM], _OVER_4)
    br, bi = cross_difference(br, w1r, bi, w1i), cross_sum(br, w1i, bi, w1r)
    cr, ci = cross_difference(cr, w2r, ci, w2i), cross_sum(cr, w2i, ci, w2r)
    dr, di = cross_difference(dr, w3r, di, w3i), cross_sum(dr, w3i, di, w3r)
    _combine(work, to, spread, ar, ai, br, bi, cr, ci, dr, di)


@njit("void(int16[::1], int16[::1])", **OPTIONS)
def _transform(work, tables) -> None:  # type: ignore[no-untyped-def]
    """Transform 512 real points, taken as 256 complex ones; from ``_FRAME`` to ``_OTHER``.

    A stage turns residues r of the point's number into digits k of the bin's: ``[k][r]`` has 1 x 256 points at first
    and 256 x 1 at last. Early stages run along r and late ones along k, with one transposition between them.
    """
    for i in range(_HALF):
        work[_ONE + i], work[_ONE + _IM + i] = work[_FRAME + 2 * i], work[_FRAME + 2 * i + 1]
    for i in range(64):
        # No twiddles: a product with 32767 returns every value that a quarter can have.
        a, b, c, d = _ONE + i, _ONE + 64 + i, _ONE + 128 + i, _ONE + 192 + i
        ar, ai = product(work[a], _OVER_4), product(work[a + _IM], _OVER_4)
        br, bi = product(work[b], _OVER_4), product(work[b + _IM], _OVER_4)
        cr, ci = product(work[c], _OVER_4), product(work[c + _IM], _OVER_4)
        dr, di = product(work[d], _OVER_4), product(work[d + _IM], _OVER_4)
        _combine(work, _OTHER + i, 64, ar, ai, br, bi, cr, ci, dr, di)
    t = TWIDDLES_AT
    for k in range(4):
        w1r, w2r, w3r = tables[t + k], tables[t + 4 + k], tables[t + 8 + k]
        w1i, w2i, w3i = tables[t + 12 + k], tables[t + 16 + k], tables[t + 20 + k]
        for r in range(16):
            _radix4(work, _OTHER + 64 * k + r, 16, _ONE + 16 * k + r, 64, w1r, w2r, w3r, w1i, w2i, w3i)
    for r in range(16):
        for k in range(16):
            work[_OTHER + 16 * r + k] = work[_ONE + 16 * k + r]
            work[_OTHER + _IM + 16 * r + k] = work[_ONE + _IM + 16 * k + r]
    t += 24
    for r in range(4):
        for k in range(16):
            w1r, w2r, w3r = tables[t + k], tables[t + 16 + k], tables[t + 32 + k]
            w1i, w2i, w3i = tables[t + 48 + k], tables[t + 64 + k], tables[t + 80 + k]
            _radix4(work, _OTHER + 16 * r + k, 64, _ONE + 64 * r + k, 16, w1r, w2r, w3r, w1i, w2i, w3i)
    t += 96
    for k in range(64):
        w1r, w2r, w3r = tables[t + k], tables[t + 64 + k], tables[t + 128 + k]
        w1i, w2i, w3i = tables[t + 192 + k], tables[t + 256 + k], tables[t + 320 + k]
        _radix4(work, _ONE + k, 64, _OTHER + k, 64, w1r, w2r, w3r, w1i, w2i, w3i)


@njit("void(int16[::1], int16[::1], int32[::1])", **OPTIONS)
def _energies(work, tables, energies) -> None:  # type: ignore[no-untyped-def]
    """Turn the complex transform into the real one, and take the energy of its bins 1 to 255."""
    # Upper bins come in falling order; they are turned around before and after, for the sake of wide loads and stores.
    for k in range(1, _QUARTER + 1):
        work[_ONE + k], work[_ONE + _IM + k] = work[_OTHER + _HALF - k], work[_OTHER + _IM + _HALF - k]
    for k in range(1, _QUARTER + 1):
        pr, pi = product(work[_OTHER + k], _OVER_2), product(work[_OTHER + _IM + k], _OVER_2)
        qr, qi = product(work[_ONE + k], _OVER_2), product(int16(-work[_ONE + _IM + k]), _OVER_2)
        sr, si = int16(pr + qr), int16(pi + qi)
        dr, di = int16(pr - qr), int16(pi - qi)
        wr, wi = tables[REAL_TWIDDLES_AT - 1 + k], tables[REAL_TWIDDLES_AT + _QUARTER - 1 + k]
        tr, ti = cross_difference(dr, wr, di, wi), cross_sum(dr, wi, di, wr)
        energies[k] = energy(halved_sum(sr, tr), halved_sum(si, ti))
        energies[_MIRRORED + k] = energy(halved_difference(sr, tr), halved_difference(ti, si))
    for k in range(1, _QUARTER + 1):
        energies[_HALF - k] = energies[_MIRRORED + k]


@njit("void(int32[::1], int16[::1], uint64[::1], int64)", **OPTIONS)
def _filterbank(energies, tables, totals, channels) -> None:  # type: ignore[no-untyped-def]
    """Weight the energies; the total of channel c ends with slope c + 1, that of slope 0 belongs to none."""
    carried = uint64(0)
    for slope in range(channels + 1):
        rising, falling = uint64(0), uint64(0)
        for k in range(uint64(tables[EDGES_AT + slope]), uint64(tables[EDGES_AT + slope + 1])):
            # Two full-scale halves overflow 31 bits; the reference carries the sum on with its sign.
            value = uint64(int64(energies[k]))
            rising += uint64(int64(tables[WEIGHTS_AT + k])) * value
            falling += uint64(int64(tables[UNWEIGHTS_AT + k])) * value
        totals[slope] = rising + carried
        carried = falling


@njit("int64(uint64)", **OPTIONS)
def _rounded_sqrt(x: int) -> int:
    """Square root, rounded to nearest; capped at the width of the reference's result."""
    if x < uint64(1 << 48):
        # Here a double's root is far closer than the nearest half to which it could be rounded wrongly.
        root = int64(math.sqrt(float(int64(x))) + 0.5)
        return min(root, int64(0xFFFF)) if x < uint64(1 << 32) else root
    root = uint64(math.sqrt(float(x)))
    while root * root > x:
        root -= uint64(1)
    while (root + uint64(1)) * (root + uint64(1)) <= x:
        root += uint64(1)
    if x - root * root > root and root != uint64(_MASK32):
        root += uint64(1)
    return int64(root)


@njit("int64(int64, int16[::1])", **OPTIONS)
def _gain(x, tables) -> int:  # type: ignore[no-untyped-def]
    """Evaluate the piecewise quadratic gain curve at a 32-bit noise estimate."""
    if x <= 2:
        return int64(tables[GAIN_AT + x])
    octave = _bit_length(x)
    at = GAIN_AT + 4 * octave - 6
    fraction = ((x << (11 - octave)) if octave < 11 else (x >> (octave - 11))) & 0x3FF
    value = (int64(tables[at + 2]) * fraction) >> 5
    value = (value + (int64(tables[at + 1]) << 5)) * fraction
    return int64(int16(((value + (1 << 14)) >> 15) + int64(tables[at])))


@njit("int64(int64, int64, int16[::1])", **OPTIONS)
def _log(x, shift, tables) -> int:  # type: ignore[no-untyped-def]
    """Natural logarithm of a 32-bit integer above one, times two to the power of shift."""
    integer = _bit_length(x) - 1
    fraction = x - (1 << integer)
    fraction = fraction << (16 - integer) if integer < 16 else fraction >> (integer - 16)
    segment = fraction >> 9
    c0, c1 = int64(tables[LOG_AT + segment]), int64(tables[LOG_AT + segment + 1])
    log2 = (integer << 16) + fraction + c0 + (((c1 - c0) * (fraction - (segment << 9))) >> 16)
    loge = (LOG_COEFFICIENT * log2 + 32768) >> 16
    return ((loge << shift) + 32768) >> 16


@njit("void(uint64[::1], int64, int16[::1], int64[::1], uint32[::1], uint16[:, ::1], int64)", **OPTIONS)
def _channels(totals, shift, tables, scalars, noise, out, frame) -> None:  # type: ignore[no-untyped-def]
    """Noise suppression, gain control and logarithm of every channel."""
    smoothing_bits, even, odd, floor_share = scalars[3], scalars[4], scalars[5], scalars[6]
    pcan, snr_shift, log_shift = scalars[7], scalars[8], scalars[9]
    for channel in range(scalars[2]):
        level = _rounded_sqrt(totals[channel + 1]) >> shift
        smoothing = even if (channel & 1) == 0 else odd
        scaled = (level << smoothing_bits) & _MASK32
        estimate = scaled * smoothing + int64(noise[channel]) * ((1 << NOISE_BITS) - smoothing)
        estimate = (estimate >> NOISE_BITS) & _MASK32
        noise[channel] = uint32(estimate)
        least = (level * floor_share) >> NOISE_BITS
        clean = max((scaled - min(estimate, scaled)) >> smoothing_bits, least)
        if pcan:
            snr = ((clean * _gain(estimate, tables)) >> snr_shift) & _MASK32
            if snr < (2 << PCAN_SNR_BITS):
                clean = ((snr * snr) & _MASK32) >> (2 + 2 * PCAN_SNR_BITS - PCAN_OUTPUT_BITS)
            else:
                clean = (snr >> (PCAN_SNR_BITS - PCAN_OUTPUT_BITS)) - (1 << PCAN_OUTPUT_BITS)
        clean = (clean << CORRECTION_BITS) & _MASK32
        clean = _log(clean, log_shift, tables) if clean > 1 else 0
        out[frame, channel] = uint16(min(clean, 0xFFFF))


@njit(
    "void(int16[::1], int64, int16[::1], int64[::1], uint32[::1], int16[::1], int32[::1], uint64[::1], uint16[:, ::1])",
    **OPTIONS,
)
def frontend_frames(  # type: ignore[no-untyped-def]
    samples, n_frames, tables, scalars, noise, work, energies, totals, out
) -> None:
    """Compute consecutive feature frames.

    Parameters
    ----------
    samples : (n,) int16
        At least ``(n_frames - 1) * step + window`` samples; the first frame begins at the first.
    n_frames : int
        Frames to compute.
    tables, scalars
        Of :class:`edge.frontend_tables.FrontendTables`.
    noise : (channels,) uint32
        Noise estimate of each channel; read and updated. It is the whole state of the frontend.
    work : (WORK_SIZE,) int16
        Scratch, as are the next two.
    energies : (ENERGIES_SIZE,) int32
    totals : (channels + 1,) uint64
    out : (n_frames, channels) uint16
        The features.
    """
    for frame in range(n_frames):
        shift = _window(samples, frame * scalars[0], tables, work, scalars[1])
        _transform(work, tables)
        _energies(work, tables, energies)
        _filterbank(energies, tables, totals, scalars[2])
        _channels(totals, shift, tables, scalars, noise, out, frame)

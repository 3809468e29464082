"""Compiled kernels: the arithmetic of the frontend, and nothing else.

Every kernel has an explicit signature, takes and returns arrays that its caller owns, allocates nothing
and checks nothing; :mod:`edge.frontend` does that. The order of the integer operations is that of the
reference, because rounding makes it part of the result; ``tests/naive.py`` holds a slow twin of each.
"""

import math
from typing import Any

from numba import int16, int32, int64, njit, types, uint16, uint32, uint64
from numba.extending import intrinsic

from edge.frontend_tables import CORRECTION_BITS, FFT_SIZE, NOISE_BITS, PCAN_SNR_BITS, WINDOW_BITS

__all__ = ["frontend_frames"]

_HALF = FFT_SIZE // 2
_QUARTER = FFT_SIZE // 4
_MASK32 = 0xFFFFFFFF
_PCAN_OUTPUT_BITS = 6
_LOG_COEFFICIENT = 45426  # ln(2), 16 fraction bits


def _can_cache() -> bool:
    """Tell whether numba finds a folder that it can keep compiled code in.

    An installation that nobody may write to, used by a service without a home, has none: there the kernels
    are compiled at every start, which takes seconds but loses nothing. ``NUMBA_CACHE_DIR`` names a folder.
    """
    try:
        njit(cache=True)(_can_cache)  # looks for the folder now; would compile at the first call
    except RuntimeError:
        return False
    return True


_OPTIONS: dict[str, Any] = {"cache": _can_cache(), "nogil": True, "error_model": "numpy"}


@intrinsic
def _leading_zeros(typingctx: Any, value: Any) -> Any:
    """Count the leading zeros of a 64-bit integer; 64 for zero."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        from llvmlite import ir

        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), codegen


@njit(int64(int64), inline="always", **_OPTIONS)
def _bit_length(x: int) -> int:
    return 64 - _leading_zeros(x)


@njit(int16(int32), inline="always", **_OPTIONS)
def _round15(x: int) -> int:
    """Drop 15 fraction bits, rounding half up, and wrap to 16 bits."""
    return int16(int32(x + 16384) >> 15)


@njit(int16(int16), inline="always", **_OPTIONS)
def _quarter(x: int) -> int:
    return int16(int32(int32(x) * 8191 + 16384) >> 15)


@njit(int16(int16), inline="always", **_OPTIONS)
def _halve(x: int) -> int:
    return int16(int32(int32(x) * 16383 + 16384) >> 15)


@njit("void(int16[::1], int16[::1], int64, int64, int64, int16[:, ::1])", **_OPTIONS)
def _radix4(re, im, at, m, table, twiddles) -> None:  # type: ignore[no-untyped-def]
    """One group of radix-4 butterflies, decimation in time, in place; each input is divided by four."""
    for k in range(m):
        a, b, c, d = at + k, at + k + m, at + k + 2 * m, at + k + 3 * m
        ar, ai = _quarter(re[a]), _quarter(im[a])
        br, bi = int32(_quarter(re[b])), int32(_quarter(im[b]))
        cr, ci = int32(_quarter(re[c])), int32(_quarter(im[c]))
        dr, di = int32(_quarter(re[d])), int32(_quarter(im[d]))
        t = table + k
        w1r, w1i = int32(twiddles[0, t]), int32(twiddles[1, t])
        w2r, w2i = int32(twiddles[0, t + m]), int32(twiddles[1, t + m])
        w3r, w3i = int32(twiddles[0, t + 2 * m]), int32(twiddles[1, t + 2 * m])
        s0r, s0i = _round15(int32(br * w1r - bi * w1i)), _round15(int32(br * w1i + bi * w1r))
        s1r, s1i = _round15(int32(cr * w2r - ci * w2i)), _round15(int32(cr * w2i + ci * w2r))
        s2r, s2i = _round15(int32(dr * w3r - di * w3i)), _round15(int32(dr * w3i + di * w3r))
        s5r, s5i = int16(ar - s1r), int16(ai - s1i)
        ar, ai = int16(ar + s1r), int16(ai + s1i)
        s3r, s3i = int16(s0r + s2r), int16(s0i + s2i)
        s4r, s4i = int16(s0r - s2r), int16(s0i - s2i)
        re[c], im[c] = int16(ar - s3r), int16(ai - s3i)
        re[a], im[a] = int16(ar + s3r), int16(ai + s3i)
        re[b], im[b] = int16(s5r + s4i), int16(s5i - s4r)
        re[d], im[d] = int16(s5r - s4i), int16(s5i + s4r)


@njit("void(int16[::1], int16[::1], int64)", **_OPTIONS)
def _radix4_first(re, im, at) -> None:  # type: ignore[no-untyped-def]
    """Butterfly without twiddles: a product with 32767 returns every value that a quarter can have."""
    ar, ai = _quarter(re[at]), _quarter(im[at])
    br, bi = _quarter(re[at + 1]), _quarter(im[at + 1])
    cr, ci = _quarter(re[at + 2]), _quarter(im[at + 2])
    dr, di = _quarter(re[at + 3]), _quarter(im[at + 3])
    s5r, s5i = int16(ar - cr), int16(ai - ci)
    ar, ai = int16(ar + cr), int16(ai + ci)
    s3r, s3i = int16(br + dr), int16(bi + di)
    s4r, s4i = int16(br - dr), int16(bi - di)
    re[at + 2], im[at + 2] = int16(ar - s3r), int16(ai - s3i)
    re[at], im[at] = int16(ar + s3r), int16(ai + s3i)
    re[at + 1], im[at + 1] = int16(s5r + s4i), int16(s5i - s4r)
    re[at + 3], im[at + 3] = int16(s5r - s4i), int16(s5i + s4r)


@njit(int64(uint64), **_OPTIONS)
def _rounded_sqrt(x: int) -> int:
    """Square root, rounded to nearest; capped at the width of the reference's result."""
    root = uint64(math.sqrt(float(x)))
    while root * root > x:
        root -= uint64(1)
    while (root + uint64(1)) * (root + uint64(1)) <= x:
        root += uint64(1)
    top = uint64(0xFFFF) if (x >> uint64(32)) == uint64(0) else uint64(_MASK32)
    if x - root * root > root and root != top:
        root += uint64(1)
    return int64(root)


@njit("int64(int64, int16[::1])", **_OPTIONS)
def _gain(x, curve) -> int:  # type: ignore[no-untyped-def]
    """Evaluate the piecewise quadratic gain curve at a 32-bit noise estimate."""
    if x <= 2:
        return int64(curve[x])
    octave = _bit_length(x)
    at = 4 * octave - 6
    fraction = ((x << (11 - octave)) if octave < 11 else (x >> (octave - 11))) & 0x3FF
    value = (int64(curve[at + 2]) * fraction) >> 5
    value = (value + (int64(curve[at + 1]) << 5)) * fraction
    return int64(int16(((value + (1 << 14)) >> 15) + int64(curve[at])))


@njit("int64(int64, int64, int16[::1])", **_OPTIONS)
def _log(x, shift, correction) -> int:  # type: ignore[no-untyped-def]
    """Natural logarithm of a 32-bit integer above one, times two to the power of shift."""
    integer = _bit_length(x) - 1
    fraction = x - (1 << integer)
    fraction = fraction << (16 - integer) if integer < 16 else fraction >> (integer - 16)
    segment = fraction >> 9
    c0, c1 = int64(correction[segment]), int64(correction[segment + 1])
    log2 = (integer << 16) + fraction + c0 + (((c1 - c0) * (fraction - (segment << 9))) >> 16)
    loge = (_LOG_COEFFICIENT * log2 + 32768) >> 16
    return ((loge << shift) + 32768) >> 16


@njit(
    "void(int16[::1], int64, int16[::1], int16[:, ::1], int16[:, ::1], int16[::1], int16[::1], int16[::1],"
    " int16[::1], int16[::1], int16[::1], int64[::1], uint32[::1], int16[:, ::1], uint16[:, ::1])",
    **_OPTIONS,
)
def frontend_frames(  # type: ignore[no-untyped-def]
    samples,
    n_frames,
    window,
    twiddles,
    real_twiddles,
    order,
    weights,
    unweights,
    edges,
    gain,
    log,
    scalars,
    noise,
    work,
    out,
) -> None:
    """Compute consecutive feature frames.

    Parameters
    ----------
    samples : (n,) int16
        At least ``(n_frames - 1) * step + window.size`` samples; the first frame begins at the first.
    n_frames : int
        Frames to compute.
    window, twiddles, real_twiddles, order, weights, unweights, edges, gain, log, scalars
        The tables of :class:`edge.frontend_tables.FrontendTables`.
    noise : (channels,) uint32
        Noise estimate of each channel; read and updated. It is the whole state of the frontend.
    work : (3, 512) int16
        Scratch.
    out : (n_frames, channels) uint16
        The features.
    """
    step = scalars[0]
    smoothing_bits, even, odd, floor_share = scalars[1], scalars[2], scalars[3], scalars[4]
    pcan, snr_shift, log_shift = scalars[5], scalars[6], scalars[7]
    size = window.size
    windowed, re, im = work[0], work[1], work[2]
    for frame in range(n_frames):
        start = frame * step
        # Window. The loudest sample decides how far the frame is scaled up before the transform. A
        # windowed -32768 has no 16-bit absolute value; the reference passes it over, and so must we.
        peak = int64(0)
        for i in range(size):
            value = int16((int32(samples[start + i]) * int32(window[i])) >> WINDOW_BITS)
            windowed[i] = value
            peak = max(peak, int64(int16(abs(value))))
        shift = 15 - _bit_length(peak)
        for i in range(size):
            windowed[i] = int16(int32(windowed[i]) << shift)
        for i in range(size, FFT_SIZE):
            windowed[i] = int16(0)

        # 512 real points as 256 complex ones: four radix-4 stages.
        for i in range(_HALF):
            source = 2 * int64(order[i])
            re[i] = windowed[source]
            im[i] = windowed[source + 1]
        for at in range(0, _HALF, 4):
            _radix4_first(re, im, at)
        for at in range(0, _HALF, 16):
            _radix4(re, im, at, 4, 0, twiddles)
        for at in range(0, _HALF, 64):
            _radix4(re, im, at, 16, 12, twiddles)
        _radix4(re, im, 0, 64, 60, twiddles)

        # Unpack to the bins of the real transform, and sum their energies into slopes on the fly: the
        # falling side of a slope belongs to the channel below.
        channel = -1
        rising, falling, carried = uint64(0), uint64(0), uint64(0)
        slope_end = int64(edges[1])
        k = int64(edges[0])
        slope = 1
        n_slopes = edges.size - 1
        while slope <= n_slopes:
            while k < slope_end:
                if k < _QUARTER:
                    j, sign = k, int32(1)
                else:
                    j, sign = _HALF - k, int32(-1)
                pr, pi = _halve(re[j]), _halve(im[j])
                qr, qi = _halve(re[_HALF - j]), _halve(int16(-im[_HALF - j]))
                sr, si = int16(pr + qr), int16(pi + qi)
                dr, di = int32(int16(pr - qr)), int32(int16(pi - qi))
                wr, wi = int32(real_twiddles[0, j - 1]), int32(real_twiddles[1, j - 1])
                tr, ti = _round15(int32(dr * wr - di * wi)), _round15(int32(dr * wi + di * wr))
                if sign > 0:
                    xr = int64(int16((int32(sr) + int32(tr)) >> 1))
                    xi = int64(int16((int32(si) + int32(ti)) >> 1))
                else:
                    xr = int64(int16((int32(sr) - int32(tr)) >> 1))
                    xi = int64(int16((int32(ti) - int32(si)) >> 1))
                energy = uint64(int64(int32(xr * xr + xi * xi)))
                rising += uint64(int64(weights[k])) * energy
                falling += uint64(int64(unweights[k])) * energy
                k += 1
            if channel >= 0:
                total = rising + carried
                # The reference keeps its sums in one buffer; channel c ends with slope c + 1.
                level = _rounded_sqrt(total) >> shift
                smoothing = even if (channel & 1) == 0 else odd
                scaled = (level << smoothing_bits) & _MASK32
                estimate = scaled * smoothing + int64(noise[channel]) * ((1 << NOISE_BITS) - smoothing)
                estimate = (estimate >> NOISE_BITS) & _MASK32
                noise[channel] = uint32(estimate)
                least = (level * floor_share) >> NOISE_BITS
                clean = max((scaled - min(estimate, scaled)) >> smoothing_bits, least)
                if pcan:
                    snr = ((clean * _gain(estimate, gain)) >> snr_shift) & _MASK32
                    if snr < (2 << PCAN_SNR_BITS):
                        clean = ((snr * snr) & _MASK32) >> (2 + 2 * PCAN_SNR_BITS - _PCAN_OUTPUT_BITS)
                    else:
                        clean = (snr >> (PCAN_SNR_BITS - _PCAN_OUTPUT_BITS)) - (1 << _PCAN_OUTPUT_BITS)
                clean = (clean << CORRECTION_BITS) & _MASK32
                clean = _log(clean, log_shift, log) if clean > 1 else 0
                out[frame, channel] = uint16(min(clean, 0xFFFF))
            channel += 1
            carried = falling
            rising, falling = uint64(0), uint64(0)
            slope += 1
            if slope <= n_slopes:
                slope_end = int64(edges[slope])

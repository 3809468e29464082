"""Compiled kernel of the liveness cues: short-time power spectra of a real signal, float32.

Eight frames are transformed at a time (:mod:`edge.kernels.lanes`), each as a complex signal of half its length, by the
autosorting radix-4 transform of Stockham (decimation in frequency; C. Van Loan, "Computational Frameworks for the Fast
Fourier Transform", SIAM 1992, section 1.7). No product is fused with a sum, so that every processor gives equal
numbers.
"""

from numba import float32, int64, njit

from edge.kernels.lanes import radix2_lanes, radix4_lanes, real_power_lanes
from edge.kernels.options import OPTIONS
from edge.spectrum_tables import LANES

__all__ = ["power_spectra"]


@njit("void(float32[::1], int64, int64, float32[::1], int64, int64, float32[::1], int64)", **OPTIONS)
def _load(samples, first, step, window, size, half, work, n_lanes) -> None:  # type: ignore[no-untyped-def]
    """Window up to eight frames; even samples become real parts, odd ones imaginary parts. Spare lanes stay."""
    for lane in range(n_lanes):
        start = (first + lane) * step
        for i in range(2 * half):
            at = ((i & 1) * half + (i >> 1)) * LANES + lane
            work[at] = samples[start + i] * window[i] if i < size else float32(0.0)


@njit("int64(float32[::1], int64, float32[::1])", **OPTIONS)
def _transform(work, n, twiddles) -> int:  # type: ignore[no-untyped-def]
    """Transform the complex points in the first half of `work`; return where the result lies."""
    here, there = int64(0), 2 * n
    groups, length = n, int64(1)
    while groups >= 4:
        groups //= 4
        for j in range(groups):
            w1, w2, w3 = j * length, 2 * j * length, 3 * j * length
            w1r, w2r, w3r = twiddles[2 * w1], twiddles[2 * w2], twiddles[2 * w3]
            w1i, w2i, w3i = twiddles[2 * w1 + 1], twiddles[2 * w2 + 1], twiddles[2 * w3 + 1]
            for k in range(length):
                radix4_lanes(
                    work, here + j * length + k, groups * length, there + 4 * j * length + k, length, n,
                    w1r, w1i, w2r, w2i, w3r, w3i,
                )  # fmt: skip
        length *= 4
        here, there = there, here
    if groups == 2:
        for k in range(length):
            radix2_lanes(work, here + k, length, there + k, length, n)
        here, there = there, here
    return here


@njit(
    "void(float32[::1], float32[::1], int64, int64, int64, float32[::1], float32[::1], float32[::1], float32[:, ::1])",
    **OPTIONS,
)
def power_spectra(  # type: ignore[no-untyped-def]
    samples, window, n_frames, step, half, twiddles, real_twiddles, work, out
) -> None:
    """Compute the power spectra of consecutive frames.

    Parameters
    ----------
    samples : (n,) float32
        At least ``(n_frames - 1) * step + window.size`` samples.
    window : (size,) float32
        At most ``2 * half`` weights; the rest of a frame is zero.
    n_frames, step : int
        How many frames, and their distance, samples.
    half : int
        Half the points of the transform, a power of two.
    twiddles : (2 * half,) float32
        Real and imaginary part, in turn, of the powers of exp(-2 pi i / half).
    real_twiddles : (2 * half + 2,) float32
        Likewise the powers, up to `half`, of exp(-pi i / half).
    work : (5 * half + 1) * LANES float32
        Scratch.
    out : (n_frames, half + 1) float32
        Squared magnitudes.
    """
    powers = 4 * half
    for first in range(0, n_frames, LANES):
        n_lanes = min(LANES, n_frames - first)
        _load(samples, first, step, window, window.size, half, work, n_lanes)
        at = _transform(work, half, twiddles)
        for k in range(half + 1):
            low, high = at + k % half, at + (half - k) % half
            real_power_lanes(work, low, high, half, powers + k, real_twiddles[2 * k], real_twiddles[2 * k + 1])
        for lane in range(n_lanes):
            for k in range(half + 1):
                out[first + lane, k] = work[(powers + k) * LANES + lane]

"""Which transforms there are for the liveness cues, and the twiddles that the kernel reads."""

import functools

import numpy as np
import numpy.typing as npt

__all__ = ["LANES", "LARGEST_FFT", "SMALLEST_FFT", "is_fft_size", "twiddles"]

LANES = 8
"""Frames that the kernel transforms at a time, one in each lane of a vector: one register of AVX2, two of NEON."""

SMALLEST_FFT = 8
LARGEST_FFT = 1 << 15


def is_fft_size(points: int) -> bool:
    """Tell whether there is a transform of so many points: a power of two."""
    return SMALLEST_FFT <= points <= LARGEST_FFT and points & (points - 1) == 0


@functools.lru_cache(maxsize=8)
def twiddles(half: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return what turns the points of a transform.

    Parameters
    ----------
    half : int
        Half the points of the real transform.

    Returns
    -------
    (2 * half,) float32
        Real and imaginary part, in turn, of the powers of exp(-2 pi i / half): for the complex transform.
    (2 * half + 2,) float32
        Likewise the powers, up to `half`, of exp(-pi i / half): they make a real transform of it.
    """
    of_complex = np.exp(-2j * np.pi * np.arange(half) / half).astype(np.complex64)
    of_real = np.exp(-1j * np.pi * np.arange(half + 1) / half).astype(np.complex64)
    return of_complex.view(np.float32), of_real.view(np.float32)

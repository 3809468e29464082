"""A sound for checks: known to the last bit, and no recording of anybody."""

import numpy as np

from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["known_signal"]


def known_signal() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Return one second of a sound that is the same everywhere, whatever random generators do: ``(16000,) int16``."""
    n = np.arange(SAMPLE_RATE_HZ, dtype=np.int64)
    noise = (n * 1103515245 + 12345) * (n + 7) // 65536 % 4001 - 2000
    sawtooth = n * 37 % 16001 - 8000
    return np.asarray(noise + sawtooth * (n // 2000 % 2), np.int16)

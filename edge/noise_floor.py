"""Sound between stretches of its own noise floor: what a stream that listens all the time would have heard."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["PAD_S", "between_noise"]

PAD_S = 1.2
"""Noise floor on either side, s: as long as the features need to know a room."""

_FRAME = SAMPLE_RATE_HZ // 100
_LEAST, _MOST = 1e-4, 3e-3


def between_noise(samples: npt.NDArray[np.float32], seed: int | Sequence[int]) -> npt.NDArray[np.float32]:
    """Put a recording between stretches of noise at its own noise floor (never digital zeros).

    Parameters
    ----------
    samples : (n,) float32
        16 kHz, full scale 1.
    seed : int or sequence of int
        Of the noise.

    Returns
    -------
    (n + 2 * 1.2 s,) float32
        The floor is the level of the quietest moments (5th percentile of 10 ms frames), between -80 and -50 dB re full
        scale.
    """
    frames = samples[: samples.size // _FRAME * _FRAME].reshape(-1, _FRAME)
    floor = float(np.sqrt(np.percentile(np.mean(frames**2, axis=1), 5))) if frames.size else 0.0
    floor = float(np.clip(floor, _LEAST, _MOST))
    pad = round(PAD_S * SAMPLE_RATE_HZ)
    noise = np.random.default_rng(seed).standard_normal(samples.size + 2 * pad).astype(np.float32) * np.float32(floor)
    noise[pad : pad + samples.size] += samples
    return noise

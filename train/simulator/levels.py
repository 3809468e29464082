"""Levels: decibels, the level of speech while it sounds, and the step to 16 bit."""

import numpy as np
import numpy.typing as npt

from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["decibels_to_gain", "gain_to_decibels", "rms", "speech_rms", "to_int16"]

_FRAME = SAMPLE_RATE_HZ // 50
_ACTIVE_RANGE_DB = 20.0


def decibels_to_gain(level_db: float) -> float:
    """Return the amplitude ratio of a level difference."""
    return float(10.0 ** (level_db / 20.0))


def gain_to_decibels(gain: float) -> float:
    """Return the level difference of an amplitude ratio, not below -200 dB."""
    return float(20.0 * np.log10(max(gain, 1e-10)))


def rms(samples: npt.NDArray[np.floating]) -> float:
    """Return the root of the mean square of ``samples`` ``(n,)``; 0 for none."""
    if not samples.size:
        return 0.0
    # Not np.dot: BLAS would wake its threads for each clip, and several processes render at once.
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def speech_rms(samples: npt.NDArray[np.floating]) -> float:
    """Return the RMS of speech while it sounds.

    The mean power of those 20 ms frames that lie within 20 dB of the loudest: pauses, and how long they
    are, do not count (the idea of the active speech level of ITU-T P.56, for single words).

    Parameters
    ----------
    samples : float array, shape (n,)

    Returns
    -------
    float
        In the unit of the samples; 0 for digital silence.
    """
    count = samples.size // _FRAME
    if count < 2:
        return rms(samples)
    frames = samples[: count * _FRAME].reshape(count, _FRAME).astype(np.float64, copy=False)
    power = np.einsum("ij,ij->i", frames, frames) / _FRAME
    active = power >= power.max() * 10.0 ** (-_ACTIVE_RANGE_DB / 10.0)
    return float(np.sqrt(power[active].mean()))


def to_int16(samples: npt.NDArray[np.floating]) -> npt.NDArray[np.int16]:
    """Quantise to 16 bit as a converter does: rounded, and clipped at full scale (1.0)."""
    scaled = np.rint(samples * 32768.0)
    quantised: npt.NDArray[np.int16] = np.clip(scaled, -32768, 32767).astype(np.int16)
    return quantised

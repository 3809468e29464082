"""Levels of signals: decibels, speech level, and the step to 16 bits."""

import numpy as np
import numpy.typing as npt

__all__ = ["decibels_to_gain", "speech_rms", "to_int16"]

_FRAME = 320
_ACTIVE_RANGE_DB = 20.0


def decibels_to_gain(decibels: float) -> float:
    """Return the amplitude ratio of a level difference in dB."""
    return float(10.0 ** (decibels / 20.0))


def speech_rms(samples: npt.NDArray[np.floating]) -> float:
    """Return the RMS of the active part of speech: 20 ms frames within 20 dB of the loudest.

    A pause-free measure, so that an SNR means the same for a word and for a sentence with pauses (the idea of
    ITU-T P.56, without its envelope).
    """
    n = samples.size // _FRAME
    if n == 0:
        return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0
    power = np.mean(np.square(samples[: n * _FRAME].reshape(n, _FRAME), dtype=np.float64), axis=1)
    active = power > power.max() * 10 ** (-_ACTIVE_RANGE_DB / 10)
    return float(np.sqrt(power[active].mean())) if active.any() else 0.0


def to_int16(samples: npt.NDArray[np.floating]) -> npt.NDArray[np.int16]:
    """Round to 16 bits and saturate; full scale is 1."""
    return np.clip(np.round(samples * 32768.0), -32768, 32767).astype(np.int16)

"""The log-mel spectrogram that the verifier hears: 32 bands from 60 to 3800 Hz, every 10 ms.

It is not the frontend's, whose channels follow the noise and hold integers: the verifier begins with a network that was
trained elsewhere (Google's speech embedding [1]_), and hears what that was trained on. It is computed when a word may
have been said, some hundred times an hour, and needs no kernel of its own.

References
----------
.. [1] J. Lin, K. Kilgour, D. Roblek, M. Sharifi, "Training keyword spotters with limited and synthesized speech data",
   ICASSP 2020, https://arxiv.org/abs/2002.01322.
.. [2] M. Slaney, "Auditory Toolbox", technical report 1998-010, Interval Research Corporation, 1998.
"""

import functools

import numpy as np
import numpy.typing as npt

from edge.sample_time import SAMPLE_RATE_HZ
from edge.spectrum import power_spectra

__all__ = ["MEL_BANDS", "MEL_STEP_SAMPLES", "MEL_WINDOW_SAMPLES", "log_mel", "mel_frames", "samples_of_mel_frames"]

MEL_BANDS = 32
"""Bands."""
MEL_STEP_SAMPLES = SAMPLE_RATE_HZ // 100
"""Distance of two frames, samples."""
MEL_WINDOW_SAMPLES = 512
"""Samples that a frame stands for: those of the transform, in whose middle the window lies."""

_HANN_SAMPLES = 400
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 3800.0
_LEAST_POWER = 1e-10
_RANGE_DB = 80.0
# From decibels to the numbers that the embedding was trained on.
_DECIBELS_A_UNIT, _OFFSET = 10.0, 2.0


def mel_frames(samples: int) -> int:
    """Return how many frames so many samples hold."""
    return max(0, (samples - MEL_WINDOW_SAMPLES) // MEL_STEP_SAMPLES + 1)


def samples_of_mel_frames(frames: int) -> int:
    """Return how many samples so many frames, at least one, are made of."""
    return (frames - 1) * MEL_STEP_SAMPLES + MEL_WINDOW_SAMPLES


def log_mel(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Return the power of each band on a logarithmic scale, as the speech embedding takes it.

    Power is that of samples as whole numbers, and clipped to 80 dB below the loudest band of the whole stretch. A unit
    is 10 dB.

    Parameters
    ----------
    samples : (n,) int16
        16 kHz.

    Returns
    -------
    (mel_frames(n), MEL_BANDS) float32
    """
    frames = mel_frames(samples.size)
    if not frames:
        return np.zeros((0, MEL_BANDS), np.float32)
    begin = (MEL_WINDOW_SAMPLES - _HANN_SAMPLES) // 2
    power = power_spectra(
        samples[begin:].astype(np.float32), _hann(), step=MEL_STEP_SAMPLES, fft_size=MEL_WINDOW_SAMPLES
    )[:frames]
    first, bank = _bank()
    # Not with @: of a product that large the threads of a BLAS go on spinning for some 30 ms, on cores of others.
    bands = np.einsum("fk,kb->fb", power[:, first : first + len(bank)], bank)
    decibels = 10.0 * np.log10(np.maximum(bands, np.float32(_LEAST_POWER)))
    clipped: npt.NDArray[np.float32] = np.maximum(decibels, decibels.max() - np.float32(_RANGE_DB))
    return clipped / np.float32(_DECIBELS_A_UNIT) + np.float32(_OFFSET)


@functools.cache
def _hann() -> npt.NDArray[np.float32]:
    """Return the window, which is periodic: it would be 0 again one sample after its end."""
    return np.hanning(_HANN_SAMPLES + 1)[:-1].astype(np.float32)


@functools.cache
def _bank() -> tuple[int, npt.NDArray[np.float32]]:
    """Return the first bin that is in any triangle, and the weights from it to the last one, ``(bins, MEL_BANDS)``.

    The triangles lie on Slaney's mel axis [2]_, and each has the area 1 over Hz.
    """
    edges = _mel_to_hz(np.linspace(_hz_to_mel(_LOWEST_HZ), _hz_to_mel(_HIGHEST_HZ), MEL_BANDS + 2))
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    hz = np.arange(MEL_WINDOW_SAMPLES // 2 + 1)[:, None] * (SAMPLE_RATE_HZ / MEL_WINDOW_SAMPLES)
    triangles = np.maximum(0.0, np.minimum((hz - low) / (centre - low), (high - hz) / (high - centre)))
    weights = np.ascontiguousarray(triangles * (2.0 / (high - low)), np.float32)
    used = np.flatnonzero(weights.any(axis=1))
    return int(used[0]), weights[used[0] : used[-1] + 1]


# Slaney's axis: straight to 1 kHz, which is 15 mel, and logarithmic above.
_HZ_A_MEL, _KNEE_HZ, _KNEE_MEL, _LOG_STEP = 200.0 / 3, 1000.0, 15.0, np.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    return hz / _HZ_A_MEL if hz < _KNEE_HZ else _KNEE_MEL + float(np.log(hz / _KNEE_HZ)) / float(_LOG_STEP)


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = np.where(
        mel < _KNEE_MEL, mel * _HZ_A_MEL, _KNEE_HZ * np.exp((mel - _KNEE_MEL) * _LOG_STEP)
    )
    return found

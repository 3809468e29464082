"""Is there enough evidence in this audio? Levels, noise, clipping and bandwidth, as numbers and as flags.

The flags are facts about the audio. What follows from them is the gate's business.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.endpoint import frame_levels_db, speech_span
from edge.events import SAMPLE_RATE_HZ

__all__ = ["FLAGS", "Quality", "QualityMeter", "assess"]

FLAGS = {
    "silent": "no sound",
    "too_short": "less speech than a word has",
    "clipped": "samples at full scale",
    "noisy": "speech hardly above the noise",
    "band_limited": "nothing above 4 kHz, where playback shows best",
    "quiet": "level so low that the converter's own noise counts",
}
"""Every flag, and what it says."""

_SILENT_DBFS = -70.0
"""Below this no room and no microphone preamplifier is heard: the input is closed or missing."""
_QUIET_DBFS = -55.0
_SHORTEST_SPEECH_S = 0.2
"""The shortest of the words that are in use lasts about 0.35 s; half of one is no word."""
_LOWEST_SNR_DB = 6.0
_FULL_SCALE = 32_600
"""Converters and resamplers clip a little below the largest integer."""
_CLIPPED_SHARE = 0.01
"""A clipped peak of loud speech takes a few samples of a hundred; one in a hundred over a second is distortion."""
_BAND_SPLIT_HZ = 4_300.0
_BAND_TOP_HZ = 7_500.0
_BAND_DROP_DB = 48.0
"""Speech loses 20 to 35 dB from 1-3.5 kHz to 4.3-7.5 kHz; a resampler's stop band takes 60 and more."""
_FFT = 1024


@dataclass(frozen=True, slots=True)
class Quality:
    """What a piece of audio is like."""

    level_dbfs: float
    """Mean level of the loudest 50 ms, dB re full scale."""
    snr_db: float
    """95th less 10th percentile of the levels of 10 ms frames, dB: an estimate that counts pauses as noise."""
    clipped_share: float
    """Share of the samples at full scale."""
    speech_s: float
    """Length of the most energetic stretch of speech, s."""
    high_band_db: float
    """Level of 4.3-7.5 kHz re that of 1-3.5 kHz in the loud frames, dB."""
    flags: tuple[str, ...]
    """Keys of :data:`FLAGS`."""

    def to_dict(self) -> dict[str, Any]:
        """Return the quality as plain data, rounded for people."""
        return {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in (asdict(self) | {"flags": list(self.flags)}).items()
        }


def _high_band_db(samples: npt.NDArray[np.int16], levels: npt.NDArray[np.float32]) -> float:
    n = samples.size // _FFT
    if n == 0:
        return 0.0
    frames = samples[: n * _FFT].reshape(n, _FFT).astype(np.float64)
    power = np.abs(np.fft.rfft(frames * np.hanning(_FFT), axis=1)) ** 2
    # Fricatives carry the high band: the best frame tells what the channel lets through.
    hz = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE_HZ)
    low = power[:, (hz >= 1_000) & (hz < 3_500)].mean(axis=1)
    high = power[:, (hz >= _BAND_SPLIT_HZ) & (hz < _BAND_TOP_HZ)].mean(axis=1)
    total = low.max()
    if total <= 0:
        return 0.0
    return float(10 * np.log10((high.max() + 1e-9) / total))


def assess(samples: npt.NDArray[np.int16]) -> Quality:
    """Assess a second or two of audio that holds a word.

    Parameters
    ----------
    samples : (n,) int16

    Returns
    -------
    Quality
        Of empty audio: silent and too short.
    """
    levels = frame_levels_db(samples)
    if levels.size < 5:
        return Quality(-120.0, 0.0, 0.0, samples.size / SAMPLE_RATE_HZ, 0.0, ("silent",) * (not samples.any()) + ("too_short",))
    power = 10.0 ** (levels.astype(np.float64) / 10)
    level = float(10 * np.log10(np.convolve(power, np.full(5, 0.2), mode="valid").max()))
    snr = float(np.percentile(levels, 95) - np.percentile(levels, 10))
    clipped = float(np.mean((samples >= _FULL_SCALE) | (samples <= -_FULL_SCALE)))
    span = speech_span(samples)
    speech_s = (span.stop - span.start) / SAMPLE_RATE_HZ
    high = _high_band_db(samples, levels)
    silent = level < _SILENT_DBFS
    found = {
        "silent": silent,
        "too_short": silent or speech_s < _SHORTEST_SPEECH_S,
        "clipped": clipped > _CLIPPED_SHARE,
        "noisy": not silent and snr < _LOWEST_SNR_DB,
        "band_limited": not silent and high < -_BAND_DROP_DB,
        "quiet": not silent and level < _QUIET_DBFS,
    }
    return Quality(level, snr, clipped, speech_s, high, tuple(flag for flag in FLAGS if found[flag]))


class QualityMeter:
    """Watch a whole stream, in constant memory: is it silent, too short or clipped as a whole?"""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._n = 0
        self._clipped = 0
        self._peak = 0

    def push(self, samples: npt.NDArray[np.int16]) -> None:
        """Take samples ``(n,) int16``."""
        if not samples.size:
            return
        self._n += samples.size
        high, low = int(samples.max()), int(samples.min())
        self._peak = max(self._peak, high, -low)
        if self._peak >= _FULL_SCALE and (high >= _FULL_SCALE or low <= -_FULL_SCALE):
            self._clipped += int(np.count_nonzero((samples >= _FULL_SCALE) | (samples <= -_FULL_SCALE)))

    @property
    def flags(self) -> tuple[str, ...]:
        """Keys of :data:`FLAGS` that hold for the stream so far."""
        found = {
            "silent": self._peak < 32_768 * 10 ** (_SILENT_DBFS / 20),
            "too_short": self._n < _SHORTEST_SPEECH_S * SAMPLE_RATE_HZ,
            "clipped": self._clipped > _CLIPPED_SHARE * self._n,
        }
        return tuple(flag for flag in FLAGS if found.get(flag, False))

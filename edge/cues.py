"""Liveness cues: what a loudspeaker changes in a second of speech.

A loudspeaker differs from a mouth in where the power lies: small ones have no bass, all of them ripple, and
few radiate evenly up to 8 kHz [1]_. The cues are therefore a log-power spectrogram on a *linear* frequency
axis up to 8 kHz (a mel axis blurs the upper half, where playback shows best), a fine copy of the lowest
kilohertz, where the roll-off of small loudspeakers lies, and three summary rows over the whole second.

References
----------
.. [1] M. E. Ahmed et al., "Void: A fast and light voice liveness detection system", USENIX Security 2020.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from edge.errors import FrontendError
from edge.sample_time import SAMPLE_RATE_HZ
from edge.settings import check_types, settings_from_dict
from edge.spectrum import power_spectra
from edge.spectrum_tables import is_fft_size

__all__ = ["CueSettings", "band_powers", "cues_of_bands", "liveness_cues"]

_SUMMARY_ROWS = 3
_MIN_POWER = 1e-12


@dataclass(frozen=True, slots=True)
class CueSettings:
    """What the liveness cues are, in physical units; travels in the bundle."""

    window_s: float = 1.0
    """Length of the audio that is judged, s."""
    fft_ms: float = 32.0
    """Length of the Hann window and of the transform, ms."""
    step_ms: float = 10.0
    """Distance of two spectra, ms."""
    coarse_band_hz: float = 125.0
    """Width of the linear bands from 0 to 8 kHz, Hz."""
    fine_top_hz: float = 1000.0
    """Upper end of the fine branch, whose bands are as wide as one bin of the transform, Hz."""
    floor_db: float = -60.0
    """Levels are clipped to this and ..."""
    top_db: float = 30.0
    """... this, dB re the mean band power of the whole window."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be realised."""
        check_types(self, "liveness cue")
        fits = is_fft_size(self.fft_samples) and self.fft_samples >= 64
        if not fits or self.window_samples < self.fft_samples or self.step_samples < 1:
            raise FrontendError(
                f"liveness cue settings: got window {self.window_s} s, transform {self.fft_ms} ms, "
                f"step {self.step_ms} ms; expected a window longer than the transform, "
                "and a transform of 4, 8, 16, 32, 64 ... ms"
            )
        if self.bins_per_band < 1 or not 0 < self.fine_top_hz <= SAMPLE_RATE_HZ / 2 or self.floor_db >= self.top_db:
            raise FrontendError(
                f"liveness cue settings: got bands of {self.coarse_band_hz} Hz, fine branch "
                f"to {self.fine_top_hz} Hz, range {self.floor_db} to {self.top_db} dB; expected bands of at "
                f"least {self.bin_hz} Hz, a fine branch below 8 kHz and an ascending range"
            )

    @property
    def window_samples(self) -> int:
        """Length of the judged audio, samples."""
        return round(self.window_s * SAMPLE_RATE_HZ)

    @property
    def fft_samples(self) -> int:
        """Points of the transform."""
        return round(self.fft_ms * SAMPLE_RATE_HZ / 1000)

    @property
    def step_samples(self) -> int:
        """Distance of two spectra, samples."""
        return round(self.step_ms * SAMPLE_RATE_HZ / 1000)

    @property
    def bin_hz(self) -> float:
        """Width of one bin of the transform, Hz."""
        return SAMPLE_RATE_HZ / self.fft_samples

    @property
    def bins_per_band(self) -> int:
        """Bins of the transform in one coarse band."""
        return round(self.coarse_band_hz / self.bin_hz)

    @property
    def coarse_bands(self) -> int:
        """Number of linear bands."""
        return (self.fft_samples // 2) // self.bins_per_band

    @property
    def fine_bands(self) -> int:
        """Number of bands of the fine branch."""
        return round(self.fine_top_hz / self.bin_hz)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the cues: spectra and summary rows, bands."""
        n = (self.window_samples - self.fft_samples) // self.step_samples + 1
        return n + _SUMMARY_ROWS, self.coarse_bands + self.fine_bands

    @property
    def summary_rows(self) -> int:
        """How many of the first rows are summaries and not spectra."""
        return _SUMMARY_ROWS

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data, for a manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read settings from plain data; an unknown name is a :class:`~edge.errors.FrontendError`."""
        return settings_from_dict(cls, data, "liveness cue")


def band_powers(samples: npt.NDArray[np.int16], settings: CueSettings) -> npt.NDArray[np.float32]:
    """Compute the short-time power in the bands of the cues, linear, not normalised.

    Parameters
    ----------
    samples : (n,) int16
        The audio, 16 kHz. Shorter audio than ``settings.window_samples`` is extended by silence at the front,
        of longer audio the last part counts.
    settings : CueSettings

    Returns
    -------
    (spectra, bands) float32
        Coarse bands from 0 to 8 kHz, then the fine branch; full scale is 1.
    """
    n, size = settings.window_samples, settings.fft_samples
    x = np.zeros(n, np.float32)
    tail = samples[-n:]
    x[n - tail.size :] = tail
    x /= 32768.0
    x -= x.mean()
    hann = np.hanning(size + 1)[:-1].astype(np.float32)
    power = power_spectra(x, hann, step=settings.step_samples, fft_size=size)
    used = settings.coarse_bands * settings.bins_per_band
    # The bin at 0 Hz holds the offset of the converter and no sound.
    coarse = power[:, 1 : used + 1].reshape(power.shape[0], settings.coarse_bands, settings.bins_per_band).mean(axis=2)
    return np.concatenate((coarse, power[:, 1 : settings.fine_bands + 1]), axis=1)


def liveness_cues(samples: npt.NDArray[np.int16], settings: CueSettings) -> npt.NDArray[np.float32]:
    """Compute the cues of one window of speech.

    Parameters
    ----------
    samples : (n,) int16
        The audio, 16 kHz; see :func:`band_powers` for other lengths than the window's.
    settings : CueSettings

    Returns
    -------
    (rows, bands) float32
        ``settings.shape``. Row 0: spectrum of the whole window (mean power, what Void calls S_pow); row 1:
        its 10th and row 2 its 90th percentile over time; then one spectrum every ``step_ms``. All in dB re
        the mean band power of the whole window, so that the level of the recording does not matter, clipped
        and mapped to 0 ... 1.
    """
    return cues_of_bands(band_powers(samples, settings), settings)


def cues_of_bands(bands: npt.NDArray[np.float32], settings: CueSettings) -> npt.NDArray[np.float32]:
    """Compute the cues from the band powers of one window, as :func:`band_powers` returns them."""
    low, high = np.percentile(bands, (10, 90), axis=0)
    rows = np.concatenate((bands.mean(axis=0)[None], low[None], high[None], bands))
    level = bands[:, : settings.coarse_bands].mean()
    decibels = 10 * np.log10(rows + _MIN_POWER) - 10 * np.log10(level + _MIN_POWER)
    scaled = (decibels - settings.floor_db) / (settings.top_db - settings.floor_db)
    clipped: npt.NDArray[np.float32] = np.clip(scaled, 0.0, 1.0).astype(np.float32)
    return clipped

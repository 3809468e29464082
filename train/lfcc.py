"""Linear-frequency cepstral coefficients: what countermeasures against replay began with.

As in the baseline of ASVspoof 2019 [1]_, after [2]_: frames of 20 ms every 10 ms, a transform of 512 points, 20
triangular filters of equal width from 0 to 8 kHz, logarithm, discrete cosine transform, all 20 coefficients with their
first and second differences. One thing differs: the audio is brought to a power of 1 first. The zeroth coefficient
would else be the level of the recording, which says nothing about a loudspeaker.

References
----------
.. [1] M. Todisco et al., "ASVspoof 2019: future horizons in spoofed and fake audio detection", Interspeech 2019.
.. [2] M. Sahidullah, T. Kinnunen, C. Hanilçi, "A comparison of features for synthetic speech detection", Interspeech
   2015.
"""

import functools
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from edge.errors import FrontendError
from edge.sample_time import SAMPLE_RATE_HZ
from edge.spectrum import power_spectra

__all__ = ["LfccSettings", "filter_bank", "lfcc"]

_MIN_POWER = 1e-10


@dataclass(frozen=True, slots=True)
class LfccSettings:
    """What the coefficients are."""

    window_ms: float = 20.0
    """Length of the Hamming window, ms."""
    step_ms: float = 10.0
    """Distance of two frames, ms."""
    fft_samples: int = 512
    """Points of the transform."""
    filters: int = 20
    """Triangular filters between 0 and 8 kHz, and coefficients."""

    @property
    def window_samples(self) -> int:
        """Length of the window, samples."""
        return round(self.window_ms * SAMPLE_RATE_HZ / 1000)

    @property
    def step_samples(self) -> int:
        """Distance of two frames, samples."""
        return round(self.step_ms * SAMPLE_RATE_HZ / 1000)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data, for a result file."""
        return asdict(self)


@functools.lru_cache(maxsize=8)
def filter_bank(settings: LfccSettings) -> npt.NDArray[np.float64]:
    """Return the weights of the bins in every filter, ``(filters, fft_samples // 2 + 1)``.

    Filter k rises from 0 at k to 1 at k + 1 and falls to 0 at k + 2, in units of 8 kHz / (filters + 1).
    """
    place = np.linspace(0.0, settings.filters + 1.0, settings.fft_samples // 2 + 1)
    weights: npt.NDArray[np.float64] = np.maximum(
        0.0, 1.0 - np.abs(place[None, :] - (np.arange(settings.filters) + 1.0)[:, None])
    )
    return weights


def lfcc(samples: npt.NDArray[np.int16], settings: LfccSettings) -> npt.NDArray[np.float64]:
    """Compute the coefficients of a clip.

    Parameters
    ----------
    samples : (n,) int16
        16 kHz. Shorter audio than a window is extended by silence at the end.
    settings : LfccSettings

    Returns
    -------
    (frames, 3 * filters) float64
        Coefficients from the zeroth, then their first differences (half of the next minus the one before; the ends are
        repeated), then the differences of those.

    Raises
    ------
    FrontendError
        If the samples are not one-dimensional int16.
    """
    if not isinstance(samples, np.ndarray) or samples.dtype != np.int16 or samples.ndim != 1:
        got = f"{samples.dtype} of shape {samples.shape}" if isinstance(samples, np.ndarray) else type(samples).__name__
        raise FrontendError(f"LFCC: got {got}, expected int16 samples of shape (n,); convert them first")
    x = np.zeros(max(samples.size, settings.window_samples), np.float32)
    x[: samples.size] = samples
    x -= x.mean()
    x /= np.float32(max(float(np.sqrt(np.mean(x * x))), 1e-3))
    window = np.hamming(settings.window_samples).astype(np.float32)
    power = power_spectra(x, window, step=settings.step_samples, fft_size=settings.fft_samples)
    energies = np.log(np.maximum(power.astype(np.float64) @ filter_bank(settings).T, _MIN_POWER))
    cepstrum = scipy.fft.dct(energies, type=2, axis=1, norm="ortho")
    first = _difference(cepstrum)
    return np.concatenate((cepstrum, first, _difference(first)), axis=1)


def _difference(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    framed = np.concatenate((rows[:1], rows, rows[-1:]))
    return (framed[2:] - framed[:-2]) / 2.0

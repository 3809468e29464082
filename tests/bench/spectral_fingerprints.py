"""Two other ways to know a word again, by its spectra: what the replay memory is compared with.

* Haitsma and Kalker, "A highly robust audio fingerprinting system", ISMIR 2002: the signs of differences of the
  energies of neighbouring bands and frames; similarity is 1 less twice the bit error rate. Their frames of 0.37 s are
  made for music; shorter ones are tried, too.
* Correlation of log-mel spectra, each band less its mean.

Both take the best alignment in time, of which at least half a second overlaps.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["METHODS", "Method"]

_BITS_HZ = (300.0, 2000.0)
_MEL_HZ = (300.0, 3500.0)
_HK_BANDS = 33
_MEL_BANDS = 40
_RANGE_DB = 25.0
_OVERLAP_S = 0.5

Features = npt.NDArray[np.float32]


class Method(NamedTuple):
    """A way to know a word again."""

    features: Callable[[npt.NDArray[np.int16]], Features]
    hop: int

    def similarity(self, a: Features, b: Features) -> float:
        """Return the highest correlation of two words over their alignments."""
        overlap = min(round(_OVERLAP_S * SAMPLE_RATE_HZ / self.hop), len(a), len(b))
        products = a @ b.T
        sums_a, sums_b = (np.concatenate(([0.0], np.cumsum((x * x).sum(axis=1)))) for x in (a, b))
        best = 0.0
        for shift in range(overlap - len(b), len(a) - overlap + 1):
            first, last = max(0, shift), min(len(a), len(b) + shift)
            power = (sums_a[last] - sums_a[first]) * (sums_b[last - shift] - sums_b[first - shift])
            value = np.trace(products[first:last, first - shift : last - shift]) / max(1e-9, float(np.sqrt(power)))
            best = max(best, float(value))
        return best


def _band_powers(samples: npt.NDArray[np.int16], window: int, hop: int, edges_hz: npt.NDArray[np.float64]) -> Features:
    padded = np.pad(samples, (0, max(0, window + hop - samples.size))).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop] * np.hanning(window).astype(np.float32)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    hz = np.fft.rfftfreq(window, 1.0 / SAMPLE_RATE_HZ)
    centres = (edges_hz[:-1] + edges_hz[1:]) / 2
    widths = np.maximum(np.diff(edges_hz), SAMPLE_RATE_HZ / window)
    weights = np.clip(1.0 - np.abs(hz - centres[:, None]) / widths[:, None], 0.0, None)
    banded: Features = (power @ weights.T).astype(np.float32)
    return banded


def _signs(samples: npt.NDArray[np.int16], window: int, hop: int) -> Features:
    power = _band_powers(samples, window, hop, np.geomspace(*_BITS_HZ, _HK_BANDS + 1))
    return np.where(np.diff(np.diff(power, axis=1), axis=0) > 0, 1.0, -1.0).astype(np.float32)


def _log_mel(samples: npt.NDArray[np.int16], window: int, hop: int) -> Features:
    mel = 2595.0 * np.log10(1.0 + np.array(_MEL_HZ) / 700.0)
    edges_hz = 700.0 * (10.0 ** (np.linspace(*mel, _MEL_BANDS + 1) / 2595.0) - 1.0)
    level_db = 10.0 * np.log10(_band_powers(samples, window, hop, edges_hz) + 1.0)
    # Each band re its own loud moments: a loudspeaker's balance does not matter.
    level_db = np.maximum(level_db - np.quantile(level_db, 0.9, axis=0), -_RANGE_DB)
    return (level_db - level_db.mean(axis=0)).astype(np.float32)


METHODS = {
    "Haitsma and Kalker, frames of 370 ms": Method(lambda x: _signs(x, 5920, 186), 186),
    "Haitsma and Kalker, frames of 64 ms": Method(lambda x: _signs(x, 1024, 256), 256),
    "log-mel spectra, frames of 64 ms": Method(lambda x: _log_mel(x, 1024, 256), 256),
    "log-mel spectra, frames of 30 ms": Method(lambda x: _log_mel(x, 480, 160), 160),
}

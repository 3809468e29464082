"""Recordings at other speeds: pitch, formants and tempo move together, and so one talker becomes several.

There are 14 talkers for most of the words; a network that knows each of them is of no use to the fifteenth.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["Speeds"]


@dataclass(frozen=True, slots=True)
class Speeds:
    """At which speeds recordings are played (T. Ko et al., "Audio augmentation for speech recognition", 2015)."""

    share: float = 0.0
    """Share of the recordings that are played faster or slower."""
    range: float = 0.0
    """Natural logarithm of the largest speed, and of the inverse of the smallest: 0.24 is 0.79 to 1.27."""

    def apply(self, x: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Return a recording, ``(n,)`` at 16 kHz, at a speed that is drawn."""
        if rng.random() >= self.share:
            return x
        factor = float(np.exp(rng.uniform(-self.range, self.range)))
        resampled: npt.NDArray[np.float32] = soxr.resample(
            x, SAMPLE_RATE_HZ, round(SAMPLE_RATE_HZ * factor), quality="LQ"
        )
        return resampled

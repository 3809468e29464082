"""What the liveness network must beat."""

import numpy as np
import numpy.typing as npt

from edge.cues import CueSettings, band_powers
from edge.endpoint import loudest_window

__all__ = ["f70_hz"]


def f70_hz(samples: npt.NDArray[np.int16], cues: CueSettings) -> float:
    """Return the frequency below which 70 % of the power of the loudest window lies, Hz.

    The single number on which Void rests: a mouth reaches it near 1 kHz, a small loudspeaker, which has no
    bass, much later [1]_. Linear interpolation within a band.

    References
    ----------
    .. [1] M. E. Ahmed et al., "Void: A fast and light voice liveness detection system", USENIX Security 2020,
       section 3.2.
    """
    span = loudest_window(samples, cues.window_samples)
    power = band_powers(samples[span.start : span.stop], cues)[:, : cues.coarse_bands].mean(axis=0).astype(np.float64)
    cumulative = np.concatenate(([0.0], np.cumsum(power)))
    if cumulative[-1] <= 0:
        return 0.0
    edges = np.arange(cues.coarse_bands + 1) * cues.coarse_band_hz
    return float(np.interp(0.7 * cumulative[-1], cumulative, edges))

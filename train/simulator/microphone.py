"""Microphones: the device's own, and the one with which an attacker recorded."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from train.simulator.filters import minimum_phase_fir, smooth_random_curve_db
from train.simulator.recipe import MicrophoneRanges

__all__ = ["Microphone", "draw_microphone"]

_HZ = np.geomspace(20.0, 8000.0, 60)
_OCTAVES = np.log2(_HZ)
_TAPS = 512


@dataclass(frozen=True, eq=False)
class Microphone:
    """A microphone with what belongs to it.

    Attributes
    ----------
    highpass_hz : float
        -3 dB point of its second-order high-pass, Hz.
    tilt_db : float
        Level at 8 kHz re 1 kHz, dB.
    taps : float32 array, shape (512,)
        Its response as a minimum-phase filter.
    """

    highpass_hz: float
    tilt_db: float
    taps: npt.NDArray[np.float32]


def draw_microphone(
    rng: np.random.Generator, ranges: MicrophoneRanges, *, highpass_hz: tuple[float, float] | None = None
) -> Microphone:
    """Draw a microphone: high-pass, gentle ripple, and the rise or fall of its port towards 8 kHz.

    Parameters
    ----------
    rng : numpy.random.Generator
    ranges : MicrophoneRanges
    highpass_hz : pair of float, optional
        Range of the high-pass in place of that of the ranges, Hz; drawn log-uniformly.
    """
    corner = float(np.exp(rng.uniform(*np.log(highpass_hz or ranges.highpass_hz))))
    tilt = float(rng.uniform(*ranges.tilt_db))
    response = -10.0 * np.log10(1.0 + (corner / _HZ) ** 4)
    response += tilt * np.clip((_OCTAVES - np.log2(1000.0)) / 3.0, 0.0, 1.0)
    response += smooth_random_curve_db(rng, _OCTAVES, float(rng.uniform(*ranges.ripple_db)), 0.6)
    return Microphone(corner, tilt, minimum_phase_fir(_HZ, response, _TAPS))

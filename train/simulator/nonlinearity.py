"""What a driven loudspeaker adds: harmonics that follow the excursion of its membrane, and a limiter.

The nonlinearity is a Hammerstein model (static curve, then a linear filter: the loudspeaker's response). The
curve works on the low-passed signal, since the excursion falls above the resonance; so the harmonics up to
the fifth order stay below 8 kHz and do not alias.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.signal

from edge.sample_time import SAMPLE_RATE_HZ
from train.simulator.levels import decibels_to_gain

__all__ = ["Limiter", "Nonlinearity", "apply_limiter", "apply_nonlinearity"]

_MAX_DRIVE = 1.25  # the polynomial holds up to here; the membrane's stop is harder
_FRAME = 64


@dataclass(frozen=True, slots=True)
class Nonlinearity:
    """Harmonics of a loudspeaker.

    Attributes
    ----------
    harmonics_db : tuple of 4 float
        Level of harmonics 2 to 5 below a sine of amplitude 1 (the reference level) in the pass band, dB.
    signs : tuple of 4 int
        Sign of each harmonic.
    excursion_hz : float
        Above this the excursion falls with 12 dB per octave, Hz.
    drive_db : float
        Peak of the speech re the reference level, dB.
    """

    harmonics_db: tuple[float, float, float, float]
    signs: tuple[int, int, int, int]
    excursion_hz: float
    drive_db: float


@dataclass(frozen=True, slots=True)
class Limiter:
    """Dynamic range compression of a playback device.

    Attributes
    ----------
    threshold_db : float
        Where it starts, dB re the peak of the speech.
    ratio : float
        Input change over output change above it.
    attack_s, release_s : float
        Time constants, s.
    """

    threshold_db: float
    ratio: float
    attack_s: float
    release_s: float


@lru_cache(maxsize=512)
def _excursion_filter(excursion_hz: float) -> npt.NDArray[np.float64]:
    return np.asarray(scipy.signal.butter(2, excursion_hz, fs=SAMPLE_RATE_HZ, output="sos"))


def apply_nonlinearity(samples: npt.NDArray[np.float32], spec: Nonlinearity) -> npt.NDArray[np.float32]:
    """Add harmonics.

    For a sine of amplitude 1 below the excursion corner, the Chebyshev polynomial of order n is exactly the
    n-th harmonic, so levels are what the specification says, and the fundamental stays as it is.

    Parameters
    ----------
    samples : float32 array, shape (n,)
        In units of the reference level.
    spec : Nonlinearity

    Returns
    -------
    float32 array, shape (n,)
    """
    levels = [s * decibels_to_gain(db) for s, db in zip(spec.signs, spec.harmonics_db, strict=True)]
    power = np.polynomial.chebyshev.cheb2poly([0.0, 0.0, *levels])
    power[0] = 0.0  # a loudspeaker does not radiate a constant
    drive = scipy.signal.sosfilt(_excursion_filter(spec.excursion_hz), samples).astype(np.float32)
    np.clip(drive, -_MAX_DRIVE, _MAX_DRIVE, out=drive)
    added = np.zeros_like(drive)
    for coefficient in power[:0:-1]:
        added += np.float32(coefficient)
        added *= drive
    return samples + added


def apply_limiter(samples: npt.NDArray[np.float32], spec: Limiter) -> npt.NDArray[np.float32]:
    """Compress the loud parts.

    Parameters
    ----------
    samples : float32 array, shape (n,)
        Peak about 1.
    spec : Limiter

    Returns
    -------
    float32 array, shape (n,)
    """
    count = -(-samples.size // _FRAME)
    frames = np.abs(np.pad(samples, (0, count * _FRAME - samples.size))).reshape(count, _FRAME)
    level_db = 20.0 * np.log10(np.maximum(frames.max(axis=1), 1e-6))
    wanted_db = -np.maximum(0.0, level_db - spec.threshold_db) * (1.0 - 1.0 / spec.ratio)
    step_s = _FRAME / SAMPLE_RATE_HZ
    attack, release = (float(np.exp(-step_s / tau)) for tau in (spec.attack_s, spec.release_s))
    gains = []
    gain_db = 0.0
    for target_db in wanted_db.tolist():
        keep = attack if target_db < gain_db else release
        gain_db = keep * gain_db + (1.0 - keep) * target_db
        gains.append(gain_db)
    centres = (np.arange(count) + 0.5) * _FRAME
    gain = np.interp(np.arange(samples.size), centres, 10.0 ** (np.array(gains) / 20.0))
    return samples * gain.astype(np.float32)

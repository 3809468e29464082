"""The way of a sound, from what was said to what is heard: gain and coherence by frequency.

Both come from cross-spectra, in which whatever does not follow from what was said averages out [1]_.

References
----------
.. [1] J. S. Bendat and A. G. Piersol, "Random Data: Analysis and Measurement Procedures", 4th ed., 2010, chapter 6:
   H1 = Gxy / Gxx, and the ordinary coherence function.
"""

import numpy as np
import numpy.typing as npt
import scipy.signal

from edge.cues import CueSettings
from edge.sample_time import SAMPLE_RATE_HZ
from train.simulator.chain import spoken_part
from train.simulator.levels import rms
from train.simulator.recipe import Layout

__all__ = ["WAY_STEP_DB", "WAY_VERSION", "quantised_way", "spoken_in", "way_of", "way_size", "ways_to_learn"]

WAY_VERSION = 1
"""Raised whenever quantised ways change for the same sound."""

WAY_STEP_DB = 0.5
"""What one step of a quantised gain is worth, dB."""

_COHERENCE_STEPS = 127
_OVERLAP = 0.75
_MIDDLE_HZ = (1000.0, 4000.0)
_LEAST_POWER = 1e-12
"""Of a signal whose mean power in a bin is about 1e-4."""
_LEAST_RMS = 1e-9

Floats = npt.NDArray[np.float32]


def spoken_in(recording: Floats, layout: Layout, *, size: int, start: int, stop: int) -> Floats:
    """Return what was said, where it stands in a clip that was rendered from it.

    Parameters
    ----------
    recording : (n,) float32
        What the clip was rendered from, 16 kHz.
    layout : Layout
        Of its recipe.
    size, start, stop : int
        Samples of the clip, and where in it the word lies.

    Returns
    -------
    (size,) float32
        Zeros before and behind.

    Raises
    ------
    ValueError
        If it is digital silence, or its word is not as long.
    """
    speech, first, last = spoken_part(recording, layout)
    if last - first != stop - start:
        raise ValueError(f"got a word of {last - first} samples, expected {stop - start}")
    out = np.zeros(size, np.float32)
    out[start - first : start - first + speech.size] = speech
    return out


def way_of(spoken: Floats, heard: Floats, cues: CueSettings) -> Floats:
    """Return gain and coherence from what was said to what is heard.

    Parameters
    ----------
    spoken, heard : (n,) float32
        The same moments of both, 16 kHz, longer than the transform of the cues.
    cues : CueSettings
        Their bands and transform.

    Returns
    -------
    (2 coarse bands + fine bands,) float32
        Gain in each coarse band, dB re the median of those from 1 to 4 kHz; coherence in each, 0 to 1; gain in each
        fine band, on the same scale.
    """
    # Both at one level, so that the least power lies as far below either of them.
    spoken, heard = (one / max(rms(one), _LEAST_RMS) for one in (spoken, heard))
    size = cues.fft_samples
    how = {"fs": SAMPLE_RATE_HZ, "nperseg": size, "noverlap": int(_OVERLAP * size), "detrend": False}
    _, between = scipy.signal.csd(spoken, heard, **how)
    _, of_said = scipy.signal.welch(spoken, **how)
    _, of_heard = scipy.signal.welch(heard, **how)
    # Of the power that is heard, what follows from that which was said.
    following = np.abs(between) ** 2 / (of_said + _LEAST_POWER)
    used = cues.coarse_bands * cues.bins_per_band

    def coarse(power: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        # The bin at 0 Hz holds no sound.
        total: npt.NDArray[np.floating] = power[1 : used + 1].reshape(cues.coarse_bands, -1).sum(axis=1)
        return total

    def decibels(gain: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        out: npt.NDArray[np.floating] = 10 * np.log10(gain)
        return out

    gain = decibels((coarse(following) + _LEAST_POWER) / (coarse(of_said) + _LEAST_POWER))
    fine = slice(1, cues.fine_bands + 1)
    fine_gain = decibels((following[fine] + _LEAST_POWER) / (of_said[fine] + _LEAST_POWER))
    low, high = (round(hz / cues.coarse_band_hz) for hz in _MIDDLE_HZ)
    level = np.median(gain[low:high])
    coherence = coarse(following) / (coarse(of_heard) + _LEAST_POWER)
    return np.concatenate((gain - level, coherence, fine_gain - level)).astype(np.float32)


def way_size(cues: CueSettings) -> int:
    """Return how many numbers a way is: see :func:`way_of`."""
    return 2 * cues.coarse_bands + cues.fine_bands


def quantised_way(spoken: Floats, heard: npt.NDArray[np.int16], cues: CueSettings) -> npt.NDArray[np.int8]:
    """Return a way in whole steps: gains of :data:`WAY_STEP_DB`, coherences of 1/127.

    Parameters
    ----------
    spoken : (n,) float32
    heard : (n,) int16
    cues : CueSettings

    Returns
    -------
    (way_size(cues),) int8
    """
    way = way_of(spoken, heard.astype(np.float32) / np.float32(32768), cues)
    steps = way / np.float32(WAY_STEP_DB)
    coherence = slice(cues.coarse_bands, 2 * cues.coarse_bands)
    steps[coherence] = way[coherence] * _COHERENCE_STEPS
    return np.clip(np.round(steps), -127, 127).astype(np.int8)


def ways_to_learn(ways: npt.NDArray[np.int8], cues: CueSettings) -> tuple[Floats, Floats]:
    """Return what a network is taught of quantised ways, and how far each number of it can be known.

    Parameters
    ----------
    ways : (n, way_size) int8
    cues : CueSettings

    Returns
    -------
    gains : (n, bands) float32
        In the bands of the cues, first the coarse and then the fine ones, in units of 10 dB.
    known : (n, bands) float32
        Coherence, 0 to 1; of a fine band that of the coarse one in which it lies.
    """
    bands = cues.coarse_bands
    gains = np.concatenate((ways[:, :bands], ways[:, 2 * bands :]), axis=1).astype(np.float32)
    coherence = ways[:, bands : 2 * bands].astype(np.float32) / _COHERENCE_STEPS
    of_fine = np.minimum(np.arange(cues.fine_bands) // cues.bins_per_band, bands - 1)
    return gains * np.float32(WAY_STEP_DB / 10), np.concatenate((coherence, coherence[:, of_fine]), axis=1)

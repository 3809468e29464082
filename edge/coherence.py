"""How much of what a microphone heard is explained by what a loudspeaker was given: delay, and coherence.

One linear path leads from the loudspeaker's signal to the microphone: converter, membrane, air, walls. Its delay is
where the generalised cross-correlation with phase transform peaks (Knapp and Carter, "The generalized correlation
method for estimation of time delay", IEEE Transactions on Acoustics, Speech, and Signal Processing 24, 1976). Once that
is taken out, the magnitude-squared coherence says for each frequency which share of the power such a path explains
(averaged over frames as by Welch; Carter, Knapp and Nuttall 1973). Weighted by the power it becomes the share of the
whole sound. Steady noise is neither the loudspeaker's nor anybody's voice: its power is known from what is not
explained before the stretch that is judged, and is not counted.
"""

import numpy as np
import numpy.typing as npt

from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["SHORTEST_SAMPLES", "explained_share", "find_offset"]

_Samples = npt.NDArray[np.int16]
_Floats = npt.NDArray[np.float64]
_Spectra = npt.NDArray[np.complex128]

_WINDOW = 1024
"""64 ms: direct sound and the early echoes of a room fall into one frame."""
_HOP = _WINDOW // 4
_FLOOR_HOP = _WINDOW // 2
SHORTEST_SAMPLES = SAMPLE_RATE_HZ // 4
"""The least that is judged: of fewer frames any two sounds look coherent."""

_DELAY_HZ = (300.0, 4000.0)
_SPEECH_HZ = (200.0, 6000.0)
"""Below, small loudspeakers play nothing and rooms rumble; above, speech has little power."""
_FLOOR_QUANTILE = 0.3
"""Of the frames before the word: some speech or clatter among them does not raise the floor."""
_LEAST_FLOOR_FRAMES = 8


def find_offset(reference: _Samples, heard: _Samples) -> int:
    """Find the stretch of a reference that was heard.

    Parameters
    ----------
    reference : (m,) int16
        16 kHz; at least as long as what was heard.
    heard : (n,) int16
        16 kHz.

    Returns
    -------
    int
        Index in the reference of what was heard first; any index where nothing of it was heard.

    Raises
    ------
    ValueError
        If the reference is shorter: a mistake of the caller.
    """
    places = reference.size - heard.size + 1
    if places < 1:
        raise ValueError(f"offset: got a reference of {reference.size} samples, expected at least {heard.size}")
    # What wraps around lands at places that are not looked at.
    size = 1 << (reference.size - 1).bit_length()
    inside = _bins(_DELAY_HZ, size)
    cross = np.fft.rfft(reference, size)[inside] * np.conj(np.fft.rfft(heard, size)[inside])
    phases = np.zeros(size // 2 + 1, np.complex128)
    phases[inside] = cross / np.maximum(np.abs(cross), 1e-9)
    # A loudspeaker may be wired the other way round.
    correlation = np.abs(np.fft.irfft(phases, size)[:places])
    return int(np.argmax(correlation))


def explained_share(reference: _Samples, heard: _Samples, before: int) -> float:
    """Return the share of a sound's power that a linear path from the reference explains, in the bands of speech.

    Parameters
    ----------
    reference, heard : (n,) int16
        16 kHz, without a delay between them.
    before : int
        Samples at their beginning that are not judged: there the steady noise is measured.

    Returns
    -------
    float
        0 to 1. 0 where nothing is heard; for sounds that have nothing in common a little above 0, as of few frames.

    Raises
    ------
    ValueError
        If the two are not of one length, or less than :data:`SHORTEST_SAMPLES` are to be judged.
    """
    if reference.size != heard.size or heard.size - before < SHORTEST_SAMPLES or before < 0:
        raise ValueError(
            f"coherence: got {reference.size} and {heard.size} samples, {before} of them before, expected as many of "
            f"both and {SHORTEST_SAMPLES} behind"
        )
    x, y = _spectra(reference[before:], _HOP), _spectra(heard[before:], _HOP)
    together, played, total = (np.mean(one, axis=0) for one in (y * np.conj(x), _power(x), _power(y)))
    path = together / np.maximum(played, 1e-9)
    # As total * (1 - coherence).
    unexplained = total - _power(path) * played
    floor = _floor(path, reference[:before], heard[:before])
    of_all = float(np.sum(np.maximum(total - floor, 0.0)))
    # A unit of 16 bits in every sample has a power of 384 in each of these spectra: less is no sound.
    if of_all < total.size:
        return 0.0
    return 1.0 - float(np.sum(np.maximum(unexplained - floor, 0.0))) / of_all


def _floor(path: npt.NDArray[np.complex128], reference: _Samples, heard: _Samples) -> _Floats:
    """Return the power of steady noise that the path does not explain, for each frequency."""
    if heard.size < _WINDOW + (_LEAST_FLOOR_FRAMES - 1) * _FLOOR_HOP:
        return np.zeros(path.size)
    left = _power(_spectra(heard, _FLOOR_HOP) - path * _spectra(reference, _FLOOR_HOP))
    # The power of noise in a bin is distributed exponentially: a quantile says what the mean is.
    floor: _Floats = np.quantile(left, _FLOOR_QUANTILE, axis=0) / -np.log1p(-_FLOOR_QUANTILE)
    return floor


def _spectra(samples: _Samples, hop: int) -> _Spectra:
    """Return the spectra ``(frames, bins)`` of whole frames, in the bands of speech."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::hop]
    spectra: _Spectra = np.fft.rfft(frames * _HANN, axis=1)[:, _BINS]
    return spectra


def _power(spectra: _Spectra) -> _Floats:
    power: _Floats = spectra.real**2 + spectra.imag**2
    return power


def _bins(band_hz: tuple[float, float], size: int) -> slice:
    """Return which bins of a transform of so many samples lie in a band."""
    first, last = (hz * size / SAMPLE_RATE_HZ for hz in band_hz)
    return slice(int(np.ceil(first)), int(last) + 1)


_HANN = np.hanning(_WINDOW + 1)[:-1]
_BINS = _bins(_SPEECH_HZ, _WINDOW)

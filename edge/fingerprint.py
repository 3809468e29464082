"""Fingerprints of words: the signs of the whitened waveform, which all playings of one recording have in common.

Loudspeakers, rooms and microphones are close to linear: they delay, colour and smear a waveform, but what left the
recording first arrives first and strongest. Once the spectrum is made flat, two playings of one recording correlate at
one delay, while a person who says the word again makes another waveform. One bit a sample is enough to tell (the
polarity coincidence correlator; Wolff, Thomas and Williams, IRE Transactions on Information Theory 8, 1962), and small.

Spectral fingerprints (Haitsma and Kalker, "A highly robust audio fingerprinting system", ISMIR 2002) and correlations
of log-mel spectra were tried beside this: one person's words are too much alike in them
(``results/replay_memory.json``).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.endpoint import loudest_window, speech_span
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["LONGEST_S", "Fingerprint", "Waveform", "fingerprint", "similarities", "whitened"]

_BAND_HZ = (500.0, 3800.0)
"""Small loudspeakers play it, and codecs keep its waveform; below, the words of one person are most alike."""
_RATE_HZ = SAMPLE_RATE_HZ // 2
_SMOOTHED_HZ = 60.0
"""Over which the spectrum is averaged before it is made flat."""
_ENVELOPE_S = 0.025
_MARGIN_SAMPLES = SAMPLE_RATE_HZ // 20
_SHORTEST_SAMPLES = SAMPLE_RATE_HZ // 4
LONGEST_S = 0.97
"""Of a longer word the loudest part is kept: 970 bytes."""
_LONGEST_SAMPLES = round(LONGEST_S * 100) * SAMPLE_RATE_HZ // 100
_LONGEST_HEARD_SAMPLES = 107 * SAMPLE_RATE_HZ // 100
"""Of a word that is compared: so that with what is kept it fits a transform of 16384 samples."""
_QUIETEST = 2.0
"""Root mean square below which there is no word, units of 16 bits."""

Waveform = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of a word."""

    bits: bytes
    """Signs of the whitened waveform at 8 kHz, eight a byte."""
    size: int
    """How many."""


def whitened(samples: npt.NDArray[np.int16]) -> Waveform:
    """Return the waveform of a word with a flat spectrum and a flat envelope.

    Parameters
    ----------
    samples : (n,) int16
        16 kHz; where in it the word lies is found here.

    Returns
    -------
    (m,) float32
        8 kHz, root mean square 1; empty where there is no word: too short, or silence.
    """
    nothing = np.zeros(0, np.float32)
    if samples.size < _SHORTEST_SAMPLES:
        return nothing
    span = speech_span(samples)
    word = samples[max(0, span.start - _MARGIN_SAMPLES) : span.stop + _MARGIN_SAMPLES]
    window = loudest_window(word, _LONGEST_HEARD_SAMPLES)
    word = word[window.start : window.stop].astype(np.float32)
    # Of an even number of samples at half the rate.
    word = word[: word.size // 4 * 4] - word.mean()
    if word.size < _SHORTEST_SAMPLES or float(np.sqrt(np.mean(word * word))) < _QUIETEST:
        return nothing
    spectrum = np.fft.rfft(word)[: word.size // 4 + 1]
    hz = np.arange(spectrum.size) * (SAMPLE_RATE_HZ / word.size)
    bins = max(1, round(_SMOOTHED_HZ * word.size / SAMPLE_RATE_HZ))
    level = np.sqrt(_running_mean(np.abs(spectrum) ** 2, bins))
    inside = (hz >= _BAND_HZ[0]) & (hz <= _BAND_HZ[1])
    peak = float(level[inside].max())
    flat = np.where(inside, spectrum / np.maximum(level, 1e-6 * peak + 1e-12), 0.0)
    wave = np.fft.irfft(flat, word.size // 2)
    envelope = np.sqrt(_running_mean(wave * wave, round(_ENVELOPE_S * _RATE_HZ)))
    wave /= np.maximum(envelope, 0.05 * envelope.max() + 1e-12)
    scale = float(np.sqrt(np.mean(wave * wave)))
    return (wave / scale).astype(np.float32) if scale > 0.0 else nothing


def _running_mean(values: npt.NDArray[np.floating], width: int) -> npt.NDArray[np.float64]:
    """Return means over so many neighbours; beyond the ends there are zeros."""
    sums = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    at = np.arange(values.size)
    first, last = np.maximum(at - width // 2, 0), np.minimum(at - width // 2 + width, values.size)
    means: npt.NDArray[np.float64] = np.maximum(sums[last] - sums[first], 0.0) / width
    return means


def fingerprint(wave: Waveform) -> Fingerprint | None:
    """Return what to keep of a whitened word; None where there is no word."""
    if not wave.size:
        return None
    most = _LONGEST_SAMPLES // 2
    first = max(0, (wave.size - most) // 2)
    signs = wave[first : first + most] > 0.0
    return Fingerprint(np.packbits(signs).tobytes(), signs.size)


def similarities(wave: Waveform, kept: list[Fingerprint]) -> npt.NDArray[np.float64]:
    """Compare a word with fingerprints.

    Parameters
    ----------
    wave : (m,) float32
        As :func:`whitened` returns it, not empty.
    kept : list of Fingerprint

    Returns
    -------
    (len(kept),) float64
        For each the highest correlation over all delays, 0 to 1: about 0.05 for words that have nothing in common.
    """
    result = np.zeros(len(kept))
    longest = max((one.size for one in kept), default=0)
    size = 1 << (wave.size + longest - 1).bit_length()
    spectrum = np.fft.rfft(wave, size)
    norm = float(np.sqrt(wave.size))
    for at, one in enumerate(kept):
        bits = np.unpackbits(np.frombuffer(one.bits, np.uint8), count=one.size)
        signs = bits.astype(np.float32) * 2.0 - 1.0
        correlation = np.fft.irfft(spectrum * np.conj(np.fft.rfft(signs, size)), size)
        # Of either polarity: a loudspeaker may be wired the other way round.
        highest = max(float(correlation.max()), -float(correlation.min()))
        result[at] = highest / (norm * np.sqrt(one.size))
    return result

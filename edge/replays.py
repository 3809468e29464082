"""The takes of a person as one recording to play, and how each is found again in what a microphone heard of it.

The recording has pauses of different lengths, drawn from the takes themselves. They make it unlike itself shifted by a
take, and unlike the recording of anybody else, so that one offset, found by correlating envelopes, says where every
take is, whichever of them were heard.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.endpoint import FRAME_SAMPLES
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["LONGEST_PAUSE_S", "Found", "find", "recording_to_play"]

_PAUSES_S = (1.0, 1.8)
LONGEST_PAUSE_S = 3.0
"""No two words in the recording are farther apart, s: pause, and what the takes hold before and after the word."""
_PEAK = 0.7 * 32767
_SLACK_FRAMES = 10
"""A take may be 0.1 s from where the offset says: players drop out, and their clocks are not ours."""
_LEAST_SIMILAR = 0.6
"""Least correlation of the envelopes, 0 to 1."""
_LEAST_SHARE = 0.5
"""Fewer of the takes than this are none."""
_OVER_FLOOR_DB = 6.0
_CEILING_DB = 40.0

_Samples = npt.NDArray[np.int16]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Found:
    """A take that was heard again."""

    index: int
    """Which of the takes."""
    samples: _Samples
    """Its replay ``(n,) int16``, 16 kHz, of the take's length."""
    similarity: float
    """Correlation of the envelopes of take and replay, up to 1."""


def recording_to_play(takes: Sequence[_Samples]) -> tuple[_Samples, list[int]]:
    """Join takes into one recording.

    Parameters
    ----------
    takes : sequence of (n,) int16
        16 kHz.

    Returns
    -------
    (m,) int16
        A pause before each take, and one at the end; all at one gain, the loudest near full scale.
    list of int
        Where each take starts, samples.
    """
    peak = max(1, *(int(np.abs(take.astype(np.int32)).max(initial=0)) for take in takes))
    pieces: list[_Samples] = []
    starts: list[int] = []
    n = 0
    for take in takes:
        pause = _pause_before(take)
        pieces += [np.zeros(pause, np.int16), np.rint(take * (_PEAK / peak)).astype(np.int16)]
        starts.append(n + pause)
        n += pause + take.size
    pieces.append(np.zeros(SAMPLE_RATE_HZ, np.int16))
    return np.concatenate(pieces), starts


def _pause_before(take: _Samples) -> int:
    """Return the pause before a take, samples, whole frames: as good as random, and always the same for one take."""
    shortest, longest = (round(s * SAMPLE_RATE_HZ) // FRAME_SAMPLES for s in _PAUSES_S)
    return (shortest + zlib.crc32(take.tobytes()) % (longest - shortest)) * FRAME_SAMPLES


def find(heard: _Samples, takes: Sequence[_Samples]) -> list[Found]:
    """Find the takes of a recording in what was heard while it was played.

    Parameters
    ----------
    heard : (n,) int16
        16 kHz.
    takes : sequence of (m,) int16
        As given to :func:`recording_to_play`.

    Returns
    -------
    list of Found
        In the order of the takes; those that were not heard are left out.
    """
    played, starts = recording_to_play(takes)
    echo = _envelope(heard)
    model = np.zeros(played.size // FRAME_SAMPLES)
    # In noise only the peaks of the words are left: no more of the takes is compared.
    height = float(np.percentile(echo, 99)) if echo.size else 0.0
    patterns = [_peaks(_envelope(take), height) for take in takes]
    for pattern, start in zip(patterns, starts, strict=True):
        at = start // FRAME_SAMPLES
        model[at : at + pattern.size] = pattern
    if not model.any() or not echo.any():
        return []
    size = 1 << int(np.ceil(np.log2(model.size + echo.size)))
    correlation = np.fft.irfft(np.fft.rfft(echo, size) * np.conj(np.fft.rfft(model, size)), size)
    # Negative lags, where playing began before listening, stand at the end.
    lag = int(np.argmax(correlation))
    lag -= size if lag > echo.size else 0
    found = []
    for index, (take, pattern) in enumerate(zip(takes, patterns, strict=True)):
        first = starts[index] // FRAME_SAMPLES
        best, at = max(
            (_similarity(pattern, echo, first + lag + shift), first + lag + shift)
            for shift in range(-_SLACK_FRAMES, _SLACK_FRAMES + 1)
        )
        if best >= _LEAST_SIMILAR:
            begin = at * FRAME_SAMPLES
            found.append(Found(index, heard[begin : begin + take.size].copy(), best))
    # Single words fit by chance; then it was another recording that was played.
    return found if len(found) >= _LEAST_SHARE * len(takes) else []


def _envelope(samples: _Samples) -> _Floats:
    """Return by how much each 10 ms frame stands out from the floor, dB; hum and rumble are weakened before."""
    bright = np.diff(samples.astype(np.float64), prepend=float(samples[0]) if samples.size else 0.0)
    n = bright.size // FRAME_SAMPLES
    if not n:
        return np.zeros(0)
    power = np.mean(bright[: n * FRAME_SAMPLES].reshape(n, FRAME_SAMPLES) ** 2, axis=1)
    levels = 10.0 * np.log10(power + 1.0)  # one unit of 16 bits: digital silence and a quiet room are the same
    envelope: _Floats = np.clip(levels - np.percentile(levels, 20) - _OVER_FLOOR_DB, 0.0, _CEILING_DB)
    return envelope


def _peaks(envelope: _Floats, height: float) -> _Floats:
    """Return what is left of an envelope if everything more than `height` dB below its peak is floor."""
    left: _Floats = np.clip(envelope - max(0.0, float(envelope.max(initial=0.0)) - height), 0.0, None)
    return left


def _similarity(pattern: _Floats, echo: _Floats, at: int) -> float:
    """Return the correlation coefficient of a pattern and what lies at a place; 0 where there is not all of it."""
    part = echo[max(0, at) : at + pattern.size]
    if at < 0 or part.size < pattern.size or not part.any() or not pattern.any():
        return 0.0
    a, b = pattern - pattern.mean(), part - part.mean()
    return float(a @ b / max(1e-9, float(np.sqrt((a @ a) * (b @ b)))))

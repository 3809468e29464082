"""Where speech begins and ends, from the energy of short frames.

One definition serves three purposes: the times of a wake event, the audio that the liveness stage looks
at, and the labels that the wake network is trained with.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.sample_time import SAMPLE_RATE_HZ

__all__ = [
    "FRAME_SAMPLES",
    "LOOK_BACK_SAMPLES",
    "Span",
    "frame_levels_db",
    "loudest_stretch",
    "loudest_window",
    "speech_span",
]

FRAME_SAMPLES = SAMPLE_RATE_HZ // 100
"""Frames of 10 ms: short enough for a plosive, long enough for one period of a low voice."""

LOOK_BACK_SAMPLES = SAMPLE_RATE_HZ * 16 // 10
"""Audio before a detection that is looked at: the longest word, and some noise floor before it."""

_PEAK_RANGE_DB = 30.0
"""Frames this far below the loudest are not speech, however quiet the room."""
_FLOOR_SHARE = 0.35
"""In noise the limit lies this share of the way from the floor to the loudest frame, in dB."""
_GAP_FRAMES = 20
"""Pauses up to 200 ms lie inside a word (closures of plosives, the break in "smart mirror")."""
_RECENT_FRAMES = 30
_SILENCE_DB = -120.0


class Span(NamedTuple):
    """Part of a signal, samples."""

    start: int
    stop: int


def frame_levels_db(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Return the power of each whole 10 ms frame, dB re full scale.

    Parameters
    ----------
    samples : (n,) int16

    Returns
    -------
    (n // 160,) float32
        -120 dB stands for digital silence.
    """
    n = samples.size // FRAME_SAMPLES
    frames = samples[: n * FRAME_SAMPLES].reshape(n, FRAME_SAMPLES).astype(np.float32) / 32768.0
    # A constant offset is not sound: cheap microphones have one.
    frames -= frames.mean() if n else 0.0
    power = np.mean(frames * frames, axis=1)
    levels: npt.NDArray[np.float32] = (10.0 * np.log10(power + 10 ** (_SILENCE_DB / 10))).astype(np.float32)
    return levels


def speech_span(samples: npt.NDArray[np.int16], *, latest: bool = False) -> Span:
    """Find the most energetic stretch of speech, or the latest.

    Frames count as active above a level between the noise floor (10th percentile) and the loudest frames
    (95th percentile would miss a short word, so the maximum of a 50 ms mean is taken); active frames with
    pauses of at most 200 ms form a stretch; the stretch with the most energy is the answer.

    Parameters
    ----------
    samples : (n,) int16
    latest : bool
        Prefer a stretch that reaches into the last 0.3 s: a word that was just detected ends there, however loud
        others spoke before it.

    Returns
    -------
    Span
        Start and stop, samples, on the 10 ms grid. The whole input if it is shorter than 50 ms.
    """
    levels = frame_levels_db(samples)
    if levels.size < 5:
        return Span(0, samples.size)
    power = 10.0 ** (levels.astype(np.float64) / 10)
    peak = 10 * np.log10(np.convolve(power, np.full(5, 0.2), mode="valid").max())
    floor = float(np.percentile(levels, 10))
    limit = max(peak - _PEAK_RANGE_DB, floor + _FLOOR_SHARE * (peak - floor))
    active = np.flatnonzero(levels > limit)
    if active.size == 0:
        return Span(0, samples.size)
    breaks = np.flatnonzero(np.diff(active) > _GAP_FRAMES)
    firsts = active[np.concatenate(([0], breaks + 1))]
    lasts = active[np.concatenate((breaks, [active.size - 1]))]
    cumulative = np.concatenate(([0.0], np.cumsum(power)))
    best = int(np.argmax(cumulative[lasts + 1] - cumulative[firsts]))
    if latest and lasts[-1] >= levels.size - _RECENT_FRAMES:
        best = firsts.size - 1
    return Span(int(firsts[best]) * FRAME_SAMPLES, int(lasts[best] + 1) * FRAME_SAMPLES)


def loudest_window(samples: npt.NDArray[np.int16], length: int) -> Span:
    """Find the window of a given length that holds the most energy, on the 10 ms grid.

    Parameters
    ----------
    samples : (n,) int16
    length : int
        Length of the window, samples, a multiple of 160.

    Returns
    -------
    Span
        The window; the whole input if it is shorter than the window.
    """
    if samples.size <= length:
        return Span(0, samples.size)
    power = 10.0 ** (frame_levels_db(samples).astype(np.float64) / 10)
    cumulative = np.concatenate(([0.0], np.cumsum(power)))
    n = length // FRAME_SAMPLES
    start = int(np.argmax(cumulative[n:] - cumulative[:-n])) * FRAME_SAMPLES
    return Span(start, start + length)


def loudest_stretch(blocks: Iterable[npt.NDArray[np.int16]], window: int) -> tuple[npt.NDArray[np.int16], int]:
    """Find the stretch around the loudest window of a stream, as a detection would look back on it.

    Memory does not grow with the stream: only the loudest stretch so far is kept.

    Parameters
    ----------
    blocks : iterable of (n,) int16
        The stream, in blocks of any sizes.
    window : int
        Length of the window, samples.

    Returns
    -------
    (n,) int16
        What a detection shortly after the window would have looked back on.
    int
        Length of the stream, samples.
    """
    # What is held moves on by half a window whenever it is full, at the same samples whatever the blocks are. It
    # is long enough that of every window, but for the first ones, all that comes before is still there.
    step, delay = window // 2, window // 10
    held = np.zeros(LOOK_BACK_SAMPLES + step, np.int16)
    filled, searched, n = 0, 0, 0
    best, best_power = held[:0], -1.0

    def search(stop: int) -> None:
        """Compare the windows that end up to `stop` and have not been compared before."""
        nonlocal best, best_power
        first = max(0, searched - window)
        span = loudest_window(held[first:stop], window)
        if span.stop == span.start:
            return
        power = float(np.var(held[first + span.start : first + span.stop], dtype=np.float64))
        if power > best_power:
            end = min(filled, first + span.stop + delay)
            best, best_power = held[max(0, end - LOOK_BACK_SAMPLES) : end].copy(), power

    for block in blocks:
        n += block.size
        at = 0
        while at < block.size:
            part = block[at : at + held.size - filled]
            held[filled : filled + part.size] = part
            filled += part.size
            at += part.size
            if filled == held.size:
                search(filled - delay)
                held[:-step] = held[step:].copy()
                filled -= step
                searched = filled - delay
    search(filled)
    return best, n

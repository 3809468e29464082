"""Own-playback guard: a device must not wake on what it plays itself.

The guard is given what the microphone hears and what the device plays (the monitor of a sound card, or the stream of a
player), and says of a word how much of it was the device's own sound. A person who speaks over music is not explained
by the music, and passes; how loud the music may be is measured in ``results/own_playback.json``.

Both streams have clocks of their own. What the device plays is placed by *when it came*, in microphone samples: blocks
come in bursts and late, but never before they were played, so the earliest arrivals say where the stream lies, and are
followed as the clocks drift apart.
"""

import math
import threading
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt

from edge.coherence import SHORTEST_SAMPLES, explained_share, find_offset
from edge.endpoint import LOOK_BACK_SAMPLES, frame_levels_db
from edge.ring import Ring
from edge.sample_time import SAMPLE_RATE_HZ
from edge.samples import INT16, wrong_samples
from edge.strict_toml import Within

__all__ = ["GuardSettings", "Playback", "PlaybackGuard"]

_KEPT_SAMPLES = 6 * SAMPLE_RATE_HZ
"""Of each stream: the longest word, what is looked at before it, the longest delay, and time to come to judge it."""
_BEFORE_SAMPLES = SAMPLE_RATE_HZ
"""Of what is heard before a word, to know the noise by."""
_EARLY_SAMPLES = SAMPLE_RATE_HZ // 5
"""The reference may come later than the microphone heard it, by this much."""
_STOPPED_SAMPLES = SAMPLE_RATE_HZ // 5
"""A block that comes later than this comes after a pause of the player."""
_DRIFT = 3e-4
"""How fast late arrivals are followed, of the samples that came: faster than any two clocks drift apart."""
_SILENT_DBFS = -75.0
"""A reference that is nowhere louder than this is silent: no loudspeaker makes a word of it."""


@dataclass(frozen=True)
class GuardSettings:
    """The table ``[guard]``."""

    enabled: bool = True
    """False: no word is taken for the device's own, though there is a ``[reference]``."""
    cutoff: Annotated[float, Within(0.5, 1.0)] = 0.79
    """A word of which at least this share is explained by what was played is the device's own."""
    search_s: Annotated[float, Within(0.02, 2.0)] = 0.6
    """Longest time from the arrival of the reference to when the microphone hears it, s."""


@dataclass(frozen=True, slots=True)
class Playback:
    """How much of a word the device played itself."""

    coherence: float
    """Share of its power that the reference explains, 0 to 1; 0 where the reference was silent or absent."""
    delay_s: float
    """From the arrival of the reference to when it was heard, s; NaN where nothing was compared."""
    own: bool
    """Whether the word is the device's own."""


_NOT_PLAYING = Playback(0.0, math.nan, False)


class PlaybackGuard:
    """Compare what is heard with what is played; memory and time for a judgement are bounded.

    Microphone and reference may be pushed from different threads; judgements may come from either.

    Parameters
    ----------
    settings : GuardSettings
    """

    def __init__(self, settings: GuardSettings) -> None:
        self._settings = settings
        self._search = round(settings.search_s * SAMPLE_RATE_HZ)
        self._heard = Ring(_KEPT_SAMPLES)
        self._played = Ring(_KEPT_SAMPLES + self._search)
        self._shift: float | None = None
        """Microphone samples less reference samples, at the same moment."""
        self._lock = threading.Lock()

    def reset(self) -> None:
        """Begin a new stream of the microphone; the reference is forgotten, too."""
        with self._lock:
            self._heard.reset()
            self._played.reset()
            self._shift = None

    def push(self, samples: npt.NDArray[np.int16]) -> None:
        """Take what the microphone heard, ``(n,) int16``, 16 kHz.

        Raises
        ------
        FrontendError
            If it is something else.
        """
        _check("microphone", samples)
        if self._settings.enabled:
            with self._lock:
                self._heard.write(samples)

    def push_reference(self, samples: npt.NDArray[np.int16], at_sample: int) -> None:
        """Take what the device plays; what came at once is to be given at once, and not in pieces.

        Parameters
        ----------
        samples : (n,) int16
            16 kHz, by a clock that is roughly the microphone's.
        at_sample : int
            Samples that the microphone had heard when they came.

        Raises
        ------
        FrontendError
            If the samples are something else.
        """
        _check("reference", samples)
        if not self._settings.enabled or not samples.size:
            return
        with self._lock:
            late = 0.0 if self._shift is None else at_sample - (self._played.head + samples.size + self._shift)
            if self._shift is None:
                self._shift = float(at_sample - self._played.head - samples.size)
            elif late > _STOPPED_SAMPLES:
                pause = round(late)
                self._played.write(np.zeros(min(pause, self._played.capacity), np.int16))
                self._shift = float(at_sample - self._played.head - samples.size)
            elif late < 0.0:
                self._shift += late
            else:
                self._shift += min(late, _DRIFT * samples.size)
            self._played.write(samples)

    def judge(self, start: int, stop: int) -> Playback:
        """Say how much of a word was played by the device.

        Parameters
        ----------
        start, stop : int
            Where the word lies, microphone samples. Of a longer word than the pipeline looks back on the end is
            judged, of one shorter than a quarter of a second what is before it, too. A word that is not kept any more,
            or has not been heard, is nobody's.
        """
        settings = self._settings
        if not settings.enabled:
            return _NOT_PLAYING
        with self._lock:
            stop = min(stop, self._heard.head)
            start = max(self._heard.tail, min(max(start, stop - LOOK_BACK_SAMPLES), stop - SHORTEST_SAMPLES))
            if stop - start < SHORTEST_SAMPLES or self._shift is None:
                return _NOT_PLAYING
            first = max(self._heard.tail, start - _BEFORE_SAMPLES)
            heard = self._heard.read(first, stop)
            # By the reference's own count; what was not played, or is not kept, is silence.
            shift = round(self._shift)
            played = _read(self._played, first - self._search - shift, stop + _EARLY_SAMPLES - shift)
        before = start - first
        # What may have been heard during the word itself, with any delay.
        during = played[before:]
        if frame_levels_db(during).max(initial=-math.inf) < _SILENT_DBFS:
            return _NOT_PLAYING
        offset = find_offset(during, heard[before:])
        share = explained_share(played[offset : offset + heard.size], heard, before)
        return Playback(share, (self._search - offset) / SAMPLE_RATE_HZ, share >= settings.cutoff)


def _check(what: str, samples: npt.NDArray[np.int16]) -> None:
    if not isinstance(samples, np.ndarray) or samples.dtype != INT16 or samples.ndim != 1:
        raise wrong_samples(f"playback guard, {what}", samples)


def _read(ring: Ring, start: int, stop: int) -> npt.NDArray[np.int16]:
    """Read from a ring; zeros stand for what is not there."""
    samples = np.zeros(stop - start, np.int16)
    first, last = max(start, ring.tail), min(stop, ring.head)
    if first < last:
        samples[first - start : last - start] = ring.read(first, last)
    return samples

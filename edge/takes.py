"""One word out of a live stream: where it begins and ends while it is spoken, and whether it can be used."""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.endpoint import FRAME_SAMPLES, frame_levels_db
from edge.quality import FLAGS, Quality, assess
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["ADVICE", "LONGEST_S", "Listener", "Take", "fault_of"]

LONGEST_S = 2.0
"""Longest word, s: a detection looks back 1.6 s, pauses inside the word included."""

ADVICE = {
    "nothing": "I heard nothing",
    "silent": FLAGS["silent"],
    "quiet": "too quiet: come closer, or raise the gain",
    "clipped": "clipped: " + FLAGS["clipped"].partition(": ")[2],
    "too_short": "that was too short: say the whole word",
    "too_long": "that was too long: only the word, and then a pause",
    "noisy": "too noisy: come closer, or turn off what makes the noise",
    "lost": "samples were lost: stop other programs that need the processor",
}
"""Every reason to ask for a take again, and what is said then."""

_FRAMES_S = SAMPLE_RATE_HZ // FRAME_SAMPLES
_HISTORY_FRAMES = 3 * _FRAMES_S
"""What the noise floor is taken from: a fan that starts is floor after three seconds."""
_OVER_FLOOR_DB = 10.0
_LEAST_DBFS = -65.0
"""Below this a sound is not worth an onset, however quiet the room; see the level of the flag ``quiet``."""
_ONSET_FRAMES = 8
_ONSET_ACTIVE = 5
"""So many of so many frames begin a word: a click has fewer."""
_PAUSE_FRAMES = _FRAMES_S // 2
"""A pause ends the word; pauses inside a word last 200 ms at most (see :mod:`edge.endpoint`)."""
_PAUSE_ACTIVE = 3
_BEFORE_FRAMES = _FRAMES_S // 2
_AFTER_FRAMES = (4 * _FRAMES_S) // 10
"""What is kept around the word: enough floor for the endpoint to be found again."""
_ENDLESS_FRAMES = 10 * _FRAMES_S
"""Somebody who talks on is interrupted after ten seconds."""


@dataclass(frozen=True, slots=True)
class Take:
    """A sound that may be the word."""

    samples: npt.NDArray[np.int16]
    """``(n,)``, 16 kHz: the word with 0.5 s before and 0.4 s after it."""
    quality: Quality
    """What it is like."""
    active_s: float
    """From the onset to the pause, s."""


def fault_of(take: Take) -> str | None:
    """Return why a take cannot be used, a key of :data:`ADVICE`; None if it can.

    A missing upper band is no reason: it is a fault of the microphone, which saying the word again does not mend.
    """
    if take.active_s > LONGEST_S or take.quality.speech_s > LONGEST_S:
        return "too_long"
    # Clipping before quietness and length: what is at full scale has a wrong level and wrong edges.
    for flag in ("silent", "clipped", "quiet", "noisy", "too_short"):
        if flag in take.quality.flags:
            return flag
    return None


class Listener:
    """Waits for one sound that stands out from the room, and for the pause after it.

    It is pushed the blocks of one stream; :meth:`begin` starts the wait for the next word, and what the listener
    knows of the room stays.
    """

    def __init__(self) -> None:
        self._history: deque[float] = deque(maxlen=_HISTORY_FRAMES)
        self._samples: npt.NDArray[np.int16] = np.zeros(0, np.int16)
        self._active: list[bool] = []
        self.begin()

    def begin(self) -> None:
        """Wait for the next sound.

        How loud the room is stays known, and so do the last half second, or what of it comes after the sound before:
        it stands before a word that comes at once.
        """
        pause = self._active[::-1].index(True) if any(self._active) else len(self._active)
        self._before = min(_BEFORE_FRAMES, pause)
        self._samples = self._samples[(len(self._active) - self._before) * FRAME_SAMPLES :]
        self._active = [False] * self._before
        self._onset: int | None = None
        self._limit_dbfs = 0.0
        self.loudest_dbfs = -120.0
        self.level_dbfs = -120.0

    @property
    def floor_dbfs(self) -> float:
        """Level of the room, dB re full scale: the 10th percentile of the last three seconds."""
        return float(np.percentile(np.array(self._history), 10)) if self._history else -120.0

    @property
    def hears(self) -> bool:
        """Whether a sound is going on, so that this is no moment to give up."""
        return self._onset is not None

    @property
    def waited_s(self) -> float:
        """How long it has listened since :meth:`begin`, s."""
        return (len(self._active) - self._before) / _FRAMES_S

    def push(self, block: npt.NDArray[np.int16]) -> Take | None:
        """Take a block ``(n,) int16``, 16 kHz, any length; return the sound once it has ended."""
        self._samples = np.concatenate((self._samples, block))
        new = self._samples[len(self._active) * FRAME_SAMPLES :]
        for at in range(0, new.size - FRAME_SAMPLES + 1, FRAME_SAMPLES):
            # Each frame by itself, so that the result does not depend on the blocks.
            level = float(frame_levels_db(new[at : at + FRAME_SAMPLES])[0])
            self._history.append(level)
            self.level_dbfs = level
            self.loudest_dbfs = max(self.loudest_dbfs, level)
            # The floor costs more than the rest together, and moves slowly.
            if len(self._active) % 10 == 0:
                self._limit_dbfs = max(self.floor_dbfs + _OVER_FLOOR_DB, _LEAST_DBFS)
            self._active.append(level > self._limit_dbfs)
            take = self._decide()
            if take is not None:
                return take
        return None

    def _decide(self) -> Take | None:
        active = self._active
        if self._onset is None:
            recent = active[-_ONSET_FRAMES:]
            if sum(recent) >= _ONSET_ACTIVE:
                self._onset = len(active) - len(recent) + recent.index(True)
            return None
        n = len(active) - self._onset
        if n < _PAUSE_FRAMES or (sum(active[-_PAUSE_FRAMES:]) > _PAUSE_ACTIVE and n < _ENDLESS_FRAMES):
            return None
        last = len(active) - 1 - active[::-1].index(True) if any(active) else len(active) - 1
        if last >= len(active) - _PAUSE_FRAMES and n < _ENDLESS_FRAMES:
            # Single frames in the pause are clicks; the word ended before them.
            earlier = np.flatnonzero(active[: len(active) - _PAUSE_FRAMES])
            last = int(earlier[-1]) if earlier.size else last
        start = max(0, self._onset - _BEFORE_FRAMES) * FRAME_SAMPLES
        stop = min(len(active), last + 1 + _AFTER_FRAMES) * FRAME_SAMPLES
        samples = self._samples[start:stop].copy()
        return Take(samples, assess(samples), (last + 1 - self._onset) / _FRAMES_S)

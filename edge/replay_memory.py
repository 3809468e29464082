"""Replay memory: a word that was heard before, with the same waveform, is played and not spoken.

A recording of the wake word may be played again and again: by a prankster, by an advertisement on every channel, by two
loudspeakers one after the other. Nobody says a word twice with the same waveform. So the memory keeps a fingerprint of
less than 1 kB of each word (:mod:`edge.fingerprint`) for some hours, and says of a new word how like one of them it is.
The first playing passes, as far as the memory is concerned.

A fingerprint is sound: speech of which only the signs are left can still be understood (Licklider and Pollack, Journal
of the Acoustical Society of America 20, 1948). It holds the wake word alone, stays in the memory of the process, is
never written or sent, and is forgotten after an hour unless the owner says otherwise. The fewer words are remembered,
the fewer are there that a person says again alike by chance.
"""

import math
import threading
from collections import deque
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.fingerprint import Fingerprint, fingerprint, similarities, whitened
from edge.sample_time import SAMPLE_RATE_HZ
from edge.samples import INT16, wrong_samples
from edge.strict_toml import Within

__all__ = ["Match", "MemorySettings", "ReplayMemory"]


@dataclass(frozen=True)
class MemorySettings:
    """The table ``[memory]``."""

    enabled: bool = True
    """Whether words are remembered: in memory only, as sound of one bit a sample."""
    window_h: Annotated[float, Within(0.01, 168.0)] = 1.0
    """How long a word is remembered, h."""
    entries: Annotated[int, Within(1, 1000)] = 20
    """How many are remembered; the oldest gives way. Words that are alike by chance, and the time of a comparison, grow
    with them."""
    cutoff: Annotated[float, Within(0.05, 1.0)] = 0.11
    """A word at least as similar as this to one that is remembered is its repetition."""


@dataclass(frozen=True, slots=True)
class Match:
    """What the memory says of a word."""

    similarity: float
    """To the word that is most like it, 0 to 1; 0 where there is none to compare with."""
    age_s: float
    """Time since that was heard, s; NaN where there is none."""
    hit: bool
    """Whether both are the same recording."""


_NOTHING = Match(0.0, math.nan, False)


class _Entry(NamedTuple):
    at_s: float
    word: Fingerprint


class ReplayMemory:
    """Remember words for a while; methods may be called from any thread.

    Parameters
    ----------
    settings : MemorySettings
    """

    def __init__(self, settings: MemorySettings) -> None:
        self._settings = settings
        self._entries: deque[_Entry] = deque(maxlen=settings.entries)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many words are remembered."""
        return len(self._entries)

    def match(self, samples: npt.NDArray[np.int16], at_s: float) -> Match:
        """Compare a word with those that are remembered; it is not remembered itself.

        Words that were heard so shortly before that they could share sound with this one, as by two microphones of one
        house, are left out.

        Parameters
        ----------
        samples : (n,) int16
            16 kHz; the word, and about 0.3 s before it.
        at_s : float
            When it ended, s, by a clock that only goes on.

        Raises
        ------
        FrontendError
            If the samples are something else.
        """
        _check(samples)
        length_s = samples.size / SAMPLE_RATE_HZ
        with self._lock:
            self._forget(at_s)
            kept = [entry for entry in self._entries if at_s - entry.at_s >= length_s]
        wave = whitened(samples) if kept else np.zeros(0, np.float32)
        if not wave.size:
            return _NOTHING
        found = similarities(wave, [entry.word for entry in kept])
        best = int(np.argmax(found))
        similarity = float(found[best])
        return Match(similarity, at_s - kept[best].at_s, similarity >= self._settings.cutoff)

    def add(self, samples: npt.NDArray[np.int16], at_s: float) -> None:
        """Remember a word; silence and what is shorter than a quarter of a second is none.

        Parameters and errors are those of :meth:`match`.
        """
        _check(samples)
        if not self._settings.enabled:
            return
        word = fingerprint(whitened(samples))
        with self._lock:
            self._forget(at_s)
            if word is not None:
                self._entries.append(_Entry(at_s, word))

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def _forget(self, now_s: float) -> None:
        oldest_s = now_s - 3600.0 * self._settings.window_h
        # Sessions hand over their words in about, not exactly, the order of time.
        kept = [entry for entry in self._entries if entry.at_s >= oldest_s]
        if len(kept) < len(self._entries):
            self._entries.clear()
            self._entries.extend(kept)


def _check(samples: npt.NDArray[np.int16]) -> None:
    if not isinstance(samples, np.ndarray) or samples.dtype != INT16 or samples.ndim != 1:
        raise wrong_samples("replay memory", samples)

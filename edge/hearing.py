"""The first half of the pipeline: samples in, words heard out, whichever networks hear them.

A stage of a bundle and one of a model for ESPHome are pushed the same way; networks whose features have the same
settings share one frontend.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from edge.events import SAMPLE_RATE_HZ
from edge.frontend import Frontend
from edge.wake import WakeDetection, WakeStage

__all__ = ["Deaf", "Ear", "Heard", "Hearing", "Listener", "Stage"]


class Stage(Protocol):
    """What hears words in feature frames, such as :class:`~edge.wake.WakeStage`."""

    max_scores: npt.NDArray[np.float64]
    """Highest score of each word since the last reset, ``(words,) float64``."""

    def push(self, features: npt.NDArray[np.uint16]) -> list[WakeDetection]:
        """Take feature frames, ``(k, channels) uint16``, and return the detections that they complete."""

    def reset(self) -> None:
        """Forget everything that was heard."""


class Listener(NamedTuple):
    """A stage, and what it listens for."""

    stage: Stage
    words: tuple[str, ...]
    """Ids of its words, in the order of its detections' indices."""


class Ear(NamedTuple):
    """A frontend, and those that listen to its frames."""

    frontend: Frontend
    listeners: tuple[Listener, ...]


class Heard(NamedTuple):
    """A word was heard."""

    word: str
    """Its id."""
    score: float
    """Smoothed score, 0 to 1."""
    decided: int
    """Samples that had been heard when it was detected."""


class Hearing:
    """Listen with one or several ears.

    Parameters
    ----------
    ears : sequence of Ear
        At least one.
    """

    def __init__(self, ears: Sequence[Ear]) -> None:
        self._ears = tuple(ears)
        listeners = [listener for ear in self._ears for listener in ear.listeners]
        self.words = tuple(word for listener in listeners for word in listener.words)
        """Ids of all words."""
        settings = [ear.frontend.settings for ear in self._ears]
        self.hop_samples = math.gcd(*(one.step_samples for one in settings))
        """Every detection is made at a multiple of this many samples, from a moment on that is the same for all."""
        self.delay_samples = max(one.window_samples + one.step_samples for one in settings)
        """Samples that may have been pushed beyond those that a detection rests on, at most."""

    @property
    def max_scores(self) -> dict[str, float]:
        """Return the highest score of each word since the last reset."""
        return {
            word: float(score)
            for ear in self._ears
            for stage, words in ear.listeners
            for word, score in zip(words, stage.max_scores, strict=True)
        }

    def push(self, samples: npt.NDArray[np.int16]) -> list[Heard]:
        """Take samples, ``(n,) int16`` at 16 kHz, and return the words that they complete, in order of time."""
        found = []
        for frontend, listeners in self._ears:
            frames = frontend.push(samples)
            for stage, words in listeners:
                for hit in stage.push(frames):
                    found.append(Heard(words[hit.word], hit.score, frontend.settings.heard_samples(hit.frame)))
        if len(found) > 1:
            found.sort(key=lambda heard: heard.decided)
        return found

    def set_cutoffs(self, cutoffs: Mapping[str, float]) -> None:
        """Detect words by other cut-offs from now on, by their ids; what was heard stays.

        Parameters
        ----------
        cutoffs : mapping
            Of every word; there must be bundles' stages only.
        """
        for ear in self._ears:
            for stage, words in ear.listeners:
                assert isinstance(stage, WakeStage), "models for ESPHome keep the cut-offs of their manifests"
                stage.set_cutoffs([cutoffs[word] for word in words])

    def reset(self) -> None:
        """Begin a new stream."""
        for frontend, listeners in self._ears:
            frontend.reset()
            for listener in listeners:
                listener.stage.reset()


class Deaf(Hearing):
    """Hears nothing: for a stream in which somebody else detects the words."""

    def __init__(self) -> None:
        self._ears = ()
        self.words = ()
        self.hop_samples = SAMPLE_RATE_HZ // 100
        self.delay_samples = 2 * self.hop_samples

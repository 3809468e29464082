"""The first half of the pipeline: samples in, words heard out, whichever networks hear them.

A stage of a bundle and one of a model for ESPHome are pushed the same way; networks whose features have the same
settings share one frontend. Where there is a verifier, what the stages find are candidates, and it decides.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from edge.frontend import Frontend
from edge.sample_time import SAMPLE_RATE_HZ
from edge.verifier import Look, Verifier
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
    """The verifier's score, or without one the smoothed score of the wake network, 0 to 1."""
    decided: int
    """Samples that had been heard when the wake network found it."""


class Hearing:
    """Listen with one or several ears.

    Parameters
    ----------
    ears : sequence of Ear
        At least one; with a verifier one with one listener, whose words are those of the verifier.
    verifier : Verifier, optional
        What listens again to what the ear takes for a word.
    """

    def __init__(self, ears: Sequence[Ear], verifier: Verifier | None = None) -> None:
        self._ears = tuple(ears)
        self._verifier = verifier
        listeners = [listener for ear in self._ears for listener in ear.listeners]
        assert verifier is None or len(listeners) == 1, "a verifier knows the words of one listener"
        self.words = tuple(word for listener in listeners for word in listener.words)
        """Ids of all words."""
        settings = [ear.frontend.settings for ear in self._ears]
        self.hop_samples = math.gcd(*(one.step_samples for one in settings))
        """Every detection is made at a multiple of this many samples, from a moment on that is the same for all."""
        self.delay_samples = max(one.window_samples + one.step_samples for one in settings)
        """Samples that may have been pushed beyond those that a detection rests on, at most."""
        if verifier is not None and verifier.delay_samples:
            self.hop_samples = math.gcd(self.hop_samples, verifier.delay_samples)
            self.delay_samples += verifier.delay_samples

    @property
    def max_scores(self) -> dict[str, float]:
        """Return the highest score of each word since the last reset; with a verifier, of those that it looked at."""
        if self._verifier is not None:
            return dict(zip(self.words, map(float, self._verifier.max_scores), strict=True))
        return {
            word: float(score)
            for ear in self._ears
            for stage, words in ear.listeners
            for word, score in zip(words, stage.max_scores, strict=True)
        }

    def push(self, samples: npt.NDArray[np.int16]) -> list[Heard]:
        """Take samples, ``(n,) int16`` at 16 kHz, and return the words that they complete, in order of time."""
        if self._verifier is not None:
            # In hops, so that candidates are offered before the samples have gone far beyond them.
            if samples.size <= self.hop_samples:
                return self._verified(self._verifier, samples)
            hops = range(0, samples.size, self.hop_samples)
            return [
                heard for at in hops for heard in self._verified(self._verifier, samples[at : at + self.hop_samples])
            ]
        found = []
        for frontend, listeners in self._ears:
            frames = frontend.push(samples)
            for stage, words in listeners:
                for hit in stage.push(frames):
                    found.append(Heard(words[hit.word], hit.score, frontend.settings.heard_samples(hit.frame)))
        if len(found) > 1:
            found.sort(key=lambda heard: heard.decided)
        return found

    @property
    def waiting(self) -> bool:
        """Whether something may have been a word, and the verifier has not looked at it yet."""
        return self._verifier is not None and self._verifier.waiting

    def finish(self) -> list[Heard]:
        """Return the words that the verifier has not looked at yet: the stream has ended."""
        return [] if self._verifier is None else self._heard(self._verifier.finish())

    def _verified(self, verifier: Verifier, samples: npt.NDArray[np.int16]) -> list[Heard]:
        frontend, listeners = self._ears[0]
        for hit in listeners[0].stage.push(frontend.push(samples)):
            verifier.offer(hit.word, frontend.settings.heard_samples(hit.frame))
        looks = verifier.push(samples)
        return self._heard(looks) if looks else []

    def _heard(self, looks: Sequence[Look]) -> list[Heard]:
        return [Heard(self.words[look.word], look.score, look.at) for look in looks if look.heard]

    def set_cutoffs(self, cutoffs: Mapping[str, float]) -> None:
        """Detect words by other cut-offs from now on, by their ids; what was heard stays.

        Parameters
        ----------
        cutoffs : mapping
            Of every word; there must be bundles' stages only. With a verifier they are its own: what it looks at
            stays, but for words that are not listened for.
        """
        if self._verifier is not None:
            self._verifier.set_cutoffs([cutoffs[word] for word in self.words])
        for ear in self._ears:
            for stage, words in ear.listeners:
                assert isinstance(stage, WakeStage), "models for ESPHome keep the cut-offs of their manifests"
                chosen = [cutoffs[word] for word in words] if self._verifier is None else self._verifier.candidates
                stage.set_cutoffs(chosen)

    def reset(self) -> None:
        """Begin a new stream."""
        if self._verifier is not None:
            self._verifier.reset()
        for frontend, listeners in self._ears:
            frontend.reset()
            for listener in listeners:
                listener.stage.reset()


class Deaf(Hearing):
    """Hears nothing: for a stream in which somebody else detects the words.

    Parameters
    ----------
    late_samples : int, optional
        How long that other one waits before a word counts as heard.
    """

    def __init__(self, late_samples: int = 0) -> None:
        self._ears = ()
        self._verifier = None
        self.words = ()
        self.hop_samples = SAMPLE_RATE_HZ // 100
        self.delay_samples = 2 * self.hop_samples + late_samples

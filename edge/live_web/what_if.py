"""What other cut-offs would have made of what was heard. The gate itself is not touched."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.errors import UsageError
from edge.gate import UNSURE_FLAGS, Gate
from edge.live_demo.state import Ruled
from edge.liveness import LivenessScore
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["NOT_HEARD", "Cutoffs", "Miss", "MissWatch", "would_be"]

NOT_HEARD = "not heard"
"""What becomes of a word whose score lies below its cut-off."""
_LEAST_SCORE = 0.2
"""Scores below are those of any speech."""
_APART = SAMPLE_RATE_HZ
"""Two near misses of a word are so far apart at least, samples."""


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Cut-offs to try."""

    accept: float
    """Probability from which speech counts as live, 0 to 1."""
    reject: float
    """Probability below which it counts as played, at most `accept`."""
    words: Mapping[str, float]
    """Score above which a word counts as heard, by its id; those that are left out stay as they are."""

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Cutoffs":
        """Read what a page asks.

        Raises
        ------
        UsageError
            If a cut-off is no number from 0 to 1, or the two of the gate are the wrong way round.
        """
        words = record.get("words", {})
        if not isinstance(words, dict):
            raise UsageError(f"words: got {type(words).__name__}, expected cut-offs by word")
        found = cls(
            _share("accept", record.get("accept")),
            _share("reject", record.get("reject")),
            {word: _share(f"words.{word}", value) for word, value in words.items()},
        )
        if found.reject > found.accept:
            raise UsageError(f"reject: got {found.reject:g}, expected at most accept ({found.accept:g})")
        return found


def _share(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise UsageError(f"{name}: got {value!r}, expected a number from 0 to 1")
    return float(value)


def would_be(ruled: Ruled, cutoffs: Cutoffs) -> str:
    """Return the verdict that other cut-offs would have led to: that of the gate, or :data:`NOT_HEARD`.

    Parameters
    ----------
    ruled : Ruled
    cutoffs : Cutoffs
    """
    # The network's word cut-off is one to be exceeded.
    if not math.isnan(ruled.wake_score) and ruled.wake_score <= cutoffs.words.get(ruled.word, -1.0):
        return NOT_HEARD
    if ruled.verdict == "heard" or ruled.quality is None:
        return ruled.verdict
    flags = tuple(reason for reason in ruled.reasons if reason in UNSURE_FLAGS)
    evidence = LivenessScore(ruled.probability, math.nan, ruled.quality)
    return Gate(cutoffs.accept, cutoffs.reject).rule(evidence, flags).decision


@dataclass(frozen=True, slots=True)
class Miss:
    """A word that was nearly heard."""

    at_sample: int
    """When its score was highest: samples that had been heard."""
    word: str
    """Its id."""
    score: float
    """The highest score, 0 to 1."""


class MissWatch:
    """Find the peaks of scores that stay below their cut-offs: what lower ones would have heard.

    With a verifier the scores are its own: it looked, and was not sure enough.

    Parameters
    ----------
    words : sequence of str
        Their ids.
    cutoffs : sequence of float
        Of each; above 1 for one that is not listened for.
    """

    def __init__(self, words: Sequence[str], cutoffs: Sequence[float]) -> None:
        self._cutoffs = dict(zip(words, cutoffs, strict=True))
        self._peaks: dict[str, Miss] = {}

    def push(self, scores: Iterable[float], at_sample: int) -> list[Miss]:
        """Take the newest score of every word, and return the peaks that are over.

        Parameters
        ----------
        scores : iterable of float
            In the order of the words.
        at_sample : int
            Samples that had been heard.
        """
        over = []
        for (word, cutoff), score in zip(self._cutoffs.items(), scores, strict=True):
            peak = self._peaks.get(word)
            if score >= _LEAST_SCORE and (peak is None or score > peak.score) and cutoff <= 1.0:
                self._peaks[word] = Miss(at_sample, word, score)
            elif peak is not None and at_sample - peak.at_sample >= _APART:
                over += self._over(word)
        return over

    def finish(self) -> list[Miss]:
        """Return the peaks that nothing higher can follow any more: the stream has ended."""
        return [miss for word in tuple(self._peaks) for miss in self._over(word)]

    def _over(self, word: str) -> list[Miss]:
        peak = self._peaks.pop(word)
        return [peak] if peak.score <= self._cutoffs[word] else []

"""The gate: pure policy, from evidence to a decision with its reasons."""

from typing import NamedTuple

from edge.events import Verdict
from edge.liveness import LivenessScore
from edge.quality import merged

__all__ = ["UNSURE_FLAGS", "Gate", "Ruling"]

UNSURE_FLAGS = ("silent", "too_short", "clipped", "noisy", "band_limited")
"""Quality flags with which no answer is given: the evidence is missing, whatever the network says."""


class Ruling(NamedTuple):
    """A decision and its reasons."""

    decision: Verdict
    """``accept``, ``reject`` or ``unsure``."""
    reasons: tuple[str, ...]
    """Quality flags, or the comparison with the cut-offs that decided."""


class Gate:
    """Decide whether a command may pass.

    Parameters
    ----------
    accept_cutoff : float
        From this probability on the speech counts as live.
    reject_cutoff : float
        Below this probability it counts as played. Between the two the answer is *unsure*.
    """

    def __init__(self, accept_cutoff: float, reject_cutoff: float) -> None:
        self._accept = accept_cutoff
        self._reject = reject_cutoff

    def rule(self, evidence: LivenessScore, of_source: tuple[str, ...] = ()) -> Ruling:
        """Rule on one wake word.

        Parameters
        ----------
        evidence : LivenessScore
        of_source : tuple of str
            Quality flags that are known of the source and not heard in the audio.
        """
        flags = tuple(flag for flag in merged(evidence.quality.flags, of_source) if flag in UNSURE_FLAGS)
        if flags:
            return Ruling("unsure", flags)
        if evidence.probability >= self._accept:
            return Ruling("accept", ("live",))
        if evidence.probability < self._reject:
            return Ruling("reject", ("loudspeaker",))
        return Ruling("unsure", ("near_cutoff",))

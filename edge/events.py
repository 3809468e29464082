"""Messages that leave the pipeline: frozen, and in absolute sample indices.

Time is a sample index since the start of the stream, at :data:`~edge.sample_time.SAMPLE_RATE_HZ`. Seconds appear only
in :meth:`to_dict`, the form that the command line prints and that sinks send.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from edge.sample_time import seconds

if TYPE_CHECKING:
    from edge.liveness import LivenessScore

__all__ = ["Decision", "End", "Event", "Verdict", "Wake"]

Verdict = Literal["accept", "reject", "unsure"]


@dataclass(frozen=True, slots=True)
class Wake:
    """A wake word was heard; nothing is said yet about who spoke it."""

    word: str
    """Id of the word, e.g. ``smart_mirror``."""
    score: float
    """Smoothed score at the moment of detection, 0 to 1."""
    start_sample: int
    """First sample of the word (energy endpoint), samples."""
    end_sample: int
    """One past the last sample of the word (energy endpoint), samples."""
    decided_sample: int
    """Samples that had been heard when the detection was made, samples."""

    def to_dict(self) -> dict[str, Any]:
        """Return the public form, with times in seconds."""
        return {
            "event": "wake",
            "word": self.word,
            "score": round(self.score, 4),
            "start_s": seconds(self.start_sample),
            "end_s": seconds(self.end_sample),
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate made of a wake word: let the command through, or not."""

    word: str
    """Id of the word that was heard."""
    decision: Verdict
    """``accept``, ``reject`` or ``unsure``."""
    live_probability: float
    """Calibrated probability that a mouth and not a loudspeaker spoke, 0 to 1; NaN if judging failed."""
    reasons: tuple[str, ...]
    """Why: quality flags and comparisons with the cut-offs, most important first."""
    end_sample: int
    """One past the last sample of the word, samples."""
    decided_sample: int
    """Samples that had been heard when the decision was made, samples."""
    wake: Wake | None = None
    """What was heard."""
    evidence: "LivenessScore | None" = field(default=None, repr=False)
    """What the decision rests on; None if judging failed."""

    def to_dict(self) -> dict[str, Any]:
        """Return the public form, with times in seconds."""
        return {
            "event": "decision",
            "word": self.word,
            "decision": self.decision,
            "live_probability": round(self.live_probability, 4),
            "reasons": list(self.reasons),
            "end_s": seconds(self.end_sample),
            "decided_s": seconds(self.decided_sample),
        }


@dataclass(frozen=True, slots=True)
class End:
    """A source came to its end."""

    end_sample: int
    """Length of the stream, samples."""
    quality: tuple[str, ...] = field(default=())
    """Quality flags of the stream as a whole (see :mod:`edge.quality`)."""

    def to_dict(self) -> dict[str, Any]:
        """Return the public form, with times in seconds."""
        return {"event": "end", "seconds": seconds(self.end_sample), "quality": list(self.quality)}


Event = Wake | Decision | End

"""Messages of the daemon: what it made of a wake word, the sound that follows, and how it is.

Whatever decides *whether a command may pass* has become one :class:`Answer` before it leaves for the sinks. Its sample
indices are those of :mod:`edge.events`; a clock enters only here, because who acts on an answer asks when it was.
"""

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edge.events import Verdict
from edge.quality import Quality
from edge.sample_time import seconds

__all__ = ["SOURCE", "Action", "Answer", "Audio", "Message", "SourceState", "Status", "new_id"]

SOURCE = "source"
"""Origin of what was heard by the daemon's own source; other origins name who sent the sound."""

Action = Literal["pass", "block", "ask"]
"""What follows: the command passes; it does not; or the person is asked to say it again."""

SourceState = Literal["opening", "listening", "lost", "ended"]
"""Of the daemon's own source: being opened, heard, waited for after it was lost, or at its end."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32, in lower case: digits sort before letters, and nothing is taken for anything else."""
_TIME_DIGITS = 9  # 45 bits of milliseconds, until the year 3084
_RANDOM_DIGITS = 7  # 35 bits: no two answers of one millisecond meet


def new_id(at_s: float) -> str:
    """Return a name of 16 characters for something that happened at this time; names sort as their times do.

    Parameters
    ----------
    at_s : float
        Seconds since 1970, UTC.
    """
    value = (round(max(at_s, 0.0) * 1000) << (5 * _RANDOM_DIGITS)) | secrets.randbits(5 * _RANDOM_DIGITS)
    digits = (value >> (5 * place) & 31 for place in reversed(range(_TIME_DIGITS + _RANDOM_DIGITS)))
    return "".join(_ALPHABET[digit] for digit in digits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the daemon made of a wake word, with all that it rests on."""

    id: str
    """Name of this answer, see :func:`new_id`."""
    at_s: float
    """When it was given, seconds since 1970, UTC."""
    origin: str
    """Where the sound came from: :data:`SOURCE`, or who sent it, e.g. ``"wyoming 127.0.0.1:51044"``."""
    word: str
    """Id of the word."""
    phrase: str
    """What was said, as people write it."""
    action: Action
    """What follows."""
    decision: Verdict
    """What the gate made of the sound alone, before any other rule."""
    reasons: tuple[str, ...]
    """Why the action is what it is, most important first: keys of :data:`edge.policy.REASONS`."""
    wake_score: float
    """Smoothed score of the word, 0 to 1."""
    live_probability: float
    """Calibrated probability that a mouth spoke, 0 to 1; NaN if it could not be judged."""
    live_score: float
    """The liveness network's own output, a logit; NaN if it could not be judged."""
    quality: Quality | None
    """What the judged sound is like; None if it could not be judged."""
    start_sample: int
    """First sample of the word."""
    end_sample: int
    """One past its last sample."""
    decided_sample: int
    """Samples that had been heard when the answer was given."""
    stage_s: Mapping[str, float] = field(default_factory=dict)
    """Time that stages took for it, s: ``liveness``, ``policy``, and ``decision`` from the last sample on."""
    bundle: str = ""
    """Version of the bundle that answered."""
    pre_roll: npt.NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16), repr=False, compare=False)
    """Sound ``(n,) int16`` up to :attr:`decided_sample`: the word, some of what was before it, and the first sounds of
    the command. Messages of :class:`Audio` go on where it ends."""

    @property
    def pre_roll_start_sample(self) -> int:
        """Index of the first sample of the pre-roll."""
        return self.decided_sample - self.pre_roll.size

    def to_dict(self) -> dict[str, Any]:
        """Return the public form, without sound; what could not be judged is null."""
        judged = self.quality is not None
        return {
            "event": "answer",
            "id": self.id,
            "at": round(self.at_s, 3),
            "origin": self.origin,
            "word": self.word,
            "phrase": self.phrase,
            "action": self.action,
            "decision": self.decision,
            "reasons": list(self.reasons),
            "wake_score": round(self.wake_score, 4),
            "live_probability": _rounded(self.live_probability) if judged else None,
            "live_score": _rounded(self.live_score) if judged else None,
            "quality": self.quality.to_dict() if self.quality is not None else None,
            "start_sample": self.start_sample,
            "end_sample": self.end_sample,
            "decided_sample": self.decided_sample,
            "start_s": seconds(self.start_sample),
            "end_s": seconds(self.end_sample),
            "decided_s": seconds(self.decided_sample),
            "pre_roll_start_sample": self.pre_roll_start_sample,
            "stage_ms": {name: round(1e3 * took, 3) for name, took in self.stage_s.items()},
            "bundle": self.bundle,
        }


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


@dataclass(frozen=True, slots=True)
class Audio:
    """A block of what the daemon's own source hears."""

    start_sample: int
    """Index of its first sample."""
    samples: npt.NDArray[np.int16] = field(repr=False)
    """The block ``(n,) int16``, 16 kHz."""

    @property
    def end_sample(self) -> int:
        """One past the index of its last sample."""
        return self.start_sample + self.samples.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How the daemon is: sent when something of it changes, and to every sink that is opened."""

    at_s: float
    """Since when, seconds since 1970, UTC."""
    source: SourceState
    """State of its own source."""
    source_name: str
    """What listens, e.g. the name of a microphone; why it does not, where it is lost."""
    muted: bool
    """Whether the mute is on, by software or by a switch; then nothing is heard."""
    playing: bool
    """Whether somebody said that this device is playing sound itself."""
    words: tuple[str, ...]
    """Ids of the words that are listened for."""
    bundle: str
    """Version of the bundle that is used."""
    mute_switch: bool = False
    """Whether a switch holds the mute: then software cannot end it."""

    def to_dict(self) -> dict[str, Any]:
        """Return the public form."""
        return {
            "event": "status",
            "at": round(self.at_s, 3),
            "source": self.source,
            "source_name": self.source_name,
            "muted": self.muted,
            "mute_switch": self.mute_switch,
            "playing": self.playing,
            "words": list(self.words),
            "bundle": self.bundle,
        }


Message = Answer | Audio | Status

"""What the demo shows, apart from how it is drawn: filled by what listens, read by what draws."""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge.decay import DecayReference, Placement
from edge.events import Verdict
from edge.frontend import FEATURE_ZERO_POINT, quantise_features
from edge.quality import Quality
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["COLUMN_FRAMES", "FLOOR_DBFS", "Mode", "Ruled", "State", "level_dbfs"]

Mode = Literal["both", "wake", "liveness"]
"""What listens: words and liveness, or one of the two."""

FLOOR_DBFS = -90.0
"""Level of the empty meter, dB re full scale: the rounding noise of 16 bits is not far below."""
_COLUMNS = 400
"""Columns of the spectrogram that are kept: more than a terminal is wide."""
COLUMN_FRAMES = 5
"""Frames of features in one column."""
_DECISIONS = 20
_HOLD_S = 1.5
"""How long the meter shows its highest level."""


@dataclass(frozen=True, slots=True)
class Ruled:
    """A wake word, or a stretch of speech, and what became of it."""

    at_sample: int
    """When: samples that had been heard."""
    word: str
    """Id of the word; empty where liveness alone is judged."""
    verdict: Verdict | Literal["heard"]
    """What the gate made of it; ``heard`` where words alone are listened for."""
    reasons: tuple[str, ...]
    """Why."""
    wake_score: float = math.nan
    """Score of the word, 0 to 1; NaN if there is none."""
    probability: float = math.nan
    """That a mouth spoke, 0 to 1; NaN if it was not judged."""
    quality: Quality | None = None
    """What the judged sound is like."""
    delay_s: float = math.nan
    """From the end of the word to the answer, in time of the sound, s; NaN where there is no word."""
    judging_s: float = math.nan
    """What judging took, s."""
    curve: npt.NDArray[np.float64] | None = field(default=None, repr=False, compare=False)
    """Share of the power below each frequency, of what was judged: see :func:`edge.decay.decay_curve`."""
    placement: Placement | None = None
    """Where that curve lies."""
    sound: npt.NDArray[np.int16] | None = field(default=None, repr=False, compare=False)
    """The sound up to the decision, ``(n,) int16``; only where somebody asked for it to be kept."""


@dataclass
class State:
    """All that is shown.

    Parameters
    ----------
    words : tuple of str
        Ids of the words.
    cutoffs : tuple of float
        Score above which each counts as heard; above 1 for one that is not listened for. With a verifier it is the
        verifier's score.
    accept_cutoff, reject_cutoff : float
        Of the gate.
    channels : int
        Channels of a feature frame.
    mode : Mode
    """

    words: tuple[str, ...]
    cutoffs: tuple[float, ...]
    accept_cutoff: float
    reject_cutoff: float
    channels: int
    mode: Mode = "both"
    candidates: tuple[float, ...] | None = None
    """Score of the wake network above which the verifier listens again, of each word; None without a verifier."""
    reference: DecayReference | None = None
    """What the decay of power is shown before; None where nothing is judged."""
    source: str = "opening"
    """What listens, and how it is."""
    keeps: str = ""
    """Where sound of decisions is kept; empty where nothing is."""
    kept: int = 0
    """Decisions whose sound was kept there."""
    note: str = ""
    """The last thing that went wrong; empty if nothing does."""
    heard_samples: int = 0
    """Samples since the start."""
    level_dbfs: float = FLOOR_DBFS
    """RMS of the newest block, dB re full scale."""
    peak_dbfs: float = FLOOR_DBFS
    """Highest of it lately."""
    scores: tuple[float, ...] = ()
    """Newest smoothed score of each word, of the wake network."""
    best_scores: tuple[float, ...] = ()
    """Highest of it lately."""
    deciding: tuple[float, ...] = ()
    """What was compared with the cut-offs in the newest block, of each word: with a verifier the highest of its scores,
    0 where it did not look, and otherwise the newest smoothed score."""
    waiting: bool = False
    """Whether a word was heard and is not decided yet."""
    needle: Ruled | None = None
    """The newest judgement: where the needle stands, and by what evidence."""
    queue_s: float = 0.0
    """Sound that was captured and not looked at, s."""
    columns: deque[npt.NDArray[np.float32]] = field(default_factory=lambda: deque(maxlen=_COLUMNS))
    """The spectrogram, oldest first: ``(channels,) float32``, 0 to 1."""
    decisions: deque[Ruled] = field(default_factory=lambda: deque(maxlen=_DECISIONS))
    """Newest first."""
    _frames: list[npt.NDArray[np.uint16]] = field(default_factory=list)
    _peak_until: int = 0
    _best_until: int = 0

    def __post_init__(self) -> None:
        self.scores = self.best_scores = self.deciding = (0.0,) * len(self.words)

    @property
    def marks(self) -> tuple[float, ...]:
        """Score of the wake network above which each word counts as heard, or is listened to again."""
        return self.cutoffs if self.candidates is None else self.candidates

    @property
    def heard_s(self) -> float:
        """Sound that was heard, s."""
        return self.heard_samples / SAMPLE_RATE_HZ

    def hear(self, samples: npt.NDArray[np.int16]) -> None:
        """Take the level of a block, ``(n,) int16``; the verifier has not looked at anything in it yet."""
        if self.candidates is not None:
            self.deciding = (0.0,) * len(self.words)
        if not samples.size:
            return
        self.heard_samples += samples.size
        self.level_dbfs = level_dbfs(samples)
        if self.level_dbfs >= self.peak_dbfs or self.heard_samples > self._peak_until:
            self.peak_dbfs = self.level_dbfs
            self._peak_until = self.heard_samples + round(_HOLD_S * SAMPLE_RATE_HZ)

    def see(self, features: npt.NDArray[np.uint16]) -> None:
        """Take feature frames, ``(k, channels) uint16``, as columns of the spectrogram."""
        for frame in features:
            self._frames.append(frame)
            if len(self._frames) == COLUMN_FRAMES:
                # The strongest of a column, not their mean: a short consonant is seen.
                # It is as strong as the networks see it, over the whole range of their inputs.
                strongest = quantise_features(np.max(self._frames, axis=0)).astype(np.float32) - FEATURE_ZERO_POINT
                self.columns.append(strongest / np.float32(255.0))
                self._frames.clear()

    def score(self, scores: npt.NDArray[np.float64]) -> None:
        """Take the scores of the words, ``(words,) float64``."""
        self.scores = tuple(float(score) for score in scores)
        if self.candidates is None:
            self.deciding = self.scores
        if self.heard_samples > self._best_until or any(
            now >= best and now > 0.1 for now, best in zip(self.scores, self.best_scores, strict=True)
        ):
            self.best_scores = self.scores
            self._best_until = self.heard_samples + round(_HOLD_S * SAMPLE_RATE_HZ)

    def look(self, word: int, score: float) -> None:
        """Take what the verifier is sure by that a word was said, by the word's index."""
        deciding = list(self.deciding)
        deciding[word] = max(deciding[word], score)
        self.deciding = tuple(deciding)

    def rule(self, ruled: Ruled) -> None:
        """Take what became of a word, or of a stretch of speech."""
        if ruled.verdict != "heard":
            self.needle = ruled
        self.decisions.appendleft(ruled)


def level_dbfs(samples: npt.NDArray[np.int16]) -> float:
    """Return the RMS of ``(n,) int16``, dB re full scale, at least :data:`FLOOR_DBFS`."""
    if not samples.size:
        return FLOOR_DBFS
    power = float(np.mean(np.square(samples.astype(np.float64)))) / 32768.0**2
    return max(FLOOR_DBFS, 10.0 * math.log10(power)) if power else FLOOR_DBFS

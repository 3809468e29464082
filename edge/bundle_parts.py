"""What the manifest of a bundle describes: words, networks, files, licences."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.errors import UsageError
from edge.judgement import Judgement
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["FileEntry", "Licence", "LivenessPart", "Manifest", "VerifierPart", "WakePart", "Word", "find_word"]


@dataclass(frozen=True, slots=True)
class Word:
    """A wake word."""

    id: str
    """Name in events and options, e.g. ``smart_mirror``."""
    phrase: str
    """What is said, e.g. "smart mirror"."""
    cutoff: float
    """Score above which the word counts as heard, 0 to 1: the verifier's score where there is one, and otherwise the
    smoothed score of the wake network."""
    moved: float = 0.0
    """How far a calibration moved the log-odds of the cut-off; 0 for the bundle's own."""


@dataclass(frozen=True, slots=True)
class WakePart:
    """The wake network, and how it is run."""

    file: str
    """Name of the network's file."""
    stride_frames: int
    """Frames between two runs."""
    context_frames: int
    """Frames that each run is shown."""
    smoothing_steps: int
    """Runs over which the scores are averaged."""
    refractory_ms: int
    """Time after a detection in which nothing is detected, ms."""


@dataclass(frozen=True, slots=True)
class VerifierPart:
    """The network that listens again to what the wake network took for a word; see :mod:`edge.verifier`."""

    file: str
    """Name of the network's file."""
    delay_ms: int
    """How long after the wake network a look waits, ms."""
    again_ms: int
    """Time after which the wake network offers a word again that it still hears, ms."""
    candidates: Mapping[str, float]
    """By the id of a word: smoothed score of the wake network above which the verifier looks."""
    alone: Mapping[str, float]
    """By the id of a word: smoothed score of the wake network above which the word counts as heard on a device that has
    no verifier, such as a microcontroller."""

    @property
    def delay_samples(self) -> int:
        """How long after the wake network a look waits, samples."""
        return self.delay_ms * SAMPLE_RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class LivenessPart:
    """The liveness network, and what its output means."""

    file: str
    """Name of the network's file."""
    accept_cutoff: float
    """Probability from which on speech counts as live, 0 to 1."""
    reject_cutoff: float
    """Probability below which speech counts as played, 0 to 1; not above the other."""
    cues: dict[str, Any]
    """Settings of :class:`edge.cues.CueSettings`."""
    slope: float
    """Calibration: probability = sigmoid(slope * logit + offset)."""
    offset: float
    """See ``slope``."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of a bundle, as the manifest describes it."""

    sha256: str
    """Hexadecimal, lower case."""
    bytes: int
    """Size."""


@dataclass(frozen=True, slots=True)
class Licence:
    """Under which licence some material was used to make the networks."""

    material: str
    """What was used, e.g. the name of a corpus."""
    licence: str
    """Name of the licence, as its owner gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a manifest says."""

    bundle_version: str
    """Version of the bundle itself."""
    minimum_vivavoce_version: str
    """The oldest program that can use it."""
    author: str | None
    """Who made it; None if nobody said so. This and the next two mean what they mean to ESPHome."""
    website: str | None
    """Where there is more about it; None if nobody said so."""
    trained_languages: tuple[str, ...]
    """Languages in which its words were said, e.g. ``en``; empty if nobody said so."""
    words: tuple[Word, ...]
    """In the order of the wake network's outputs."""
    frontend: dict[str, Any]
    """Settings of :class:`edge.frontend_tables.FrontendSettings`."""
    wake: WakePart
    """What hears words."""
    verifier: VerifierPart | None
    """What listens again; None if nothing does."""
    liveness: LivenessPart
    """What tells live speech from played."""
    training: dict[str, Any]
    """For each network how it came to be: commit, seed, hash of the data, settings."""
    licences: tuple[Licence, ...]
    """Of everything that the networks were trained on."""
    files: Mapping[str, FileEntry]
    """By name."""
    limits: Judgement | None
    """What it had to reach, and reached; None if it was not judged."""


def find_word(words: Sequence[Word], name: str, place: str) -> Word:
    """Find a word by its id or phrase; case does not matter.

    Parameters
    ----------
    words : sequence of Word
        The words to choose from.
    name : str
        Id or phrase.
    place : str
        Where the words come from, for the message.

    Raises
    ------
    UsageError
        If there is no such word.
    """
    wanted = name.strip().casefold()
    for word in words:
        if wanted in (word.id.casefold(), word.phrase.casefold()):
            return word
    there = [word.id for word in words]
    near = difflib.get_close_matches(wanted.replace(" ", "_"), there, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"choose a word of {place}"
    raise UsageError(f"word: got {name!r}, expected one of {', '.join(there)}; {remedy}")

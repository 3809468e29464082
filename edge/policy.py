"""The policy: from a decision about the sound to what follows in this home. Pure, and in the time of the stream.

The gate (:mod:`edge.gate`) says what the sound is; the policy knows what the owner wants of *unsure*, and of a network
that fails, and holds back what the sound alone cannot tell: the device's own voice, a recording that was heard before,
a second word right after the first, more commands than a person gives.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, NamedTuple

from edge.answers import Action
from edge.bundle import Bundle
from edge.bundle_parts import Word, find_word
from edge.errors import UsageError
from edge.events import Decision
from edge.pipeline import FAILED
from edge.quality import FLAGS
from edge.sample_time import SAMPLE_RATE_HZ
from edge.sensitivity import Sensitivity, shifted
from edge.strict_toml import Within

__all__ = ["REASONS", "Circumstances", "GateSettings", "Outcome", "Policy", "WordSettings"]

REASONS: Mapping[str, str] = {
    **FLAGS,
    "live": "it sounded like a person who is here",
    "loudspeaker": "it sounded like a loudspeaker",
    "near_cutoff": "it was too close to call",
    FAILED: "judging it failed: the log says why",
    "own_playback": "this device was playing it itself",
    "playing": "this device was playing sound, and has no way to tell its own voice",
    "heard_before": "the same recording was heard before",
    "not_compared": "comparing it with what this device plays, or heard before, failed: the log says why",
    "refractory": "it came right after a command that had passed",
    "rate_limit": "more commands than a person gives had passed in the last minute",
}
"""Every reason of an answer, as the end of a sentence for people."""

_MINUTE = 60 * SAMPLE_RATE_HZ
_BUNDLES = -1.0


@dataclass(frozen=True, slots=True)
class WordSettings:
    """Table ``[gate.words.ID]``: what is different for one word."""

    cutoff: Annotated[float, Within(-1.0, 1.0)] = _BUNDLES
    """Score above which it counts as heard, 0 to 1; -1 for the bundle's. Lower hears more, and more by mistake."""
    sensitivity: Literal["", "low", "normal", "high", "highest"] = ""
    """How readily it is heard, where no cut-off is given; empty for what holds in general."""
    unsure: Literal["", "block", "ask", "pass"] = ""
    """What *unsure* does for this word; empty for what it does in general."""


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Table ``[gate]``: what follows from a decision."""

    unsure: Literal["block", "ask", "pass"] = "block"
    """What follows where the sound does not carry the evidence: the command is blocked, the person is asked to say it
    again, or it passes."""
    failure: Literal["block", "pass"] = "block"
    """What follows where the liveness network fails, or a comparison with other sound: fail closed, or open."""
    accept_cutoff: Annotated[float, Within(-1.0, 1.0)] = _BUNDLES
    """Probability from which speech counts as live, 0 to 1; -1 for the bundle's."""
    reject_cutoff: Annotated[float, Within(-1.0, 1.0)] = _BUNDLES
    """Probability below which it counts as played, 0 to 1; -1 for the bundle's."""
    sensitivity: Sensitivity = "normal"
    """How readily words are heard: low, normal, high or highest. More is heard, and more by mistake."""
    calibration: str = ""
    """File of 'vivavoce calibrate', by which this home is judged; empty for none. One for another bundle is left out,
    and the log says so."""
    refractory_s: Annotated[float, Within(0.0, 60.0)] = 1.0
    """After a command that passed, another is blocked for so long, s."""
    passes_per_minute: Annotated[int, Within(0, 600)] = 20
    """Commands that pass in a minute, at most; 0 for no limit."""
    while_playing: Literal["block", "judge"] = "block"
    """What follows while somebody says that this device plays sound, and no reference is heard to compare with."""
    words: Mapping[str, WordSettings] = field(default_factory=dict)
    """What is different for single words, by their ids."""

    def fitted(self, bundle: Bundle) -> Bundle:
        """Return the bundle with the cut-offs of these settings in place of its own.

        Raises
        ------
        UsageError
            If a word is not in the bundle, or the cut-offs do not fit each other.
        """
        chosen = {
            find_word(bundle.words, name, f"the bundle {bundle.path}").id: one for name, one in self.words.items()
        }
        usual = WordSettings()
        words = tuple(replace(word, cutoff=self._cutoff(word, chosen.get(word.id, usual))) for word in bundle.words)
        part = bundle.liveness
        accept = part.accept_cutoff if self.accept_cutoff < 0 else self.accept_cutoff
        reject = part.reject_cutoff if self.reject_cutoff < 0 else self.reject_cutoff
        if reject > accept:
            raise UsageError(
                f"gate.reject_cutoff: got {reject:g}, expected at most gate.accept_cutoff ({accept:g}); "
                "what the settings do not say is the bundle's: give both"
            )
        return replace(bundle, words=words, liveness=replace(part, accept_cutoff=accept, reject_cutoff=reject))

    def _cutoff(self, word: Word, chosen: WordSettings) -> float:
        if chosen.cutoff >= 0:
            return chosen.cutoff
        return shifted(word.cutoff, chosen.sensitivity or self.sensitivity, word.moved)


class Circumstances(NamedTuple):
    """What else is known at the moment of a decision."""

    own_playback: bool = False
    """Whether the sound is what this device plays, by comparison with it."""
    playing: bool = False
    """Whether somebody said that this device plays sound, where nothing can be compared."""
    heard_before: bool = False
    """Whether the same recording was heard before."""
    failed: bool = False
    """Whether finding out failed."""


class Outcome(NamedTuple):
    """What follows, and why."""

    action: Action
    reasons: tuple[str, ...]
    """Keys of :data:`REASONS`; what decided comes first."""


class Policy:
    """Rule on the decisions of one stream.

    Parameters
    ----------
    settings : GateSettings
    """

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        # Ends of the answers by which commands passed, within the last minute.
        self._passed: deque[int] = deque()

    def reset(self) -> None:
        """Begin a new stream."""
        self._passed.clear()

    def follow(self, settings: GateSettings) -> None:
        """Rule by other settings from now on; what passed before still counts."""
        self._settings = settings

    def push(self, decision: Decision, at_sample: int, circumstances: Circumstances) -> Outcome:
        """Rule on one decision.

        Parameters
        ----------
        decision : Decision
        at_sample : int
            When, in samples that never begin again while the stream lasts.
        circumstances : Circumstances
        """
        action = self._wished(decision)
        held = self._held_back(at_sample, circumstances) if action != "block" else ()
        if held:
            return Outcome("block", (*held, *decision.reasons))
        if action == "pass":
            self._passed.append(at_sample)
        return Outcome(action, decision.reasons)

    def _wished(self, decision: Decision) -> Action:
        if decision.reasons == (FAILED,):
            return self._settings.failure
        if decision.decision == "unsure":
            word = self._settings.words.get(decision.word)
            return (word.unsure if word is not None else "") or self._settings.unsure
        return "pass" if decision.decision == "accept" else "block"

    def _held_back(self, now: int, circumstances: Circumstances) -> tuple[str, ...]:
        while self._passed and self._passed[0] <= now - _MINUTE:
            self._passed.popleft()
        settings = self._settings
        limits = {
            "own_playback": circumstances.own_playback,
            "playing": circumstances.playing and settings.while_playing == "block",
            "heard_before": circumstances.heard_before,
            "not_compared": circumstances.failed and settings.failure == "block",
            "refractory": bool(self._passed) and now - self._passed[-1] < settings.refractory_s * SAMPLE_RATE_HZ,
            "rate_limit": 0 < settings.passes_per_minute <= len(self._passed),
        }
        return tuple(reason for reason, holds in limits.items() if holds)

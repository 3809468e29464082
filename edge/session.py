"""One stream of sound on its way through the whole gate: pipeline, policy, and what the home knows.

A session gives absolute sample indices, whatever becomes of the pipeline below it: samples that were lost are counted,
and a new bundle takes over between two samples. It publishes each answer, and yields it, too, for whoever pushes.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge.answers import Answer, new_id
from edge.bundle import Bundle
from edge.bundle_parts import find_word
from edge.endpoint import LOOK_BACK_SAMPLES
from edge.errors import UsageError, VivavoceError
from edge.events import Decision, End, Wake
from edge.health import Health
from edge.pipeline import Pipeline
from edge.policy import Circumstances, GateSettings, Policy
from edge.ring import Ring
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["GateSession", "Home", "Rules"]

_log = logging.getLogger(__name__)

_PIECE = 4096
"""Samples that are pushed at once: no more than this is in the ring beyond what was decided."""
_LONGEST_WORD = 100
"""Characters of a word that somebody else detects."""
_REMEMBERED_BEFORE = round(0.3 * SAMPLE_RATE_HZ)
"""Sound before a word that the replay memory is given, too."""
_WARM_UP = 3 * SAMPLE_RATE_HZ
"""Sound that a new pipeline is shown first: after it its noise estimate is the one it would have had."""


def _ring(pre_roll: int) -> Ring:
    return Ring(max(pre_roll, _WARM_UP, LOOK_BACK_SAMPLES + _REMEMBERED_BEFORE) + 2 * _PIECE)


class Rules:
    """What a session decides by, until settings are read again.

    Parameters
    ----------
    bundle : Bundle
        With its own cut-offs.
    gate : GateSettings
    words : tuple of str
        Ids of the words that are listened for; all if empty.
    runtime : str, optional
        Interpreter; the best that is installed by default.
    pre_roll : int
        Samples that are handed on with an answer.
    calibrated : Bundle, optional
        The bundle as it judges in this home; the bundle itself without.

    Raises
    ------
    UsageError
        If the settings name words that the bundle does not have, or their cut-offs do not fit each other.
    """

    def __init__(
        self,
        bundle: Bundle,
        gate: GateSettings,
        *,
        words: tuple[str, ...],
        runtime: str | None,
        pre_roll: int,
        calibrated: Bundle | None = None,
    ) -> None:
        self.unfitted = bundle
        self.bundle = gate.fitted(calibrated or bundle)
        self.gate = gate
        self.words = words
        self.runtime = runtime
        self.pre_roll = pre_roll

    @property
    def heard_words(self) -> tuple[str, ...]:
        """Ids of the words that are listened for, all of the bundle where none are named."""
        return self.words or tuple(word.id for word in self.bundle.words)

    def pipeline(self, *, words: tuple[str, ...] = (), listen: bool = True, watched: bool = True) -> Pipeline:
        """Make the stages.

        Parameters
        ----------
        words, listen
            See :meth:`edge.house.House.session`.
        watched : bool
            Whether a liveness network that fails is told in the log, and *unsure*; an error otherwise.

        Raises
        ------
        VivavoceError
            If the bundle does not fit, or a word is not in it.
        """
        return Pipeline(
            self.bundle,
            words=words or self.words or None,
            runtime=self.runtime,
            listen=listen,
            on_failure=(lambda error: _log.error("judging a word failed: %s", error)) if watched else None,
            clock=time.perf_counter,
        )


class Home(Protocol):
    """What all sessions of a daemon share."""

    health: Health

    def publish(self, answer: Answer) -> None:
        """Tell everybody."""

    def circumstances(
        self, origin: str, samples: npt.NDArray[np.int16], start: int, stop: int, at_s: float
    ) -> Circumstances:
        """Say what is known of a word beside its sound.

        Parameters
        ----------
        origin : str
            Of the session.
        samples : (n,) int16
            The word, with a little before it.
        start, stop : int
            Of the word in the stream, samples.
        at_s : float
            When it ended, s: by a clock that only goes on, as fast as the sound does.
        """


class GateSession:
    """The gate over one stream.

    Parameters
    ----------
    origin : str
        Where the sound comes from.
    rules : Rules
        What to decide by.
    home : Home
        What is shared.
    words, listen
        See :meth:`edge.house.House.session`.
    on_close : callable, optional
        Called once, with the session.
    """

    def __init__(
        self,
        origin: str,
        rules: Rules,
        home: Home,
        *,
        words: tuple[str, ...] = (),
        listen: bool = True,
        on_close: Callable[["GateSession"], object] | None = None,
    ) -> None:
        self.origin = origin
        self._home = home
        self._words = words
        self._listen = listen
        self._on_close = on_close
        self._rules = rules
        self._pipeline = rules.pipeline(words=words, listen=listen)
        self._policy = Policy(rules.gate)
        self._ring = _ring(rules.pre_roll)
        # Index of the pipeline's first sample, and where it stands in the ring's count.
        self._base = 0
        self._offset = 0
        self._native_rate_hz = SAMPLE_RATE_HZ
        self._needed_at_s = 0.0
        # When the stream would have begun if it had never paused, monotonic clock.
        self._began_s = time.monotonic()
        self._next_rules: Rules | None = None

    @property
    def position(self) -> int:
        """Index of the next sample."""
        return self._base + self._pipeline.position

    @property
    def busy(self) -> bool:
        """Whether a word was heard and is not decided yet."""
        return self._pipeline.waiting

    def reset(self, *, native_rate_hz: int = SAMPLE_RATE_HZ) -> None:
        """Begin a new stream; see :class:`edge.house.Session`."""
        self._native_rate_hz = native_rate_hz
        self._pipeline.reset(native_rate_hz=native_rate_hz)
        self._policy.reset()
        self._ring.reset()
        self._base = self._offset = 0
        self._began_s = time.monotonic()

    def skip(self, samples: int, *, native_rate_hz: int | None = None) -> None:
        """Go on after samples that were lost, or not to be heard: nothing before them belongs to what comes.

        Parameters
        ----------
        samples : int
            How many; indices go on after them.
        native_rate_hz : int, optional
            Rate of what comes, where it is another one.
        """
        if native_rate_hz is not None:
            self._native_rate_hz = native_rate_hz
        self._base = self.position + samples
        self._began_s = max(self._began_s, time.monotonic() - self._base / SAMPLE_RATE_HZ)
        self._pipeline.reset(native_rate_hz=self._native_rate_hz)
        self._ring.reset()
        self._offset = 0

    def follow(self, rules: Rules) -> None:
        """Decide by other rules from the next push on that finds no word waiting for its decision.

        May be called from any thread.
        """
        self._next_rules = rules

    def _take_over(self, rules: Rules) -> None:
        """Go on by other rules; a new pipeline, where one is needed, sees what came before as if it had been there."""
        self._next_rules = None
        if rules.pre_roll != self._rules.pre_roll:
            self._resize(rules.pre_roll)
        same = rules.runtime == self._rules.runtime
        if not (same and self._pipeline.adjust(rules.bundle, self._words or rules.words or None)):
            pipeline = rules.pipeline(words=self._words, listen=self._listen)
            pipeline.reset(native_rate_hz=self._native_rate_hz)
            position = self.position
            head = self._ring.head
            # From where on both look at the same frames.
            start = max(self._ring.tail, head - _WARM_UP)
            start += -(start - self._offset) % pipeline.period_samples
            # What is found in it was told of before.
            for _ in pipeline.push(self._ring.read(min(start, head), head)):
                pass
            self._pipeline = pipeline
            self._base = position - pipeline.position
            self._offset = head - pipeline.position
        self._policy.follow(rules.gate)
        self._rules = rules

    def _resize(self, pre_roll: int) -> None:
        """Keep more, or less, from now on."""
        known = self._ring.read(self._ring.tail, self._ring.head)
        head = self._ring.head
        self._ring = _ring(pre_roll)
        self._ring.write(known)
        self._offset -= head - self._ring.head

    def push(self, samples: npt.NDArray[np.int16]) -> Iterator[Wake | Answer]:
        """Take samples; see :class:`edge.house.Session`."""
        rules = self._next_rules
        if rules is not None and not self.busy:
            try:
                self._take_over(rules)
            except VivavoceError as error:
                _log.error("%s: goes on with the bundle it has: %s", self.origin, error)
        for at in range(0, samples.size, _PIECE):
            piece = samples[at : at + _PIECE]
            self._ring.write(piece)
            self._needed_at_s = time.perf_counter()
            for event in self._pipeline.push(piece):
                if isinstance(event, Wake):
                    self._home.health.count_wake(self.origin, event.word)
                    yield self._placed(event)
                elif isinstance(event, Decision):
                    yield self._answer(event)

    def heard(self, word: str, score: float) -> Wake:
        """Take a detection of somebody else; see :class:`edge.house.Session`."""
        try:
            word = find_word(self._rules.bundle.words, word, "the bundle").id
        except UsageError:
            # It goes into logs, topics and environments.
            word = word.strip()[:_LONGEST_WORD]
        self._home.health.count_wake(self.origin, word)
        return self._placed(self._pipeline.heard(word, score))

    def finish(self) -> Iterator[Answer]:
        """End the stream; see :class:`edge.house.Session`."""
        for event in self._pipeline.finish():
            if not isinstance(event, (Wake, End)):
                yield self._answer(event)

    def close(self) -> None:
        """Let go of it."""
        if self._on_close is not None:
            self._on_close(self)
            self._on_close = None

    def _placed(self, wake: Wake) -> Wake:
        if not self._base:
            return wake
        return Wake(
            wake.word,
            wake.score,
            self._base + wake.start_sample,
            self._base + wake.end_sample,
            self._base + wake.decided_sample,
        )

    def _heard_between(self, start: int, stop: int) -> npt.NDArray[np.int16]:
        """Return what is still there of a part of the pipeline's stream."""
        first = min(max(self._ring.tail, start + self._offset), self._ring.head)
        return self._ring.read(first, max(first, min(stop + self._offset, self._ring.head)))

    def _circumstances(self, wake: Wake) -> Circumstances:
        """Ask what is known beside the sound; whatever goes wrong there must not end the stream."""
        start, stop = self._base + wake.start_sample, self._base + wake.end_sample
        # A sound card's clock that is slow falls behind by minutes in a month.
        self._began_s = max(self._began_s, time.monotonic() - self.position / SAMPLE_RATE_HZ)
        sound = self._heard_between(wake.start_sample - _REMEMBERED_BEFORE, wake.end_sample)
        try:
            return self._home.circumstances(self.origin, sound, start, stop, self._began_s + stop / SAMPLE_RATE_HZ)
        except Exception:
            _log.exception("%s: a word could not be compared with other sound", self.origin)
            return Circumstances(failed=True)

    def _answer(self, decision: Decision) -> Answer:
        wake = decision.wake
        assert wake is not None, "every decision of the pipeline has its wake"
        began = time.perf_counter()
        base = self._base
        outcome = self._policy.push(decision, base + decision.decided_sample, self._circumstances(wake))
        ended = time.perf_counter()
        evidence = decision.evidence
        phrase = next((word.phrase for word in self._rules.bundle.words if word.id == wake.word), wake.word)
        at_s = time.time()
        answer = Answer(
            id=new_id(at_s),
            at_s=at_s,
            origin=self.origin,
            word=wake.word,
            phrase=phrase,
            action=outcome.action,
            decision=decision.decision,
            reasons=outcome.reasons,
            wake_score=wake.score,
            live_probability=decision.live_probability,
            live_score=math.nan if evidence is None else evidence.score,
            quality=None if evidence is None else evidence.quality,
            start_sample=base + wake.start_sample,
            end_sample=base + wake.end_sample,
            decided_sample=base + decision.decided_sample,
            stage_s={
                "liveness": self._pipeline.judging_s,
                "policy": ended - began,
                "decision": ended - self._needed_at_s,
            },
            bundle=self._rules.bundle.bundle_version,
            pre_roll=self._heard_between(decision.decided_sample - self._rules.pre_roll, decision.decided_sample),
        )
        health = self._home.health
        health.count_answer(answer.word, answer.action, answer.reasons[0])
        for stage, took_s in answer.stage_s.items():
            health.observe(stage, took_s)
        self._home.publish(answer)
        return answer

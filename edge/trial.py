"""A trial of a bundle on shadow audio: it hears what the active one hears, and nobody acts on what it says.

The trial ends when enough sound was heard. Until then it fails at once where the candidate raises an error or is too
slow; at the end it fails where the candidate wakes up too often, or decides too differently from the active bundle.
Everything is counted in samples; the time that the candidate takes is read from a clock that the caller may replace.

What an agreement shows is limited by what was heard: in a silent house there is nothing to agree on, and a candidate
passes that hears no word. :attr:`TrialSettings.min_decisions` makes the trial wait for words.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from edge.answers import Answer
from edge.events import Decision, Event, Wake
from edge.sample_time import SAMPLE_RATE_HZ
from edge.strict_toml import Within

__all__ = ["Shadow", "Trial", "TrialSettings", "Verdict"]

_LOAD_EVERY_SAMPLES = 10 * SAMPLE_RATE_HZ
"""Sound after which the load is looked at: less says little, as the first run of a network takes longer."""
_WARM_UP_SAMPLES = 5 * SAMPLE_RATE_HZ
"""Sound after a start of which nothing is compared: the frontend has to get used to the noise of the room."""
_SAME_WORD_SAMPLES = SAMPLE_RATE_HZ
"""Words that end no further apart than this are the same one."""
_LATE_SAMPLES = 2 * SAMPLE_RATE_HZ
"""Sound after the decision of one bundle in which the other one may still decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSettings:
    """What a candidate has to do before it is used."""

    minutes: Annotated[float, Within(0.0, 10_080.0)] = 30.0
    """Sound that it is tried on, minutes; with 0 it is switched to untried."""
    min_decisions: Annotated[int, Within(0, 1000)] = 0
    """Decisions of the active bundle that there must be before the trial ends."""
    max_load: Annotated[float, Within(0.01, 1.0)] = 0.5
    """Processor time over the time of the sound."""
    max_wake_ratio: Annotated[float, Within(1.0, 100.0)] = 1.5
    """Words that it hears for each one that the active bundle hears."""
    extra_wakes_per_hour: Annotated[float, Within(0.0, 1000.0)] = 2.0
    """Words that it may hear beyond that, per hour."""
    min_agreement: Annotated[float, Within(0.0, 1.0)] = 0.8
    """Share of the decisions of the active bundle that it has to make as well, of the same word at the same place."""
    min_compared: Annotated[int, Within(1, 1000)] = 5
    """Decisions from which on their share is judged; fewer say too little."""


class Shadow(Protocol):
    """The candidate, as :class:`edge.pipeline.Pipeline` is one."""

    def push(self, samples: npt.NDArray[np.int16]) -> Iterator[Event]:
        """Take samples ``(n,) int16``, 16 kHz, and yield what they bring about."""

    def heard(self, word: str, score: float) -> Wake:
        """Take a word that the source heard itself, in the sound that was pushed last; its decision follows."""

    def reset(self, *, native_rate_hz: int = SAMPLE_RATE_HZ) -> None:
        """Begin a new stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a trial stands."""

    state: Literal["running", "passed", "failed"]
    """Whether it is over, and how it ended."""
    reasons: tuple[str, ...] = ()
    """Why it failed."""
    heard_s: float
    """Sound that was heard, s."""
    load: float
    """Processor time of the candidate over the time of the sound."""
    wakes: int
    """Words that the candidate heard."""
    active_wakes: int
    """Words that the active bundle heard."""
    compared: int
    """Decisions of the active bundle that were compared."""
    agreed: int
    """How many of them the candidate made as well."""

    def to_dict(self) -> dict[str, Any]:
        """Return the public form."""
        return {
            "event": "trial",
            "state": self.state,
            "reasons": list(self.reasons),
            "heard_s": round(self.heard_s, 1),
            "load": round(self.load, 4),
            "wakes": self.wakes,
            "active_wakes": self.active_wakes,
            "compared": self.compared,
            "agreed": self.agreed,
        }

    def told(self) -> str:
        """Return it on one line."""
        figures = (
            f"{self.heard_s / 60:.1f} min of sound, load {self.load:.3f}, {self.wakes} words heard and "
            f"{self.active_wakes} by the active bundle, {self.agreed} of {self.compared} decisions agree"
        )
        return f"{self.state}: {'; '.join((*self.reasons, figures))}"


class Trial:
    """A candidate that hears what the active bundle hears.

    Parameters
    ----------
    candidate : Shadow
        Its pipeline, which listens for the same words as the active one.
    settings : TrialSettings
    clock : callable
        Returns the processor time of this thread, s.
    """

    def __init__(
        self, candidate: Shadow, settings: TrialSettings, *, clock: Callable[[], float] = time.thread_time
    ) -> None:
        self._candidate, self._settings, self._clock = candidate, settings, clock
        self._needed = round(settings.minutes * 60 * SAMPLE_RATE_HZ)
        self._heard = self._wakes = self._active_wakes = self._compared = self._agreed = 0
        self._busy_s = 0.0
        self._origin: int | None = None
        self._next = 0
        self._rate = SAMPLE_RATE_HZ
        self._ours: list[Decision] = []
        self._theirs: list[Decision | Answer] = []
        self._failed: tuple[str, ...] = ()

    def restart(self, *, native_rate_hz: int = SAMPLE_RATE_HZ) -> None:
        """Begin a new stream, as the active bundle does where its source was opened again; what was found stays.

        Parameters
        ----------
        native_rate_hz : int
            Rate at which the sound was recorded, Hz, see :meth:`edge.pipeline.Pipeline.reset`.
        """
        self._rate, self._origin, self._next = native_rate_hz, None, 0

    def push(
        self,
        samples: npt.NDArray[np.int16],
        active_events: Iterable[Event | Answer] = (),
        *,
        start_sample: int | None = None,
    ) -> Verdict:
        """Take the sound that the active bundle just heard, and what it made of it; return how the trial stands.

        Parameters
        ----------
        samples : (n,) int16
            16 kHz.
        active_events : iterable of Wake, Decision or Answer
            Of the same sound; others are passed over.
        start_sample : int, optional
            Index of the first sample in the stream of the active bundle; by default the sound goes on where it ended.
            Where it does not, because the source was opened again, the candidate begins anew as well.
        """
        if self.verdict.state != "running":
            return self.verdict
        self._join(self._next if start_sample is None else start_sample)
        for event in active_events:
            if isinstance(event, Wake):
                self._active_wakes += self._is_warm(event.decided_sample)
            elif isinstance(event, (Decision, Answer)) and self._is_warm(event.decided_sample):
                self._theirs.append(event)
        began = self._clock()
        try:
            heard = list(self._candidate.push(samples))
        except Exception as error:  # whatever it is, it must not reach the active bundle
            self._failed = (" ".join(f"the candidate raised {type(error).__name__}: {error}".split()),)
            return self.verdict
        self._busy_s += max(self._clock() - began, 0.0)
        self._heard += samples.size
        self._next += samples.size
        self._take(heard)
        self._compare()
        before = (self._heard - samples.size) // _LOAD_EVERY_SAMPLES
        if self._heard // _LOAD_EVERY_SAMPLES > before and (slow := self._slow()):
            self._failed = slow
        elif self._heard >= self._needed and self._compared >= self._settings.min_decisions:
            # Nothing of the last sound can be waited for.
            self._failed = (*self._slow(), *self._noisy(), *self._different())
        return self.verdict

    def told(self, wake: Wake) -> None:
        """Take a word that neither bundle listens for, because the source heard it in the sound that was pushed last.

        Parameters
        ----------
        wake : Wake
            As the active bundle placed it.
        """
        if self.verdict.state != "running" or self._origin is None:
            return
        self._active_wakes += self._is_warm(wake.decided_sample)
        try:
            self._take([self._candidate.heard(wake.word, wake.score)])
        except Exception as error:  # whatever it is, it must not reach the active bundle
            self._failed = (" ".join(f"the candidate raised {type(error).__name__}: {error}".split()),)

    @property
    def verdict(self) -> Verdict:
        """How it stands now."""
        ended = self._heard >= self._needed and self._compared >= self._settings.min_decisions
        return Verdict(
            state="failed" if self._failed else "passed" if ended else "running",
            reasons=self._failed,
            heard_s=self._heard / SAMPLE_RATE_HZ,
            load=self._load,
            wakes=self._wakes,
            active_wakes=self._active_wakes,
            compared=self._compared,
            agreed=self._agreed,
        )

    @property
    def _load(self) -> float:
        return self._busy_s * SAMPLE_RATE_HZ / self._heard if self._heard else 0.0

    def _join(self, start: int) -> None:
        """Begin at this index of the active stream, if the candidate is not there already."""
        if self._origin is None or start != self._next:
            self._candidate.reset(native_rate_hz=self._rate)
            # What was waited for is not to be had any more, from either side.
            self._ours.clear()
            self._theirs.clear()
            self._origin = self._next = start

    def _is_warm(self, decided: int) -> bool:
        return self._origin is not None and decided >= self._origin + _WARM_UP_SAMPLES

    def _take(self, events: list[Event]) -> None:
        origin = self._origin or 0
        for event in events:
            if isinstance(event, Wake):
                self._wakes += self._is_warm(event.decided_sample + origin)
            elif isinstance(event, Decision):
                # The candidate counts from the moment at which it joined.
                self._ours.append(
                    Decision(
                        event.word,
                        event.decision,
                        event.live_probability,
                        event.reasons,
                        event.end_sample + origin,
                        event.decided_sample + origin,
                    )
                )

    def _compare(self) -> None:
        """Find the decision of the candidate for each one of the active bundle, or give up waiting for it."""
        waiting: list[Decision | Answer] = []
        for theirs in self._theirs:
            near = [
                ours
                for ours in self._ours
                if ours.word == theirs.word and abs(ours.end_sample - theirs.end_sample) <= _SAME_WORD_SAMPLES
            ]
            if near:
                ours = min(near, key=lambda one: abs(one.end_sample - theirs.end_sample))
                self._ours.remove(ours)
                self._agreed += ours.decision == theirs.decision
                self._compared += 1
            elif self._next - theirs.decided_sample > _LATE_SAMPLES:
                self._compared += 1
            else:
                waiting.append(theirs)
        self._theirs = waiting
        self._ours = [ours for ours in self._ours if self._next - ours.decided_sample <= _LATE_SAMPLES]

    # ------------------------------------------------------------------------------------------- rules

    def _slow(self) -> tuple[str, ...]:
        if self._load <= self._settings.max_load:
            return ()
        return (f"too slow: got a load of {self._load:.2f}, expected at most {self._settings.max_load:g}",)

    def _noisy(self) -> tuple[str, ...]:
        settings, hours = self._settings, self._heard / SAMPLE_RATE_HZ / 3600
        allowed = math.ceil(settings.max_wake_ratio * self._active_wakes + settings.extra_wakes_per_hour * hours)
        if self._wakes <= allowed:
            return ()
        return (f"wakes up too often: got {self._wakes} words, expected at most {allowed} in {60 * hours:.1f} min",)

    def _different(self) -> tuple[str, ...]:
        if self._compared < self._settings.min_compared:
            return ()
        share = self._agreed / self._compared
        if share >= self._settings.min_agreement:
            return ()
        return (
            f"decides differently: got {self._agreed} of {self._compared} decisions of the active bundle, expected "
            f"{self._settings.min_agreement:.0%} of them",
        )

"""What a daemon does about updates: it tries candidates, switches to them, and confirms them or goes back.

The daemon asks for the bundle to use when it starts (:meth:`UpdateWatch.start`), tells what it hears, and makes its
pipeline anew when it is told to. Time is counted in samples. A fault of an update never reaches the gate: it is told of
in the log, and the bundle in use goes on.
"""

import logging
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from edge.answers import Answer
from edge.bundle import Bundle
from edge.bundle_identity import bundle_hash
from edge.errors import VivavoceError
from edge.events import Event, Wake
from edge.sample_time import SAMPLE_RATE_HZ
from edge.slots import Slots
from edge.trial import Shadow, Trial, Verdict
from edge.update import UpdateSettings

__all__ = ["UpdateWatch"]

_LOOK_SAMPLES = SAMPLE_RATE_HZ
"""Sound between two looks at the state, for what a command changed."""

_AGAIN_SAMPLES = 600 * SAMPLE_RATE_HZ
"""Sound between two attempts to write that a bundle is confirmed."""

_log = logging.getLogger(__name__)


class UpdateWatch:
    """Steps 4 to 7 of :mod:`edge.update`, for one daemon and one thread.

    Parameters
    ----------
    slots : Slots
    settings : UpdateSettings
    shadow : callable
        Makes the pipeline of a candidate, for the words of the daemon.
    """

    def __init__(self, slots: Slots, settings: UpdateSettings, shadow: Callable[[Bundle], Shadow]) -> None:
        self._slots, self._settings, self._make = slots, settings, shadow
        self._trial: Trial | None = None
        self._rate = SAMPLE_RATE_HZ
        self._seen = self._candidate = ""
        """Hashes of the bundle that the slots said is to be used, and of the candidate that is tried or was."""
        self._probation = False
        self._healthy = 0
        self._needed = 0.0
        self._since_look = 0
        self._stamp: object = None
        self.verdict: Verdict | None = None
        """How the trial stands, or how the last one ended; None before the first."""

    def start(self) -> Bundle:
        """Count this start, and return the bundle to use.

        Raises
        ------
        BundleError, MissingExtraError
            If nothing can be used, see :meth:`edge.slots.Slots.open_active`.
        """
        bundle = self._slots.starting()
        self._use(self._slots.open_active())
        # A bundle whose start could not be counted is not used, and what is used in its place confirms nothing.
        self._probation = self._probation and bundle_hash(bundle.path) == self._seen
        return bundle

    def restarted(self, *, native_rate_hz: int = SAMPLE_RATE_HZ) -> None:
        """Say that a new stream begins, recorded at this rate, Hz."""
        self._rate = native_rate_hz
        if self._trial is not None:
            self._trial.restart(native_rate_hz=native_rate_hz)

    def heard(
        self, samples: npt.NDArray[np.int16], events: Iterable[Event | Answer], *, start_sample: int
    ) -> Bundle | None:
        """Tell what was heard, after the active bundle has heard it.

        Parameters
        ----------
        samples : (n,) int16
            16 kHz.
        events : iterable of Wake, Decision or Answer
            What the active bundle made of it.
        start_sample : int
            Index of the first sample.

        Returns
        -------
        Bundle or None
            The bundle to use from now on, where that is another one.
        """
        if self._trial is not None:
            self.verdict = self._trial.push(samples, events, start_sample=start_sample)
        self._since_look += samples.size
        if self._probation:
            self._healthy += samples.size
        due = self._probation and self._healthy >= self._needed
        ended = self._trial is not None and self._trial.verdict.state != "running"
        if self._since_look < _LOOK_SAMPLES and not ended:
            return None
        self._since_look = 0
        try:
            if ended:
                self._end_trial()
            elif due:
                self._confirm()
            return self._look()
        except VivavoceError as error:
            _log.error("the update cannot go on: %s", error)
            return None

    def told(self, wake: Wake) -> None:
        """Tell of a word that the source heard itself, in the sound that was told of last."""
        if self._trial is not None:
            self._trial.told(wake)

    def failed(self, reason: str) -> Bundle | None:
        """Say that the daemon is not healthy with this bundle: on probation it is rolled back.

        Returns
        -------
        Bundle or None
            The bundle to use from now on, where that is another one.
        """
        if not self._probation:
            return None
        try:
            self._slots.roll_back(reason, sha256=self._seen)
            _log.error("the bundle on probation was rolled back: %s", reason)
            return self._look()
        except VivavoceError as error:
            _log.error("the bundle on probation cannot be rolled back: %s", error)
            return None

    def _look(self) -> Bundle | None:
        """See what changed: what is used, what waits."""
        stamp = self._slots.stamp()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        state = self._slots.state()
        if not state.candidate:
            self._trial, self._candidate = None, ""
        elif (candidate := self._slots.candidate()) is not None:
            self._begin_trial(candidate)
        bundle = self._slots.open_active()
        if bundle_hash(bundle.path) != self._seen:
            return self._use(bundle)
        self._probation = self._probation and state.probation
        return None

    def _use(self, bundle: Bundle) -> Bundle:
        self._stamp = None  # what changed meanwhile is seen at the next look
        state = self._slots.state()
        self._seen, self._probation, self._healthy = bundle_hash(bundle.path), state.probation, 0
        self._needed = self._settings.confirm_minutes * 60 * SAMPLE_RATE_HZ
        _log.info("bundle %s is used, from %s", bundle.bundle_version, bundle.path)
        return bundle

    def _begin_trial(self, candidate: Bundle) -> None:
        found = bundle_hash(candidate.path)
        if found == self._candidate:
            return
        self._candidate, self._trial = found, None
        try:
            shadow = self._make(candidate)
        except Exception as error:  # whatever it is, it must not reach the active bundle
            _log.error("the candidate %s is given up: %s", candidate.bundle_version, error)
            self._slots.reject(f"it does not start: {error}", sha256=found)
            return
        self._trial = Trial(shadow, self._settings.trial)
        self._trial.restart(native_rate_hz=self._rate)
        _log.info("bundle %s is on trial for %g minutes", candidate.bundle_version, self._settings.trial.minutes)

    def _end_trial(self) -> None:
        assert self._trial is not None, "a trial ended"
        verdict, self._trial = self._trial.verdict, None
        _log.log(logging.INFO if verdict.state == "passed" else logging.ERROR, "trial of a bundle: %s", verdict.told())
        if verdict.state == "passed":
            self._slots.accept_trial(sha256=self._candidate)
        else:
            self._slots.reject("; ".join(verdict.reasons), sha256=self._candidate)

    def _confirm(self) -> None:
        # Where it cannot be written, it is tried again after as much sound as this.
        self._healthy, self._needed = 0, min(self._needed, _AGAIN_SAMPLES)
        if self._slots.state().probation:
            self._slots.confirm(sha256=self._seen)
            _log.info("the bundle on probation was confirmed")
        self._probation = False

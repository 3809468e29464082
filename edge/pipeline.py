"""The only place that wires the stages: ring, frontend, wake, liveness, gate.

A block of any size is cut into hops before it enters the stages, and every stage works on absolute sample
indices: the events depend on the samples alone, not on how they arrived.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.bundle import Bundle
from edge.endpoint import LOOK_BACK_SAMPLES, speech_span
from edge.errors import VivavoceError
from edge.esphome import EsphomeModel
from edge.events import Decision, End, Event, Wake
from edge.frontend_tables import FrontendSettings
from edge.gate import Gate
from edge.hearing import Deaf, Heard
from edge.quality import QualityMeter, flags_of_rate, merged
from edge.ring import Ring
from edge.sample_time import SAMPLE_RATE_HZ
from edge.sources import AudioSource
from edge.stages import chosen_cutoffs, judging, listening

__all__ = ["FAILED", "Pipeline"]

_POST_ROLL_SAMPLES = SAMPLE_RATE_HZ // 10
"""Audio after a detection that is waited for before liveness is judged. The wake network often fires on the last
sounds of a word; the liveness network was trained on words that have ended."""


class _Candidate(NamedTuple):
    """A word that was heard, and waits for its judgement."""

    wake: Wake
    due: int
    """Samples that must have been heard before it is judged."""


FAILED = "failed"
"""Reason of a decision that is *unsure* because judging failed."""


class Pipeline:
    """Decide, for every wake word in a stream of samples, whether a person spoke it.

    Parameters
    ----------
    bundle : Bundle
        Models, words and cut-offs.
    words : sequence of str, optional
        Ids or phrases of the words to listen for; all words there are by default.
    models : sequence of EsphomeModel, optional
        Models that listen in place of the bundle's; liveness is still judged as the bundle says.
    runtime : str, optional
        ``"litert"`` or ``"tflite"``; the best that is installed by default.
    listen : bool, optional
        False where somebody else detects the words, and tells with :meth:`heard`.
    on_failure : callable, optional
        Called with what judging liveness raised; the decision is then *unsure*, for the reason :data:`FAILED`. Without,
        the error leaves :meth:`push`.
    clock : callable, optional
        Returns seconds; with it :attr:`judging_s` is measured.
    threads : int, optional
        Threads of the networks that run for a word: liveness, and the verifier. The wake network runs on one.

    Raises
    ------
    UsageError
        If a word is not in the bundle or not among those of the models, or two models have the same word.
    BundleError, ModelAbiError
        If the models do not fit their roles.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        words: Sequence[str] | None = None,
        models: Sequence[EsphomeModel] = (),
        runtime: str | None = None,
        listen: bool = True,
        on_failure: Callable[[Exception], object] | None = None,
        clock: Callable[[], float] | None = None,
        threads: int = 1,
    ) -> None:
        if listen:
            self._hearing = listening(bundle, words=words, models=models, runtime=runtime, threads=threads)
        else:
            # Who tells of words may wait for as long as the verifier does.
            self._hearing = Deaf(bundle.verifier.delay_samples if bundle.verifier is not None else 0)
        self._bundle = bundle
        self._models = bool(models)
        self._on_failure = on_failure
        self._clock = clock
        self.judging_s = 0.0
        """Time that judging the last wake word took, s; 0 without a clock."""
        self.words = self._hearing.words
        """Ids of the words."""
        # So short that no two moments at which something can be detected or decided lie in one hop.
        self._hop = math.gcd(self._hearing.hop_samples, _POST_ROLL_SAMPLES)
        self.period_samples = bundle.wake.stride_frames * FrontendSettings.from_dict(bundle.frontend).step_samples
        """Pipelines that began a multiple of this apart run their wake networks on the same frames, samples."""
        self._liveness = judging(bundle, runtime, threads)
        self._gate = Gate(bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)
        # Room for the look-back, and for the chunk whose first samples may complete it.
        self._ring = Ring(LOOK_BACK_SAMPLES + self._hearing.delay_samples)
        self._meter = QualityMeter()
        self._source_flags: tuple[str, ...] = ()
        self._pending: list[_Candidate] = []

    def reset(self, *, native_rate_hz: int = SAMPLE_RATE_HZ) -> None:
        """Begin a new stream.

        Parameters
        ----------
        native_rate_hz : int
            Rate at which the sound was recorded, Hz. Below 16 kHz the evidence above half of it is missing, and every
            answer is *unsure*.
        """
        self._hearing.reset()
        self._ring.reset()
        self._meter.reset()
        self._pending.clear()
        self._source_flags = flags_of_rate(native_rate_hz)

    def push(self, samples: npt.NDArray[np.int16]) -> Iterator[Event]:
        """Take samples, and yield the events that they bring about, each as soon as it is decided.

        Parameters
        ----------
        samples : (n,) int16
            Any number of samples, 16 kHz.

        Yields
        ------
        Wake or Decision
        """
        for at in range(0, samples.size, self._hop):
            chunk = samples[at : at + self._hop]
            self._ring.write(chunk)
            self._meter.push(chunk)
            yield from self.due()
            for heard in self._hearing.push(chunk):
                yield self._wake_up(heard)
                # A verifier may have waited for as long as the decision does.
                yield from self.due()

    def heard(self, word: str, score: float, at: int | None = None) -> Wake:
        """Take the word of somebody else for it that a word ended; its decision follows as if it was ours.

        Parameters
        ----------
        word : str
            Its id; any.
        score : float
            What the other one is sure by, 0 to 1.
        at : int, optional
            Samples that had been heard when it was found, of the last :attr:`Hearing.delay_samples`; by default now.
        """
        return self._wake_up(Heard(word, score, self._ring.head if at is None else at))

    def due(self) -> Iterator[Decision]:
        """Yield the decisions for which it is time; :meth:`push` does so by itself, but not after :meth:`heard`."""
        while self._pending and self._pending[0].due <= self._ring.head:
            yield self._decide(self._pending.pop(0))

    def adjust(self, bundle: Bundle, words: Sequence[str] | None = None) -> bool:
        """Decide by the cut-offs of another bundle from now on, if its networks are the same; what was heard stays.

        Parameters
        ----------
        bundle : Bundle
        words : sequence of str, optional
            As for the constructor.

        Returns
        -------
        bool
            False if anything but cut-offs differs, or models for ESPHome listen: then nothing was changed.

        Raises
        ------
        UsageError
            If a word is not in the bundle.
        """
        if self._models or _without_cutoffs(bundle) != _without_cutoffs(self._bundle):
            return False
        self._hearing.set_cutoffs(chosen_cutoffs(bundle, words))
        self._gate = Gate(bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)
        self._bundle = bundle
        return True

    @property
    def waiting(self) -> bool:
        """Whether a word was heard, or may have been, and is not decided yet."""
        return bool(self._pending) or self._hearing.waiting

    @property
    def position(self) -> int:
        """Samples that were heard since the last reset."""
        return self._ring.head

    def _wake_up(self, heard: Heard) -> Wake:
        word, score, decided = heard
        start = max(self._ring.tail, decided - LOOK_BACK_SAMPLES)
        span = speech_span(self._ring.read(start, decided), latest=True)
        wake = Wake(word, score, start + span.start, start + span.stop, decided)
        self._pending.append(_Candidate(wake, decided + _POST_ROLL_SAMPLES))
        return wake

    def _decide(self, candidate: _Candidate) -> Decision:
        wake = candidate.wake
        decided = min(candidate.due, self._ring.head)
        began = self._clock() if self._clock else 0.0
        try:
            evidence = self._liveness.judge(self._ring.read(max(self._ring.tail, decided - LOOK_BACK_SAMPLES), decided))
        except (VivavoceError, ArithmeticError, RuntimeError, ValueError) as error:
            # What interpreters and arithmetic raise. Mistakes of another kind are bugs, and not hidden.
            if self._on_failure is None:
                raise
            self._on_failure(error)
            return Decision(wake.word, "unsure", math.nan, (FAILED,), wake.end_sample, decided, wake)
        if self._clock:
            self.judging_s = self._clock() - began
        ruling = self._gate.rule(evidence, self._source_flags)
        return Decision(
            wake.word, ruling.decision, evidence.probability, ruling.reasons, wake.end_sample, decided, wake, evidence
        )

    def finish(self) -> Iterator[Event]:
        """End the stream: yield the decisions that were waited for, and what the stream was as a whole."""
        for heard in self._hearing.finish():
            yield self._wake_up(heard)
        while self._pending:
            yield self._decide(self._pending.pop(0))
        yield End(self._ring.head, merged(self._meter.flags, self._source_flags))

    def run(self, source: AudioSource) -> Iterator[Event]:
        """Push a whole source through, from a clean start; the last event is an :class:`~edge.events.End`.

        Raises
        ------
        AudioError
            If the source cannot be read, after the events of the part that could.
        """
        self.reset(native_rate_hz=source.native_rate_hz)
        for block in source.blocks():
            yield from self.push(block)
        yield from self.finish()


def _without_cutoffs(bundle: Bundle) -> tuple[Any, ...]:
    """Return all of a bundle that the stages are made of."""
    return (
        [word.id for word in bundle.words],
        bundle.frontend,
        bundle.wake,
        bundle.verifier,
        replace(bundle.liveness, accept_cutoff=1.0, reject_cutoff=0.0),
        bundle.contents,
    )

"""What the demo listens with: the stages of the gate, with all that is on its way through them shown."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edge.bundle import Bundle
from edge.bundle_parts import find_word
from edge.cues import CueSettings
from edge.decay import DecayReference, decay_curve, place_curve
from edge.decay_reference import read_decay_reference
from edge.endpoint import LOOK_BACK_SAMPLES
from edge.events import Decision, Event, Wake
from edge.gate import Gate
from edge.hearing import Heard
from edge.live_demo.state import Mode, Ruled, State
from edge.live_demo.utterances import Utterances
from edge.liveness import judged_window
from edge.pipeline import Pipeline
from edge.quality import flags_of_rate
from edge.ring import Ring
from edge.sample_time import SAMPLE_RATE_HZ
from edge.stages import NEVER, candidate_hearing, hearing, judging, verifying
from edge.verifier import Look

__all__ = ["Listener"]

_NOT_SAID = frozenset(("silent", "too_short", "noisy"))
"""Quality flags of what is not speech: no news where no word was heard either."""
_NOTHING = np.zeros(0, np.int16)
_SOUND = 2 * SAMPLE_RATE_HZ
"""How much of the sound before a decision is kept with it where that is asked for, samples; as the daemon's default."""


class Listener:
    """Listen, and keep a :class:`State` up to date.

    The words are heard here, by the very stages that a pipeline would make, because their features and scores are
    shown; the pipeline is told of them, and decides. So it is with a verifier, whose looks are shown, too.

    Parameters
    ----------
    bundle : Bundle
    words : sequence of str, optional
        Ids or phrases of the words to listen for; all by default.
    mode : Mode
    runtime : str, optional
        Interpreter; the best that is installed by default.
    clock : callable, optional
        Returns seconds.
    reference : DecayReference, optional
        What the decay of power is shown before; the one that ships by default.

    Raises
    ------
    UsageError
        If a word is not in the bundle.
    BundleError, ModelAbiError
        If the models do not fit their roles, or the reference is damaged.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        words: Sequence[str] = (),
        mode: Mode = "both",
        runtime: str | None = None,
        clock: Callable[[], float] = time.perf_counter,
        reference: DecayReference | None = None,
    ) -> None:
        chosen = {find_word(bundle.words, name, f"the bundle {bundle.path}").id for name in words}
        cutoffs = tuple(word.cutoff if word.id in chosen or not chosen else NEVER for word in bundle.words)
        self._verifier = verifying(bundle, cutoffs, runtime) if mode != "liveness" else None
        if self._verifier is None:
            self._frontend, self._stage = hearing(bundle, list(cutoffs), runtime)
            late = 0
        else:
            self._frontend, self._stage = candidate_hearing(bundle, self._verifier, runtime)
            late = self._verifier.delay_samples
        settings = self._frontend.settings
        self._hop = math.gcd(settings.step_samples, settings.window_samples, late)
        self._pipeline = Pipeline(bundle, runtime=runtime, listen=False, clock=clock) if mode == "both" else None
        self._judge = judging(bundle, runtime) if mode == "liveness" else None
        self._gate = Gate(bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)
        self._utterances = Utterances()
        self._cues = CueSettings.from_dict(bundle.liveness.cues)
        self._ring = Ring(_SOUND + late)  # what is heard late is decided late, and looked back on from before
        self._clock = clock
        self.reference = reference or read_decay_reference()
        """What the decay of power is shown before."""
        self.told: Callable[[Ruled], object] | None = None
        """Called with what became of every word, or stretch of speech, once it is in the state."""
        self.keeps_sound = False
        """Whether decisions from now on keep their sound, in memory; not unless somebody asks for it."""
        self._source_flags: tuple[str, ...] = ()
        self.native_rate_hz = SAMPLE_RATE_HZ
        """Rate at which the stream was recorded, Hz."""
        self._rest = _NOTHING
        self._start = 0
        self.state = State(
            words=tuple(word.id for word in bundle.words) if mode != "liveness" else (),
            cutoffs=cutoffs if mode != "liveness" else (),
            accept_cutoff=bundle.liveness.accept_cutoff,
            reject_cutoff=bundle.liveness.reject_cutoff,
            channels=settings.channels,
            mode=mode,
            candidates=tuple(self._verifier.candidates) if self._verifier is not None else None,
            reference=self.reference if mode != "wake" else None,
        )
        """What is shown."""

    def begin(self, native_rate_hz: int) -> None:
        """Begin a new stream, recorded at this rate, Hz; what is shown stays."""
        self._frontend.reset()
        self._stage.reset()
        if self._verifier is not None:
            self._verifier.reset()
        self._utterances.reset()
        self._ring.reset()
        self._rest = _NOTHING
        self._start = self.state.heard_samples
        self.native_rate_hz = native_rate_hz
        self._source_flags = flags_of_rate(native_rate_hz)
        self.state.waiting = False
        if self._pipeline is not None:
            self._pipeline.reset(native_rate_hz=native_rate_hz)

    def push(self, samples: npt.NDArray[np.int16]) -> Iterator[Event]:
        """Take a block, ``(n,) int16`` at 16 kHz, and yield what it brings about, as it is decided.

        Yields
        ------
        Wake or Decision
            None where liveness alone is shown: its judgements are in the state only.
        """
        self.state.hear(samples)
        # Whole hops: the pipeline is told of a word at the very sample at which it would have heard it by itself.
        held = np.concatenate((self._rest, samples))
        whole = held.size - held.size % self._hop
        self._rest = held[whole:]
        for at in range(0, whole, self._hop):
            yield from self._hop_on(held[at : at + self._hop])
        if self._judge is not None:
            self._judge_now(samples)

    def finish(self) -> Iterator[Event]:
        """End the stream: yield the decisions that were waited for."""
        if self._judge is not None:
            return
        rest, self._rest = self._rest, _NOTHING
        self.state.hear(_NOTHING)
        yield from self._hop_on(rest)
        if self._verifier is not None:
            for heard in self._looked(self._verifier.finish()):
                yield self._wake_up(heard)
        if self._pipeline is not None:
            for event in self._pipeline.finish():
                if isinstance(event, Decision):
                    self._decided(event)
                    yield event

    def _hop_on(self, hop: npt.NDArray[np.int16]) -> Iterator[Event]:
        self._ring.write(hop)
        features = self._frontend.push(hop)
        self.state.see(features)
        if self._judge is not None:
            return
        # Decisions that are due first, as in a pipeline that hears by itself.
        for event in self._pipeline.push(hop) if self._pipeline is not None else ():
            if isinstance(event, Decision):
                self._decided(event)
            yield event
        runs = self._stage.runs
        for heard in self._found(features, hop):
            yield self._wake_up(heard)
            # A verifier may have waited for as long as the decision does.
            for decision in self._pipeline.due() if self._pipeline is not None else ():
                self._decided(decision)
                yield decision
        if self._stage.runs != runs:
            self.state.score(self._stage.scores)

    def _found(self, features: npt.NDArray[np.uint16], hop: npt.NDArray[np.int16]) -> list[Heard]:
        """Return the words that a hop completes."""
        hits, samples_at = self._stage.push(features), self._frontend.settings.heard_samples
        if self._verifier is None:
            return [Heard(self.state.words[hit.word], hit.score, samples_at(hit.frame)) for hit in hits]
        for hit in hits:
            self._verifier.offer(hit.word, samples_at(hit.frame))
        return self._looked(self._verifier.push(hop))

    def _looked(self, looks: Sequence[Look]) -> list[Heard]:
        """Show what the verifier looked at, and return the words that it heard."""
        for look in looks:
            self.state.look(look.word, look.score)
        return [Heard(self.state.words[look.word], look.score, look.at) for look in looks if look.heard]

    def _wake_up(self, heard: Heard) -> Wake:
        word, score, at = heard
        if self._pipeline is not None:
            self.state.waiting = True
            return self._pipeline.heard(word, score, at)
        sound = self._before(self._ring.head, _SOUND) if self.keeps_sound else None
        self._rule(Ruled(self._start + at, word, "heard", (), score, sound=sound))
        return Wake(word, score, at, at, at)

    def _decided(self, event: Decision) -> None:
        pipeline = self._pipeline
        assert pipeline is not None
        self.state.waiting = pipeline.waiting
        decided = event.decided_sample
        ruled = Ruled(
            self._start + decided,
            event.word,
            event.decision,
            event.reasons,
            event.wake.score if event.wake is not None else math.nan,
            event.live_probability,
            event.evidence.quality if event.evidence is not None else None,
            (decided - event.end_sample) / SAMPLE_RATE_HZ,
            pipeline.judging_s,
        )
        # What was looked back on, as the pipeline did it.
        self._rule(self._shown(ruled, self._before(decided, LOOK_BACK_SAMPLES), self._before(decided, _SOUND)))

    def _rule(self, ruled: Ruled) -> None:
        self.state.rule(ruled)
        if self.told is not None:
            self.told(ruled)

    def _before(self, end: int, size: int) -> npt.NDArray[np.int16]:
        """Return the sound before a sample of the stream, as much of it as there is."""
        return self._ring.read(max(self._ring.tail, end - size), end)

    def _shown(self, ruled: Ruled, window: npt.NDArray[np.int16], sound: npt.NDArray[np.int16]) -> Ruled:
        """Add to a judgement of a window what is shown beside it, and the sound where that is kept."""
        if not math.isnan(ruled.probability):
            curve = decay_curve(judged_window(window, self._cues), self.reference.settings)
            ruled = replace(ruled, curve=curve, placement=place_curve(curve, self.reference))
        return replace(ruled, sound=sound) if self.keeps_sound else ruled

    def _judge_now(self, samples: npt.NDArray[np.int16]) -> None:
        """Judge what was said, without a word."""
        assert self._judge is not None
        for end, window in self._utterances.push(samples):
            began = self._clock()
            evidence = self._judge.judge(window)
            took_s = self._clock() - began
            ruling = self._gate.rule(evidence, self._source_flags)
            if not _NOT_SAID & set(ruling.reasons):
                ruled = Ruled(
                    self._start + end,
                    "",
                    ruling.decision,
                    ruling.reasons,
                    probability=evidence.probability,
                    quality=evidence.quality,
                    judging_s=took_s,
                )
                self._rule(self._shown(ruled, window, window))

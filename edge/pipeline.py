"""The only place that wires the stages: ring, frontend, wake, liveness, gate.

A block of any size is cut into hops before it enters the stages, and every stage works on absolute sample
indices: the events depend on the samples alone, not on how they arrived.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.bundle import Bundle
from edge.cues import CueSettings
from edge.endpoint import LOOK_BACK_SAMPLES, loudest_window, speech_span
from edge.events import SAMPLE_RATE_HZ, Decision, End, Event, Wake, seconds
from edge.frontend import Frontend
from edge.frontend_tables import FrontendSettings
from edge.gate import Gate
from edge.interpreter import load_model
from edge.liveness import LivenessStage
from edge.quality import QualityMeter, flags_of_rate, merged
from edge.ring import Ring
from edge.sources import AudioSource
from edge.wake import WakeStage

__all__ = ["NEVER", "LivenessScorer", "Pipeline", "WakeScorer", "hearing", "judging"]

NEVER = 2.0
"""A cut-off that no score reaches: for a word that is not listened for, or a trace without detections."""

_POST_ROLL_SAMPLES = SAMPLE_RATE_HZ // 10
"""Audio after a detection that is waited for before liveness is judged. The wake network often fires on the last
sounds of a word; the liveness network was trained on words that have ended."""


class _Candidate(NamedTuple):
    """A word that was heard, and waits for its judgement."""

    word: int
    end: int
    """One past its last sample."""
    due: int
    """Samples that must have been heard before it is judged."""


class Pipeline:
    """Decide, for every wake word in a stream of samples, whether a person spoke it.

    Parameters
    ----------
    bundle : Bundle
        Models, words and cut-offs.
    words : sequence of str, optional
        Ids or phrases of the words to listen for; all words of the bundle by default.
    runtime : str, optional
        ``"litert"`` or ``"tflite"``; the best that is installed by default.

    Raises
    ------
    UsageError
        If a word is not in the bundle.
    BundleError, ModelAbiError
        If the models do not fit their roles.
    """

    def __init__(self, bundle: Bundle, *, words: Sequence[str] | None = None, runtime: str | None = None) -> None:
        chosen = {bundle.word(name).id for name in words} if words else {word.id for word in bundle.words}
        self.words = tuple(word.id for word in bundle.words)
        """Ids of the words, in the order of the network's outputs."""
        self._frontend, self._wake = hearing(
            bundle, [word.cutoff if word.id in chosen else NEVER for word in bundle.words], runtime
        )
        self._settings = self._frontend.settings
        self._liveness = judging(bundle, runtime)
        self._gate = Gate(bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)
        # Room for the look-back, and for the chunk whose first samples may complete it.
        self._ring = Ring(LOOK_BACK_SAMPLES + self._settings.window_samples + self._settings.step_samples)
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
        self._frontend.reset()
        self._wake.reset()
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
        hop = self._settings.step_samples
        for at in range(0, samples.size, hop):
            chunk = samples[at : at + hop]
            self._ring.write(chunk)
            self._meter.push(chunk)
            while self._pending and self._pending[0].due <= self._ring.head:
                yield self._decide(self._pending.pop(0))
            for detection in self._wake.push(self._frontend.push(chunk)):
                yield self._wake_up(detection.word, detection.score, detection.frame)

    def _wake_up(self, word: int, score: float, frame: int) -> Wake:
        decided = self._settings.heard_samples(frame)
        start = max(self._ring.tail, decided - LOOK_BACK_SAMPLES)
        span = speech_span(self._ring.read(start, decided), latest=True)
        self._pending.append(_Candidate(word, start + span.stop, decided + _POST_ROLL_SAMPLES))
        return Wake(self.words[word], score, start + span.start, start + span.stop, decided)

    def _decide(self, candidate: _Candidate) -> Decision:
        decided = min(candidate.due, self._ring.head)
        evidence = self._liveness.judge(self._ring.read(max(self._ring.tail, decided - LOOK_BACK_SAMPLES), decided))
        ruling = self._gate.rule(evidence, self._source_flags)
        return Decision(
            self.words[candidate.word], ruling.decision, evidence.probability, ruling.reasons, candidate.end, decided
        )

    def finish(self) -> Iterator[Event]:
        """End the stream: yield the decisions that were waited for, and what the stream was as a whole."""
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


def hearing(bundle: Bundle, cutoffs: list[float], runtime: str | None) -> tuple[Frontend, WakeStage]:
    """Make the two stages that hear words, as the bundle says, with cut-offs of the caller's."""
    settings = FrontendSettings.from_dict(bundle.frontend)
    wake = bundle.wake
    stage = WakeStage(
        # The reference kernels compute the same integers in every interpreter, and on a microcontroller; the fast
        # ones differ by a few steps, which a network that runs 33 times a second turns into other detections. They
        # cost 45 instead of 2 us a run on x86-64, 0.15 % of the time between two runs.
        load_model(bundle.content(wake.file), runtime=runtime, name=wake.file, reference=True),
        cutoffs,
        channels=settings.channels,
        stride_frames=wake.stride_frames,
        context_frames=wake.context_frames,
        smoothing_steps=wake.smoothing_steps,
        refractory_frames=wake.refractory_ms // settings.step_ms,
    )
    return Frontend(settings), stage


def judging(bundle: Bundle, runtime: str | None) -> LivenessStage:
    """Make the stage that judges liveness, as the bundle says."""
    part = bundle.liveness
    return LivenessStage(
        load_model(bundle.content(part.file), runtime=runtime, name=part.file),
        CueSettings.from_dict(part.cues),
        slope=part.slope,
        offset=part.offset,
    )


class WakeScorer:
    """Score every word of a bundle over whole sources, without judging liveness.

    Parameters
    ----------
    bundle : Bundle
    runtime : str, optional
        See :class:`Pipeline`.

    Raises
    ------
    BundleError, ModelAbiError
        If the model does not fit its role.
    """

    def __init__(self, bundle: Bundle, *, runtime: str | None = None) -> None:
        self._words = bundle.words
        self._frontend, self._stage = hearing(bundle, [word.cutoff for word in bundle.words], runtime)

    def score(self, source: AudioSource) -> dict[str, Any]:
        """Score one source, from a clean start.

        Returns
        -------
        dict
            ``seconds``, and ``words``: for each id ``max_score`` and ``detections`` (``end_s``, ``score``),
            where ``end_s`` is the moment up to which the detection had heard; ``quality``, flags of the source.

        Raises
        ------
        AudioError
            If the source cannot be read to its end.
        """
        self._frontend.reset()
        self._stage.reset()
        settings = self._frontend.settings
        found: dict[str, list[dict[str, float]]] = {word.id: [] for word in self._words}
        meter = QualityMeter()
        n = 0
        for block in source.blocks():
            n += block.size
            meter.push(block)
            for detection in self._stage.push(self._frontend.push(block)):
                heard = settings.heard_samples(detection.frame)
                found[self._words[detection.word].id].append(
                    {"end_s": seconds(heard), "score": round(detection.score, 4)}
                )
        return {
            "seconds": seconds(n),
            "quality": list(merged(meter.flags, flags_of_rate(source.native_rate_hz))),
            "words": {
                word.id: {
                    "max_score": round(float(self._stage.max_scores[i]), 4),
                    "detections": found[word.id],
                }
                for i, word in enumerate(self._words)
            },
        }


class LivenessScorer:
    """Judge the loudest moment of whole sources, without needing a wake word.

    Parameters
    ----------
    bundle : Bundle
    runtime : str, optional
        See :class:`Pipeline`.

    Raises
    ------
    BundleError, ModelAbiError
        If the model does not fit its role.
    """

    def __init__(self, bundle: Bundle, *, runtime: str | None = None) -> None:
        self._stage = judging(bundle, runtime)
        self._gate = Gate(bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)

    def score(self, source: AudioSource) -> dict[str, Any]:
        """Judge one source; of a source without a sample the answer is *unsure*.

        Memory does not grow with the source: only the loudest stretch so far is kept.

        Returns
        -------
        dict
            ``seconds``, ``live_probability``, ``score`` (logit), ``decision``, ``reasons``, ``quality``.

        Raises
        ------
        AudioError
            If the source cannot be read to its end.
        """
        heard, n = _loudest_stretch(source.blocks(), self._stage.window_samples)
        evidence = self._stage.judge(heard)
        of_source = flags_of_rate(source.native_rate_hz)
        ruling = self._gate.rule(evidence, of_source)
        quality = evidence.quality.to_dict()
        quality["flags"] = list(merged(evidence.quality.flags, of_source))
        return {
            "seconds": seconds(n),
            "live_probability": round(evidence.probability, 4),
            "score": round(evidence.score, 4),
            "decision": ruling.decision,
            "reasons": list(ruling.reasons),
            "quality": quality,
        }


def _loudest_stretch(blocks: Iterable[npt.NDArray[np.int16]], window: int) -> tuple[npt.NDArray[np.int16], int]:
    """Find the stretch around the loudest window of a stream, as a detection would look back on it.

    Returns
    -------
    (n,) int16
        What a detection shortly after the window would have looked back on.
    int
        Length of the stream, samples.
    """
    # What is held moves on by half a window whenever it is full, at the same samples whatever the blocks are. It
    # is long enough that of every window, but for the first ones, all that comes before is still there.
    step, delay = window // 2, window // 10
    held = np.zeros(LOOK_BACK_SAMPLES + step, np.int16)
    filled, searched, n = 0, 0, 0
    best, best_power = held[:0], -1.0

    def search(stop: int) -> None:
        """Compare the windows that end up to `stop` and have not been compared before."""
        nonlocal best, best_power
        first = max(0, searched - window)
        span = loudest_window(held[first:stop], window)
        if span.stop == span.start:
            return
        power = float(np.var(held[first + span.start : first + span.stop], dtype=np.float64))
        if power > best_power:
            end = min(filled, first + span.stop + delay)
            best, best_power = held[max(0, end - LOOK_BACK_SAMPLES) : end].copy(), power

    for block in blocks:
        n += block.size
        at = 0
        while at < block.size:
            part = block[at : at + held.size - filled]
            held[filled : filled + part.size] = part
            filled += part.size
            at += part.size
            if filled == held.size:
                search(filled - delay)
                held[:-step] = held[step:].copy()
                filled -= step
                searched = filled - delay
    search(filled)
    return best, n

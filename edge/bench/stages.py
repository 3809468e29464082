"""The stages with one interpreter, measured once: each by itself on the same sound, and the whole chain."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from edge.answers import Answer
from edge.bench.ends import capturing, commanding, telling
from edge.bench.machine import peak_rss_kib, pinned
from edge.bundle import Bundle
from edge.endpoint import FRAME_SAMPLES, LOOK_BACK_SAMPLES, frame_levels_db
from edge.events import Decision
from edge.gate import Gate
from edge.interpreter import Runtime
from edge.liveness import LivenessStage
from edge.pipeline import Pipeline
from edge.policy import Circumstances, GateSettings, Policy
from edge.sample_time import SAMPLE_RATE_HZ
from edge.sources import FileSource
from edge.stages import HEARS_NOTHING, NEVER, hearing, judging, verifying
from edge.verifier import Verifier
from edge.wake_native import CompiledNetwork

__all__ = ["FORMAT", "STAGES", "Bench", "Round", "Told", "WakeRunner", "sound_of_scene"]

FORMAT = "vivavoce-bench-3"
"""What a file of results says that it is."""

STAGES = {
    "capture": "0.1 s from a file through the thread of the capture",
    "frontend": "features of 10 ms",
    "wake": "one run of the wake network, every 30 ms",
    "verifier": "one look of the verifier, at a candidate of the wake network",
    "liveness": "judging one wake word: cues and network",
    "gate": "decision and policy of one wake word",
    "sink": "one answer through the socket sink, until its client has it",
    "command": "one answer through the command sink, until a program that does nothing has ended",
    "push": "10 ms through the whole chain",
    "decision": "the 10 ms through the whole chain that decide",
}
"""What is measured by itself, and what one measurement holds; *verifier* only where the bundle has one."""

WakeRunner = Literal["kernel", "interpreter"]
"""Who runs the wake network: our kernel, or the interpreter that everything else is measured with."""

_SCENE = Path(__file__).resolve().parents[1] / "data" / "scene.flac"
"""A recording with words in it; beside it a ``.json`` that says when they are spoken."""
_BLOCK = SAMPLE_RATE_HZ // 10
_STEP = FRAME_SAMPLES
_JUDGEMENTS = 8
_RULINGS = 32
_PROGRAMS = 2
"""Programs that are run for each decision: starting one takes a thousand times as long as what else is measured."""


class Told(TypedDict):
    """One decision of the chain."""

    word: str
    decision: str
    start_s: float
    """Where the word begins by the scene's own account, s."""
    end_s: float
    """Where it ends, s."""
    heard_s: float
    """Where in the sound it was detected, s."""
    decided_s: float
    """Where in the sound it was decided, s."""
    sound_ms: float
    """Sound after the word's end that was waited for."""
    judging_ms: float
    """What judging liveness took."""
    compute_ms: float
    """What the push took that decided, judging included."""
    delay_ms: float
    """Both waiting and computing."""


class Round(TypedDict):
    """What one repetition measured; plain, so that it goes through a pipe as JSON."""

    durations: dict[str, list[int]]
    """By the keys of :data:`STAGES`, ns."""
    threads: dict[str, dict[str, list[int]]]
    """By the number of threads: ``liveness``, ``decision``, and ``verifier`` where there is one, ns."""
    wall_s: float
    cpu_s: float
    """What the whole chain took for the sound."""
    decisions: list[Told]
    peak_rss_kib: int | None
    """Of the process, so far."""


class Bench:
    """The stages with one interpreter, ready to be measured.

    Parameters
    ----------
    bundle : Bundle
    runtime : {"litert", "tflite"}
    numbers : {"int8", "float32"}
        What the networks of the bundle compute with: its name in results.
    cores : sequence of int
        The first is stayed on; with threads, as many as there are threads. None for no core in particular.
    threads : sequence of int
        Numbers of threads, above 1, with which liveness is judged and the verifier looks, too.

    Attributes
    ----------
    interpreter, numbers : str
        As given.
    wake_run_by : {"kernel", "interpreter"}
        Who runs the wake network; see :mod:`edge.wake_native`.
    """

    def __init__(
        self,
        bundle: Bundle,
        runtime: Runtime,
        *,
        numbers: str = "int8",
        cores: Sequence[int] = (),
        threads: Sequence[int] = (),
    ) -> None:
        self.interpreter, self.numbers = runtime, numbers
        self._cores = cores
        with pinned(cores[:1]):
            self._frontend, self._wake = hearing(bundle, [NEVER] * len(bundle.words), runtime)
            self._liveness = judging(bundle, runtime)
            self._verifier = verifying(bundle, [HEARS_NOTHING] * len(bundle.words), runtime)
            self._pipeline = Pipeline(bundle, runtime=runtime, clock=time.perf_counter)
        compiled = isinstance(self._wake.network, CompiledNetwork)
        self.wake_run_by: WakeRunner = "kernel" if compiled else "interpreter"
        self._threaded: dict[int, tuple[LivenessStage, Verifier | None, Pipeline]] = {}
        for n in threads:
            with pinned(cores[:n]):  # the threads of an interpreter stay where it was made
                self._threaded[n] = (
                    judging(bundle, runtime, n),
                    verifying(bundle, [HEARS_NOTHING] * len(bundle.words), runtime, n),
                    Pipeline(bundle, runtime=runtime, threads=n),
                )
        self._gate = Gate(bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)
        self._bundle_version = bundle.bundle_version
        stride = bundle.wake.stride_frames
        self._source = FileSource(_SCENE, block=_BLOCK)
        self._words = _words(_SCENE)
        self._blocks = list(FileSource(_SCENE, block=_STEP).blocks())
        sound = np.concatenate(self._blocks)
        self._frontend.reset()
        frames = self._frontend.push(sound)
        self._frames = [frames[at : at + stride] for at in range(0, len(frames), stride)]
        self._windows = _windows(sound, LOOK_BACK_SAMPLES)
        self._stretches = [] if self._verifier is None else _windows(sound, self._verifier.stretch_samples)

    def once(self) -> Round:
        """Measure everything once."""
        with pinned(self._cores[:1]):
            self._frontend.reset()
            self._wake.reset()
            durations = {
                "capture": capturing(self._source),
                "frontend": _timed(self._frontend.push, self._blocks),
                "wake": _timed(self._wake.push, self._frames),
                **self._looks(self._verifier),
                "liveness": _timed(self._liveness.judge, self._windows),
            }
            cpu = time.process_time_ns()
            durations["push"], decisions, told = self._chain(self._pipeline)
            cpu = time.process_time_ns() - cpu
            if decisions:
                # A scene has two or so, which is too few for a median.
                durations["gate"] = _timed(self._rule, decisions * _RULINGS)
                answers = [self._answer(decision) for decision in decisions]
                durations["sink"] = telling(answers * _RULINGS)
                if programs := commanding(answers * _PROGRAMS):
                    durations["command"] = programs
                durations["decision"] = [round(one["compute_ms"] * 1e6) for one in told]
        return Round(
            durations=durations,
            threads={str(n): self._with_threads(n) for n in self._threaded},
            wall_s=round(sum(durations["push"]) / 1e9, 6),
            cpu_s=round(cpu / 1e9, 6),
            decisions=told,
            peak_rss_kib=peak_rss_kib(),
        )

    def _with_threads(self, n: int) -> dict[str, list[int]]:
        stage, verifier, pipeline = self._threaded[n]
        with pinned(self._cores[:n]):
            durations = {**self._looks(verifier), "liveness": _timed(stage.judge, self._windows)}
            told = self._chain(pipeline)[2]
        if told:
            durations["decision"] = [round(one["compute_ms"] * 1e6) for one in told]
        return durations

    def _looks(self, verifier: Verifier | None) -> dict[str, list[int]]:
        return {} if verifier is None else {"verifier": _timed(verifier.scores, self._stretches)}

    def _chain(self, pipeline: Pipeline) -> tuple[list[int], list[Decision], list[Told]]:
        clock = time.perf_counter_ns
        pipeline.reset()
        durations, decisions, told = [], [], []
        for block in self._blocks:
            began = clock()
            events = list(pipeline.push(block))
            took = clock() - began
            durations.append(took)
            for event in events:
                if isinstance(event, Decision):
                    decisions.append(event)
                    told.append(self._tell(event, took / 1e6, pipeline.judging_s))
        return durations, decisions, told

    def _tell(self, decision: Decision, compute_ms: float, judging_s: float) -> Told:
        assert decision.wake is not None
        decided_s = decision.decided_sample / SAMPLE_RATE_HZ
        start_s, end_s = max(
            (word for word in self._words if word[0] < decided_s), default=(decided_s, decided_s)
        )  # fmt: skip
        sound_ms = 1e3 * (decided_s - end_s)
        return Told(
            word=decision.word,
            decision=decision.decision,
            start_s=round(start_s, 3),
            end_s=round(end_s, 3),
            heard_s=round(decision.wake.decided_sample / SAMPLE_RATE_HZ, 3),
            decided_s=round(decided_s, 3),
            sound_ms=round(sound_ms, 3),
            judging_ms=round(1e3 * judging_s, 6),
            compute_ms=round(compute_ms, 6),
            delay_ms=round(sound_ms + compute_ms, 3),
        )

    def _rule(self, decision: Decision) -> None:
        assert decision.evidence is not None
        self._gate.rule(decision.evidence)
        Policy(GateSettings()).push(decision, decision.decided_sample, Circumstances())

    def _answer(self, decision: Decision) -> Answer:
        wake, evidence = decision.wake, decision.evidence
        assert wake is not None
        assert evidence is not None
        return Answer(
            id="0" * 16, at_s=time.time(), origin="bench", word=decision.word, phrase=decision.word, action="block",
            decision=decision.decision, reasons=decision.reasons, wake_score=wake.score,
            live_probability=decision.live_probability, live_score=evidence.score,
            quality=evidence.quality, start_sample=wake.start_sample,
            end_sample=decision.end_sample, decided_sample=decision.decided_sample, bundle=self._bundle_version,
        )  # fmt: skip


def sound_of_scene() -> dict[str, Any]:
    """Describe the sound that is measured on, for drawings: ``seconds``, ``step_ms``, ``levels_dbfs`` of the steps."""
    blocks = list(FileSource(_SCENE, block=_STEP).blocks())
    return {
        "seconds": sum(block.size for block in blocks) / SAMPLE_RATE_HZ,
        "step_ms": 1000 * _STEP // SAMPLE_RATE_HZ,
        "levels_dbfs": [round(float(level)) for block in blocks for level in frame_levels_db(block)],
    }


def _windows(sound: npt.NDArray[np.int16], size: int) -> list[npt.NDArray[np.int16]]:
    """Return as many stretches of a sound as are judged in a repetition, spread over it; all of it if it is short."""
    ends = np.linspace(min(size, sound.size), sound.size, _JUDGEMENTS).astype(int)
    return [sound[max(0, end - size) : end] for end in ends]


def _words(scene: Path) -> list[tuple[float, float]]:
    told = json.loads(scene.with_suffix(".json").read_text())
    return [(float(one["start_s"]), float(one["end_s"])) for one in told["utterances"]]


def _timed(call: Callable[[Any], object], inputs: Sequence[Any]) -> list[int]:
    """Call with every input; return how long each call took, ns."""
    clock, durations = time.perf_counter_ns, []
    for one in inputs:
        began = clock()
        call(one)
        durations.append(clock() - began)
    return durations

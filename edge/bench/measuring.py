"""Measure: each stage by itself on the same sound, and the whole chain, in repetitions of all interpreters in turn."""

import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.answers import Answer
from edge.bench.machine import energy_uj, machine, peak_rss_kib, pinned, state
from edge.bench.statistics import histogram, summary
from edge.bundle import Bundle
from edge.bundle_identity import bundle_hash
from edge.endpoint import LOOK_BACK_SAMPLES
from edge.errors import MissingExtraError, UsageError
from edge.events import SAMPLE_RATE_HZ, Decision
from edge.frontend import Frontend
from edge.gate import Gate
from edge.interpreter import Runtime, load_model
from edge.liveness import LivenessStage
from edge.pipeline import NEVER, Pipeline, hearing, judging
from edge.policy import Circumstances, GateSettings, Policy
from edge.sources import FileSource

__all__ = ["FORMAT", "STAGES", "Bench", "measure", "usable_runtimes"]

FORMAT = "vivavoce-bench-1"
"""What a file of results says that it is."""

STAGES = {
    "capture": "0.1 s from a file: reading, decoding",
    "frontend": "features of 10 ms",
    "wake": "one run of the wake network, every 30 ms",
    "liveness": "judging one wake word: cues and network",
    "gate": "decision and policy of one wake word",
    "sink": "one answer as JSON into a local socket",
    "push": "10 ms through the whole chain",
}
"""What is measured by itself, and what one measurement holds."""

_RUNTIMES: tuple[Runtime, ...] = ("litert", "tflite")
_JUDGEMENTS = 8
_RULINGS = 32
_LINE = b"\n"


def usable_runtimes(bundle: Bundle, asked: Sequence[Runtime] = ()) -> tuple[Runtime, ...]:
    """Return the interpreters that work here, of those that were asked for or of both.

    Raises
    ------
    MissingExtraError, UsageError
        If one that was asked for does not work, or none does.
    """
    found: list[Runtime] = []
    faults: list[MissingExtraError | UsageError] = []
    for runtime in asked or _RUNTIMES:
        try:
            load_model(bundle.content(bundle.liveness.file), runtime=runtime)
            found.append(runtime)
        except (MissingExtraError, UsageError) as error:
            faults.append(error)
    if faults and (asked or not found):
        raise faults[0]
    return tuple(found)


class Bench:
    """The stages with one interpreter, ready to be measured.

    Parameters
    ----------
    bundle : Bundle
    scene : Path
        A recording with words in it; beside it a ``.json`` that says when they are spoken.
    runtime : {"litert", "tflite"}
    """

    def __init__(self, bundle: Bundle, scene: Path, runtime: Runtime) -> None:
        self.runtime = runtime
        frontend, self._wake = hearing(bundle, [NEVER] * len(bundle.words), runtime)
        self._frontend: Frontend = frontend
        self._liveness: LivenessStage = judging(bundle, runtime)
        self._gate = Gate(bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)
        self._pipeline = Pipeline(bundle, runtime=runtime)
        self._stride = bundle.wake.stride_frames
        self._source = FileSource(scene, block=SAMPLE_RATE_HZ // 10)
        self._bundle = bundle
        told = json.loads(scene.with_suffix(".json").read_text())
        self._words = [(float(one["start_s"]), float(one["end_s"])) for one in told["utterances"]]
        self._blocks = list(FileSource(scene, block=frontend.settings.step_samples).blocks())
        self.seconds = sum(block.size for block in self._blocks) / SAMPLE_RATE_HZ
        sound = np.concatenate(self._blocks)
        frontend.reset()
        frames = frontend.push(sound)
        self._frames = [frames[at : at + self._stride] for at in range(0, len(frames), self._stride)]
        ends = np.linspace(min(LOOK_BACK_SAMPLES, sound.size), sound.size, _JUDGEMENTS).astype(int)
        self._windows = [sound[max(0, end - LOOK_BACK_SAMPLES) : end] for end in ends]

    def once(self) -> tuple[dict[str, list[int]], dict[str, Any]]:
        """Measure everything once.

        Returns
        -------
        durations : dict of str to list of int
            By the keys of :data:`STAGES`, ns.
        chain : dict
            ``wall_s`` and ``cpu_s`` that the whole chain took for the sound, and ``decisions``: ``word``,
            ``decision``, ``end_s`` (where the word ends by the scene's own account), ``sound_ms`` (sound after that
            which was waited for), ``compute_ms`` (what the push took that decided), ``delay_ms`` (both).
        """
        self._frontend.reset()
        self._wake.reset()
        durations = {
            "capture": _timed_steps(self._source.blocks()),
            "frontend": _timed(self._frontend.push, self._blocks),
            "wake": _timed(self._wake.push, self._frames),
            "liveness": _timed(self._liveness.judge, self._windows),
        }
        push, chain, decisions = self._chain()
        durations["push"] = push
        if decisions:
            # A scene has two or so, which is too few for a median.
            durations["gate"] = _timed(self._rule, decisions * _RULINGS)
            durations["sink"] = self._told(decisions * _RULINGS)
        return durations, chain

    def _chain(self) -> tuple[list[int], dict[str, Any], list[Decision]]:
        pipeline, clock = self._pipeline, time.perf_counter_ns
        pipeline.reset()
        durations, decisions, told = [], [], []
        cpu = time.process_time_ns()
        for block in self._blocks:
            began = clock()
            events = list(pipeline.push(block))
            took = clock() - began
            durations.append(took)
            for event in events:
                if isinstance(event, Decision):
                    decisions.append(event)
                    decided_s = event.decided_sample / SAMPLE_RATE_HZ
                    end_s = max((end for start, end in self._words if start < decided_s), default=decided_s)
                    sound_ms = 1e3 * (decided_s - end_s)
                    told.append(
                        {
                            "word": event.word,
                            "decision": event.decision,
                            "end_s": round(end_s, 3),
                            "sound_ms": round(sound_ms, 3),
                            "compute_ms": round(took / 1e6, 3),
                            "delay_ms": round(sound_ms + took / 1e6, 3),
                        }
                    )
        cpu = time.process_time_ns() - cpu
        chain = {"wall_s": round(sum(durations) / 1e9, 6), "cpu_s": round(cpu / 1e9, 6), "decisions": told}
        return durations, chain, decisions

    def _rule(self, decision: Decision) -> None:
        assert decision.evidence is not None
        self._gate.rule(decision.evidence)
        Policy(GateSettings()).push(decision, decision.decided_sample, Circumstances())

    def _told(self, decisions: Sequence[Decision]) -> list[int]:
        """Write answers into a socket that somebody reads."""
        near, far = socket.socketpair()
        with near, far:

            def tell(answer: Answer) -> None:
                near.sendall(json.dumps(answer.to_dict(), allow_nan=False).encode() + _LINE)

            durations = []
            for decision in decisions:
                durations += _timed(tell, [self._answer(decision)])
                while not far.recv(1 << 16).endswith(_LINE):
                    pass
        return durations

    def _answer(self, decision: Decision) -> Answer:
        wake, evidence = decision.wake, decision.evidence
        assert wake is not None
        assert evidence is not None
        return Answer(
            id="0" * 16, at_s=0.0, origin="bench", word=decision.word, phrase=decision.word, action="block",
            decision=decision.decision, reasons=decision.reasons, wake_score=wake.score,
            live_probability=decision.live_probability, live_score=evidence.score,
            quality=evidence.quality, start_sample=wake.start_sample,
            end_sample=decision.end_sample, decided_sample=decision.decided_sample, bundle=self._bundle.bundle_version,
        )  # fmt: skip


def measure(
    bundle: Bundle,
    *,
    runtimes: Sequence[Runtime],
    repetitions: int,
    core: int | None = None,
    progress: Callable[[int, int], object] = lambda done, of: None,
) -> dict[str, Any]:
    """Measure the stages on this machine, all interpreters in turn, after one round that does not count.

    Parameters
    ----------
    bundle : Bundle
    runtimes : sequence of {"litert", "tflite"}
    repetitions : int
        At least 1.
    core : int, optional
        The core to stay on; the last one that is allowed by default.
    progress : callable, optional
        Called with the repetitions that are done, and all.

    Returns
    -------
    dict
        What a file of results holds, without starts.
    """
    with as_file(files("edge") / "data") as data, pinned(core) as chosen:
        benches = [Bench(bundle, data / "scene.flac", runtime) for runtime in runtimes]
        for bench in benches:
            bench.once()
        before, energy, began = state(), energy_uj(), time.perf_counter()
        kept: list[list[tuple[dict[str, list[int]], dict[str, Any]]]] = [[] for _ in benches]
        for number in range(repetitions):
            # Each goes first as often as last: what heats up or slows down over time does that to all alike.
            order = range(len(benches)) if number % 2 == 0 else range(len(benches) - 1, -1, -1)
            for at in order:
                kept[at].append(benches[at].once())
            progress(number + 1, repetitions)
        took, used, after = time.perf_counter() - began, _used(energy, energy_uj()), state()
    return {
        "format": FORMAT,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "core": chosen,
        "before": before,
        "after": after,
        "bundle": {
            "version": bundle.bundle_version,
            "sha256": bundle_hash(bundle.path),
            "bytes": bundle.size,
            "files": {name: entry.bytes for name, entry in bundle.files.items()},
        },
        "sound_s": benches[0].seconds,
        "repetitions": repetitions,
        "measuring_s": round(took, 3),
        "energy_j": used,
        "peak_rss_kib": peak_rss_kib(),
        "runs": [_run(bench, held) for bench, held in zip(benches, kept, strict=True)],
    }


def _run(bench: Bench, held: Sequence[tuple[dict[str, list[int]], dict[str, Any]]]) -> dict[str, Any]:
    stages = {}
    for name in STAGES:
        parts = [durations[name] for durations, _ in held if name in durations]
        if parts:
            every = np.concatenate(parts)
            stages[name] = {
                **summary(every),
                "p50_us_of_repetitions": [round(float(np.median(part)) / 1e3, 3) for part in parts],
                "histogram": histogram(every),
            }
    walls = [chain["wall_s"] for _, chain in held]
    cpus = [chain["cpu_s"] for _, chain in held]
    return {
        "interpreter": bench.runtime,
        "stages": stages,
        "real_time_factors": [round(wall / bench.seconds, 6) for wall in walls],
        "cpu_percent": round(100 * float(np.median(cpus)) / bench.seconds, 4),
        "decisions": _decisions([chain["decisions"] for _, chain in held]),
    }


def _decisions(of_repetitions: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Join the repetitions: the sound gives the same decisions every time, and only the computing differs."""
    found = []
    for same in zip(*of_repetitions, strict=True):
        compute = float(np.median([one["compute_ms"] for one in same]))
        delay = float(np.median([one["delay_ms"] for one in same]))
        found.append({**same[0], "compute_ms": round(compute, 3), "delay_ms": round(delay, 3)})
    return found


def _used(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> dict[str, float]:
    """Return the energy of each package, J; a counter begins again once at most in two minutes."""
    return {
        name: round(((after[name][0] - value) % (most + 1)) / 1e6, 3)
        for name, (value, most) in before.items()
        if name in after
    }


def _timed(call: Callable[[Any], object], inputs: Sequence[Any]) -> list[int]:
    """Call with every input; return how long each call took, ns."""
    clock, durations = time.perf_counter_ns, []
    for one in inputs:
        began = clock()
        call(one)
        durations.append(clock() - began)
    return durations


def _timed_steps(blocks: Iterator[npt.NDArray[np.int16]]) -> list[int]:
    """Return how long each block took to come, ns."""
    clock, durations = time.perf_counter_ns, []
    began = clock()
    for _ in blocks:
        now = clock()
        durations.append(now - began)
        began = clock()
    return durations

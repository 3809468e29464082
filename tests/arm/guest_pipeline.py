"""Runs on the emulated board: marks what ``count.py`` counts of the whole chain, and prints what it is.

What is counted by itself is what the pipeline calls, with the arguments that it has there: the sum of the parts is not
the whole, because the pipeline has work of its own, and that is the rest. Nothing of the sound may fire: a minute in
which a word is heard is not idle.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from guest_marks import Regions, hardware, kernels, quiet, versions
from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model
from signals import HOP, RATE, make_signal

import edge
from edge.bundle import Bundle, open_bundle
from edge.cues import CueSettings, liveness_cues
from edge.endpoint import LOOK_BACK_SAMPLES, speech_span
from edge.gate import Gate
from edge.interpreter import installed_runtimes, quantise
from edge.liveness import judged_window
from edge.log_mel import log_mel
from edge.pipeline import Pipeline
from edge.quality import QualityMeter, assess
from edge.ring import Ring
from edge.stages import HEARS_NOTHING, NEVER, hearing, judging, verifying

STEP_HOPS, STEP_ROUNDS = 300, 4
JUDGEMENTS = 8
SECONDS_A_ROUND, PARTS_ROUNDS = 10, 1
PEER_WORD = Model.ALEXA

Sound = npt.NDArray[np.int16]


class Peer:
    """pymicro-wakeword, 10 ms at a time, as its authors' satellites push it."""

    def __init__(self) -> None:
        self._word, self._features = MicroWakeWord.from_builtin(PEER_WORD), MicroWakeWordFeatures()
        self.fired = 0

    def push(self, text: bytes) -> None:
        for frame in self._features.process_streaming(text):
            if self._word.process_streaming(frame):
                self.fired += 1


class Parts:
    """What the pipeline calls for every hop, each by itself."""

    def __init__(self, bundle: Bundle) -> None:
        self.frontend, self.wake = hearing(bundle, [NEVER] * len(bundle.words), None)
        self.ring = Ring(LOOK_BACK_SAMPLES + self.frontend.settings.window_samples + HOP)
        self.meter = QualityMeter()


def hops_of(sound: Sound) -> list[Sound]:
    """Cut a sound into blocks of 10 ms."""
    return [sound[at : at + HOP] for at in range(0, sound.size - HOP + 1, HOP)]


def count_steps(regions: Regions, bundle: Bundle, sound: Sound) -> None:
    """Mark the hop of the frontend, the step of the wake stage, and its network alone."""
    parts = Parts(bundle)
    blocks = hops_of(sound)
    stride = bundle.wake.stride_frames
    frames = Parts(bundle).frontend.push(sound)
    rows = [frames[i : i + 1] for i in range(len(frames))]
    lead = 100
    for block, row in zip(blocks[:lead], rows[:lead], strict=True):
        parts.frontend.push(block)
        parts.wake.push(row)
    network, steps = parts.wake.network, range(STEP_HOPS // stride)
    for i in range(STEP_ROUNDS + 1):
        # Round 0 does the sound of round 1, and is not counted: the interpreter specialises what it runs, and the
        # loader binds a call, when they first come there.
        regions.round = i
        part = slice(lead + max(0, i - 1) * STEP_HOPS, lead + max(1, i) * STEP_HOPS)
        regions.count("hop.frontend", parts.frontend.push, blocks[part], STEP_HOPS)
        regions.count("step.wake", parts.wake.push, rows[part], STEP_HOPS // stride)
        # On the first of the windows in memory, from the state that the stage left: its numbers make no difference.
        regions.count("step.network", lambda _: network.step(), steps, STEP_HOPS // stride)


def count_decisions(regions: Regions, bundle: Bundle, sound: Sound) -> None:
    """Mark what one wake word sets off, and its parts: where the word was, quality, cues, network, gate."""
    stage = judging(bundle, None)
    gate = Gate(bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)
    settings = CueSettings.from_dict(bundle.liveness.cues)
    network = stage._model
    spec = network.inputs["cues"]

    def decide(window: Sound) -> None:
        speech_span(window, latest=True)
        gate.rule(stage.judge(window), ())

    def cues(window: Sound) -> dict[str, npt.NDArray[Any]]:
        return {"cues": quantise(liveness_cues(judged_window(window, settings), settings)[None], spec)}

    ends = np.linspace(LOOK_BACK_SAMPLES, sound.size, JUDGEMENTS).astype(int)
    windows = [sound[end - LOOK_BACK_SAMPLES : end] for end in ends]
    fed = [cues(window) for window in windows]
    evidence = [stage.judge(window) for window in windows]
    calls: list[tuple[str, Callable[[Any], object], list[Any]]] = [
        ("decision", decide, windows),
        ("decision.span", lambda window: speech_span(window, latest=True), windows),
        ("decision.quality", assess, windows),
        ("decision.cues", cues, windows),
        ("decision.network", network.run, fed),
        ("decision.gate", lambda one: gate.rule(one, ()), evidence),
    ]
    for i in range(3):
        regions.round = i
        for name, function, given in calls:
            regions.count(name, function, given, len(given))


def count_looks(regions: Regions, bundle: Bundle, sound: Sound) -> None:
    """Mark one look of the verifier, and its parts: features and network; nothing where the bundle has none."""
    verifier = verifying(bundle, [HEARS_NOTHING] * len(bundle.words), None)
    if verifier is None:
        return
    network = verifier._model
    spec = network.inputs["mel"]

    def features(stretch: Sound) -> dict[str, npt.NDArray[Any]]:
        mel = log_mel(stretch)[None]
        return {"mel": mel if spec.dtype == np.float32 else quantise(mel, spec)}

    ends = np.linspace(verifier.stretch_samples, sound.size, JUDGEMENTS).astype(int)
    stretches = [sound[end - verifier.stretch_samples : end] for end in ends]
    fed = [features(stretch) for stretch in stretches]
    calls: list[tuple[str, Callable[[Any], object], list[Any]]] = [
        ("look", verifier.scores, stretches),
        ("look.features", features, stretches),
        ("look.network", network.run, fed),
    ]
    for i in range(3):
        regions.round = i
        for name, function, given in calls:
            regions.count(name, function, given, len(given))


def count_idle(regions: Regions, bundle: Bundle, kind: str, sound: Sound) -> None:
    """Mark a sound, ten seconds at a time: the pipeline and its peer; in the first ten the parts, too."""
    pipeline, parts, peer = Pipeline(bundle), Parts(bundle), Peer()
    fired = 0

    def push(block: Sound) -> None:
        nonlocal fired
        for _ in pipeline.push(block):
            fired += 1

    blocks = hops_of(sound)
    texts = [block.tobytes() for block in blocks]
    features = Parts(bundle).frontend.push(sound)
    lead = RATE // HOP
    for i, part in enumerate(_rounds(lead, len(blocks))):
        regions.round = i
        here, n = blocks[part], part.stop - part.start
        regions.count(f"idle.{kind}.pipeline", push, here, n)
        regions.count(f"idle.{kind}.peer", peer.push, texts[part], n)
        if i > PARTS_ROUNDS:
            continue
        regions.count_nothing(f"idle.{kind}.empty", here, n)
        regions.count(f"idle.{kind}.ring", parts.ring.write, here, n)
        regions.count(f"idle.{kind}.meter", parts.meter.push, here, n)
        regions.count(f"idle.{kind}.frontend", parts.frontend.push, here, n)
        frames = [features[i : i + 1] for i in range(part.start, part.stop)]
        regions.count(f"idle.{kind}.wake", parts.wake.push, frames, n)
    if fired or peer.fired:
        raise SystemExit(
            f"{kind}: got {fired} events and {peer.fired} of the peer, expected sound in which nothing fires"
        )


def _rounds(lead: int, hops: int) -> Iterator[slice]:
    """Yield the hops of each round: a first second that is not counted, then ten seconds at a time."""
    yield slice(0, lead)
    length = SECONDS_A_ROUND * RATE // HOP
    for at in range(lead, hops - length + 1, length):
        yield slice(at, at + length)


def read(path: Path) -> Sound:
    """Read raw samples: int16, 16 kHz, mono."""
    return np.fromfile(path, np.int16)


def main() -> int:
    """Mark the regions and print their names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scene", type=Path, required=True, help="raw samples in which words are spoken")
    parser.add_argument(
        "--idle", action="append", default=[], metavar="KIND=FILE", help="raw samples: a second, and tens"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    bundle = open_bundle(Path(edge.__file__).parent / "data" / "bundle")
    regions = Regions()
    quiet()
    count_steps(regions, bundle, make_signal((100 + STEP_ROUNDS * STEP_HOPS + 4) * HOP, args.seed))
    count_looks(regions, bundle, read(args.scene))
    count_decisions(regions, bundle, read(args.scene))
    for kind, _, file in (one.partition("=") for one in args.idle):
        count_idle(regions, bundle, kind, read(Path(file)))
    runtime = judging(bundle, None)._model.runtime
    interpreter = {"litert": "ai-edge-litert", "tflite": "tflite-runtime"}[runtime]
    body = {
        "regions": regions.found,
        "runtime": runtime,
        "words": len(bundle.words),
        "versions": versions("numpy", "numba", "pymicro-features", "pymicro-wakeword")
        | {interpreter: installed_runtimes()[interpreter]},
        "kernels": kernels(),
        "hardware": hardware(),
    }
    print(json.dumps(body))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

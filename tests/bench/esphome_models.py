"""Compare models for ESPHome as ``vivavoce run --model`` runs them with pymicro-wakeword, which runs the same ones.

    python tests/bench/esphome_models.py --data DIR -o results/esphome_models.json

The models are those inside pymicro-wakeword. Sounds: every recording of "alexa", and others that the seed draws, each
inside faint noise, so that both have waited long enough when the word begins. Two things are measured:

as shipped
    What vivavoce does, which is what ESPHome does. Where that differs from pymicro-wakeword, outputs differ.
in the peer's way
    The same code with the peer's rounding of features, kernels and rule: what remains is a fault.

Where tflite-micro can be imported (``pip install tflite-micro``), the outputs as shipped are also compared with those
of the interpreter that ESPHome has.
"""

import argparse
import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from edge.esphome import EsphomeModel, open_esphome_model  # noqa: E402
from edge.esphome_stage import EsphomeStage, StreamingNetwork  # noqa: E402
from edge.frontend import Frontend, quantise_features  # noqa: E402
from edge.frontend_tables import FrontendSettings  # noqa: E402

WORDS = ("alexa", "okay_nabu")
BEFORE_S, AFTER_S = 1.5, 1.0
ONE_UTTERANCE_S = 1.0

Outputs = npt.NDArray[np.int64]


class Heard(NamedTuple):
    """What one program made of one recording."""

    outputs: Outputs
    """Output of the network after every run, 0 to 255, ``(runs,)``."""
    detections: list[int]
    """The run after which each detection was made."""


class Recorder:
    """A network that keeps its outputs."""

    def __init__(self, network: StreamingNetwork) -> None:
        self._network = network
        self.stride_frames = network.stride_frames
        self.outputs: list[int] = []

    def run(self, frames: npt.NDArray[np.int8]) -> int:
        """Run the network, and keep what it says."""
        self.outputs.append(self._network.run(frames))
        return self.outputs[-1]

    def reset(self) -> None:
        """Forget everything."""
        self._network.reset()
        self.outputs = []


def peer_models() -> Path:
    """Return the folder of the models inside pymicro-wakeword."""
    import pymicro_wakeword

    return Path(pymicro_wakeword.__file__).parent / "models"


def frames_of(model: EsphomeModel, samples: npt.NDArray[np.int16]) -> npt.NDArray[np.uint16]:
    """Return the features of a recording, as the model wants them."""
    return Frontend(FrontendSettings(step_ms=model.step_ms)).push(samples)


def as_shipped(model: EsphomeModel, frames: npt.NDArray[np.uint16]) -> Heard:
    """Run a model as the pipeline does."""
    network = Recorder(StreamingNetwork(model.content, name=model.file.name, channels=frames.shape[1]))
    stage = EsphomeStage(
        network,  # type: ignore[arg-type]
        cutoff=model.word.cutoff,
        window_runs=model.window_runs,
        channels=frames.shape[1],
    )
    found = [(hit.frame + 1) // network.stride_frames - 1 for hit in stage.push(frames)]
    return Heard(np.array(network.outputs, np.int64), found)


def peer_features(frames: npt.NDArray[np.uint16], scale: float = 26 / 255) -> npt.NDArray[np.int8]:
    """Quantise features as pymicro-wakeword does for a model with an input of that scale and zero point -128."""
    steps = np.round(frames * (10 / 256) / float(np.float32(scale)) - 128)
    # Its conversion is not saturating: what is above the scale wraps around.
    return steps.astype(np.int64).astype(np.int8)


def in_the_peers_way(
    model: EsphomeModel, frames: npt.NDArray[np.uint16], *, scale: float = 26 / 255, steps: int = 256
) -> Heard:
    """Run a model with the code that ships, and with the peer's rounding, kernels and rule.

    Its input has the scale, and its output so many steps to a probability of one.
    """
    network = StreamingNetwork(model.content, name=model.file.name, channels=frames.shape[1], kernels="builtin")
    quantised, stride = peer_features(frames, scale), network.stride_frames
    outputs = np.array(
        [network.run(quantised[at : at + stride]) for at in range(0, len(quantised) - stride + 1, stride)], np.int64
    )
    means = np.convolve(outputs / steps, np.full(model.window_runs, 1 / model.window_runs))[: outputs.size]
    over = [run for run in range(model.window_runs - 1, outputs.size) if means[run] > model.word.cutoff + 1e-12]
    return Heard(outputs, utterances(over, stride * model.step_ms / 1000))


def by_peer(model: EsphomeModel, samples: npt.NDArray[np.int16], *, steps: int = 256) -> Heard:
    """Run a model by pymicro-wakeword, with the frontend that it has."""
    from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures

    word, features = MicroWakeWord.from_config(model.path), MicroWakeWordFeatures()
    outputs: list[int] = []
    over: list[int] = []
    for at in range(0, samples.size - 159, 160):
        for frame in features.process_streaming(samples[at : at + 160].tobytes()):
            says = word.process_streaming(frame)
            if not word._features:  # the last frame of a stride: the network has run
                outputs.append(round(word._probabilities[-1] * steps))
                if says:
                    over.append(len(outputs) - 1)
    return Heard(np.array(outputs, np.int64), utterances(over, word.stride * 0.010))


def by_micro(model: EsphomeModel, frames: npt.NDArray[np.uint16]) -> Outputs | None:
    """Run a model by TensorFlow Lite for Microcontrollers; None where that is not installed."""
    try:
        from tflite_micro import runtime
    except ImportError:
        return None
    interpreter = runtime.Interpreter.from_bytes(model.content, arena_size=1 << 18)
    stride = int(interpreter.get_input_details(0)["shape"][1])
    quantised = quantise_features(frames)
    outputs = []
    for at in range(0, len(quantised) - stride + 1, stride):
        interpreter.set_input(quantised[None, at : at + stride], 0)
        interpreter.invoke()
        outputs.append(int(interpreter.get_output(0)[0, 0]))
    return np.array(outputs, np.int64)


def utterances(over: Sequence[int], seconds_a_run: float) -> list[int]:
    """Return the first of each group of runs that report a word, with at most a second from one to the next.

    pymicro-wakeword reports for as long as its mean is above the cut-off; whoever uses it must wait.
    """
    gap = ONE_UTTERANCE_S / seconds_a_run
    return [run for i, run in enumerate(over) if i == 0 or run - over[i - 1] > gap]


def in_noise(samples: npt.NDArray[np.int16], rng: np.random.Generator) -> npt.NDArray[np.int16]:
    """Put a recording between faint noise, which is on it, too."""
    before, after = (round(seconds * 16000) for seconds in (BEFORE_S, AFTER_S))
    sound = rng.normal(0, 20, before + samples.size + after)
    sound[before : before + samples.size] += samples
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


def differences(of_clips: Sequence[Outputs]) -> dict[str, int]:
    """Return the figures of absolute differences of outputs, of which each recording has a row."""
    steps = np.concatenate(of_clips)
    return {
        "outputs": int(steps.size),
        "outputs_unequal": int((steps > 0).sum()),
        "outputs_more_than_one_step_apart": int((steps > 1).sum()),
        "largest_difference_steps": int(steps.max()),
        "clips_with_a_difference_above_one_step": sum(bool(one.max() > 1) for one in of_clips),
    }


class Tally:
    """Count how one way of running a model differs from another."""

    def __init__(self) -> None:
        self.steps: list[Outputs] = []
        self.late: list[int] = []
        self.unequal: dict[str, dict[str, int]] = {}
        self.clips = 0

    def add(self, name: str, ours: Heard, theirs: Heard) -> None:
        """Take what both made of a recording."""
        self.clips += 1
        self.steps.append(np.abs(ours.outputs - theirs.outputs))
        if len(ours.detections) == len(theirs.detections):
            self.late += [a - b for a, b in zip(ours.detections, theirs.detections, strict=True)]
        else:
            self.unequal[name] = {"vivavoce": len(ours.detections), "pymicro-wakeword": len(theirs.detections)}

    def to_dict(self, ms_a_run: int) -> dict[str, Any]:
        """Return the figures."""
        late, counts = np.unique(self.late, return_counts=True)
        return {
            "clips": self.clips,
            "clips_with_as_many_detections": self.clips - len(self.unequal),
            "clips_with_another_number": self.unequal,
            "detections_later_than_the_peers_by_ms": {
                str(int(run) * ms_a_run): int(count) for run, count in zip(late, counts, strict=True)
            },
            **differences(self.steps),
        }


def rate(hits: int, clips: int) -> dict[str, Any]:
    """Return a share of clips with its interval."""
    from train.metrics import rate_interval

    return {
        "clips": hits,
        "rate": round(hits / clips, 4),
        "interval_95": [round(x, 4) for x in rate_interval(hits, clips)],
    }


def compare(model: EsphomeModel, sounds: dict[str, tuple[str, npt.NDArray[np.int16]]]) -> dict[str, Any]:
    """Run one model over all sounds, by name with label, in every way."""
    shipped, peers_way = Tally(), Tally()
    features = apart = 0
    micro_steps: list[Outputs] = []
    heard: dict[str, dict[str, int]] = {who: {} for who in ("vivavoce", "pymicro-wakeword")}
    clips: dict[str, int] = {}
    for name, (label, samples) in sounds.items():
        frames = frames_of(model, samples)
        ours, theirs = as_shipped(model, frames), by_peer(model, samples)
        shipped.add(name, ours, theirs)
        peers_way.add(name, in_the_peers_way(model, frames), theirs)
        features += frames.size
        apart += int((quantise_features(frames) != peer_features(frames)).sum())
        if (micro := by_micro(model, frames)) is not None:
            micro_steps.append(np.abs(micro - ours.outputs))
        kind = "of the word" if label.replace(" ", "_") == model.word.id else "of other words"
        clips[kind] = clips.get(kind, 0) + 1
        for who, one in (("vivavoce", ours), ("pymicro-wakeword", theirs)):
            heard[who][kind] = heard[who].get(kind, 0) + bool(one.detections)
    stride = StreamingNetwork(model.content, name=model.file.name, channels=40).stride_frames
    return {
        "cutoff": model.word.cutoff,
        "sliding_window_size": model.window_runs,
        "stride_frames": stride,
        "as_shipped": shipped.to_dict(stride * model.step_ms),
        "in_the_peers_way": peers_way.to_dict(stride * model.step_ms),
        "features": {"compared": features, "a_step_apart": apart, "share": round(apart / features, 4)},
        "tflite_micro": differences(micro_steps) if micro_steps else None,
        "heard": {
            kind: {"clips": n} | {who: rate(found[kind], n) for who, found in heard.items()}
            for kind, n in clips.items()
        },
    }


def versions() -> dict[str, str]:
    """Return the versions of what took part."""
    found = {}
    for name in ("pymicro-wakeword", "pymicro-features", "ai-edge-litert", "tflite-micro", "numpy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main() -> int:
    """Compare, write the result and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VIVAVOCE_DATA", ROOT.parent / "shared/data")))
    parser.add_argument("--others", type=int, default=500, help="recordings of anything else [%(default)s]")
    parser.add_argument("--limit", type=int, help="use so many recordings of each kind only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "esphome_models.json")
    args = parser.parse_args()

    from train.corpus import data_hash, load_manifest, read_clip
    from train.provenance import commit_hash, machine
    from train.simulator.levels import to_int16

    clips = load_manifest(args.data)
    of_word = [clip for clip in clips if clip.label == "alexa"][: args.limit]
    others = [clip for clip in clips if clip.label != "alexa" and clip.role in ("wake", "speech")]
    rng = np.random.default_rng(args.seed)
    drawn = sorted(rng.permutation(len(others))[: min(args.others, args.limit or args.others)])
    chosen = [*of_word, *(others[i] for i in drawn)]
    sounds = {clip.path: (clip.label, in_noise(to_int16(read_clip(clip)), rng)) for clip in chosen}
    results = {}
    for word in WORDS:
        results[word] = compare(open_esphome_model(peer_models() / f"{word}.json"), sounds)
        print(f"{word}: {json.dumps(results[word], indent=1)}", flush=True)
    result = {
        "made_by": "python tests/bench/esphome_models.py",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit_hash(),
        "seed": args.seed,
        "data_hash": data_hash(args.data),
        "machine": machine(),
        "versions": versions(),
        "sounds": {"alexa": len(of_word), "others": len(drawn), "noise_before_s": BEFORE_S, "noise_after_s": AFTER_S},
        "method": (
            "models of pymicro-wakeword, over every recording of 'alexa' in the manifest and others drawn with the "
            "seed from the roles wake and speech, all splits (no model of this project takes part), each between "
            "faint noise; an output is 0 to 255 after a run of the network, a step is 1; reports of the peer at most "
            "a second apart are one detection; as_shipped: what vivavoce and ESPHome do; in_the_peers_way: the same "
            "code with the peer's rounding of features, kernels and rule; tflite_micro: outputs as shipped against "
            "those of TensorFlow Lite for Microcontrollers; heard: recordings with at least one detection, Wilson "
            "intervals"
        ),
        "results": results,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

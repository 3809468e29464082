"""Compare the events of LiteRT with those of tflite-runtime, and of one block size with those of another.

    python tests/bench/interpreters.py --data DIR --other-python PY -o results/interpreters.json

The two interpreters round differently where fast kernels run, which is in the liveness network, and in the verifier
where the bundle has one: a probability that lies within a step of a cut-off may fall on either side of it. Every
difference is therefore listed with its distance to the cut-off that it crossed, and with the int8 steps between the
two logits.
Sounds: the sample scene, and the wake words of the dev split, each inside faint noise.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCENE = ROOT / "edge" / "data" / "scene.flac"
BLOCKS = (1, 160, 512, 16000)
HOP_S = 0.010

Event = dict[str, Any]


def embed_clips(data: Path, folder: Path, *, limit: int | None, seed: int) -> list[Path]:
    """Write wake words of the dev split as WAV files: 1.5 s of faint noise, the word, 1 s of faint noise.

    With a limit, an evenly drawn part of them.
    """
    import numpy as np
    import soundfile

    from train.corpus import load_manifest, read_clip

    clips = [clip for clip in load_manifest(data) if clip.role == "wake" and clip.split == "dev"]
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.permutation(len(clips))[:limit])
    files = []
    for i in chosen:
        word = read_clip(clips[i]) * 32768
        sound = rng.normal(0, 20, 24000 + word.size + 16000)
        sound[24000 : 24000 + word.size] += word
        file = folder / f"{'-'.join(clips[i].file.relative_to(data.resolve()).with_suffix('').parts)}.wav"
        soundfile.write(file, np.clip(np.rint(sound), -32768, 32767).astype(np.int16), 16000, subtype="PCM_16")
        files.append(file)
    return files


def listen(python: str, runtime: str, files: list[Path], *, block: int | None = None) -> dict[str, list[Event]]:
    """Run ``vivavoce run --json`` over files, and return the events of each by its name."""
    command = [python, "-m", "edge", "run", "--json", "--interpreter", runtime]
    if block is not None:
        command += ["--block", str(block)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, *map(str, files)], cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")
    events: dict[str, list[Event]] = {file.name: [] for file in files}
    for line in done.stdout.splitlines():
        event = json.loads(line)
        events[Path(event.pop("file")).name].append(event)
    return events


def same(a: Event, b: Event) -> bool:
    """Tell whether two events say the same: kind, word and decision, and an end within one hop."""
    if any(a.get(key) != b.get(key) for key in ("event", "word", "decision", "quality")):
        return False
    return abs(a.get("end_s", 0.0) - b.get("end_s", 0.0)) <= HOP_S + 1e-9


def distance(entry: dict[str, Event | None], cutoffs: dict[str, float], gate: tuple[float, float]) -> float | None:
    """Return how far a difference lies from the cut-off that explains it; None where none does.

    Of two decisions, this is the probability further from the cut-off that lies between them. Of a wake event
    that one side alone heard, it is what the score exceeds its cut-off by.
    """
    events = [event for event in (entry["litert"], entry["tflite"]) if event]
    if len(events) == 2 and events[0]["event"] == "decision":
        found = [event["live_probability"] for event in events]
        crossed = [cutoff for cutoff in gate if min(found) < cutoff <= max(found)]
        return round(max(abs(p - cutoff) for cutoff in crossed for p in found), 4) if crossed else None
    if len(events) == 1 and events[0]["event"] == "wake":
        return round(abs(events[0]["score"] - cutoffs[events[0]["word"]]), 4)
    return None


def steps_apart(entry: dict[str, Event | None], step: float) -> int | None:
    """Return the int8 steps between the logits of two decisions; None for anything else.

    Parameters
    ----------
    entry : dict
        As :func:`differences` returns it.
    step : float
        What the calibrated logit changes by with one step of the network's output; see :func:`logit_step`.
    """
    a, b = entry["litert"], entry["tflite"]
    if a is None or b is None or a["event"] != "decision":
        return None
    # The events carry four digits: away from them a logit cannot be told.
    p, q = (min(max(event["live_probability"], 1e-4), 1 - 1e-4) for event in (a, b))
    return round(abs(math.log(p / (1 - p)) - math.log(q / (1 - q))) / step)


def logit_step() -> float:
    """Return what the calibrated logit of the shipped bundle changes by with one int8 step."""
    from edge.bundle import open_bundle
    from edge.interpreter import load_model

    bundle = open_bundle()
    return bundle.liveness.slope * load_model(bundle.path / bundle.liveness.file).outputs[0].scale


def differences(
    ours: list[Event], theirs: list[Event], cutoffs: dict[str, float], gate: tuple[float, float], step: float
) -> list[dict[str, Any]]:
    """Return where two lists of events differ: each with both events, or the one that has no partner."""
    found = []
    left = list(theirs)
    for event in ours:
        at = event.get("decided_s", event.get("end_s"))
        partner = next(
            (
                other
                for other in left
                if (other["event"], other.get("word")) == (event["event"], event.get("word"))
                and (at is None or abs(other.get("decided_s", other.get("end_s")) - at) < 0.5)
            ),
            None,
        )
        if partner is not None:
            left.remove(partner)
            if not same(event, partner):
                found.append({"litert": event, "tflite": partner})
        else:
            found.append({"litert": event, "tflite": None})
    found += [{"litert": None, "tflite": event} for event in left]
    for entry in found:
        entry |= {
            "distance_to_cutoff": distance(entry, cutoffs, gate),
            "int8_steps_apart": steps_apart(entry, step),
        }
    return found


def shift(ours: list[Event], theirs: list[Event], key: str) -> float:
    """Return the largest difference of a number between equal lists of events."""
    return max((abs(a[key] - b[key]) for a, b in zip(ours, theirs, strict=True) if key in a), default=0.0)


def main() -> int:
    """Compare, write the result and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VIVAVOCE_DATA", ROOT.parent / "shared/data")))
    parser.add_argument("--other-python", default=os.environ.get("VIVAVOCE_TFLITE_PYTHON"))
    parser.add_argument("--limit", type=int, help="use so many of the clips only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "interpreters.json")
    args = parser.parse_args()
    if not args.other_python:
        parser.error("expected --other-python or VIVAVOCE_TFLITE_PYTHON: a Python with tflite-runtime")

    sys.path.insert(0, str(ROOT))
    from edge.bundle import DEFAULT_BUNDLE, open_bundle
    from edge.bundle_identity import bundle_hash
    from train.corpus import data_hash
    from train.provenance import commit_hash, machine

    bundle = open_bundle()
    cutoffs = {word.id: word.cutoff for word in bundle.words}  # of the scores that events carry, whoever gave them
    gate = (bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)
    with tempfile.TemporaryDirectory() as folder:
        files = [SCENE, *embed_clips(args.data, Path(folder), limit=args.limit, seed=args.seed)]
        ours = listen(sys.executable, "litert", files)
        theirs = listen(args.other_python, "tflite", files)
        subset = files[:: max(1, len(files) // 20)]
        by_block = {block: listen(sys.executable, "litert", subset, block=block) for block in BLOCKS}

    step = logit_step()
    exceptions = {name: found for name in ours if (found := differences(ours[name], theirs[name], cutoffs, gate, step))}
    equal = [name for name in ours if name not in exceptions]
    unequal_blocks = {
        name: [block for block in BLOCKS if by_block[block][name] != ours[name]]
        for name in by_block[BLOCKS[0]]
        if any(by_block[block][name] != ours[name] for block in BLOCKS)
    }
    result = {
        "made_by": "python tests/bench/interpreters.py",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit_hash(),
        "seed": args.seed,
        "data_hash": data_hash(args.data),
        "bundle_sha256": bundle_hash(DEFAULT_BUNDLE),
        "machine": machine(),
        "interpreters": {
            "files": len(ours),
            "files_equal": len(equal),
            "events": {
                "litert": sum(event["event"] != "end" for events in ours.values() for event in events),
                "tflite": sum(event["event"] != "end" for events in theirs.values() for event in events),
                "unequal": sum(len(found) for found in exceptions.values()),
            },
            "largest_change_where_equal": {
                key: round(max((shift(ours[name], theirs[name], key) for name in equal), default=0.0), 4)
                for key in ("score", "live_probability", "end_s")
            },
            "exceptions": exceptions,
        },
        "blocks": {"samples": BLOCKS, "files": len(by_block[BLOCKS[0]]), "unequal": unequal_blocks},
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    interpreters = result["interpreters"]
    print(f"interpreters: {len(equal)} of {len(ours)} files with equal events; {interpreters['events']}")
    print(f"  where equal, the largest change is {interpreters['largest_change_where_equal']}")
    for name, found in exceptions.items():
        for entry in found:
            print(f"  {name}: {entry}")
    print(f"blocks of {BLOCKS}: {len(unequal_blocks)} of {len(by_block[BLOCKS[0]])} files with unequal events")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Check an exported pack with ESPHome itself, and run it with pymicro-wakeword and as ``vivavoce run --model`` does.

    python tests/firmware/esphome_pack.py --data DIR --esphome /tmp/esphome-venv/bin/esphome

The pack is made of the shipped bundle and exported (``quantize esphome``, ``bridge export --target esphome``). Then

validation
    ``esphome config`` of a device with every model of the pack: ESPHome's own schemas and its reading of manifests.
    So that an answer of "valid" says something, it must refuse the same pack with a manifest that lacks an entry.
detections
    Of each model over recordings of the development split: in the peer's way (its rounding, kernels and rule), where
    outputs and detections must be equal, and as shipped, where a detection may be one run of the network apart.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "bench")]

from edge.errors import DataError  # noqa: E402

INPUT_SCALE, OUTPUT_STEPS = 26 / 256, 255
"""Quantisation of this project's models; those inside pymicro-wakeword have 26/255 and 256."""
BUNDLE = ROOT / "edge" / "data" / "bundle"

DEVICE = """\
esphome:
  name: vivavoce-pack
esp32:
  board: esp32-s3-devkitc-1
  variant: esp32s3
  framework:
    type: esp-idf
i2s_audio:
  i2s_lrclk_pin: GPIO5
  i2s_bclk_pin: GPIO6
microphone:
  - platform: i2s_audio
    id: mic
    adc_type: external
    i2s_din_pin: GPIO4
micro_wake_word:
  microphone: mic
  models:
"""


def device(pack: Path, words: list[str]) -> str:
    """Return the configuration of a device that listens for the words of a pack."""
    return DEVICE + "".join(f"    - model: {json.dumps(str((pack / f'{word}.json').resolve()))}\n" for word in words)


def validate(esphome: Path, pack: Path, words: list[str]) -> tuple[bool, str]:
    """Have ESPHome read the configuration of such a device; return whether it is valid, and what ESPHome said."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "device.yaml"
        path.write_text(device(pack, words))
        done = subprocess.run([esphome, "config", path], capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    return done.returncode == 0 and "Configuration is valid" in said, said


def refuses_damaged(esphome: Path, pack: Path, words: list[str]) -> bool:
    """Return whether ESPHome refuses the pack once a manifest has no cut-off, and says that this is why."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "pack"
        shutil.copytree(pack, copy)
        path = copy / f"{words[0]}.json"
        manifest = json.loads(path.read_text())
        del manifest["micro"]["probability_cutoff"]
        path.write_text(json.dumps(manifest))
        valid, said = validate(esphome, copy, words)
    return not valid and "Invalid manifest file: required key" in said  # it does not say which


def make_pack(folder: Path) -> Path:
    """Make the pack of the shipped bundle and export it; return the folder of what was exported."""
    pack, exported = folder / "pack", folder / "exported"
    for command in (
        ["quantize", "esphome", BUNDLE, "-o", pack],
        ["bridge", "export", BUNDLE, "--target", "esphome", "--pack", pack, "-o", exported],
    ):
        subprocess.run([sys.executable, "-m", "edge", *map(str, command)], cwd=ROOT, check=True)
    return exported


def words_of(pack: Path) -> list[str]:
    """Return the words of a pack, which are the names of its networks."""
    words = sorted(path.stem for path in pack.glob("*.tflite"))
    if not words:
        raise DataError(f"{pack}: no .tflite, expected an exported pack; make it with vivavoce bridge export")
    return words


def compare(pack: Path, word: str, sounds: dict[str, Any]) -> dict[str, Any]:
    """Run one model over recordings in three ways; return how they differ."""
    from esphome_models import Tally, as_shipped, by_peer, frames_of, in_the_peers_way

    from edge.esphome import open_esphome_model
    from edge.esphome_stage import StreamingNetwork

    model = open_esphome_model(pack / f"{word}.json")
    shipped, peers_way, detections = Tally(), Tally(), {"as_shipped": 0, "pymicro-wakeword": 0}
    for name, samples in sounds.items():
        frames = frames_of(model, samples)
        ours, theirs = as_shipped(model, frames), by_peer(model, samples, steps=OUTPUT_STEPS)
        shipped.add(name, ours, theirs)
        mine = in_the_peers_way(model, frames, scale=INPUT_SCALE, steps=OUTPUT_STEPS)
        peers_way.add(name, mine, theirs)
        detections["as_shipped"] += len(ours.detections)
        detections["pymicro-wakeword"] += len(theirs.detections)
    stride = StreamingNetwork(model.content, name=model.file.name, channels=40).stride_frames
    ms_a_run = stride * model.step_ms
    return {
        "ms_a_run": ms_a_run,
        "detections": detections,
        "as_shipped": shipped.to_dict(ms_a_run),
        "in_the_peers_way": peers_way.to_dict(ms_a_run),
    }


def main() -> int:
    """Validate, compare, write the result; return 1 where something is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("VIVAVOCE_DATA", ROOT.parent / "shared/data")))
    parser.add_argument("--esphome", type=Path, required=True, help="the command, in an environment of its own")
    parser.add_argument("--pack", type=Path, help="an exported pack [made of the shipped bundle]")
    parser.add_argument("--clips", type=int, default=10, help="recordings of each word, and of others [%(default)s]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "esphome_pack.json")
    args = parser.parse_args()

    from esphome_models import in_noise, versions

    from train.corpus import data_hash, load_manifest, read_clip
    from train.results import write_result
    from train.simulator.levels import to_int16

    with tempfile.TemporaryDirectory() as folder:
        pack = args.pack or make_pack(Path(folder))
        words = words_of(pack)
        said = subprocess.run([args.esphome, "version"], capture_output=True, text=True, check=True).stdout
        valid, text = validate(args.esphome, pack, words)
        refused = refuses_damaged(args.esphome, pack, words)
        if not valid:
            print(text[-3000:], file=sys.stderr)
        rng = np.random.default_rng(args.seed)
        clips = [clip for clip in load_manifest(args.data) if clip.split == "dev" and clip.role in ("wake", "speech")]
        groups: dict[str, list[Any]] = {}
        for clip in clips:
            ident = clip.label.replace(" ", "_")
            groups.setdefault(ident if ident in words else "others", []).append(clip)
        chosen = [group[i] for group in groups.values() for i in sorted(rng.permutation(len(group))[: args.clips])]
        sounds = {clip.path: in_noise(to_int16(read_clip(clip)), rng) for clip in chosen}
        results = {word: compare(pack, word, sounds) for word in words}
    equal = all(
        one["in_the_peers_way"]["outputs_unequal"] == 0
        and not one["in_the_peers_way"]["clips_with_another_number"]
        and set(one["in_the_peers_way"]["detections_later_than_the_peers_by_ms"]) <= {"0"}
        for one in results.values()
    )
    within = all(
        not one["as_shipped"]["clips_with_another_number"]
        and all(abs(int(ms)) <= one["ms_a_run"] for ms in one["as_shipped"]["detections_later_than_the_peers_by_ms"])
        for one in results.values()
    )
    body = {
        "made_by": "python tests/firmware/esphome_pack.py --esphome esphome",
        "versions": {"esphome": re.sub(r"^Version:\s*", "", said.strip()), **versions()},
        "method": "split dev, each recording between faint noise; tolerance as shipped: one run of the network",
        "clips": {name: min(len(group), args.clips) for name, group in groups.items()},
        "valid_for_esphome": valid,
        "damaged_manifest_refused": refused,
        "equal_in_the_peers_way": equal,
        "as_shipped_within_one_run": within,
        "words": results,
    }
    write_result(args.out, body, data_hash=data_hash(args.data), seed=args.seed, bundle=BUNDLE)
    print(json.dumps(body, indent=1))
    return 0 if valid and refused and equal and within else 1


if __name__ == "__main__":
    sys.exit(main())

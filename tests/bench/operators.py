"""What TensorFlow Lite for Microcontrollers makes of the bundle that ships: operators, arena, equal outputs.

    python tests/bench/operators.py --data DIR

Each network is checked by ``vivavoce quantize opcheck``. Then ``vivavoce quantize esphome`` makes a model of each word,
which is checked by the resolver of ESPHome's component, and hears recordings of dev beside the wake network that it was
made of. Nothing runs on a microcontroller: the interpreter is the one for this machine.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from processes import ROOT, data_folder, versions, write_result

BUNDLE = ROOT / "edge" / "data" / "bundle"
REFUSED = 2
"""Exit code of a check that finds a fault."""


def checked(network: Path, resolver: str) -> dict[str, Any]:
    """Return what ``opcheck`` says of a network, and whether it accepts it."""
    command = [sys.executable, "-m", "edge", "quantize", "opcheck", "--json", "--resolver", resolver, str(network)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode not in (0, REFUSED) or len(told) != 1:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return {name: value for name, value in told[0].items() if name not in ("event", "file")} | {
        "accepted": done.returncode == 0
    }


def made_pack(folder: Path, data: Path, clips: int) -> dict[str, Any]:
    """Make the models for ESPHome; return what ``quantize esphome`` says of them."""
    options = ["--data", str(data), "--split", "dev", "--limit", str(clips), "-o", str(folder)]
    subprocess.run(
        [sys.executable, "-m", "edge", "quantize", "esphome", str(BUNDLE), *options],
        cwd=ROOT, stdout=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads((folder / "parity.json").read_text())
    return found


def main() -> int:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("--clips", type=int, default=600, help="recordings of dev, evenly over it [%(default)s]")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "operators.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    from edge.bundle import networks_of, open_bundle
    from edge.bundle_identity import bundle_hash
    from train.corpus import data_hash

    bundle = open_bundle(BUNDLE)
    networks = {role: checked(BUNDLE / file, "tflite-micro") for role, file in networks_of(bundle).items()}
    with tempfile.TemporaryDirectory() as folder:
        pack = made_pack(Path(folder) / "pack", args.data.resolve(), args.clips)
        words = {
            word: checked(Path(folder) / "pack" / f"{word}.tflite", "esphome") | heard
            for word, heard in pack["words"].items()
        }
    body = {
        "split": "dev",
        "data_hash": data_hash(args.data),
        "bundle_sha256": bundle_hash(BUNDLE),
        "versions": versions(sys.executable, "tflite-micro", "ai-edge-litert", "numpy"),
        "method": (
            "random inputs, states fed back, beside the reference kernels of LiteRT; the arena with 64-bit pointers; "
            "both, network_only and models_only count recordings of dev between faint noise, in which the wake network "
            "by its own cut-offs and the models heard a word"
        ),
        "networks": networks,
        "esphome": {"clips": pack["clips"], "words": words},
    }
    write_result(args.out, "python tests/bench/operators.py", body)
    for name, one in (networks | words).items():
        print(f"{name}: {len(one['operators'])} kinds, arena {one['arena_bytes']} bytes, accepted: {one['accepted']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

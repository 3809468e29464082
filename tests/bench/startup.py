"""What ``vivavoce run`` costs before it hears anything: processor time and memory, in every state of its caches.

    make bench-startup

Each way to start is a process of its own that reads a tenth of a second of sound and ends. The kernels come from an
image (the way that an installation starts), or from numba, with its own cache or without any.
"""

import argparse
import os
import sys
import tempfile
import wave
from pathlib import Path

from processes import PEER_CODE, ROOT, measure, summary, versions, write_result

SECONDS = 0.1
NAME = "startup.json"
"""The results file; the limits of ``train/task.toml`` that it holds values of are what the project promises."""


def main() -> int:
    """Measure, write the result and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", default=os.environ.get("VIVAVOCE_PEER_PYTHON"), help="with pymicro-wakeword")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / NAME)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sound = folder / "sound.wav"
        with wave.open(str(sound), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(bytes(2 * int(SECONDS * 16000)))
        run = [sys.executable, "-m", "edge", "run", str(sound)]
        image = {"VIVAVOCE_CACHE_DIR": str(folder / "image"), "VIVAVOCE_KERNELS": "auto"}
        numba = {"NUMBA_CACHE_DIR": str(folder / "numba"), "VIVAVOCE_KERNELS": "numba"}
        measure(run, image)
        measure(run, numba)
        ways = {
            "numpy imported, no more": ([sys.executable, "-c", "import numpy"], {}),
            "numpy and llvmlite imported, no more": ([sys.executable, "-c", "import numpy, llvmlite.binding"], {}),
            "image, warm": (run, image),
            "numba, warm": (run, numba),
        }
        if args.peer_python:
            ways["pymicro-wakeword"] = ([args.peer_python, "-c", PEER_CODE, str(sound)], {})
        taken: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for i in range(args.rounds):
            for way, (command, environment) in ways.items():
                taken[way].append(measure(command, environment))
            print(f"round {i + 1} of {args.rounds} done", file=sys.stderr, flush=True)
        # A cold start finds no image and no cache of numba; each needs folders of its own.
        for way, kernels in (("image, cold: compiled and kept", "auto"), ("numba, cold", "numba")):
            taken[way] = []
            for i in range(3):
                own = folder / f"{kernels}-{i}"
                cold = {
                    "VIVAVOCE_KERNELS": kernels,
                    "VIVAVOCE_CACHE_DIR": str(own),
                    "NUMBA_CACHE_DIR": str(own),
                    "XDG_CACHE_HOME": str(own),
                }
                # A copy of the code: beside the code itself an image would be found.
                taken[way].append(measure(run, cold, copy_of_the_code(folder / f"code-{kernels}-{i}")))

    body = {
        way: {
            "cpu_s": summary([one["cpu_s"] for one in runs], 3),
            "wall_s": summary([one["wall_s"] for one in runs], 3),
            "rss_mb": summary([one["rss_mb"] for one in runs], 1),
            "runs": len(runs),
        }
        for way, runs in taken.items()
    }
    result = {
        "versions": {
            "vivavoce": versions(sys.executable, "vivavoce", "ai-edge-litert", "tflite-runtime", "numpy", "numba"),
            **({"peer": versions(args.peer_python, "pymicro-wakeword", "numpy")} if args.peer_python else {}),
        },
        "method": (
            f"{args.rounds} rounds in alternation after one uncounted run each (three for cold starts); whole "
            f"processes that read {SECONDS} s of sound; user and system time, and the largest resident set, as the "
            "kernel counts them"
        ),
        "results": body,
    }
    write_result(args.out, "python tests/bench/startup.py", result)
    for way, figures in body.items():
        row = [
            f"{figures[what]['median']:g} ({figures[what]['min']:g}-{figures[what]['max']:g})"
            for what in ("cpu_s", "wall_s", "rss_mb")
        ]
        print(f"{way:38} CPU s {row[0]:24} wall s {row[1]:24} MB {row[2]}")
    for line in limits(args.out):
        print(line)
    return 0


def limits(written: Path) -> list[str]:
    """Say of each limit on a start whether it is met."""
    from train.judging import judge
    from train.task import load_task
    from train.verdicts import verdict_lines

    if written.name != NAME:
        return [f"limits are judged where the results are named {NAME}"]
    return verdict_lines([one for one in judge(load_task(), written.parent) if one.source == NAME])


def copy_of_the_code(folder: Path) -> Path:
    """Copy the package to where nothing was compiled yet."""
    import shutil

    shutil.copytree(ROOT / "edge", folder / "edge", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


if __name__ == "__main__":
    sys.exit(main())

"""Cost of ``vivavoce run`` beside that of pymicro-wakeword: processor time, memory, start-up.

Run by the Python that has vivavoce; the environment variable VIVAVOCE_PEER_PYTHON names one that has
pymicro-wakeword. Both read the same WAV file of ten minutes, in alternation, each in a process of its own
whose resource usage the kernel accounts for. What each does is not the same: vivavoce listens for all words
of its bundle and judges liveness of what it hears; the peer listens for one word.

This process must stay small: what a child has used at most includes what its parent used when it was forked.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from processes import PEER_CODE, ROOT, data_folder, measure, summary, versions, write_result

SECONDS = 600
START_SECONDS = 0.1


def write_stream(source: Path, out: Path, seed: int) -> None:
    """Write 10 minutes of WAV (a recording or scene, over and over, with noise) and its first 0.1 s."""
    import numpy as np
    import soundfile

    samples, rate = soundfile.read(source, dtype="int16")
    if rate != 16000 or samples.ndim != 1:
        raise SystemExit(f"{source}: expected 16 kHz mono")
    n = SECONDS * rate
    noise = np.random.default_rng(seed).normal(0, 30, n)
    stream = np.clip(np.resize(samples, n) + np.rint(noise), -32768, 32767).astype(np.int16)
    soundfile.write(out / "long.wav", stream, rate, subtype="PCM_16")
    soundfile.write(out / "short.wav", stream[: int(START_SECONDS * rate)], rate, subtype="PCM_16")


def find_source(data: Path) -> Path:
    """Return a 10-minute recording of speech where there is one, else the sample scene."""
    found = sorted(data.glob("longform/speechocean_dev_*")) + sorted(data.glob("longform/*_dev_*"))
    return found[0] if found else ROOT / "edge" / "data" / "scene.flac"


def table(body: dict[str, dict[str, dict[str, float]]], ratios: dict[str, float]) -> str:
    """Lay the figures out for reading."""
    rows = [("", *body, "ratio")]
    for name, ratio in ratios.items():
        cells = [
            f"{row['median']:g} ({row['min']:g}-{row['max']:g})" for row in (entry[name] for entry in body.values())
        ]
        rows.append((name, *cells, f"{ratio:.2f}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def main() -> int:
    """Measure, write the result and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--peer-python", default=os.environ.get("VIVAVOCE_PEER_PYTHON"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "runtime.json")
    parser.add_argument("--make", nargs=2, type=Path, metavar=("SOURCE", "DIR"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make:
        write_stream(*args.make, args.seed)
        return 0
    if not args.peer_python:
        parser.error("expected VIVAVOCE_PEER_PYTHON or --peer-python: a Python with pymicro-wakeword")

    source = find_source(args.data)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "--make", str(source), folder, "--seed", str(args.seed)], check=True)
        commands = {
            "vivavoce": [sys.executable, "-m", "edge", "run", "--json"],
            "pymicro-wakeword": [args.peer_python, "-c", PEER_CODE],
        }
        long, short = (str(Path(folder) / name) for name in ("long.wav", "short.wav"))
        # Compiled kernels and the page cache are there after the first run of an installation: not counted.
        for command in commands.values():
            measure([*command, short])
        runs: dict[str, dict[str, list[dict[str, float]]]] = {name: {"long": [], "short": []} for name in commands}
        for i in range(args.rounds):
            for length, file in (("short", short), ("long", long)):
                for name, command in commands.items():
                    runs[name][length].append(measure([*command, file]))
            print(f"round {i + 1} of {args.rounds} done", file=sys.stderr, flush=True)

    body = {
        name: {
            "real_time_factor": summary([run["cpu_s"] / SECONDS for run in lengths["long"]], 5),
            "wall_s": summary([run["wall_s"] for run in lengths["long"]], 2),
            "peak_rss_mb": summary([run["rss_mb"] for run in lengths["long"]], 1),
            "start_cpu_s": summary([run["cpu_s"] for run in lengths["short"]], 3),
            "start_wall_s": summary([run["wall_s"] for run in lengths["short"]], 3),
            "start_rss_mb": summary([run["rss_mb"] for run in lengths["short"]], 1),
        }
        for name, lengths in runs.items()
    }
    ours, theirs = body.values()
    ratios = {name: round(ours[name]["median"] / theirs[name]["median"], 3) for name in ours}
    result = {
        "seed": args.seed,
        "versions": {
            "vivavoce": versions(sys.executable, "vivavoce", "ai-edge-litert", "tflite-runtime", "numpy", "numba"),
            "pymicro-wakeword": versions(args.peer_python, "pymicro-wakeword", "pymicro-features", "numpy"),
        },
        "audio": {
            "source": f"{source.parent.name}/{source.name}",
            "seconds": SECONDS,
            "start_seconds": START_SECONDS,
        },
        "method": (
            f"{args.rounds} rounds in alternation after one uncounted run each; whole processes; "
            "real_time_factor is user and system time over the length of the audio, start-up included; "
            "start_* is a process that reads 0.1 s of audio and ends; ratio is ours over theirs, of the "
            "medians; vivavoce listens for all words of its bundle and judges liveness, the peer listens for "
            "one word ('alexa') in 10 ms pushes"
        ),
        "results": body,
        "ratios": ratios,
    }
    write_result(args.out, "python tests/bench/peers.py", result)
    print(table(body, ratios))
    return 0


if __name__ == "__main__":
    sys.exit(main())

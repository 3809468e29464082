"""vivavoce beside pymicro-wakeword and openWakeWord: processor time, pushes, memory, start-up, detections.

    make bench-peers

Run by the Python that has vivavoce; the peers have Pythons of their own. All read the same WAV files, in alternation,
each in a process of its own whose resource usage the kernel accounts for. What each does is not the same: vivavoce
listens for all words of its bundle and judges liveness of what it hears; a peer listens for one word.

This process must stay small: what a child has used at most includes what its parent used when it was forked.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from peer_figures import hits, percentiles, ratio, table
from peer_sounds import LOOK_S, SECONDS, START_SECONDS, TIMED_SECONDS, find_source
from processes import ROOT, data_folder, measure, summary, versions, write_result
from startup import copy_of_the_code

PROGRAMS = ROOT / "tests" / "bench" / "peer_programs.py"
COLD_STARTS = 3
SOUNDS = ("start", "speech", "quiet")
OURS, PEER = "vivavoce", "pymicro-wakeword"


class Way:
    """One way to listen: an engine, the Python that has it, and its environment."""

    def __init__(self, python: str, engine: str, environment: dict[str, str]) -> None:
        self.python, self.engine, self.environment = python, engine, environment

    def command(self, sound: Path) -> list[str]:
        """Return what is accounted for as a whole: the program itself where there is one."""
        if self.engine == OURS:
            return [self.python, "-m", "edge", "run", "--json", str(sound)]
        return [self.python, str(PROGRAMS), self.engine, "listen", str(sound)]

    def told(self, task: str, sound: Path) -> Any:
        """Return what one of the programs told."""
        done = subprocess.run(
            [self.python, str(PROGRAMS), self.engine, task, str(sound)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=os.environ | self.environment,
        )
        if done.returncode != 0:
            raise SystemExit(f"{self.engine}, {task}: exit code {done.returncode}\n{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])

    def cold(self, sound: Path, folder: Path) -> dict[str, float]:
        """Measure a start that finds no bytecode and no compiled kernel; the files may be in the page cache."""
        own = {
            name: str(folder / "caches")
            for name in ("VIVAVOCE_CACHE_DIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "PYTHONPYCACHEPREFIX")
        }
        # A copy of the code: beside the code itself compiled kernels would be found.
        place = copy_of_the_code(folder) if self.engine == OURS else ROOT
        return measure(self.command(sound), self.environment | own, place)


def ways_to_listen(args: argparse.Namespace, caches: Path) -> dict[str, Way]:
    """Return all that are compared, by name."""
    ours = {"VIVAVOCE_CACHE_DIR": str(caches / "image"), "NUMBA_CACHE_DIR": str(caches / "numba")}
    ways = {
        OURS: Way(sys.executable, OURS, ours | {"VIVAVOCE_KERNELS": "auto"}),
        f"{OURS}-numba": Way(sys.executable, OURS, ours | {"VIVAVOCE_KERNELS": "numba"}),
        PEER: Way(args.peer_python, PEER, {}),
    }
    if args.openwakeword_python:
        ways |= {name: Way(args.openwakeword_python, name, {}) for name in ("openwakeword-onnx", "openwakeword-tflite")}
    return ways


def measured(ways: dict[str, Way], rounds: int, sounds: Path) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Return what whole processes took, and under ``"push"`` what single pushes did, of each round."""
    # Compiled kernels and the page cache are there after the first run of an installation: not counted.
    for way in ways.values():
        measure(way.command(sounds / "start.wav"), way.environment)
    runs: dict[str, dict[str, list[dict[str, float]]]] = {
        name: {what: [] for what in (*SOUNDS, "push")} for name in ways
    }
    for i in range(rounds):
        for sound in SOUNDS:
            for name, way in ways.items():
                runs[name][sound].append(measure(way.command(sounds / f"{sound}.wav"), way.environment))
        for name, way in ways.items():
            pushes = way.told("times", sounds / "timed.wav")
            runs[name]["push"].append({"block_ms": pushes["block_ms"], **percentiles(pushes["ns"])})
        print(f"round {i + 1} of {rounds} done", file=sys.stderr, flush=True)
    return runs


def series_of(runs: dict[str, list[dict[str, float]]]) -> dict[str, list[float]]:
    """Return the figures of one way, each a value a round."""
    start, speech, quiet, push = (runs[what] for what in (*SOUNDS, "push"))
    heard = {sound: length - START_SECONDS for sound, length in SECONDS.items()}
    return {
        "real_time_factor": [run["cpu_s"] / SECONDS["speech"] for run in speech],
        "listening_speech": [(a["cpu_s"] - b["cpu_s"]) / heard["speech"] for a, b in zip(speech, start, strict=True)],
        "listening_quiet": [(a["cpu_s"] - b["cpu_s"]) / heard["quiet"] for a, b in zip(quiet, start, strict=True)],
        "wall_s": [run["wall_s"] for run in speech],
        "peak_rss_mb": [run["rss_mb"] for run in speech],
        "start_cpu_s": [run["cpu_s"] for run in start],
        "start_wall_s": [run["wall_s"] for run in start],
        "start_rss_mb": [run["rss_mb"] for run in start],
        **{f"push_{name}_ms": [one[name] for one in push] for name in ("p50", "p95", "p99")},
    }


DIGITS = {"real_time_factor": 5, "listening_speech": 5, "listening_quiet": 5, "wall_s": 2, "peak_rss_mb": 1}


def main() -> int:
    """Measure, write the result and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--peer-python", default=os.environ.get("VIVAVOCE_PEER_PYTHON"), help="with pymicro-wakeword")
    parser.add_argument("--openwakeword-python", help="with openwakeword; it is left out by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "runtime.json")
    args = parser.parse_args()
    if not args.peer_python:
        parser.error("expected VIVAVOCE_PEER_PYTHON or --peer-python: a Python with pymicro-wakeword")
    # The processes begin in other folders. A link to a Python is not followed: it is what makes an environment of it.
    for name in ("peer_python", "openwakeword_python"):
        if getattr(args, name):
            setattr(args, name, os.path.abspath(getattr(args, name)))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        maker = [sys.executable, str(PROGRAMS.with_name("peer_sounds.py"))]
        subprocess.run([*maker, str(args.data), name, str(args.seed)], check=True)
        ways = ways_to_listen(args, folder)
        runs = measured(ways, args.rounds, folder)
        cold = {
            name: [way.cold(folder / "start.wav", folder / f"cold-{name}-{i}") for i in range(COLD_STARTS)]
            for name, way in ways.items()
        }
        said = json.loads((folder / "words.json").read_text())
        heard = {
            name: hits(way.told("detections", folder / "words.wav"), said, LOOK_S, args.seed)
            for name, way in ways.items()
            if said
        }

    series = {name: series_of(one) for name, one in runs.items()}
    results = {
        name: {
            **{what: summary(values, DIGITS.get(what, 3)) for what, values in one.items()},
            "cold_start_cpu_s": summary([run["cpu_s"] for run in cold[name]], 3),
            "cold_start_wall_s": summary([run["wall_s"] for run in cold[name]], 3),
            "push_block_ms": runs[name]["push"][0]["block_ms"],
        }
        for name, one in series.items()
    }
    beside = {
        f"{mine} over {name}": {what: ratio(series[mine][what], theirs[what], args.seed) for what in theirs}
        for mine in (OURS, f"{OURS}-numba")
        for name, theirs in series.items()
        if not name.startswith(OURS)
    }
    source = find_source(args.data)
    packages = {
        OURS: (sys.executable, ("vivavoce", "ai-edge-litert", "tflite-runtime", "numpy", "numba")),
        PEER: (args.peer_python, ("pymicro-wakeword", "pymicro-features", "numpy")),
        "openwakeword": (args.openwakeword_python, ("openwakeword", "onnxruntime", "tflite-runtime", "numpy")),
    }
    body = {
        "seed": args.seed,
        "versions": {name: versions(python, *names) for name, (python, names) in packages.items() if python},
        "audio": {
            "source": f"{source.parent.name}/{source.name}",
            "seconds": SECONDS["speech"],
            "quiet_seconds": SECONDS["quiet"],
            "start_seconds": START_SECONDS,
            "timed_seconds": TIMED_SECONDS,
            "quiet": "white noise, standard deviation 30 of 32768",
        },
        "method": (
            f"{args.rounds} rounds in alternation after one uncounted run each; whole processes; real_time_factor is "
            "user and system time over the length of the audio, start-up included; listening_* is without start-up; "
            "start_* is a process that reads 0.1 s of audio and ends; cold_start_* finds neither bytecode nor compiled "
            f"kernels, {COLD_STARTS} of each; push_* is wall time, without the first second; ratios are ours over "
            "theirs, of the medians, with 95 % bootstrap intervals over rounds; vivavoce listens for all words of its "
            "bundle and judges liveness, a peer listens for one word ('alexa'); vivavoce starts from an image of its "
            "machine code, vivavoce-numba by numba; one thread each"
        ),
        "results": results,
        "ratios": {what: one["ratio"] for what, one in beside[f"{OURS} over {PEER}"].items()},
        "beside": beside,
        "detections": {
            "note": (
                "recordings of dev, on which the cut-offs of vivavoce were chosen: it is flattered; what peers were "
                "trained on is not known; intervals resample talkers; the peers know nothing of liveness"
            ),
            "results": heard,
        },
    }
    write_result(args.out, "make bench-peers", body)
    print(table(results, beside, heard))
    return 0


if __name__ == "__main__":
    sys.exit(main())

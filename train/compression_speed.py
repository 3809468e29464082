"""How long networks take on one interpreter, alternated in one process; also a program, run by a Python that has it.

    python -m train.compression_speed --interpreter tflite --kernels auto A.tflite B.tflite

prints one JSON object. It imports no TensorFlow: the older interpreter cannot be loaded beside it.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import DataError
from edge.interpreter import Model, installed_runtimes, load_model

__all__ = ["main", "speed_of", "time_alternately"]

ROUNDS = 300
TURN_S = 0.002
_WARM_UP = 20


def time_alternately(
    models: Sequence[Model], *, rounds: int = ROUNDS, turn_s: float = TURN_S
) -> list[dict[str, float]]:
    """Time networks in turn.

    Turns are short and many, so that some of each network are not interrupted: the fastest is what the network takes,
    and the others tell how busy the machine was.

    Parameters
    ----------
    models : sequence of Model
    rounds : int
        How often each network gets its turn; the turns begin with another network each time.
    turn_s : float
        About how long a turn takes, s.

    Returns
    -------
    list of dict
        For each network ``fastest_us`` and ``median_us`` of an invoke (over turns; tensors copied in and out), and
        ``ratio``, its fastest to that of the first network.
    """
    rng = np.random.default_rng(1)
    given = [{name: _input(spec, rng) for name, spec in model.inputs.items()} for model in models]
    calls = []
    for model, inputs in zip(models, given, strict=True):
        once = min(_turn(model, inputs, 1) for _ in range(_WARM_UP))
        calls.append(max(1, round(turn_s / once)))
    took = np.empty((rounds, len(models)))
    for number in range(rounds):
        for at in np.roll(np.arange(len(models)), -number):
            took[number, at] = _turn(models[at], given[at], calls[at])
    fastest, median = took.min(axis=0), np.median(took, axis=0)
    return [
        {
            "fastest_us": round(1e6 * float(fastest[at]), 2),
            "median_us": round(1e6 * float(median[at]), 2),
            "ratio": round(float(fastest[at] / fastest[0]), 3),
        }
        for at in range(len(models))
    ]


def speed_of(
    files: Sequence[Path], *, interpreter: str, kernels: str, python: str, environment: dict[str, str]
) -> tuple[str, list[dict[str, float]]]:
    """Have a Python with an interpreter time networks.

    Returns
    -------
    version : str
        Distribution and version of the interpreter.
    timed : list of dict
        From :func:`time_alternately`.

    Raises
    ------
    DataError
        If it cannot; with what it said.
    """
    command = [python, "-m", "train.compression_speed", "--interpreter", interpreter, "--kernels", kernels]
    try:
        done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, env=environment)
    except OSError as error:
        raise DataError(f"{python}: cannot be run ({error.strerror}), expected a Python with {interpreter}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise DataError(f"{python}: cannot time networks on {interpreter}; it said: {said[-1]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found["version"], found["timed"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Time the files that are named, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--interpreter", choices=("litert", "tflite"), required=True)
    parser.add_argument("--kernels", choices=("auto", "builtin", "reference"), default="auto")
    args = parser.parse_args(arguments)
    models = [load_model(file, runtime=args.interpreter, kernels=args.kernels) for file in args.files]
    version = next(f"{name} {one}" for name, one in installed_runtimes().items() if args.interpreter in name)
    print(json.dumps({"version": version, "timed": time_alternately(models)}))
    return 0


def _input(spec: Any, rng: np.random.Generator) -> np.ndarray:
    if spec.dtype == np.float32:
        return rng.random(spec.shape).astype(np.float32)
    return rng.integers(-128, 128, spec.shape).astype(spec.dtype)


def _turn(model: Model, inputs: dict[str, np.ndarray], calls: int) -> float:
    """Return the time of one of several calls, s."""
    began = time.perf_counter()
    for _ in range(calls):
        model.run(inputs)
    return (time.perf_counter() - began) / calls


if __name__ == "__main__":
    sys.exit(main())

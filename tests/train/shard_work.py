"""Shards that cost nothing, and workers that meet with accidents; in a module that workers can import."""

import os
import resource
import signal
import time
from pathlib import Path

import numpy as np

from edge.errors import DataError

ROWS = 50


def numbers(index: int, *, log: Path, pause_s: float = 0.0) -> dict[str, np.ndarray]:
    """Return some numbers, and note in files who makes them, before and after."""
    with log.with_name("begun").open("a") as file:
        file.write(f"{index} {os.getpid()}\n")
    time.sleep(pause_s)
    with log.open("a") as file:
        file.write(f"{index} {os.getpid()}\n")
    rng = np.random.default_rng([7, index])
    return {"x": rng.random((ROWS, 20)), "name": np.array([f"{index}-{row}" for row in range(ROWS)])}


def killed(index: int, *, log: Path, at: int, marker: Path | None = None) -> dict[str, np.ndarray]:
    """Kill the worker at one shard: every time, or only until the marker is there."""
    if index == at and not (marker is not None and marker.exists()):
        if marker is not None:
            marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return numbers(index, log=log)


def dying(index: int, *, log: Path) -> dict[str, np.ndarray]:
    """Kill the worker at every shard."""
    return killed(index, log=log, at=index)


def faulty(index: int, *, log: Path, at: int, bug: bool = False, pause_s: float = 0.0) -> dict[str, np.ndarray]:
    """Fail at one shard, by a fault of the data or of the program."""
    if index == at:
        raise KeyError("no such column") if bug else DataError("a/b.flac: cannot be decoded;\n  remove it")
    return numbers(index, log=log, pause_s=pause_s)


def out_of_room(index: int, *, log: Path, at: int) -> dict[str, np.ndarray]:
    """Let the worker write no file beyond 6 kB from one shard on: less than a shard, which is torn in its middle."""
    if index == at:
        # Linux also sends a signal, which Python ignores.
        resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, resource.RLIM_INFINITY))
    return numbers(index, log=log)

"""Shards that cost nothing, and workers that meet with accidents; in a module that workers can import."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from edge.errors import DataError


def numbers(index: int, *, log: Path, pause_s: float = 0.0) -> dict[str, np.ndarray]:
    """Return some numbers, and note in a file who made them."""
    time.sleep(pause_s)
    with log.open("a") as file:
        file.write(f"{index} {os.getpid()}\n")
    rng = np.random.default_rng([7, index])
    return {"x": rng.random((50, 20)), "name": np.array([f"{index}-{row}" for row in range(50)])}

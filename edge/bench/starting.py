"""How long a start takes, and the memory that it needs: measured on processes of their own."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.bench.processes import run_alone
from edge.event_story import safe
from edge.json_reading import parse_json
from edge.native import CACHE_VARIABLE

__all__ = ["starts"]

_TIMEOUT_S = 60.0
_ROOM_S = 15.0
"""Time for the warm starts of one interpreter, s."""
_MOST_TOLD = 300
"""Of a fault, characters."""
_MOST_KIB = 10**12

_PROGRAM = """
import json, sys
import numpy as np
from edge import native
from edge.bench.machine import peak_rss_kib
from edge.bundle import open_bundle
from edge.pipeline import Pipeline
if sys.argv[3] == "cold":
    native.warm()  # what is compiled already may lie in the installation, and is not to be taken
pipeline = Pipeline(open_bundle(sys.argv[1]), runtime=sys.argv[2])
list(pipeline.push(np.zeros(1600, np.int16)))
print(json.dumps({"peak_rss_kib": peak_rss_kib()}))
"""


def starts(
    bundle: Path, runtimes: Sequence[str], *, python: Path | None = None, warm: int = 5, cold: bool = True
) -> list[dict[str, Any]]:
    """Start processes until each has taken its first 0.1 s of sound.

    Parameters
    ----------
    bundle : Path
    runtimes : sequence of {"litert", "tflite"}
    python : Path, optional
        That of another environment, whose interpreters they are; this one by default.
    warm : int
        Starts of each interpreter with kernels that are compiled, at least 1; a first one, which may compile them, is
        not counted. After 15 s there are no more, as on a slow board.
    cold : bool
        Also one start in which they are compiled, as after an installation. Files are in the memory of the kernel in
        either case: a start after switching on reads them from the disk, which takes longer.

    Returns
    -------
    list of dict
        ``interpreter``, ``kind`` (``warm`` or ``cold``), ``seconds`` (one a start), ``peak_rss_kib``; ``fault`` in
        place of the two if it did not start.
    """
    found = []
    with tempfile.TemporaryDirectory(prefix="vivavoce-bench-") as folder:
        for number, runtime in enumerate(runtimes):
            if cold and number == 0:
                found.append(_told(runtime, "cold", [_start(bundle, runtime, Path(folder), "cold", python)]))
            _start(bundle, runtime, Path(folder), "warm", python)
            results: list[tuple[float, int | None] | str] = []
            began = time.perf_counter()
            while not results or (len(results) < warm and time.perf_counter() - began < _ROOM_S):
                results.append(_start(bundle, runtime, Path(folder), "warm", python))
            found.append(_told(runtime, "warm", results))
    return found


def _start(bundle: Path, runtime: str, folder: Path, kind: str, python: Path | None) -> tuple[float, int | None] | str:
    """Start once; return the seconds and the memory, or what went wrong."""
    # The other environment has its own packages; this one may have some that only its path leads to.
    own = {} if python else {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    call = [python or sys.executable, "-P", "-c", _PROGRAM, str(bundle.resolve()), runtime, kind]
    began = time.perf_counter()
    env = {**os.environ, CACHE_VARIABLE: str(folder), **own}
    try:
        code, told, complaints = run_alone(call, timeout_s=_TIMEOUT_S, env=env)
    except subprocess.TimeoutExpired:
        return f"not ready after {_TIMEOUT_S:.0f} s"
    except OSError as error:
        return f"cannot be started ({error.strerror})"
    took = time.perf_counter() - began
    if code:
        lines = complaints.decode(errors="replace").strip().splitlines()
        return safe(lines[-1][:_MOST_TOLD]) if lines else f"ended with code {code}"
    try:
        # Libraries may print, too, before.
        return took, _peak(parse_json(told.strip().rpartition(b"\n")[2]))
    except ValueError as error:
        return f"gave something else than its memory ({error})"


def _peak(answer: Any) -> int | None:
    """Return the memory that a process tells of, KiB.

    Raises
    ------
    ValueError
        If it does not.
    """
    peak = answer.get("peak_rss_kib", 0) if isinstance(answer, dict) else 0
    if peak is not None and (type(peak) is not int or not 0 < peak < _MOST_KIB):
        raise ValueError("expected peak_rss_kib")
    return peak


def _told(runtime: str, kind: str, results: Sequence[tuple[float, int | None] | str]) -> dict[str, Any]:
    head = {"interpreter": runtime, "kind": kind}
    good = []
    for result in results:
        if isinstance(result, str):
            return {**head, "fault": result}
        good.append(result)
    peaks = [peak for _, peak in good if peak is not None]
    seconds = [round(took, 4) for took, _ in good]
    return {**head, "seconds": seconds, "peak_rss_kib": max(peaks) if peaks else None}

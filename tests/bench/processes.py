"""What the benchmarks share: processes whose resources are accounted for, summaries, where a figure comes from.

Imports nothing large: what a child has used at most includes what its parent used when it was forked.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_LOAD_AT_START = os.getloadavg()[0]

__all__ = ["PEER_CODE", "ROOT", "data_folder", "measure", "summary", "versions", "write_result"]

ROOT = Path(__file__).resolve().parents[2]

# 10 ms pushes, as its authors' satellites make them.
PEER_CODE = """
import sys, wave
from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model
word, features = MicroWakeWord.from_builtin(Model.ALEXA), MicroWakeWordFeatures()
with wave.open(sys.argv[1]) as file:
    while block := file.readframes(160):
        for frame in features.process_streaming(block):
            if word.process_streaming(frame):
                print("detected")
"""

_VERSIONS_CODE = """
import importlib.metadata, json, platform, sys
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def data_folder() -> Path:
    """Return the folder of the recordings, which need not exist."""
    return Path(os.environ.get("VIVAVOCE_DATA", ROOT.parent / "shared/data"))


def measure(command: list[str], environment: dict[str, str] | None = None, folder: Path = ROOT) -> dict[str, float]:
    """Run a command in a folder; return its processor time and wall time, s, and its largest resident set, MB."""
    began = time.perf_counter()
    child = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=None if environment is None else os.environ | environment,
    )
    assert child.stderr is not None
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit code {child.returncode}\n{said.decode()}")
    return {"cpu_s": usage.ru_utime + usage.ru_stime, "wall_s": wall, "rss_mb": usage.ru_maxrss / 1024}


def summary(values: list[float], digits: int) -> dict[str, float]:
    """Return median, smallest and largest."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def versions(python: str, *packages: str) -> dict[str, str]:
    """Return the version of a Python and of packages in it."""
    done = subprocess.run(
        [python, "-c", _VERSIONS_CODE, *packages], capture_output=True, text=True, check=True, cwd=ROOT
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def write_result(path: Path, made_by: str, body: dict[str, Any]) -> None:
    """Write a result file: what was measured, by what, on which commit and machine."""
    sys.path.insert(0, str(ROOT))
    from train.provenance import commit_hash, machine

    head = {
        "made_by": made_by,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit_hash(),
        "machine": machine(),
        "load_average_at_start": round(_LOAD_AT_START, 2),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(head | body, indent=1) + "\n")

"""The tests, and what a fresh machine shows first, in each Python that the package is for.

    make pythons PYTHONS="python3.12 python3.13"

Each Python has an environment of its own, with the same exact packages. Not everything exists for every one of them:
tflite-runtime was never built for anything newer than Python 3.11, and tests that need it say that they were skipped.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from processes import ROOT, versions, write_result

sys.path += [str(ROOT), str(ROOT / "tests")]

from junit import OUTCOMES, folder_of, outcomes

RESULT = ROOT / "results" / "pythons.json"
FOLDERS = ("edge", "firmware_bridge", "contracts", "train", "quantize")
PACKAGES = ("numpy", "numba", "ai-edge-litert", "tensorflow", "scipy", "soundfile", "soxr", "tflite-micro", "pytest")


def listened(python: str) -> dict[str, int]:
    """Run ``vivavoce run`` over the scene, as ``make run`` does; return how many events of each kind it printed."""
    command = [python, "-m", "edge", "run", "--json", str(ROOT / "edge" / "data" / "scene.flac")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr.strip()}")
    kinds = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def tested(python: str, folders: list[str], options: list[str]) -> dict[str, Any]:
    """Run the tests; return their outcomes by folder. What fails is shown as pytest shows it."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}", *options]
        command += [f"tests/{name}" for name in folders]
        environment = os.environ | {"HYPOTHESIS_STORAGE_DIRECTORY": folder}
        subprocess.run(command, cwd=ROOT, env=environment, stdout=sys.stderr)
        if not report.is_file():
            raise SystemExit(f"{python}: pytest ended without a report; what it printed says why")
        return outcomes(report, root=str(ROOT), by=folder_of)


def main() -> int:
    """Run everything, write the outcomes, print the sums."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pythons", nargs="+", metavar="PYTHON", help="of an environment with vivavoce[train,test]")
    parser.add_argument("--folder", action="append", choices=FOLDERS, help="tests of one folder, not of all")
    parser.add_argument("--pytest", action="append", default=[], metavar="OPTION", help="for pytest, as --pytest=-x")
    parser.add_argument("-o", "--out", type=Path, default=RESULT, help="the file of results [%(default)s]")
    args = parser.parse_args()
    results = {}
    for python in args.pythons:
        found = versions(python, *PACKAGES)
        events = listened(python)
        came = tested(python, args.folder or list(FOLDERS), args.pytest)
        results[found["python"]] = {"versions": found, "events": events, **came}
        print(f"{found['python']}: " + ", ".join(f"{came['total'][name]} {name}" for name in OUTCOMES), flush=True)
    body = {"pytest_options": args.pytest, "results": results}
    write_result(args.out, "make pythons", body)
    return int(any(of["total"]["failed"] for of in results.values()))


if __name__ == "__main__":
    sys.exit(main())

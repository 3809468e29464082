"""Run tests of the device under an emulated aarch64, with the packages of a board; no board is needed.

    make arm-tests

They are those whose outcome depends on the processor: whatever computes, compiles, or maps machine code. What only
reads and writes text, or waits for sockets and threads, is the same on every machine. Both interpreters are taken in
turn. Expected values come with the tests: features, cues and decisions are those of x86-64.
"""

import argparse
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from counting import write_result
from emulator import CPUS, RUNTIMES, child_python, run_guest

ROOT = Path(__file__).resolve().parents[2]
GUEST = Path(__file__).with_name("guest_tests.py")
RESULT = ROOT / "results" / "arm_tests.json"

SUITE = (
    "frontend", "spectrum", "cues", "native", "elf_object", "wake", "pipeline", "interpreter", "ring", "gate",
    "hearing", "endpoint", "quality", "lpcc", "void", "esphome_stage", "bundle", "scorers",
)  # fmt: skip
"""Files of ``tests/edge``, without ``test_``."""

OUTCOMES = ("passed", "failed", "skipped")


def outcomes(report: Path) -> tuple[dict[str, dict[str, int]], list[str], list[str]]:
    """Read what pytest wrote: how many tests of each file had which outcome, what failed, why some were skipped."""
    found: dict[str, dict[str, int]] = {}
    failed, skipped = [], set()
    for case in ET.parse(report).getroot().iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        name = case.get("classname", "").rpartition(".")[2]
        found.setdefault(name, dict.fromkeys(OUTCOMES, 0))[outcome] += 1
        if outcome == "failed":
            failed.append(f"{name}::{case.get('name')}")
        elif outcome == "skipped":
            skipped |= {child.get("message", "") for child in case if child.tag == "skipped"}
    return found, failed, sorted(skipped)


def run(cpu: str, runtime: str, files: list[str], options: list[str]) -> dict[str, Any]:
    """Run the tests once; return their outcomes."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        environment = {"VIVAVOCE_CHILD_PYTHON": str(child_python(cpu)), "HYPOTHESIS_STORAGE_DIRECTORY": folder}
        arguments = ["-q", "-p", "no:cacheprovider", f"--junit-xml={report}", *options]
        arguments += [f"tests/edge/test_{file}.py" for file in files]
        run_guest(GUEST, *arguments, cpu=cpu, runtime=runtime, environment=environment, sites=("site-test",))
        if not report.is_file():
            raise SystemExit(f"{cpu}, {runtime}: pytest ended without a report; what it printed says why")
        by_file, failed, skipped = outcomes(report)
    total = {outcome: sum(one[outcome] for one in by_file.values()) for outcome in OUTCOMES}
    print(f"{cpu}, {runtime}: {total}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return {"total": total, "failures": failed, "reasons_of_skips": skipped, "files": by_file}


def main() -> int:
    """Run the tests, write the outcomes, print the sums."""
    from train.provenance import commit_hash

    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="for example: make arm-tests ARM_ARGS='--cpu cortex-a72 ring gate'"
    )
    parser.add_argument("--cpu", action="append", choices=CPUS, help="one processor, not all; may be repeated")
    parser.add_argument("--runtime", action="append", choices=RUNTIMES, help="one interpreter, not both")
    parser.add_argument("--pytest", action="append", default=[], metavar="OPTION", help="for pytest, as --pytest=-x")
    parser.add_argument("-o", "--out", type=Path, default=RESULT, help="the file of results (%(default)s)")
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help=f"of tests/edge, without test_; by default {' '.join(SUITE)}"
    )
    args = parser.parse_args()
    files = args.files or list(SUITE)
    commit = commit_hash()
    results = {
        cpu: {runtime: run(cpu, runtime, files, args.pytest) for runtime in args.runtime or RUNTIMES}
        for cpu in args.cpu or CPUS
    }
    write_result(args.out, "tests/arm/suite.py", commit, {"files": files, "results": results})
    return int(any(one["total"]["failed"] for of in results.values() for one in of.values()))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())

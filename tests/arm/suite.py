"""Run tests of the device under an emulated aarch64, with the packages of a board; no board is needed.

    make arm-tests

They are those whose outcome depends on the processor: whatever computes, compiles, or maps machine code. What only
reads and writes text, or waits for sockets and threads, is the same on every machine; what is marked slow is left out.
Tests that run a network are made with both interpreters (and the NumPy of each), the others once. Expected values come
with the tests: features, cues and decisions are those of x86-64.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

from counting import write_result
from emulator import CPUS, RUNTIMES, child_python, run_guest
from figures import with_tables
from junit import file_of, outcomes
from outcomes import MADE_BY, outcomes_page

ROOT = Path(__file__).resolve().parents[2]
GUEST = Path(__file__).with_name("guest_tests.py")
RESULT = ROOT / "results" / "arm_tests.json"
PARTIAL = ROOT / "build" / "arm" / "tests.json"
PAGE = ROOT / "docs" / "arm.md"

WITH_BOTH = (
    "frontend_tables", "single_log", "interpreter", "wake", "hearing", "pipeline", "esphome_stage",
    "scorers",
)  # fmt: skip
"""Files of ``tests/edge``, without ``test_``, that are run with each interpreter."""

WITH_FIRST = (
    "native", "elf_object", "doctor", "frontend", "spectrum", "cues", "ring", "gate", "endpoint", "quality", "lpcc",
    "void", "drift",
)  # fmt: skip
"""Those that are run with the first interpreter only."""


def run(cpu: str, runtime: str, files: Sequence[str], options: Sequence[str]) -> dict[str, Any]:
    """Run the tests once; return their outcomes."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        environment = {"VIVAVOCE_CHILD_PYTHON": str(child_python(cpu)), "HYPOTHESIS_STORAGE_DIRECTORY": folder}
        arguments = ["-q", "-p", "no:cacheprovider", "-m", "not slow", f"--junit-xml={report}", *options]
        arguments += [f"tests/edge/test_{file}.py" for file in files]
        done = run_guest(
            GUEST, *arguments, cpu=cpu, runtime=runtime, environment=environment, sites=("site-test",), capture=True
        )
        if not report.is_file():
            print(done.stdout, done.stderr, file=sys.stderr)
            raise SystemExit(f"{cpu}, {runtime}: pytest ended without a report; what it printed says why")
        found = outcomes(report, root=str(ROOT), by=file_of)
    if found["total"]["failed"]:
        print(done.stdout, file=sys.stderr)
    print(f"{cpu}, {runtime}: {found['total']}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return found


def main() -> int:
    """Run the tests, write the outcomes, print the sums."""
    from train.provenance import commit_hash

    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="for example: make arm-tests ARM_ARGS='--cpu cortex-a72 ring gate'",
    )
    parser.add_argument("--cpu", action="append", choices=CPUS, help="one processor, not all; may be repeated")
    parser.add_argument("--runtime", action="append", choices=RUNTIMES, help="one interpreter, not both")
    parser.add_argument("--pytest", action="append", default=[], metavar="OPTION", help="for pytest, as --pytest=-x")
    parser.add_argument(
        "-j", "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="boards at a time [%(default)s]"
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="FILE",
        help=f"the file of results [{RESULT.relative_to(ROOT)}, or build/arm/tests.json if not everything is run]",
    )
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help=f"of tests/edge, without test_; by default {' '.join(WITH_BOTH)}, and, with the first interpreter only, "
        f"{' '.join(WITH_FIRST)}",
    )
    args = parser.parse_args()
    everything = not (args.cpu or args.runtime or args.pytest or args.files)
    out = args.out or (RESULT if everything else PARTIAL)
    commit = commit_hash()
    first = next(iter(RUNTIMES))
    runs = [(cpu, runtime) for cpu in args.cpu or CPUS for runtime in args.runtime or RUNTIMES]
    for cpu, _ in runs:
        child_python(cpu)

    def files(runtime: str) -> Sequence[str]:
        return args.files or (WITH_FIRST + WITH_BOTH if runtime == first else WITH_BOTH)

    with ThreadPoolExecutor(max(1, args.jobs)) as pool:
        # The longest first, so that none is left for the end.
        order = sorted(runs, key=lambda one: -len(files(one[1])))
        found = {one: pool.submit(run, *one, files(one[1]), args.pytest) for one in order}
        results: dict[str, dict[str, Any]] = {}
        for cpu, runtime in runs:
            results.setdefault(cpu, {})[runtime] = found[cpu, runtime].result()
    write_result(out, "tests/arm/suite.py", commit, {"results": results})
    print(outcomes_page(results))
    if out == RESULT:
        page = with_tables(PAGE.read_text(encoding="utf-8"), outcomes_page(results), made_by=MADE_BY)
        PAGE.write_text(page, encoding="utf-8")
    return int(any(one["total"]["failed"] for of in results.values() for one in of.values()))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())

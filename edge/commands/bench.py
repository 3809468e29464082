"""``vivavoce bench``: how long the stages take on this machine."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.bench.measuring import Plan

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "measure how long each stage takes on this machine, or compare two machines"

_MOST_THREADS = 4
"""Threads that are tried where nobody says how many: networks of this size have little to share out."""
_BUSY = 0.5
"""Load of a machine, of the last minute, that does more than wait for us."""

_EPILOG = """\
Each stage is measured by itself on the scene that ships with vivavoce, and the whole chain as it runs on a device,
with every interpreter that works here. It stays on one core, and takes less than two minutes: where the machine is
slow there are fewer repetitions. Let the machine do nothing else meanwhile. A start is measured on processes of their
own; the cold one compiles the kernels.

The interpreters tflite-runtime and LiteRT do not share an environment. --interpreter-python measures what another one
has, in turn with this one, into the same report. --floats puts the float networks beside those of 8-bit integers.
--threads changes what runs for a word (liveness, and the verifier where the bundle has one): the wake network always
runs on one thread.

--compare says, for each stage, how many times as long B takes as A, with the range in which that lies with 95 %
confidence as far as repetitions of one run can know. Run either twice to see what runs differ by. Where the two were
measured with other versions, or another one ran the wake network, it says so.

examples:
  vivavoce bench --out pi4.json --page pi4.html
  vivavoce bench --interpreter-python .venv-tflite/bin/python --floats build/models --page here.html
  vivavoce bench --interpreter tflite --threads 1 --repetitions 50
  vivavoce bench --compare laptop.json pi4.json
  vivavoce bench --table docs/benchmarks/machines/*.json

exit code: 0, or 2 for a fault, told in one line
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.bundle_options import add_trust_arguments
    from edge.commands.paths import named_path
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("-o", "--out", type=named_path, metavar="FILE", help="write what was measured as JSON")
    parser.add_argument("--page", type=named_path, metavar="FILE", help="write one HTML page, which needs nothing else")
    parser.add_argument(
        "--compare", nargs=2, type=named_path, metavar=("A", "B"), help="compare two files of --out; measure nothing"
    )
    parser.add_argument(
        "--table", nargs="+", type=named_path, metavar="FILE", help="print files of --out as a table in Markdown"
    )
    parser.add_argument("--bundle", type=named_path, metavar="DIR", help="bundle to measure [the one that ships]")
    parser.add_argument(
        "--floats",
        type=named_path,
        metavar="DIR",
        help="checkpoints (wake, liveness, verifier if the bundle has one) to measure the float networks of",
    )
    parser.add_argument(
        "--interpreter", choices=("litert", "tflite"), help="measure this one only [all that are installed]"
    )
    parser.add_argument(
        "--interpreter-python",
        action="append",
        default=[],
        type=named_path,
        metavar="PYTHON",
        help="measure the interpreter of another environment, too: its python; repeat it",
    )
    parser.add_argument(
        "--threads",
        metavar="N,N",
        help=f"numbers of threads to judge liveness with [1 up to the cores, {_MOST_THREADS} at most]",
    )
    parser.add_argument(
        "--repetitions", type=int, metavar="N", help="how often [20, or as often as there is time for in two minutes]"
    )
    parser.add_argument("--core", type=int, metavar="N", help="core to stay on [the last one]")
    parser.add_argument("--no-starts", action="store_true", help="leave out the starts")
    add_trust_arguments(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, or compare."""
    from edge.bench.comparing import compare, differences, read
    from edge.bench.table import table
    from edge.errors import UsageError
    from edge.output import columns, out

    output = out(args)
    if args.table and args.compare:
        raise UsageError("--table: got --compare beside it, expected one of the two; leave one out")
    if args.table:
        text = table(args.table)
        output.event({"event": "table", "markdown": text}, text)
        return 0
    if args.compare:
        first, second = (read(path) for path in args.compare)
        rows, unlike = compare(first, second), differences(first, second)
        if args.json:
            for one in unlike:
                output.event({"event": "difference", **one})
            for row in rows:
                output.event({"event": "ratio", **row})
            return 0
        cells = [
            (r["interpreter"], r["stage"], f"{r['ratio']:.2f}", f"{r['low']:.2f} to {r['high']:.2f}") for r in rows
        ]
        for line in columns([("network", "stage", "B / A", "95 %"), *cells]):
            output.text(line)
        if unlike:
            told = [(one["interpreter"], one["what"], one["a"], one["b"]) for one in unlike]
            output.text("they differ in more than the machine:")
            for line in columns([("network", "", "A", "B"), *told]):
                output.text(line)
        return 0
    return _measure(args)


def _measure(args: argparse.Namespace) -> int:
    from functools import partial

    from edge.bench.machine import state
    from edge.bench.measuring import measure
    from edge.bench.networks import usable_runtimes
    from edge.bench.page import page
    from edge.bench.writing import as_json, lines
    from edge.commands.bundle_options import open_chosen
    from edge.errors import UsageError
    from edge.files import write_whole
    from edge.output import out, warn

    threads = _checked(args)
    load = state()["load_1min"]
    if load > _BUSY:
        warn(f"load: got {load}, expected next to none: what is measured now is too long; end what else runs")
    bundle = open_chosen(args, args.bundle)
    found = measure(
        bundle,
        runtimes=usable_runtimes(bundle, (args.interpreter,) if args.interpreter else ()),
        floats=args.floats,
        pythons=args.interpreter_python,
        threads=threads,
        repetitions=args.repetitions,
        core=args.core,
        planned=_tell_plan,
        progress=_tell_progress,
    )
    found["starts"] = [] if args.no_starts else _starts(bundle.path, found["runs"], args.interpreter_python)
    output = out(args)
    # First told, so that a disk that is full does not cost the measurement.
    if args.json:
        output.event({"event": "bench", **found})
    else:
        for line in lines(found):
            output.text(line)
    contents = {args.out: as_json(found)} if args.out else {}
    if args.page:
        contents[args.page] = page(found).encode()
    for path, content in contents.items():
        try:
            write_whole(path, partial(_put, content))
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror}); choose another file") from error
    return 0


def _checked(args: argparse.Namespace) -> list[int]:
    """Look at what was asked for, so that it is told now and not after a minute; return the threads above one."""
    from edge.bench.machine import cores_in_order
    from edge.bench.statistics import MOST_REPETITIONS
    from edge.errors import UsageError

    if args.repetitions is not None and not 1 <= args.repetitions <= MOST_REPETITIONS:
        raise UsageError(f"--repetitions: got {args.repetitions}, expected 1 to {MOST_REPETITIONS}; 20 will do")
    cores = cores_in_order()
    if args.core is not None and cores and args.core not in cores:
        there = ", ".join(str(core) for core in sorted(cores))
        raise UsageError(f"--core: got {args.core}, expected one that this process may use: {there}")
    for path in (args.out, args.page):
        if path is not None and path.is_dir():
            raise UsageError(f"{path}: got a folder, expected the name of a file to write")
    if args.out is not None and args.out == args.page:
        raise UsageError(f"--page: got {args.page}, expected another file than that of --out; name two")
    return _threads(args.threads)


def _threads(asked: str | None) -> list[int]:
    import os

    from edge.bench.machine import cores_in_order
    from edge.errors import UsageError

    most = len(cores_in_order()) or os.cpu_count() or 1
    if asked is None:
        return list(range(2, min(most, _MOST_THREADS) + 1))
    try:
        numbers = [int(number) for number in asked.split(",")]
    except ValueError:
        numbers = [0]
    if not all(1 <= number <= most for number in numbers):
        raise UsageError(
            f"--threads: got {asked!r:.40}, expected numbers from 1 to {most}, the cores that this process may use, "
            f"such as {'1,2' if most > 1 else '1'}"
        )
    return sorted({number for number in numbers if number > 1})


def _starts(bundle: Path, runs: Sequence[dict[str, Any]], pythons: Sequence[Path]) -> list[dict[str, Any]]:
    """Start each environment with its interpreters."""
    from edge.bench.starting import starts

    found = []
    for place, python in enumerate([None, *pythons]):
        names = list(dict.fromkeys(run["interpreter"] for run in runs if run["environment"] == place))
        for name in names:
            _note(f"starts of {name}: up to a quarter of a minute")
        # Kernels are compiled alike for every interpreter, and that takes longer than all else.
        found += starts(bundle, names, python=python, cold=python is None)
    return found


def _tell_plan(plan: "Plan") -> None:
    threads = ", ".join(str(number) for number in plan.threads)
    _note(
        f"{', '.join(plan.runs)}; liveness with {threads} thread{'s' if len(plan.threads) > 1 else ''}; "
        f"{plan.repetitions} repetitions, about {plan.seconds:.0f} s"
    )


def _tell_progress(done: int, of: int) -> None:
    import sys

    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(f"\rrepetition {done} of {of}" + "\n" * (done == of))
        sys.stderr.flush()


def _note(text: str) -> None:
    """Say what comes next to whoever waits."""
    import sys

    if sys.stderr is not None:
        sys.stderr.write(f"measuring: {text}\n")
        sys.stderr.flush()


def _put(content: bytes, file: IO[bytes]) -> None:
    file.write(content)

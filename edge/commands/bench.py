"""``vivavoce bench``: how long the stages take on this machine."""

import argparse
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.output import Output

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "measure how long each stage takes on this machine, or compare two machines"

_MOST_REPETITIONS = 1000

_EPILOG = """\
Each stage is measured by itself on the scene that ships with vivavoce, and the whole chain as it runs on a device,
with every interpreter that works here. It stays on one core, and takes well below two minutes. Let the machine do
nothing else meanwhile. A start is measured on processes of their own; the cold one compiles the kernels.

--compare says, for each stage, how many times as long B takes as A, with the range in which that lies with 95 %
confidence as far as repetitions of one run can know. Run either twice to see what runs differ by.

examples:
  vivavoce bench --out pi4.json --page pi4.html
  vivavoce bench --interpreter tflite --repetitions 50
  vivavoce bench --compare laptop.json pi4.json
  vivavoce bench --table *.json

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
        "--interpreter", choices=("litert", "tflite"), help="measure this one only [all that are installed]"
    )
    parser.add_argument("--repetitions", type=int, default=20, metavar="N", help="how often [%(default)s]")
    parser.add_argument("--core", type=int, metavar="N", help="core to stay on [the last one]")
    parser.add_argument("--no-starts", action="store_true", help="leave out the starts")
    add_trust_arguments(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, or compare."""
    from edge.bench.comparing import compare, read
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
        rows = compare(first, second)
        if args.json:
            for row in rows:
                output.event({"event": "ratio", **row})
            return 0
        cells = [
            (r["interpreter"], r["stage"], f"{r['ratio']:.2f}", f"{r['low']:.2f} to {r['high']:.2f}") for r in rows
        ]
        for line in columns([("interpreter", "stage", "B / A", "95 %"), *cells]):
            output.text(line)
        return 0
    return _measure(args)


def _measure(args: argparse.Namespace) -> int:
    import json
    import os
    import sys
    from functools import partial

    from edge.bench.measuring import measure, usable_runtimes
    from edge.bench.page import page
    from edge.bench.starting import starts
    from edge.commands.bundle_options import open_chosen
    from edge.errors import UsageError
    from edge.files import write_whole
    from edge.output import out

    if not 1 <= args.repetitions <= _MOST_REPETITIONS:
        raise UsageError(f"--repetitions: got {args.repetitions}, expected 1 to {_MOST_REPETITIONS}; 20 will do")
    if args.core is not None and hasattr(os, "sched_getaffinity") and args.core not in os.sched_getaffinity(0):
        there = ", ".join(str(core) for core in sorted(os.sched_getaffinity(0)))
        raise UsageError(f"--core: got {args.core}, expected one that this process may use: {there}")
    for path in (args.out, args.page):
        # Told now, and not after a minute of measuring.
        if path is not None and path.is_dir():
            raise UsageError(f"{path}: got a folder, expected the name of a file to write")
    if args.out is not None and args.out == args.page:
        raise UsageError(f"--page: got {args.page}, expected another file than that of --out; name two")
    bundle = open_chosen(args, args.bundle)
    runtimes = usable_runtimes(bundle, (args.interpreter,) if args.interpreter else ())

    def progress(done: int, of: int) -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            sys.stderr.write(f"\rrepetition {done} of {of}" + "\n" * (done == of))
            sys.stderr.flush()

    found = measure(bundle, runtimes=runtimes, repetitions=args.repetitions, core=args.core, progress=progress)
    found["starts"] = [] if args.no_starts else starts(bundle.path, runtimes)
    # First told, so that a disk that is full does not cost the measurement.
    _tell(out(args), found)
    texts = {args.out: json.dumps(found, indent=1, allow_nan=False) + "\n"} if args.out else {}
    if args.page:
        texts[args.page] = page(found)
    for path, text in texts.items():
        try:
            write_whole(path, partial(_put, text.encode()))
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror}); choose another file") from error
    return 0


def _tell(output: "Output", found: dict[str, Any]) -> None:
    """Print what was measured."""
    from edge.bench.page import REMARK
    from edge.output import columns

    if output.as_json:
        output.event({"event": "bench", **found})
        return
    rows: list[tuple[object, ...]] = [("interpreter", "stage", "p50 us", "p95 us", "p99 us", "max us", "jitter us")]
    for one in found["runs"]:
        for stage, of in one["stages"].items():
            rows.append(
                (one["interpreter"], stage, *(of[f"{key}_us"] for key in ("p50", "p95", "p99", "max", "jitter")))
            )
    for line in columns(rows):
        output.text(line)
    for one in found["runs"]:
        output.text(f"{one['interpreter']}: {one['cpu_percent']:.2f} % of a core")
        for hit in one["decisions"]:
            output.text(
                f"  {hit['word']} {hit['decision']}: {hit['delay_ms']:.0f} ms after its end, {hit['compute_ms']:.1f} "
                "ms of them computing"
            )
    for one in found["starts"]:
        said = one.get("fault") or f"{min(one['seconds']):.2f} s, {one['peak_rss_kib'] or '?'} KiB"
        output.text(f"{one['kind']} start, {one['interpreter']}: {said}")
    output.text(REMARK)


def _put(content: bytes, file: IO[bytes]) -> None:
    file.write(content)

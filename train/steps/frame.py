"""``vivavoce train frame``: what the task asks, what has to be reached, and how far a bundle is from it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.bundle import Bundle
    from train.task import Task

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "show the contract of the task, and which of its limits a bundle meets, misses, or was not measured by"

_EPILOG = """\
The contract is train/task.toml: inputs, classes, device, limits with their sources, and what existing solutions reach.
No other file holds a limit. Copy it and give the copy with --task to set limits of your own.

A limit is met or missed by what a results file says of this very bundle; the 95 % interval, or the range of the runs,
stands beside it. Where no results file says anything, the limit is not measured, which is no verdict in favour.

With -o the verdicts go into a file, from which 'vivavoce quantize limits' writes them into the bundle. The exit code
says nothing of the verdicts.

examples:
  vivavoce train frame
  vivavoce train frame --bundle build/models/bundle --results build/results --split dev
  vivavoce train frame -o build/limits.json
next:
  vivavoce quantize limits edge/data/bundle --verdicts build/limits.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("--task", type=Path, metavar="FILE", help="contract of your own [that of what ships]")
    parser.add_argument("--results", type=Path, metavar="DIR", help="folder with results files [results]")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="bundle to judge [the one that ships]")
    parser.add_argument("--split", choices=("dev", "test"), help="judge by this split [the one that each limit names]")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="write the verdicts there, as JSON")
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Show the contract and judge."""
    import json

    from edge.bundle import open_bundle
    from edge.bundle_identity import bundle_hash
    from edge.errors import UsageError
    from edge.output import out
    from train.atomic_file import put_bytes
    from train.judging import judge, judgement, read_existing
    from train.task import load_task
    from train.verdicts import count_verdicts, verdict_lines

    task = load_task(args.task)
    bundle = open_bundle(args.bundle)
    if args.results is not None and not args.results.is_dir():
        raise UsageError(f"--results: got {args.results}, expected a folder with results files; check the path")
    results = Path("results") if args.results is None else args.results
    verdicts = judge(task, results, bundle_sha256=bundle_hash(bundle.path), split=args.split)
    if args.out is not None:
        made = judgement(task, verdicts, bundle_hash(bundle.path)).to_dict()
        put_bytes(args.out, (json.dumps(made, indent=1, allow_nan=False) + "\n").encode())
    output = out(args)
    output.event(_contract(task, bundle), "\n".join(_told(task, bundle)))
    if output.as_json:
        for verdict in verdicts:
            output.event({"event": "limit", **verdict.to_dict(), "reason": verdict.reason or None}, "")
    else:
        output.text("\n".join(verdict_lines(verdicts)))
    output.event({"event": "verdicts"} | {
        state.replace(" ", "_"): sum(verdict.state == state for verdict in verdicts)
        for state in ("met", "missed", "not measured")
    }, count_verdicts(verdicts))  # fmt: skip
    for i, entry in enumerate(task.existing):
        figure = read_existing(entry, results)
        by = "reported" if entry.by == "them" else "ours"
        record = {
            "event": "existing",
            "name": entry.name,
            "what": entry.what,
            "by": entry.by,
            "figure": figure,
            "conditions": entry.conditions,
            "source": entry.source,
            "file": entry.file,
        }
        text = f"{entry.name}: {entry.what}: {figure} ({by}; {entry.conditions}; {entry.source})"
        output.event(record, text if i else f"\nwhat existing solutions reach:\n{text}")
    return 0


def _contract(task: "Task", bundle: "Bundle") -> dict[str, object]:
    from dataclasses import asdict

    return {
        "event": "task",
        "name": task.name,
        "version": task.version,
        "sha256": task.sha256,
        "question": task.question,
        "inputs": asdict(task.inputs),
        "classes": task.classes,
        "device": asdict(task.device),
        "bundle": {"path": str(bundle.path), "bytes": bundle.size},
    }


def _told(task: "Task", bundle: "Bundle") -> list[str]:
    inputs, device = task.inputs, task.device
    return [
        f"{task.name} {task.version}: {task.question}",
        f"inputs   {inputs.sample_rate_hz} Hz, {inputs.channels} channel, {inputs.sample_type}: {inputs.what}",
        f"         judged by {inputs.judged}",
        *(f"{'classes' if i == 0 else '':<8} {name}: {what}" for i, (name, what) in enumerate(task.classes.items())),
        f"device   {device.what}",
        f"bundle   {bundle.path}, {bundle.size:,} bytes, at most {device.bundle_bytes:,}",
        "",
    ]

"""Instructions that the frontend takes on aarch64 boards, beside those of TensorFlow's C frontend; no board is needed.

    make arm

A processor is emulated by QEMU, and a plugin counts what the guest executes between two marks; see ``insn_count.c``.
The code is that which runs on the board, and its count is the same on every machine. How long an instruction takes
is another question, which no emulator answers: a count is not a time.
"""

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
GUEST = Path(__file__).with_name("guest_frontend.py")
HOP_S = 0.010
REPEATABILITY = 0.001
"""Share by which two runs may differ."""

EMPTY = {"push": "empty_loop", "peer": "empty_loop", "offline_push": "empty_offline"}

Counts = dict[str, list[float]]


def count(cpu: str, environment: dict[str, str], arguments: list[str]) -> tuple[Counts, dict[str, Any]]:
    """Run the guest once; return the instructions per hop of every round by name, and what else the guest says."""
    from counting import run_counted

    regions, said = run_counted(GUEST, arguments, cpu=cpu, environment=environment)
    counts: Counts = {}
    for region in regions:
        if region.round > 0:
            counts.setdefault(region.name, []).append(region.instructions / region.units)
    for name, empty in EMPTY.items():
        counts[name] = [n - nothing for n, nothing in zip(counts[name], counts[empty], strict=True)]
    return counts, said


def largest_change(runs: list[Counts]) -> float:
    """Return by what share the medians of the runs differ at most."""
    found = 0.0
    for name in EMPTY:
        medians = [statistics.median(run[name]) for run in runs]
        found = max(found, max(medians) / min(medians) - 1)
    return found


def summary(runs: list[Counts], name: str) -> dict[str, int]:
    """Return median, smallest and largest over the rounds of all runs."""
    values = [value for run in runs for value in run[name]]
    return {"median": round(statistics.median(values)), "min": round(min(values)), "max": round(max(values))}


def table(results: dict[str, dict[str, dict[str, int]]], ratios: dict[str, dict[str, float]]) -> str:
    """Lay the figures out for reading."""
    rows = [("instructions a hop", "push", "offline_push", "peer", "push / peer", "offline / peer")]
    for cpu, entry in results.items():
        cells = [f"{entry[name]['median']:,}" for name in ("push", "offline_push", "peer")]
        rows.append((cpu, *cells, *(f"{ratio:.3f}" for ratio in ratios[cpu].values())))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def main() -> int:
    """Count, write the result and print the table."""
    sys.path.insert(0, str(ROOT))
    from counting import run_counted, write_result
    from emulator import CPUS, parse_environment

    from train.provenance import commit_hash

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", action="append", choices=CPUS, help="one processor, not all; may be repeated")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="a variable for the guest")
    parser.add_argument("--hops", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "arm_frontend.json")
    args = parser.parse_args()
    environment = parse_environment(args.env)
    commit = commit_hash()

    results: dict[str, dict[str, dict[str, int]]] = {}
    ratios: dict[str, dict[str, float]] = {}
    changes: dict[str, float] = {}
    kernels: dict[str, Any] = {}
    said: dict[str, Any] = {}
    for cpu in args.cpu or CPUS:
        # What is compiled at the first start of an installation is there afterwards: not counted.
        run_counted(GUEST, ["--hops=1", "--rounds=1"], cpu=cpu, environment=environment)
        arguments = [f"--hops={args.hops}", f"--rounds={args.rounds}", f"--seed={args.seed}"]
        runs = []
        for _ in range(args.runs):
            counts, said = count(cpu, environment, arguments)
            runs.append(counts)
        results[cpu] = {name: summary(runs, name) for name in (*EMPTY, "empty_loop")}
        peer = results[cpu]["peer"]["median"]
        ratios[cpu] = {name: round(results[cpu][name]["median"] / peer, 4) for name in ("push", "offline_push")}
        changes[cpu] = round(largest_change(runs), 6)
        kernels[cpu] = said["kernels"]
        print(f"{cpu} done", file=sys.stderr, flush=True)

    body = {
        "seed": args.seed,
        "versions": said["versions"],
        "environment": environment,
        "kernels": kernels,
        "audio": {
            "source": "made by tests/arm/signals.py: syllables, hiss and pauses above faint noise",
            "hops": args.rounds * args.hops,
            "seconds": round(args.rounds * args.hops * HOP_S, 2),
            "sha256": said["signal_sha256"],
        },
        "method": (
            f"instructions that the emulated processor executes per hop of 10 ms, {args.rounds} rounds of {args.hops} "
            f"hops in each of {args.runs} processes, after one uncounted round each; push is Frontend.push with 160 "
            f"samples, offline_push the same with {args.hops * 160} samples, peer is process_samples of "
            "pymicro-features (the C frontend of TensorFlow Lite for Microcontrollers) with 320 bytes; all include the "
            "calls from Python and the making of their results, and exclude empty_loop, which is the loop over the "
            "blocks that calls nothing; both frontends returned equal features; one thread, no garbage collection; a "
            "count is not a time"
        ),
        "results": results,
        "ratios": ratios,
        "largest_change_between_runs": changes,
    }
    write_result(args.out, "tests/arm/count_frontend.py", commit, body)
    print(table(results, ratios))
    unstable = {cpu: change for cpu, change in changes.items() if change > REPEATABILITY}
    if unstable:
        print(f"the runs differ by more than {REPEATABILITY:.1%}: {unstable}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The same clips rendered by one process, by several, and by Apache Beam; and again while workers and runs are killed.

    make bench-scale

Every way renders into an empty cache of its own; the files must not differ in one byte.
"""

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from processes import ROOT, data_folder, versions, write_result

SUMMARY = re.compile(r"(\d+) clips in ([\d.]+) s, ([\d.]+) clips/s; peak memory (\d+) MB .*?, (\d+) MB")
WORKER = re.compile(r": worker pid (\d+)")
BAR = re.compile(r"\d+/\d+ \[")
PATIENCE_S = 900


@dataclass
class Run:
    """A process that renders, and what it has said so far."""

    process: "subprocess.Popen[str]"
    cache: Path
    said: list[str] = field(default_factory=list)

    def workers(self) -> list[int]:
        """Return the process ids that were told of."""
        return [int(pid) for line in self.said for pid in WORKER.findall(line)]

    def shards(self) -> dict[str, Path]:
        """Return the shards that are there."""
        return {path.name: path for path in sorted(self.cache.glob("liveness-*/*.npz"))}

    def listen(self) -> None:
        """Keep what the run says, and pass on what is no progress bar."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if line.strip() and not BAR.search(line):
                sys.stderr.write(line)


def start(args: argparse.Namespace, cache: Path, engine: str, workers: int, recipe: str = "shipped") -> Run:
    """Begin to render in a process and a session of its own."""
    command = [sys.executable, __file__, "--data", args.data, "--clips", args.clips, "--seed", args.seed]
    command += ["--render", engine, cache, workers, recipe]
    process = subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,  # which makes lines of what a bar writes over itself
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    run = Run(process, cache)
    threading.Thread(target=run.listen, daemon=True).start()
    return run


def finish(run: Run) -> dict[str, Any]:
    """Wait for the end of a run; return its speed and memory."""
    if run.process.wait(PATIENCE_S) != 0:
        raise SystemExit(f"rendering failed:\n{''.join(run.said[-20:])}")
    time.sleep(0.2)  # the last line may still be on its way
    (found,) = SUMMARY.findall("".join(run.said))
    clips, seconds, speed, worker, parent = map(float, found)
    return {
        "clips": int(clips),
        "seconds": seconds,
        "clips_per_s": speed,
        "peak_rss_mb": {"largest_worker": int(worker), "parent": int(parent)},
    }


def wait_for_half(run: Run, shards: int) -> None:
    """Wait until half of the shards are there."""
    while len(run.shards()) < shards // 2:
        if run.process.poll() is not None:
            raise SystemExit(f"the run ended before half of it was done:\n{''.join(run.said[-20:])}")
        time.sleep(0.02)


def digests(run: Run) -> dict[str, str]:
    """Return the sha256 of every shard."""
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in run.shards().items()}


def with_killed_worker(args: argparse.Namespace, cache: Path, engine: str, shards: int) -> tuple[Run, dict[str, Any]]:
    """Render, and kill a worker at half."""
    run = start(args, cache, engine, args.workers)
    wait_for_half(run, shards)
    pid, done = run.workers()[-1], len(run.shards())
    print(f"{engine}: killing worker {pid} after {done} of {shards} shards", file=sys.stderr)
    os.kill(pid, signal.SIGKILL)
    return run, {"killed_pid": pid, "after_shards": done, **finish(run)}


def with_killed_run(args: argparse.Namespace, cache: Path, engine: str, shards: int) -> tuple[Run, dict[str, Any]]:
    """Render, kill the run with its workers at half, and render again."""
    first = start(args, cache, engine, args.workers)
    wait_for_half(first, shards)
    pids = [first.process.pid, *first.workers()]
    print(f"{engine}: killing the run, {first.process.pid}, and its workers, {pids[1:]}", file=sys.stderr)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    first.process.wait()
    time.sleep(1)
    kept = {name: path.stat().st_mtime_ns for name, path in first.shards().items()}
    again = start(args, cache, engine, args.workers)
    figures = finish(again)
    untouched = all(again.shards()[name].stat().st_mtime_ns == before for name, before in kept.items())
    return again, {"killed_pids": pids, "after_shards": len(kept), "kept_untouched": untouched, "restarted": figures}


def render(args: argparse.Namespace) -> int:
    """Render into a cache: what the processes do that are measured."""
    from edge.cues import CueSettings
    from train.engines.choice import Engine
    from train.liveness_scenes import build_liveness_clips
    from train.simulator.recipe import shipped_recipe

    name, cache, workers, which = args.render
    engine, recipe = Engine(name, int(workers)), shipped_recipe()
    if which == "no codec":
        recipe = replace(recipe, codec=replace(recipe.codec, share=0.0))
    build_liveness_clips(
        args.data, "dev", Path(cache), n=args.clips, seed=args.seed, cues=CueSettings(), recipe=recipe, engine=engine
    )
    return 0


def main() -> int:
    """Measure, write the result and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--clips", type=int, default=4000, help="of the dev split [%(default)s]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes where there are several [%(default)s]")
    parser.add_argument("--render", nargs=4, metavar=("ENGINE", "CACHE", "WORKERS", "RECIPE"), help=argparse.SUPPRESS)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "scale.json")
    args = parser.parse_args()
    args.data = args.data.resolve()
    sys.path.insert(0, str(ROOT))
    if args.render:
        return render(args)

    from edge.errors import VivavoceError
    from train.corpus import data_hash
    from train.simulator.rooms import load_room_bank

    ways = {"local, 1 process": ("local", 1)} | {
        f"{engine}, {args.workers} processes": (engine, args.workers) for engine in ("local", "beam")
    }
    body: dict[str, Any] = {"ways": {}, "killed_worker": {}, "killed_run": {}}
    reference: dict[str, str] = {}

    def compare(run: Run) -> bool:
        reference.update(reference or digests(run))
        return digests(run) == reference

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            # Rooms are made once, whoever renders, and are no part of what is compared.
            load_room_bank(folder / "rooms", "dev")
            hashed = data_hash(args.data)
        except VivavoceError as error:
            raise SystemExit(str(error)) from error
        for way, (engine, workers) in ways.items():
            print(f"{way}:", file=sys.stderr)
            run = start(args, Path(shutil.copytree(folder / "rooms", folder / way)), engine, workers)
            body["ways"][way] = {**finish(run), "same_sha256": compare(run)}
        # Codecs are programs of others, and take most of the time where one is drawn.
        way = f"local, {args.workers} processes, no codec drawn"
        print(f"{way}:", file=sys.stderr)
        cache = Path(shutil.copytree(folder / "rooms", folder / way))
        body["no_codec"] = {way: finish(start(args, cache, "local", args.workers, "no codec"))}
        for what, accident in (("killed_worker", with_killed_worker), ("killed_run", with_killed_run)):
            for engine in ("local", "beam"):
                cache = Path(shutil.copytree(folder / "rooms", folder / f"{what} {engine}"))
                run, figures = accident(args, cache, engine, len(reference))
                body[what][engine] = {**figures, "same_sha256": compare(run)}

    result = {
        "seed": args.seed,
        "data_hash": hashed,
        "versions": versions(sys.executable, "vivavoce", "apache-beam", "numpy", "numba", "scipy", "soxr"),
        "method": (
            f"{args.clips} clips of the dev split in {len(reference)} shards, as cues; each way once, in processes of "
            "its own, into an empty cache that has the rooms; seconds and clips/s as the run prints them, with the "
            "start of its workers; peak RSS: high-water mark of a process (VmHWM); killed: SIGKILL at half of the "
            "shards, to one worker or to the run with all of its workers, which is then begun again"
        ),
        "sha256_of_all_shards": hashlib.sha256("".join(reference.values()).encode()).hexdigest(),
        **body,
    }
    write_result(args.out, "python tests/bench/scale.py", result)
    for way, figures in (body["ways"] | body["no_codec"]).items():
        memory = figures["peak_rss_mb"]
        print(
            f"{way:36} {figures['clips_per_s']:8.2f} clips/s   peak RSS: largest worker {memory['largest_worker']} MB, "
            f"parent {memory['parent']} MB"
        )
    equal = True
    for what in ("ways", "killed_worker", "killed_run"):
        for name, figures in body[what].items():
            equal = equal and figures["same_sha256"] and figures.get("kept_untouched", True)
            print(f"{what:14} {name:24} same shards: {'yes' if figures['same_sha256'] else 'NO'}")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())

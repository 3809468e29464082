"""Instructions of the whole chain on emulated aarch64 boards, beside those of pymicro-wakeword; no board is needed.

    make arm                        # every processor and interpreter: results/arm.json, 15 minutes
    make arm ARM_ARGS=--check       # one processor, beside what results/arm.json says; fails if it got worse

A processor is emulated by QEMU, and a plugin counts what the guest executes between two marks; see ``insn_count.c``.
The code is that which runs on the board, and its count is the same on every machine. How long an instruction takes
is another question, which no emulator answers: a count is not a time.
"""

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from counting import run_counted, write_result
from emulator import CPUS, RUNTIMES
from figures import TOLERANCE, changes, figures, largest_change, page, with_tables, worse
from signals import RATE, make_quiet, make_signal

ROOT = Path(__file__).resolve().parents[2]
GUEST = Path(__file__).with_name("guest_pipeline.py")
RESULT = ROOT / "results" / "arm.json"
SCENE = ROOT / "edge" / "data" / "scene.flac"
LONG, SHORT = 61 * RATE, 11 * RATE
"""Samples: a minute or ten seconds, and a second before that is not counted."""
REPEATABILITY = 0.01
"""Share by which any count of two runs may differ; half of what ``--check`` allows. The count that differed most did so
by 0.04 to 0.45 % so far: where memory happens to lie decides how often libraries search."""
PAGE = ROOT / "docs" / "arm.md"
CHECKED = ("cortex-a72",)
"""Processors of ``--check``: their counts differ little, and compiling for each takes a minute."""

Sound = npt.NDArray[np.int16]


def read_start(file: Path, samples: int | None = None) -> Sound:
    """Read the first samples of a recording, or all of it, as the device would."""
    from edge.sources import FileSource

    blocks, n = [], 0
    for block in FileSource(file).blocks():
        blocks.append(block)
        n += block.size
        if samples is not None and n >= samples:
            break
    return np.concatenate(blocks)[:samples]


def find_speech(data: Path) -> Path:
    """Return a recording of people who read, and say none of the words."""
    found = sorted(data.glob("longform/speechocean_dev_*"))
    if not found:
        raise SystemExit(
            f"{data}: got no longform/speechocean_dev_*, expected the recordings; name their folder with --data, or "
            "compare with what is known, which needs none: make arm ARM_ARGS=--check"
        )
    return found[0]


class Bench:
    """What is counted, on any processor: the sounds, in files for the guest.

    Parameters
    ----------
    folder : Path
        For the files.
    speech : Path, optional
        A recording; without, nothing is heard but what is made here.
    seed : int
    """

    def __init__(self, folder: Path, speech: Path | None, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self.sources = {"silence": "noise at -70 dBFS", "syllables": "syllables, hiss and pauses above faint noise"}
        self.sounds = {"silence": make_quiet(LONG, seed), "syllables": make_signal(SHORT, seed)}
        if speech is not None:
            self.sources = {"speech": f"{speech.parent.name}/{speech.name}", **self.sources}
            self.sounds = {"speech": read_start(speech, LONG), **self.sounds}
        self.scene = read_start(SCENE)
        self.scene.tofile(folder / "scene.raw")

    def count(self, cpu: str, runtime: str, *, short: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """Count everything once; return the figures, and what else the guest says."""
        arguments = [f"--scene={self.folder / 'scene.raw'}", f"--seed={self.seed}"]
        for kind, sound in self.sounds.items():
            file = self.folder / f"{kind}.raw"
            sound[: SHORT if short else None].tofile(file)
            arguments.append(f"--idle={kind}={file}")
        regions, said = run_counted(GUEST, arguments, cpu=cpu, runtime=runtime, environment={})
        return figures(regions), said

    def described(self) -> dict[str, Any]:
        """Return what the sounds are."""
        return {
            kind: {
                "source": self.sources.get(kind, SCENE.name),
                "seconds": round(sound.size / RATE, 3),
                "sha256": hashlib.sha256(sound.tobytes()).hexdigest(),
            }
            for kind, sound in {**self.sounds, "scene": self.scene}.items()
        }


METHOD = (
    "instructions that the emulated processor executes in user mode between two marks, after an uncounted round of "
    "each; hop: Frontend.push of 160 samples, 4 rounds of 300; step: three frames pushed into the wake stage, one of "
    "which completes a run of its network; look, where the bundle has a verifier: its features and its "
    "network, 2 rounds of 8 stretches of the scene that ships; decision: what one wake word sets off (where it was, "
    "quality, cues, network, gate), 2 rounds of 8 windows of it; idle: Pipeline.push of 160 samples, of "
    "the first minute of a sound after its first second (of syllables of 10 s), in which nothing fires, and beside it "
    "pymicro-wakeword (one word, no liveness) with the same samples; shares: the stages by themselves over the first "
    "10 s; one thread, no garbage collection; a count is not a time"
)


def measure(bench: Bench, cpus: list[str], runtimes: list[str], out: Path, data_hash: str) -> int:
    """Count everything twice, and write it."""
    from train.provenance import commit_hash

    commit = commit_hash()
    results: dict[str, dict[str, Any]] = {}
    apart: dict[str, float] = {}
    told: dict[str, dict[str, Any]] = {}
    for cpu in cpus:
        for runtime in runtimes:
            # What is compiled at the first start of an installation is there at the second, which is the shorter one.
            first, _ = bench.count(cpu, runtime, short=True)
            found, said = bench.count(cpu, runtime, short=False)
            results.setdefault(cpu, {})[runtime] = found
            told.setdefault(cpu, {})[runtime] = said
            apart[f"{cpu}, {runtime}"] = round(largest_change(found, first), 6)
            print(f"{cpu}, {runtime} done", file=sys.stderr, flush=True)
    body = {
        "seed": bench.seed,
        "data_hash": data_hash,
        "method": METHOD,
        "tolerance": TOLERANCE,
        "audio": bench.described(),
        "guest": told,
        "results": results,
        "largest_change_between_runs": apart,
    }
    write_result(out, "tests/arm/count.py", commit, body)
    print(page(results))
    if out == RESULT:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), page(results)), encoding="utf-8")
    unstable = {name: change for name, change in apart.items() if change > REPEATABILITY}
    if unstable:
        print(f"the runs differ by more than {REPEATABILITY:.1%}: {unstable}", file=sys.stderr)
        return 1
    return 0


def check(bench: Bench, cpus: list[str], runtimes: list[str], committed: Path) -> int:
    """Count once, and compare with what is committed; nothing is written."""
    from edge.json_reading import parse_json

    remedy = "write it with: make arm"
    try:
        known = parse_json(committed.read_bytes())["results"]
        wanted = {(cpu, runtime): known[cpu][runtime] for cpu in cpus for runtime in runtimes}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(
            f"{committed}: got no counts to compare with ({error}), expected those of {cpus}; {remedy}"
        ) from error
    faults = []
    for (cpu, runtime), before in wanted.items():
        now, _ = bench.count(cpu, runtime, short=True)
        print(f"{cpu}, {runtime}: thousands of instructions, change against {committed.name}")
        for name, change in changes(before, now).items():
            print(f"  {name}: {change:+.2%}")
        faults += [f"{cpu}, {runtime}, {line}" for line in worse(before, now)]
    for fault in faults:
        print(f"more instructions than in {committed.name}: {fault}", file=sys.stderr)
    if faults:
        print(f"make it cheaper, or say why it costs more and commit the new counts ({remedy})", file=sys.stderr)
    return 1 if faults else 0


def main() -> int:
    """Count, and write the result or compare with it."""
    from processes import data_folder

    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="for example: make arm ARM_ARGS='--check --runtime litert'"
    )
    parser.add_argument("--check", action="store_true", help="compare with what is committed, and write nothing")
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder of the recordings (%(default)s)")
    parser.add_argument("--cpu", action="append", choices=CPUS, help="one processor, not all; may be repeated")
    parser.add_argument("--runtime", action="append", choices=RUNTIMES, help="one interpreter, not both")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, default=RESULT, help="the file of results (%(default)s)")
    args = parser.parse_args()
    runtimes = args.runtime or list(RUNTIMES)
    with tempfile.TemporaryDirectory() as folder:
        if args.check:
            return check(Bench(Path(folder), None, args.seed), args.cpu or list(CHECKED), runtimes, args.out)
        speech = find_speech(args.data)
        data_hash = hashlib.sha256((args.data / "manifest.csv").read_bytes()).hexdigest()
        bench = Bench(Path(folder), speech, args.seed)
        return measure(bench, args.cpu or list(CPUS), runtimes, args.out, data_hash)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "bench")]
    sys.exit(main())

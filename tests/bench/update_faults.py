"""Updates that are stopped in the middle: by SIGKILL at every point, by a loss of power at every point.

    python tests/bench/update_faults.py

After each the active bundle must open, be one that it may be at that moment, and the next update must succeed. The
command itself is killed, too, from outside and at any time. ``tests/faulty_disk.py`` says what a point is, and what may
be lost with the power.
"""

import argparse
import collections
import json
import logging
import multiprocessing
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from faulty_disk import Journal, Left, killed, watched  # noqa: E402

from edge.bundle import DEFAULT_BUNDLE  # noqa: E402
from edge.bundle_identity import bundle_hash  # noqa: E402
from edge.bundle_manifest import MANIFEST_NAME  # noqa: E402
from edge.bundle_writing import seal  # noqa: E402
from edge.download import FetchSettings  # noqa: E402
from edge.fetching import fetched  # noqa: E402
from edge.slots import Slots  # noqa: E402

SEED = 20
VERSIONS = ("2.0", "3.0", "4.0", "9.0")


class Scene(NamedTuple):
    """A step of an update that is stopped."""

    before: Callable[[Slots, dict[str, Path]], object]
    """What was done before."""
    step: Callable[[Slots, dict[str, Path]], object]
    """The step."""
    old: str
    """Version that is active before it."""
    new: str
    """Version that may be active once it began."""


def install(slots: Slots, bundle: Path) -> None:
    """Put a bundle into use, all the way."""
    slots.stage(bundle)
    slots.accept_trial()
    slots.confirm()


def unpack_and_stage(slots: Slots, bundles: dict[str, Path]) -> None:
    """Take a bundle from an archive."""
    with fetched(str(bundles["archive"]), slots.folder / "fetch", FetchSettings()) as folder:
        slots.stage(folder)


def two_used(slots: Slots, bundles: dict[str, Path]) -> None:
    """Have a bundle in both slots, the newer one in use."""
    install(slots, bundles["2.0"])
    install(slots, bundles["3.0"])


def on_probation(slots: Slots, bundles: dict[str, Path]) -> None:
    """Have a bundle on probation, and another to go back to."""
    install(slots, bundles["2.0"])
    slots.stage(bundles["3.0"])
    slots.accept_trial()


def worn_out(slots: Slots, bundles: dict[str, Path]) -> None:
    """Have a bundle on probation that was started as often as it may."""
    on_probation(slots, bundles)
    for _ in range(3):
        slots.starting()


def waiting(slots: Slots, bundles: dict[str, Path]) -> None:
    """Have a bundle that waits for its trial."""
    two_used(slots, bundles)
    slots.stage(bundles["4.0"])


SCENES = {
    "first bundle": Scene(lambda s, b: None, lambda s, b: s.initialise(b["2.0"]), "shipped", "2.0"),
    "staged first": Scene(lambda s, b: None, lambda s, b: s.stage(b["2.0"]), "shipped", "shipped"),
    "staged over an old one": Scene(two_used, lambda s, b: s.stage(b["4.0"]), "3.0", "3.0"),
    "staged over a candidate": Scene(waiting, lambda s, b: s.stage(b["9.0"]), "3.0", "3.0"),
    "staged from an archive": Scene(two_used, unpack_and_stage, "3.0", "3.0"),
    "switched": Scene(waiting, lambda s, b: s.accept_trial(), "3.0", "4.0"),
    "given up": Scene(waiting, lambda s, b: s.reject("wakes up too often"), "3.0", "3.0"),
    "started on probation": Scene(on_probation, lambda s, b: s.starting(), "3.0", "3.0"),
    "started once too often": Scene(worn_out, lambda s, b: s.starting(), "3.0", "2.0"),
    "confirmed": Scene(on_probation, lambda s, b: s.confirm(), "3.0", "3.0"),
    "rolled back": Scene(on_probation, lambda s, b: s.roll_back("not healthy"), "3.0", "2.0"),
}


def make_bundles(folder: Path) -> dict[str, Path]:
    """Make bundles of several versions, and an archive of one."""
    made = {"shipped": DEFAULT_BUNDLE}
    for version in VERSIONS:
        made[version] = folder / version
        shutil.copytree(DEFAULT_BUNDLE, made[version])
        manifest = json.loads((made[version] / MANIFEST_NAME).read_bytes())
        (made[version] / MANIFEST_NAME).write_text(json.dumps(manifest | {"bundle_version": version}))
        seal(made[version])
    made["archive"] = folder / "bundle.tar"
    with tarfile.open(made["archive"], "w") as archive:
        archive.add(made["4.0"], "bundle")
    return made


def fault_of(folder: Path, bundles: dict[str, Path], allowed: tuple[str, ...]) -> str:
    """Say what is wrong with slots whose work was stopped; nothing if nothing is."""
    slots = Slots(folder)
    try:
        found = slots.open_active()
        if bundle_hash(found.path) not in {bundle_hash(bundles[version]) for version in allowed}:
            return f"version {found.bundle_version} is active, expected {' or '.join(allowed)}"
        state = slots.state()
        if found.path != slots.path(state.active):
            return f"the state names {state.active}, which is damaged"
        if state.candidate and slots.candidate() is None:
            return f"the state names the candidate {state.candidate}, which is damaged"
        if slots.state().probation:
            slots.roll_back("stopped")
        slots.stage(bundles["9.0"], retry=True)
        slots.accept_trial()
        slots.confirm()
        if slots.open_active().bundle_version != "9.0" or slots.state().minimum is None:
            return "the next update was not used"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def kill_everywhere(scene: Scene, bundles: dict[str, Path], work: Path) -> dict[str, Any]:
    """Kill a step at every point."""
    kinds: collections.Counter[str] = collections.Counter()
    faults = []
    start = work / "start"
    start.mkdir()
    scene.before(Slots(start), bundles)
    at = 0
    while True:
        folder = work / f"kill-{at}"
        shutil.copytree(start, folder)
        point = killed(lambda folder=folder: scene.step(Slots(folder), bundles), at)
        if point is None:
            break
        kinds[point.kind] += 1
        if fault := fault_of(folder, bundles, (scene.old, scene.new)):
            faults.append(f"killed at {at} ({point.kind} {Path(point.path).name}): {fault}")
        shutil.rmtree(folder)
        at += 1
    return {"kills": at, "inside_a_write": kinds["write"], "at": dict(kinds), "faults": faults}


def lose_power_everywhere(scene: Scene, bundles: dict[str, Path], work: Path, every: int) -> dict[str, Any]:
    """Lose the power during a step at every point, in every way; of the same outcomes one is looked at."""
    folder = work / "power"
    folder.mkdir()
    scene.before(Slots(folder), bundles)
    journal = Journal(folder)
    with watched(journal):
        scene.step(Slots(folder), bundles)
    seen: set[frozenset[tuple[str, Left | None]]] = set()
    faults, modelled = [], 0
    target = work / "lost"
    for outcome in journal.outcomes():
        modelled += 1
        if (key := frozenset(outcome.items())) in seen:
            continue
        seen.add(key)
        if len(seen) % every == 0:
            target.mkdir()
            journal.lay_out(outcome, target)
            if fault := fault_of(target, bundles, (scene.old, scene.new)):
                faults.append(f"power lost, {sorted(outcome.items())}: {fault}")
            shutil.rmtree(target)
    return {"modelled": modelled, "outcomes": len(seen), "faults": faults}


def stop_everywhere(part: tuple[str, dict[str, Path], Path, int]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Stop one step in both ways."""
    scene, bundles, work, every = part
    return (
        kill_everywhere(SCENES[scene], bundles, work),
        lose_power_everywhere(SCENES[scene], bundles, work, every),
    )


def kill_commands(count: int, bundles: dict[str, Path], work: Path) -> dict[str, Any]:
    """Kill the command from outside, at any time between the first sign of work and its end."""
    rng = random.Random(SEED)
    command = [
        sys.executable,
        "-m",
        "edge",
        "update",
        "install",
        "--allow-unsigned",
        str(bundles["archive"]),
        "--slots",
    ]
    folder = work / "whole"
    two_used(Slots(folder), bundles)
    began = time.monotonic()
    subprocess.run([*command, str(folder)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    longest = time.monotonic() - began
    inside, done, faults = 0, 0, []
    for i in range(count):
        folder = work / f"command-{i}"
        two_used(Slots(folder), bundles)
        child = subprocess.Popen(
            [*command, str(folder)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + rng.uniform(0.0, longest)
        # From the moment on at which there is something half done, half of the time.
        while child.poll() is None and time.monotonic() < deadline:
            if i % 2 and any((folder / name).exists() for name in ("new", "fetch/unpacked")):
                time.sleep(rng.uniform(0.0, 0.01))
                break
            time.sleep(0.0005)
        child.send_signal(signal.SIGKILL)
        done += child.wait() == 0
        inside += any((folder / name).exists() for name in ("new", "fetch/unpacked"))
        if fault := fault_of(folder, bundles, ("3.0",)):
            faults.append(f"command {i}: {fault}")
        shutil.rmtree(folder)
    return {"kills": count - done, "with_something_half_done": inside, "ended_before": done, "faults": faults}


def main() -> int:
    """Stop everything everywhere, write the result, and fail where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scene", action="append", choices=SCENES, help="only this one; repeat it")
    parser.add_argument("--commands", type=int, default=40, metavar="N", help="kills of the whole command")
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="look at each N-th outcome of a loss of power"
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="steps at a time")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "update_faults.json")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)  # what is damaged is told of thousands of times
    steps, losses = {}, {}
    commands: dict[str, Any] = {"faults": []}
    with tempfile.TemporaryDirectory() as name:
        bundles = make_bundles(Path(name))
        chosen = [scene for scene in SCENES if not args.scene or scene in args.scene]
        parts = []
        for scene in chosen:
            work = Path(name, scene.replace(" ", "-"))
            work.mkdir()
            parts.append((scene, bundles, work, args.every))
        with multiprocessing.get_context("fork").Pool(args.jobs) as pool:
            found = zip(chosen, pool.imap(stop_everywhere, parts, chunksize=1), strict=True)
            for scene, (steps[scene], losses[scene]) in found:
                print(
                    f"{scene:26} {steps[scene]['kills']:4} kills, {steps[scene]['inside_a_write']:4} inside a write; "
                    f"{losses[scene]['outcomes']:5} outcomes of a loss of power",
                    flush=True,
                )
        if args.commands:
            commands = kill_commands(args.commands, bundles, Path(name))
    faults = [fault for part in (*steps.values(), *losses.values(), commands) for fault in part["faults"]]
    body = {
        "made_by": " ".join(["python tests/bench/update_faults.py", *sys.argv[1:]]),
        "method": (
            "each step of an update, in a process that is killed with SIGKILL before every call that changes a file, "
            "and at six places of every write; the same steps with the power lost after every call, where of names "
            "that were not flushed a first part is kept, and of data nothing, half, zeros, or all; and the command "
            "killed from outside; after each the active bundle is opened, and the next update made"
        ),
        "kills": sum(part["kills"] for part in steps.values()) + commands.get("kills", 0),
        "kills_inside_a_write": sum(part["inside_a_write"] for part in steps.values()),
        "losses_of_power": sum(part["modelled"] for part in losses.values()),
        "different_outcomes": sum(part["outcomes"] for part in losses.values()),
        "faults": len(faults),
        "killed": steps,
        "power_lost": losses,
        "commands": commands,
    }
    from train.results import write_result

    write_result(args.out, body, data_hash="none", seed=SEED, bundle=DEFAULT_BUNDLE)
    print(
        f"{body['kills']} kills, {body['kills_inside_a_write']} inside a write, {body['different_outcomes']} outcomes "
        f"of a loss of power: {len(faults)} faults"
    )
    for fault in faults[:20]:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

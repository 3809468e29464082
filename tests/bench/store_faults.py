"""The event store when its writer is killed, the power fails, the disk is full, or its files are damaged; and its cost.

    python tests/bench/store_faults.py

Kills are SIGKILL of a process that adds events as fast as it can. Loss of power is a model (tests/bench/power_loss.py)
over a record of all that a daemon's store did to the disk: opened, filled, closed, opened again, aged, written anew.
After each of them the store must open, be sound by SQLite's own check, and hold what was acknowledged.
"""

import argparse
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from power_loss import Disk, record
from processes import ROOT

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import sqlite3  # noqa: E402

from event_makers import AT_S, answer, ids, passed  # noqa: E402
from store_damage import damages, full_disk, memory_folder, opened, quiet, sound  # noqa: E402
from tqdm import tqdm  # noqa: E402

from edge.answers import Answer  # noqa: E402
from edge.event_reading import EventReader, Selection  # noqa: E402
from edge.event_retention import damaged_files, erase  # noqa: E402
from edge.event_store import FILE_NAME, EventStore  # noqa: E402

DAY_S = 86_400.0
BIG = {f"stage {at} {'x' * 100}": 0.001 for at in range(70)}
"""Stages of an event of 8 kB, by which a store fills soon."""


# -------------------------------------------------------------------------------------------- kills


def killed(path: Path, rng: random.Random, *, retaining: bool) -> tuple[list[str], str]:
    """Kill a process that adds events; return the ids that it acknowledged, and what it was at."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        with EventStore(path) as store:
            for number in range(10**6):
                one = answer(AT_S + number, stage_s=BIG) if retaining else answer(AT_S + number)
                os.write(writing, b"writing          \n")
                store.add(one)
                os.write(writing, f"{one.id:17}\n".encode())
                if retaining and number % 8 == 0:
                    os.write(writing, b"deleting         \n")
                    store.retain(AT_S, max_age_days=365, max_mb=4)
                    os.write(writing, b"deleted          \n")
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as said:
        text = b""
        # Now and then while it opens the store, which is a time of recovery.
        for _ in range(rng.choice((0, 1, 2, 5, 20, 60))):
            text += said.read(4096)
        time.sleep(rng.random() * 0.02)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while more := said.read(1 << 16):
            text += more
    lines = [line.decode().strip() for line in text.split(b"\n")[:-1]]
    doing = {"writing": "adding", "deleting": "deleting"}.get(lines[-1], "between") if lines else "opening"
    return [line for line in lines if line not in ("writing", "deleting", "deleted")], doing


def kills(folder: Path, count: int, rng: random.Random) -> dict[str, Any]:
    """Kill many times, on one store, and look at it after each."""
    result: dict[str, Any] = {}
    for kind, retaining in (("adding", False), ("adding and deleting", True)):
        path = folder / kind / FILE_NAME
        during: Counter[str] = Counter()
        expected: list[str] = []
        acknowledged = missing = unsound = extra = aside = 0
        for _ in tqdm(range(count), desc=f"kills while {kind}", unit="kill", disable=None):
            told, doing = killed(path, rng, retaining=retaining)
            during[doing] += 1
            acknowledged += len(told)
            expected += told
            with EventStore(path):
                pass
            there = ids(path)
            unsound += not sound(path)
            aside += len(damaged_files(path))
            # What was deleted is the oldest; one more may be there, which was written and not acknowledged any more.
            if retaining and there:
                expected = expected[expected.index(there[0]) :] if there[0] in expected else expected
            missing += len(set(expected) - set(there))
            extra += len(there) - len(set(there) & set(expected))
            expected = there
        result[kind] = {
            "kills": count,
            "during": dict(during),
            "acknowledged": acknowledged,
            "acknowledged_and_missing": missing,
            "written_but_not_acknowledged": extra,
            "unsound": unsound,
            "set_aside": aside,
        }
    return result


# ---------------------------------------------------------------------------------- loss of power


def scripted(path: Path, synchronous: str) -> None:
    """Do all that a daemon does to its store, and say what is certain from now on."""

    def open_store() -> EventStore:
        store = EventStore(path)
        assert store._connection is not None
        store._connection.execute(f"PRAGMA synchronous={synchronous}").fetchall()
        return store

    def say(text: str) -> None:
        os.write(1, text.encode())  # one call each, among those that the record holds

    def add(store: EventStore, events: int) -> None:
        for _ in range(events):
            one = answer(times.pop(0))
            say(f"begin {one.id}")
            store.add(one)
            say(f"added {one.id}")

    times = [AT_S - 40 * DAY_S + at for at in range(30)] + [AT_S + at for at in range(60)]
    with open_store() as store:
        add(store, 40)
    with open_store() as store:
        add(store, 20)
        say("deleting 30")
        store.retain(AT_S, max_age_days=30, max_mb=64)
        say("deleted 30")
        add(store, 10)
        assert store._connection is not None
        erase(store._connection, before_ms=0)  # deletes nothing, and writes the file anew
        add(store, 20)


def losses(folder: Path, draws: int, rng: random.Random, synchronous: str = "FULL") -> dict[str, Any]:
    """Let the power fail after every call, and look at what may be there then."""
    folder.mkdir()
    command = [sys.executable, __file__, "--scripted", str(folder / FILE_NAME), "--synchronous", synchronous]
    calls = record(command, folder, folder.parent / "trace")
    disk = Disk()
    begun: list[str] = []
    added = 0
    deleting = deleted = 0
    result: Counter[str] = Counter()
    trial = memory_folder() / "trial"
    try:
        for call in tqdm(calls, desc=f"loss of power, {synchronous}", unit="call", disable=None):
            disk.push(call)
            if call.kind == "say":
                word, said = call.content.decode().split()
                begun += [said] if word == "begin" else []
                added += word == "added"
                deleting = max(deleting, int(said) if word == "deleting" else 0)
                deleted = max(deleted, int(said) if word == "deleted" else 0)
                continue
            for state in disk.states(rng, draws):
                with quiet():
                    there = opened(trial, state, result)
                first = begun.index(there[0]) if there else 0
                result["states"] += 1
                # One stretch without gaps, which reaches to the last that was acknowledged, and begins where it may.
                least = begun[deleting:added]
                result["acknowledged_and_missing"] += len(set(least) - set(there))
                result["out_of_order"] += there != begun[first : first + len(there)]
                result["came_back"] += len(set(begun[:deleted]) & set(there))
    finally:
        shutil.rmtree(trial.parent)
    kinds = Counter(call.kind for call in calls if call.kind != "say")
    return {"calls": dict(kinds), "events": len(begun), **counted(result)}


def counted(result: Counter[str]) -> dict[str, int]:
    """Return the counts, with those that are 0."""
    names = ("states", "acknowledged_and_missing", "out_of_order", "came_back", "unsound", "set_aside")
    return {name: result[name] for name in names}


# --------------------------------------------------------------------------------------------- cost


def cost(folder: Path) -> dict[str, Any]:
    """Measure what an event costs, in time and bytes, with each way to wait for the disk."""
    result: dict[str, Any] = {}
    for synchronous in ("FULL", "NORMAL"):
        path = folder / synchronous / FILE_NAME
        times = []
        largest_log = 0
        with EventStore(path) as store:
            assert store._connection is not None
            store._connection.execute(f"PRAGMA synchronous={synchronous}").fetchall()
            for at in tqdm(range(2000), desc=synchronous, unit="event", disable=None):
                one = made(at)
                began = time.perf_counter()
                store.add(one)
                times.append(1e3 * (time.perf_counter() - began))
                largest_log = max(largest_log, Path(f"{path}-wal").stat().st_size)
        times.sort()
        result[synchronous] = {
            "ms_median": round(statistics.median(times), 3),
            "ms_95_percent": round(times[int(0.95 * len(times))], 3),
            "ms_99_percent": round(times[int(0.99 * len(times))], 3),
            "ms_most": round(times[-1], 3),
            "bytes_per_event": round(path.stat().st_size / len(times)),
            "log_bytes_most": largest_log,
        }
    result["full_store"] = full_store(folder / "large" / FILE_NAME)
    return result


def full_store(path: Path) -> dict[str, Any]:
    """Measure a store of the default size: opened with its check, listed, tidied."""
    rows = 77_000
    with EventStore(path) as store:
        assert store._connection is not None
        # In one transaction: what is measured comes afterwards.
        store._connection.execute("BEGIN")
        for at in tqdm(range(rows), desc="a full store", unit="event", disable=None):
            store.add(made(at))
        store._connection.execute("COMMIT")

    def timed(work: Callable[[], object]) -> float:
        times = []
        for _ in range(5):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
        return round(1e3 * statistics.median(times), 1)

    def listed(selection: Selection) -> int:
        with EventReader(path) as reader:
            return sum(1 for _ in reader.events(selection, newest=50))

    def tidied() -> int:
        with EventStore(path) as store:
            return store.retain(AT_S + rows, max_age_days=365, max_mb=64)

    return {
        "events": rows,
        "mb": round(path.stat().st_size / 1e6, 1),
        "open_and_check_ms": timed(lambda: EventStore(path).close()),
        "list_50_ms": timed(lambda: listed(Selection())),
        "list_50_that_are_rare_ms": timed(lambda: listed(Selection(reason="rate_limit"))),
        "open_check_and_tidy_ms": timed(tidied),
    }


def made(at: int) -> Answer:
    """Return one of the answers of a home: half of them are replays."""
    return (answer if at % 2 else passed)(AT_S + at)


def main() -> int:
    """Do all of it, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=300, help="of each kind")
    parser.add_argument("--draws", type=int, default=6, help="states at random after each call")
    parser.add_argument("--damages", type=int, default=400, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scratch", type=Path, help="folder on the disk to be measured [that of temporary files]")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "store_faults.json")
    parser.add_argument("--scripted", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--synchronous", default="FULL", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.scripted is not None:
        scripted(args.scripted, args.synchronous)
        return 0

    from train.results import write_result

    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory(dir=args.scratch) as name:
        folder = Path(name)
        body = {
            "made_by": "python tests/bench/store_faults.py",
            "sqlite": sqlite3.sqlite_version,
            "load_average_at_start": round(os.getloadavg()[0], 2),
            "kills": kills(folder / "kills", args.kills, rng),
            "power": losses(folder / "power", args.draws, rng),
            # Whether the model can find anything: ways to write that promise less.
            "power_controls": {
                synchronous: losses(folder / synchronous, 1, rng, synchronous) for synchronous in ("NORMAL", "OFF")
            },
            "damage": damages(folder / "damage", args.damages, rng),
            "full_disk": full_disk(folder / "full"),
            "cost": cost(folder / "cost"),
        }
    write_result(args.out, body, data_hash="", seed=args.seed)
    for part, found in body.items():
        print(part, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())

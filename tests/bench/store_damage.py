"""Stores whose files are damaged, or whose disk is full; and how a store is looked at after a trial."""

import contextlib
import logging
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from processes import ROOT

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from event_makers import AT_S, answer, ids, integrity, passed  # noqa: E402
from tqdm import tqdm  # noqa: E402

from edge.errors import StoreError  # noqa: E402
from edge.event_reading import EventReader, Selection  # noqa: E402
from edge.event_retention import damaged_files  # noqa: E402
from edge.event_schema import PAGE_BYTES  # noqa: E402
from edge.event_store import FILE_NAME, EventStore  # noqa: E402

__all__ = ["damages", "full_disk", "memory_folder", "opened", "quiet", "sound"]

_FRAME_BYTES = 24 + PAGE_BYTES


def sound(path: Path) -> bool:
    """Tell whether SQLite's own check finds nothing."""
    return integrity(path) == "ok"


def memory_folder() -> Path:
    """Return a new folder, in memory if there is room: nothing of the trials needs a disk."""
    return Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))


def opened(folder: Path, state: dict[str, bytes], result: Counter[str]) -> list[str]:
    """Put files into a folder, open the store as a daemon does, and return the ids that are there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in state.items():
        (folder / name).write_bytes(content)
    path = folder / FILE_NAME
    with EventStore(path):
        pass
    result["unsound"] += not sound(path)
    result["set_aside"] += bool(damaged_files(path))
    return ids(path)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the log of damaged files from the terminal: there are thousands."""
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def damages(folder: Path, draws: int, rng: random.Random) -> dict[str, Any]:
    """Shorten, mix and flip what is on the disk, beyond what a loss of power can do."""
    early, late, told = snapshots(folder)
    data, log = late[FILE_NAME], late[f"{FILE_NAME}-wal"]
    written = records(folder / FILE_NAME)
    trial = memory_folder() / "trial"

    def shortened_logs() -> Iterator[dict[str, bytes]]:
        ends = {end + more for end in range(32, len(log) + 1, _FRAME_BYTES) for more in (-1, 0, 1, 24)}
        ends |= {rng.randrange(len(log)) for _ in range(draws)} | {0, 31}
        for end in sorted(one for one in ends if one <= len(log)):
            yield {FILE_NAME: data, f"{FILE_NAME}-wal": log[:end]}

    def shortened_files() -> Iterator[dict[str, bytes]]:
        ends = {end + more for end in range(0, len(data), PAGE_BYTES) for more in (-1, 0, 1)}
        ends |= {rng.randrange(len(data)) for _ in range(draws)}
        for end in sorted(one for one in ends if 0 <= one < len(data)):
            yield {FILE_NAME: data[:end], f"{FILE_NAME}-wal": log}
            yield {FILE_NAME: data[:end]}

    def logs_of_another_time() -> Iterator[dict[str, bytes]]:
        yield {FILE_NAME: data, f"{FILE_NAME}-wal": early[f"{FILE_NAME}-wal"]}
        yield {FILE_NAME: early[FILE_NAME], f"{FILE_NAME}-wal": log}
        old = early[f"{FILE_NAME}-wal"]
        for end in range(32, len(old) + 1, _FRAME_BYTES):
            yield {FILE_NAME: data, f"{FILE_NAME}-wal": old[:end]}

    def flipped() -> Iterator[dict[str, bytes]]:
        for _ in range(draws):
            content = bytearray(data)
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            yield {FILE_NAME: bytes(content)}

    def junk() -> Iterator[dict[str, bytes]]:
        for _ in range(draws):
            content = bytearray(data)
            at = rng.randrange(len(content) // 512) * 512
            content[at : at + 512] = rng.choice((bytes(512), rng.randbytes(512)))
            yield {FILE_NAME: bytes(content)}

    result: dict[str, Any] = {}
    try:
        for make in (shortened_logs, shortened_files, logs_of_another_time, flipped, junk):
            counts: Counter[str] = Counter()
            for state in tqdm(list(make()), desc=make.__name__, unit="file", disable=None):
                with quiet():
                    opened(trial, state, counts)
                there = records(trial / FILE_NAME)
                counts["states"] += 1
                counts["events_left_out"] += there.damaged
                counts["not_a_beginning"] += list(there) != told[: len(there)]
                counts["changed_and_not_found"] += any(written.get(name) != one for name, one in there.items())
            names = ("states", "unsound", "set_aside", "not_a_beginning", "events_left_out", "changed_and_not_found")
            result[make.__name__] = {name: counts[name] for name in names}
    finally:
        shutil.rmtree(trial.parent)
    return result


def snapshots(folder: Path) -> tuple[dict[str, bytes], dict[str, bytes], list[str]]:
    """Return the files of a store that was never closed, early and late, and the ids of the late one."""
    path = folder / FILE_NAME
    kept = []
    told = []
    with EventStore(path) as store:
        for at in range(220):
            one = answer(AT_S + at)
            told.append(one.id)
            store.add(one)
            if at in (110, 219):
                kept.append({name: (folder / name).read_bytes() for name in (FILE_NAME, f"{FILE_NAME}-wal")})
    return kept[0], kept[1], told


class Records(dict[str, Any]):
    """Records of events by their ids, and how many were left out because they are damaged."""

    damaged = 0


def records(path: Path) -> Records:
    """Return what readers see."""
    found = Records()
    with EventReader(path) as reader:
        found.update((event.id, event.record) for event in reader.events(Selection()))
        found.damaged = reader.damaged
    return found


def full_disk(folder: Path) -> dict[str, Any] | str:
    """Fill a disk in memory, make room, and fill it again; needs the right to mount one."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(folder)], capture_output=True)
    if mounted.returncode:
        return f"not tried: {mounted.stderr.decode().strip()}"
    path = folder / "state" / FILE_NAME
    filler = folder / "filler"
    refused = 0
    acknowledged: list[str] = []
    errors: Counter[str] = Counter()
    try:
        for turn in range(20):
            filler.unlink(missing_ok=True)
            store = EventStore(path)
            for at in range(8):
                one = passed(AT_S + turn + at / 100)
                store.add(one)
                acknowledged.append(one.id)
            fill(filler)
            for at in range(40):
                one = answer(AT_S + turn + 0.5 + at / 100)
                try:
                    store.add(one)
                    acknowledged.append(one.id)
                except StoreError as error:
                    refused += 1
                    errors[str(error).partition("(")[2].partition(")")[0]] += 1
                    if at % 3 == 0:
                        # As the bus does: closed, and opened again.
                        store.close()
                        try:
                            store = EventStore(path)
                        except StoreError:
                            break
            store.close()
        filler.unlink(missing_ok=True)
        with EventStore(path):
            pass
        there = ids(path)
        return {
            "turns": 20,
            "acknowledged": len(acknowledged),
            "refused": refused,
            "errors": dict(errors),
            "acknowledged_and_missing": len(set(acknowledged) - set(there)),
            "refused_and_there": len(set(there) - set(acknowledged)),
            "unsound": int(not sound(path)),
            "set_aside": len(damaged_files(path)),
        }
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(filler: Path) -> None:
    """Take all room that is left."""
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while file.write(bytes(4096)):
            pass

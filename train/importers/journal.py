"""What an import has finished, so that the same command goes on where it was stopped."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

from edge.errors import DataError
from edge.files import read_file
from edge.json_reading import parse_json
from train.atomic_file import put_bytes
from train.importers.audio_copy import Copied

__all__ = ["Journal", "job_key"]


def job_key(file: Path, channel: int | None, *, link: bool, expected_sha256: str = "") -> str:
    """Return what a copy depends on: the file, its size and time of change, and how it is read and verified.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    """
    found = file.stat()
    parts = [str(file.resolve()), found.st_size, found.st_mtime_ns, channel, link, expected_sha256]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _lines(path: Path) -> list[str]:
    """Return the lines of a journal; where it cannot be read, everything is done again."""
    try:
        return read_file(path).decode("utf-8", "replace").splitlines()
    except OSError:
        return []


class Journal:
    """A file with one line of JSON a finished recording.

    Parameters
    ----------
    path : Path
        Entries that are there already are read; a line that was cut short is dropped. What it names is relative to
        the folder that it is in.

    Raises
    ------
    DataError
        If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done: dict[str, tuple[str, Copied]] = {}
        kept = [line for line in _lines(path) if self._take(line)]
        # Whole lines only: what is appended must not continue half of one.
        put_bytes(path, "".join(f"{line}\n" for line in kept).encode())

    def _take(self, line: str) -> bool:
        try:
            entry = parse_json(line)
            copied = Copied(**entry["copied"])
            if [*map(type, dataclasses.astuple(copied))] != [str, int, float, int]:
                raise TypeError("somebody edited it")
            self._done[entry["target"]] = (entry["key"], copied)
        except (ValueError, KeyError, TypeError):
            return False
        return True

    def done(self, target: str, key: str) -> Copied | None:
        """Return what was put in place for the same job, if it is still there."""
        before, copied = self._done.get(target, ("", None))
        file = self._path.parent / target
        if copied is None or before != key or not file.is_file() or file.stat().st_size != copied.size:
            return None
        return copied

    def add(self, target: str, key: str, copied: Copied) -> None:
        """Enter a finished recording.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        entry = {"target": target, "key": key, "copied": dataclasses.asdict(copied)}
        try:
            # Without a buffer, that nothing is left to write when this process is stopped.
            with open(self._path, "ab", buffering=0) as file:
                line = f"{json.dumps(entry)}\n".encode()
                if os.write(file.fileno(), line) != len(line):
                    raise OSError(28, os.strerror(28))
        except OSError as error:
            raise DataError(
                f"{self._path}: cannot be written ({error.strerror}); free some space, and give the same command "
                "again: what is finished is kept"
            ) from error

    def remove(self) -> None:
        """Remove the file, once the manifest holds what it did."""
        self._path.unlink(missing_ok=True)

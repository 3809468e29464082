"""What a Beam worker does with an element, and how it tells: by files in the folder of the shards.

Beam gives results to the next step of a pipeline, and not to who waits for it: progress, errors and memory would be
known at the end only, and differently from runner to runner.
"""

import json
import os
import pickle
import socket
from dataclasses import dataclass
from pathlib import Path

from edge.files import write_whole
from train.engines.work import attempt

__all__ = ["NOTE", "REPORT", "STOP", "Note", "machine_name", "work"]

NOTE = "worker"
"""``worker,PID,MACHINE`` holds a :class:`Note`."""
REPORT = "report"
"""``report,NUMBER`` holds a pickled :class:`~train.engines.work.Report`."""
STOP = "stop"
"""Where it is, nothing more is begun."""

_NOTE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Note:
    """What a worker has begun, and its last words where it could not write a report.

    Parameters
    ----------
    index : int
        The shard.
    error : str
        Why it was not made; empty if nothing has gone wrong, or if there is a report.
    """

    index: int
    error: str = ""

    def write(self, path: Path) -> None:
        """Write the note over an earlier one, which takes no room on a disk that is full."""
        content = json.dumps([self.index, self.error[: _NOTE_BYTES // 8]]).encode().ljust(_NOTE_BYTES)
        if path.exists():
            with path.open("r+b") as file:
                file.write(content)
        else:
            write_whole(path, lambda file: file.write(content))

    @classmethod
    def read(cls, path: Path) -> "Note | None":
        """Return a note; nothing if it is being written."""
        try:
            index, error = json.loads(path.read_bytes())
        except ValueError:
            return None
        return cls(index, error)


def machine_name() -> str:
    """Return the name of this machine, in a form that a file name can hold."""
    return "".join(c if c.isalnum() or c in "-." else "-" for c in socket.gethostname())


def work(index: int, *, make: bytes, run_folder: str) -> None:
    """Make a shard and tell of it; nothing if the run has been stopped."""
    folder = Path(run_folder)
    # The folder is gone when the run has ended without us: a runner on other machines may not know.
    if not folder.is_dir() or (folder / STOP).exists():
        return
    note = folder / f"{NOTE},{os.getpid()},{machine_name()}"
    Note(index).write(note)
    # A module that is not installed here is an error like others.
    report = attempt(lambda number: pickle.loads(make)(number), index)
    content = pickle.dumps(report)
    try:
        write_whole(folder / f"{REPORT},{index}", lambda file: file.write(content))
    except OSError as error:
        # A shard that was made speaks for itself.
        if report.error is not None:
            Note(index, str(report.error) or type(report.error).__name__).write(note)
            raise RuntimeError(f"shard {index}: {report.error}") from error

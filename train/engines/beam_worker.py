"""What a Beam worker does with an element, and how it tells: by files, which need nothing but the folder of the shards.

Beam gives results to the next step of a pipeline, and not to who waits for it, so that progress, errors and memory would
be known at the end only, and differently from runner to runner.
"""

import contextlib
import os
import pickle
import socket
from pathlib import Path

from edge.errors import VivavoceError
from edge.files import write_whole
from train.engines.work import Report, attempt

__all__ = ["NOTE", "REPORT", "STOP", "machine_name", "work"]

NOTE = "worker"
"""``worker,PID,MACHINE`` holds the number of the shard that a worker has begun."""
REPORT = "report"
"""``report,NUMBER`` holds a pickled :class:`~train.engines.work.Report`."""
STOP = "stop"
"""Where it is, nothing more is begun."""


def machine_name() -> str:
    """Return the name of this machine, in a form that a file name can hold."""
    return "".join(c if c.isalnum() or c in "-." else "-" for c in socket.gethostname())


def work(index: int, *, make: bytes, run_folder: str) -> None:
    """Make a shard and tell of it; nothing if the run has been stopped."""
    folder = Path(run_folder)
    # The folder is gone when the run has ended without us: a runner on other machines may not know.
    if not folder.is_dir() or (folder / STOP).exists():
        return
    # A disk that is full may still take the shard: the note only says who makes it.
    with contextlib.suppress(OSError):
        _put(folder / f"{NOTE},{os.getpid()},{machine_name()}", str(index).encode())
    report = attempt(pickle.loads(make), index)
    try:
        _put(folder / f"{REPORT},{index}", pickle.dumps(report))
    except OSError as error:
        if report.error is not None:
            raise RuntimeError(_last_words(report)) from error


def _put(path: Path, content: bytes) -> None:
    write_whole(path, lambda file: file.write(content))


def _last_words(report: Report) -> str:
    """Say what cannot be written down: the failure of the pipeline then carries it."""
    assert report.error is not None
    mark = "||" if isinstance(report.error, VivavoceError) else ""
    return f"shard {report.index}: {mark}{report.error}{mark}"

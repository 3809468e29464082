"""One writer of a file at a time: a lock beside it, held as long as the process lives."""

import fcntl
import os
from pathlib import Path
from typing import IO

from edge.errors import StoreError

__all__ = ["lone_writer"]


def lone_writer(path: Path) -> IO[bytes]:
    """Keep other daemons from a file that this one writes.

    Parameters
    ----------
    path : Path
        The file; its folder must be there.

    Returns
    -------
    file
        The lock: closing it lets others write. It ends with the process, whatever ends that.

    Raises
    ------
    StoreError
        If another process has it.
    OSError
        If no lock can be made in the folder.
    """
    name = path.with_name(f".{path.name}.lock")
    lock = open(name, "ab", opener=lambda file, flags: os.open(file, flags, 0o600))  # noqa: SIM115
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise StoreError(
            f"{path}: another vivavoce daemon writes to it; stop that one, or name another file"
        ) from error
    except OSError:
        pass  # some file systems have no locks: better to go on than to refuse all of them
    return lock

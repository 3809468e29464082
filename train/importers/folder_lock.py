"""One import at a time into a data folder: two would overwrite each other's manifest."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from edge.errors import DataError, UsageError

__all__ = ["only_writer"]


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold a folder for oneself, making it if absent; ends with the process, however that ends.

    Raises
    ------
    UsageError
        If another import holds it.
    DataError
        If the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be used ({error.strerror}), expected a folder to write into; choose another --out"
        ) from error
    try:
        # Some network file systems have no locks: better to go on than to refuse all of them.
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"{folder}: another import is writing into it; wait for its end, or give another --out"
                ) from None
        yield
    finally:
        os.close(handle)

"""Writing files so that they are whole or not there, whoever reads meanwhile and whatever stops the writing."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

__all__ = ["write_whole"]


def write_whole(
    path: Path, write: Callable[[IO[bytes]], object], *, durable: bool = False, one_writer: bool = False
) -> None:
    """Put a file in place in one step: under its name there is the old file or the new one, never a part.

    Parameters
    ----------
    path : Path
        Folders that are missing are made.
    write : callable
        Called with the file, open for writing bytes.
    durable : bool
        Wait until the bytes are on the disk: for a file that says that others are finished.
    one_writer : bool
        Only one process writes this file at a time: then what a killed one left is overwritten by its successor.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left behind, and what was there before still is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own, or the same one every time.
    part = path.parent / (f".{path.name[:200]}.tmp" if one_writer else f".{os.getpid()}.{os.urandom(4).hex()}.tmp")
    if one_writer:
        # Not through what is there: a killed process may have left a link to somebody's file.
        part.unlink(missing_ok=True)
    try:
        with part.open("xb") as file:
            write(file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

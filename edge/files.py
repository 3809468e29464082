"""Writing files so that they are whole or not there, whoever reads meanwhile and whatever stops the writing."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

__all__ = ["write_whole"]


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file, readable for everybody as far as the process's mask allows, in place of what is there.

    Parameters
    ----------
    path : Path
        Folders that are missing are made.
    write : callable
        Called with the file, open for writing bytes.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left behind, and what was there before still is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    part = Path(name)
    try:
        with open(descriptor, "wb") as file:
            write(file)
        mask = os.umask(0o077)
        os.umask(mask)
        part.chmod(0o644 & ~mask)  # a temporary file is for its owner alone
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise

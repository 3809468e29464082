"""Writing files so that they are whole or not there, whoever reads meanwhile and whatever stops the writing."""

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

__all__ = ["UNFINISHED", "link_whole", "prove_writable", "read_file", "write_whole"]

UNFINISHED = ".*.tmp"
"""Names, as a glob pattern, of what is being written, or was when the program was killed."""


def read_file(path: Path) -> bytes:
    """Return the content of a file.

    Raises
    ------
    OSError
        If it cannot be read, or is no file: a pipe would be waited for.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is a folder or device")
        return file.read()


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
        Wait until the bytes and the name are on the disk: for a file that says that others are finished.
    one_writer : bool
        Only one process writes this file at a time: then what a killed one left is overwritten by its successor.

    Raises
    ------
    OSError
        If it cannot be written, or there is something else than a file; nothing is left behind, and what was there
        before still is.
    """
    with _in_place_of(path, one_writer) as part, part.open("xb") as file:
        write(file)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def prove_writable(path: Path) -> None:
    """Try whether :func:`write_whole` could write a file, and leave nothing: for what is known only after long work.

    Raises
    ------
    OSError
        If it could not, or there is something else than a file.
    """
    _refuse_other_than_file(path)
    folder = path.parent
    while not os.path.lexists(folder):
        folder = folder.parent
    # On Linux a file without a name: whatever stops this, nothing is left.
    with tempfile.TemporaryFile(dir=folder):
        pass


def link_whole(path: Path, target: Path) -> None:
    """Put a symbolic link in place in one step, as :func:`write_whole` does a file that has one writer.

    Raises
    ------
    OSError
        If the file system refuses; what was there before still is.
    """
    with _in_place_of(path, one_writer=True) as part:
        part.symlink_to(target)


@contextlib.contextmanager
def _in_place_of(path: Path, one_writer: bool) -> Iterator[Path]:
    """Lend a name beside a file that nothing has; what is made under it takes the place of the file at the end."""
    _refuse_other_than_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own, or the same one every time.
    name = os.fsdecode(os.fsencode(path.name)[:200]) if one_writer else f"{os.getpid()}.{os.urandom(4).hex()}"
    part = path.with_name(f".{name}.tmp")
    if one_writer:
        # Not through what is there: a killed process may have left a link to somebody's file.
        part.unlink(missing_ok=True)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _refuse_other_than_file(path: Path) -> None:
    # root may replace a device: nobody would have /dev/null any more.
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(errno.EINVAL, "is a folder or device")

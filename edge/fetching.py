"""Getting a bundle from where it is: a folder, an archive, or an archive at an https address.

Transport is apart from trust: whatever is got here is verified by :mod:`edge.slots` before anything believes it.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

from edge.download import FetchSettings, check_address, download, forget, is_address
from edge.errors import DataError, UsageError
from edge.unpacking import ENDINGS, MAX_ARCHIVE_BYTES, is_archive, unpack

__all__ = ["fetched"]

_UNPACKED = "unpacked"


@contextlib.contextmanager
def fetched(
    source: str,
    work: Path,
    settings: FetchSettings,
    *,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], object] = time.sleep,
) -> Iterator[Path]:
    """Lend the folder of a bundle; what was made for that is gone afterwards.

    Parameters
    ----------
    source : str
        A folder, an archive, or the https address of an archive.
    work : Path
        Folder to work in, which is made. The part of a download that came to nothing stays there, and the next call
        goes on with it.
    settings : FetchSettings
        Limits of a download.
    clock : callable
        Returns the time, s.
    wait : callable
        Lets some seconds pass before the next attempt.

    Raises
    ------
    UsageError
        If the source is none, or somebody else works in the folder.
    DataError
        If it cannot be got, or unpacked, or there is no room for it.
    """
    if not is_address(source) and os.path.isdir(source):
        yield Path(source)
        return
    if is_address(source):
        check_address(source)
    name = urllib.parse.urlsplit(source).path if is_address(source) else source
    if not is_archive(name):
        raise UsageError(
            f"{source}: got no archive, expected the folder of a bundle, or a file or an https address that ends with "
            f"{', '.join(ENDINGS)}; check it"
        )
    with _alone(work):
        opened = work / _UNPACKED
        try:
            with _room(work):
                _remove(opened)
                opened.mkdir()
            if is_address(source):
                archive = download(source, work, settings, clock=clock, wait=wait)
            else:
                archive = _checked(Path(source))
            try:
                with _room(work):
                    unpack(archive, opened, name=source)
            finally:
                if is_address(source):
                    # All of it came; if it is no good, going on with it would never be.
                    forget(work)
            yield opened
        finally:
            with contextlib.suppress(OSError):
                _remove(opened)


def _checked(archive: Path) -> Path:
    """Return the path of an archive that is a file, and not too large."""
    try:
        found = archive.stat()
        with open(archive, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)):
            pass
    except OSError as error:
        raise DataError(f"{archive}: cannot be read ({error.strerror}), expected a bundle; check the path") from error
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_ARCHIVE_BYTES:
        got = f"{found.st_size} bytes" if stat.S_ISREG(found.st_mode) else "a device"
        raise DataError(f"{archive}: got {got}, expected a file of at most {MAX_ARCHIVE_BYTES}; give another bundle")
    return archive


@contextlib.contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Refuse to work beside another process: both would write the same files."""
    with _room(work):
        work.mkdir(parents=True, exist_ok=True)
        handle = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"{work}: got another update that is being fetched, expected to be alone; wait for its end"
            ) from error
        except OSError:
            pass  # some network file systems have no locks: better to go on than to refuse all of them
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _room(work: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{work}: cannot be written ({error.strerror}), expected room for an archive and what is in it; make room "
            "or check its permissions; nothing was installed"
        ) from error


def _remove(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)

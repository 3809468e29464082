"""Taking a bundle out of an archive: a .tar, compressed or not, or a .zip, by somebody who may mean harm.

A bundle is a folder of a few plain files, and nothing else is taken out: an archive that holds a link, a device, a path
that leads elsewhere, or more than a bundle may hold, is refused as a whole. What an archive says of sizes is not
believed: what comes out of it is counted.
"""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import urllib.parse
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from edge.bundle_manifest import MAX_FILE_BYTES
from edge.errors import DataError

__all__ = ["ENDINGS", "MAX_ARCHIVE_BYTES", "is_archive", "unpack"]

MAX_ARCHIVE_BYTES = 64 << 20
"""Of an archive, and of what comes out of it."""
_MAX_ENTRIES = 200

_OPENERS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".tar.gz": lambda file: gzip.GzipFile(fileobj=file),
    ".tgz": lambda file: gzip.GzipFile(fileobj=file),
    ".tar.xz": lzma.LZMAFile,
    ".tar.bz2": bz2.BZ2File,
    ".tar": lambda file: file,
}
ENDINGS = (*_OPENERS, ".zip")
"""Endings of archives."""


def is_archive(name: str) -> bool:
    """Tell by its name whether a file is an archive."""
    return name.lower().endswith(ENDINGS)


def unpack(path: Path, folder: Path, *, name: str = "") -> Path:
    """Take a bundle out of an archive.

    Parameters
    ----------
    path : Path
        The archive.
    folder : Path
        An empty folder to put the files into.
    name : str
        What the archive is called in messages, a path or an address; its ending says what it is.

    Returns
    -------
    Path
        `folder`; what is in it still has to be verified.

    Raises
    ------
    DataError
        If it is no archive, damaged, too large, or holds something else than plain files of one folder.
    OSError
        If a file cannot be written.
    """
    shown = name or str(path)
    name = urllib.parse.urlsplit(shown).path.lower() if "://" in shown else shown.lower()
    taken = _Taken(shown, folder)
    try:
        with open(path, "rb") as file:
            if name.endswith(".zip"):
                _unpack_zip(file, taken)
            else:
                opener = next(opener for ending, opener in _OPENERS.items() if name.endswith(ending))
                _unpack_tar(opener(file), taken)
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        gzip.BadGzipFile,
        EOFError,
        NotImplementedError,  # a kind of compression that zipfile does not know
        ValueError,
        RuntimeError,  # a zip with a password
    ) as error:
        raise taken.fault(f"something that cannot be unpacked ({error})", "an archive that is whole") from error
    return folder


class _Taken:
    """What was taken out so far."""

    def __init__(self, shown: str, folder: Path) -> None:
        self._shown, self._folder = shown, folder
        self._entries, self._parents, self._names = 0, set[str](), set[str]()
        self.left = MAX_ARCHIVE_BYTES

    def fault(self, got: str, expected: str) -> DataError:
        return DataError(f"{self._shown}: got {got}, expected {expected}; get the bundle again from whom it is")

    def count(self) -> None:
        self._entries += 1
        if self._entries > _MAX_ENTRIES:
            raise self.fault(f"more than {_MAX_ENTRIES} entries", "the few files of a bundle")

    def put(self, written: str, pieces: Iterator[bytes]) -> None:
        """Write one file, which must lie in the one folder of all."""
        path = PurePosixPath(written)
        if path.is_absolute() or ".." in path.parts or "\\" in written or "\0" in written or len(path.parts) > 2:
            raise self.fault(f"the path {written[:200]!r}", "plain names, at most in one folder")
        self._parents.add(path.parent.as_posix())
        if len(self._parents) > 1:
            raise self.fault("files in several folders", "one bundle")
        if path.name in self._names:
            raise self.fault(f"{path.name!r} a second time", "every file once")
        self._names.add(path.name)
        size = 0
        with open(self._folder / path.name, "xb") as file:
            for piece in pieces:
                size += len(piece)
                self.left -= len(piece)
                if size > MAX_FILE_BYTES or self.left < 0:
                    raise self.fault(f"too much in {path.name!r}", f"at most {MAX_FILE_BYTES} bytes in a file")
                file.write(piece)


class _Counted(io.RawIOBase):
    """A stream that ends with an error where more comes out of it than a bundle can hold: a bomb, not an archive."""

    def __init__(self, file: Any, taken: _Taken) -> None:
        self._file, self._taken = file, taken
        self._left = MAX_ARCHIVE_BYTES

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        wanted = self._left + 1 if size < 0 else min(size, self._left + 1)
        try:
            content: bytes = self._file.read(wanted)
        except OSError as error:
            if error.errno is not None:
                raise
            raise ValueError(str(error)) from error  # so bz2 and gzip speak of their data, and not of the disk
        self._left -= len(content)
        if self._left < 0:
            raise self._taken.fault("an archive that does not end", f"at most {MAX_ARCHIVE_BYTES} bytes in it")
        return content


def _unpack_tar(file: Any, taken: _Taken) -> None:
    with tarfile.open(fileobj=_Counted(file, taken), mode="r|") as archive:
        for member in archive:
            taken.count()
            if member.isdir():
                continue
            if not member.isreg():
                raise taken.fault(f"{member.name[:200]!r}, a link or device", "plain files")
            content = archive.extractfile(member)
            assert content is not None, "a regular file has content"
            taken.put(member.name, _pieces(content))


def _unpack_zip(file: IO[bytes], taken: _Taken) -> None:
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            taken.count()
            if entry.is_dir():
                continue
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise taken.fault(f"{entry.filename[:200]!r}, a link or device", "plain files")
            with archive.open(entry) as content:
                taken.put(entry.filename, _pieces(content))


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(1 << 16):
        yield piece

"""What a layout module finds in a corpus: recordings that are imported, and how many are left out for what reason."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import DataError

__all__ = ["Found", "Options", "Recording", "files_below", "folder_among", "listed"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may choose.

    Attributes
    ----------
    licence : str
        Of every recording whose layout does not state one for each.
    wake : tuple of str
        Phrases whose recordings get the role ``wake``.
    seed : int
        Of the splits that the publisher did not make.
    only : tuple of str
        Splits to import; empty for all.
    """

    licence: str = ""
    wake: tuple[str, ...] = ()
    seed: int = 1
    only: tuple[str, ...] = ()

    def wants(self, split: str) -> bool:
        """Say whether a split is to be imported."""
        return not self.only or split in self.only


@dataclass(frozen=True, slots=True)
class Recording:
    """One file of the source, and its row; see :class:`train.clip.Clip` for the columns.

    Attributes
    ----------
    file : Path
        Where it is. Whether it is there, and is audio, is found out when it is read.
    name : str
        Identifies it within the corpus; the path that it gets, with forward slashes and without suffix.
    channel : int or None
        Channel to take, from 0; None for the mean of all.
    native_hz : int
        Rate of the original recording where the source states it, else 0 for the rate of the file, Hz.
    expected_sha256 : str
        Of the bytes of the file as the source states it, or ``""``.
    """

    file: Path
    name: str
    corpus: str
    speaker: str
    split: str
    role: str
    licence: str
    label: str = ""
    source: str = ""
    device: str = ""
    room: str = ""
    loudspeaker: str = ""
    channel: int | None = None
    native_hz: int = 0
    expected_sha256: str = ""


@dataclass(slots=True)
class Found:
    """The content of a corpus.

    Attributes
    ----------
    recordings : list of Recording
    dropped : Counter
        How many recordings are not imported, by reason.
    doubts : list of str
        What the user should know of the recordings that are, e.g. that a split has no replay.
    """

    recordings: list[Recording] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    doubts: list[str] = field(default_factory=list)


def folder_among(source: Path, names: tuple[str, ...], what: str) -> Path:
    """Return the first of several folders that is there.

    Raises
    ------
    DataError
        If none is.
    """
    for name in names:
        if os.path.isdir(source / name):
            return source / name
    raise DataError(
        f"{source}: found no folder {' or '.join(names)}, expected {what}; unpack it there, give the folder above it, "
        "or leave its split out with --only"
    )


def listed(folder: Path) -> list[Path]:
    """Return what a folder holds, sorted.

    Raises
    ------
    DataError
        If it cannot be read: what is in it must not be taken for gone.
    """
    return [path for path, _ in _entries(folder)]


def files_below(folder: Path) -> Iterator[Path]:
    """Yield all that is no folder in a folder and those below it; folders behind links are not entered.

    Raises
    ------
    DataError
        If one cannot be read.
    """
    left = [folder]
    while left:
        for path, is_folder in _entries(left.pop()):
            if is_folder:
                left.append(path)
            else:
                yield path


def _entries(folder: Path) -> list[tuple[Path, bool]]:
    """Return what a folder holds, sorted, and whether it is a folder itself, and no link to one."""
    try:
        with os.scandir(folder) as found:
            # What kind an entry is stands in the folder: it is known where its own state may not be read.
            return sorted((folder / entry.name, entry.is_dir(follow_symlinks=False)) for entry in found)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be read ({error.strerror}), expected a folder of the corpus; correct its permissions, "
            "or unpack the corpus again"
        ) from error

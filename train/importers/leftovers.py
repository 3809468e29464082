"""What earlier imports brought, and the source has no more: audio in the folder of an import that no row names."""

import functools
import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from edge.errors import DataError
from edge.files import UNFINISHED
from edge.manifest_file import FILE_NAME
from train.importers.audio_copy import LINKED_SUFFIXES, SUFFIX

__all__ = ["find_leftovers", "remove_leftovers"]


def find_leftovers(folder: Path, kept: Iterable[Path]) -> list[Path]:
    """Return files that an import must have made, and that nothing needs.

    Parameters
    ----------
    folder : Path
        Of one import. What is no audio, what lies behind a link, and what lies in a folder that has a manifest of its
        own is somebody else's.
    kept : iterable of Path
        Files that are needed, in this folder or another one, under whatever spelling.

    Returns
    -------
    list of Path
        Sorted.
    """
    if folder.is_symlink():
        return []
    real = functools.cache(os.path.realpath)
    needed = {(real(path.parent), path.name) for path in kept}
    return sorted(path for path in _made_by_imports(folder) if (real(path.parent), path.name) not in needed)


def _made_by_imports(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        if FILE_NAME in names:
            folders.clear()  # another data folder
            continue
        for path in (Path(root, name) for name in names):
            linked = path.is_symlink() and path.suffix.lower() in LINKED_SUFFIXES
            if linked or path.suffix == SUFFIX or fnmatch(path.name, UNFINISHED):
                yield path


def remove_leftovers(folder: Path, files: Iterable[Path]) -> None:
    """Remove files, and the folders below `folder` that are empty then.

    Raises
    ------
    DataError
        If one cannot be removed; the same call goes on.
    """
    try:
        for path in files:
            path.unlink(missing_ok=True)
            for parent in path.parents:
                if parent == folder or any(parent.iterdir()):
                    break
                parent.rmdir()
    except OSError as error:
        raise DataError(
            f"{error.filename}: cannot be removed ({error.strerror}); no row names it any more: remove it by hand, or "
            "give the same command again"
        ) from error

"""Putting a bundle in the place of another one: whole, or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge.bundle_manifest import MANIFEST_NAME

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(destination: Path, *, mark: str = MANIFEST_NAME) -> Iterator[Path]:
    """Hand out a new folder beside `destination`, and put it there if all went well.

    Parameters
    ----------
    destination : Path
        A bundle, an empty folder, or nothing.
    mark : str
        The file by which an older one is known; that of a bundle by default.

    Yields
    ------
    Path
        The new folder, empty.

    Raises
    ------
    DataError
        If something else is there, or the new one cannot be written. What was there stays whenever anything fails.
    """
    from edge.errors import DataError

    parent = destination.absolute().parent
    try:
        if (
            destination.exists()
            and not (destination / mark).is_file()
            and (not destination.is_dir() or any(destination.iterdir()))
        ):
            raise DataError(
                f"{destination}: got something that is no bundle, expected an older bundle or nothing; "
                "choose another folder"
            )
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{destination.name}-", dir=parent) as work:
            fresh, old = Path(work, "fresh"), Path(work, "old")
            fresh.mkdir()
            yield fresh
            if destination.exists():
                os.rename(destination, old)
            try:
                os.rename(fresh, destination)
            except OSError:
                if old.exists():
                    os.rename(old, destination)
                raise
    except OSError as error:
        raise DataError(
            f"{destination}: cannot be written ({_why(error)}), what was there stays; make room for a copy of a bundle "
            "beside it, or choose another folder, and run again"
        ) from error


def _why(error: OSError) -> str:
    """Return what the system says of a fault; copying a folder tells of every file, of which the first is enough."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list) and error.args[0]:
        return str(error.args[0][0][-1])
    return error.strerror or str(error)

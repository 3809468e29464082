"""Putting a bundle in the place of another one: whole, or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(destination: Path) -> Iterator[Path]:
    """Hand out a new folder beside `destination`, and put it there if all went well.

    Parameters
    ----------
    destination : Path
        A bundle, an empty folder, or nothing.

    Yields
    ------
    Path
        The new folder, empty.

    Raises
    ------
    DataError
        If something else is there. What was there stays whenever anything fails.
    """
    from edge.bundle import MANIFEST_NAME
    from edge.errors import DataError

    if (
        destination.exists()
        and not (destination / MANIFEST_NAME).is_file()
        and (not destination.is_dir() or any(destination.iterdir()))
    ):
        raise DataError(
            f"{destination}: got something that is no bundle, expected an older bundle or nothing; "
            "choose another folder"
        )
    parent = destination.absolute().parent
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

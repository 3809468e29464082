"""Writing a file whole or not at all."""

from pathlib import Path

from edge.errors import DataError
from edge.files import write_whole

__all__ = ["put_bytes", "put_link"]


def _partial(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # The same name every time: what a killed process left is overwritten by its successor, and then gone.
    return path.with_name(f".{path.name}.tmp")


def put_bytes(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Put a file in place in one step: under its name there is the old file or the new one, never a part.

    There must be one writer at a time.

    Parameters
    ----------
    path : Path
        Folders above it are made.
    content : bytes
    durable : bool
        Wait until the bytes are on the disk: for a file that says that others are finished.

    Raises
    ------
    DataError
        If it cannot be written, e.g. because the disk is full; what was begun is removed.
    """
    try:
        write_whole(path, lambda file: file.write(content), durable=durable, one_writer=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def put_link(path: Path, target: Path) -> None:
    """Put a symbolic link in place, as :func:`put_bytes` does a file.

    Raises
    ------
    DataError
        If the file system refuses.
    """
    partial = None
    try:
        partial = _partial(path)
        partial.unlink(missing_ok=True)
        partial.symlink_to(target)
        partial.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path}: cannot be written ({error.strerror or error}), nothing of it was left; free some space or choose "
        "another folder, and give the same command again"
    )

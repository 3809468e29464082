"""Writing a file whole or not at all; where that fails, in one line that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import DataError
from edge.files import link_whole, write_whole

__all__ = ["put_bytes", "put_link", "writing"]


def put_bytes(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Put a file in place, as :func:`edge.files.write_whole` does; there must be one writer at a time.

    Raises
    ------
    DataError
        If it cannot be written, e.g. because the disk is full; what was begun is removed.
    """
    with writing(path):
        write_whole(path, lambda file: file.write(content), durable=durable, one_writer=True)


def put_link(path: Path, target: Path) -> None:
    """Put a symbolic link in place, as :func:`put_bytes` does a file.

    Raises
    ------
    DataError
        If the file system refuses.
    """
    with writing(path):
        link_whole(path, target)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one line that a file cannot be written.

    Raises
    ------
    DataError
        For an OSError within.
    """
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror or error}), nothing of it was left; free some space or choose "
            "another folder, and give the same command again"
        ) from error

"""Reading a file that somebody named: a regular file of limited size, or one clear line."""

import os
import stat
from pathlib import Path

from edge.errors import BundleError, VivavoceError

__all__ = ["read_regular"]


def read_regular(path: Path, limit: int, *, what: str, remedy: str, error: type[VivavoceError] = BundleError) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    Parameters
    ----------
    path : Path
    limit : int
        Size that is still read, bytes.
    what : str
        What was expected there, e.g. ``"a file of the bundle"``.
    remedy : str
        What to do about a fault, as the end of a sentence.
    error : type of VivavoceError
        What a fault is.

    Raises
    ------
    BundleError, or the class that is given
        If it is missing, unreadable, larger, or no regular file.
    """
    try:
        # Without waiting: a pipe in place of a file must not hang the program.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise error(f"{path}: got a folder or device, expected a file; {remedy}")
            content = file.read(limit + 1)
    except OSError as fault:
        raise error(
            f"{path}: cannot be read ({fault.strerror}), expected {what}; "
            f"check the path and its permissions, or {remedy}"
        ) from fault
    if len(content) > limit:
        raise error(f"{path}: got more than {limit} bytes, expected at most that; {remedy}")
    return content

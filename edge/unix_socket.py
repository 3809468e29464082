"""Listening at a Unix socket: who may connect is said by the mode of its file; one that is left over is no hurdle."""

import errno
import logging
import os
import socket
import stat

from edge.errors import UsageError

__all__ = ["UnixListener", "checked_mode", "checked_path"]

_log = logging.getLogger(__name__)

_LONGEST = 107
"""Bytes of a path that the kernel takes."""
_PROBE_S = 1.0
"""Time in which whoever listens at a socket takes a connection, s."""


def checked_path(path: str, where: str) -> str:
    """Return a path that a Unix socket can have.

    Raises
    ------
    UsageError
        If it is empty, or longer than the kernel takes.
    """
    size = len(os.fsencode(path))
    if not 0 < size <= _LONGEST or "\0" in path:
        raise UsageError(
            f"{where}: got a path of {size} bytes, expected 1 to {_LONGEST}, without NUL; choose one such as "
            "/run/vivavoce/answers.sock"
        )
    return path


def checked_mode(mode: str, where: str) -> int:
    """Return the access rights that a text such as ``"0o660"`` or ``"660"`` says.

    Raises
    ------
    UsageError
        If it is no octal number up to 777.
    """
    try:
        value = int(mode.removeprefix("0o"), 8)
    except ValueError:
        value = -1
    if not 0 <= value <= 0o777:
        raise UsageError(f"{where}: got {mode!r}, expected access rights in octal, from 0 to 777, such as 0o660")
    return value


class UnixListener:
    """A Unix socket that listens, and its file.

    Parameters
    ----------
    path : str
    mode : int
        Access rights of the file: who may write to it may connect.

    Attributes
    ----------
    socket : socket.socket
        It listens; it does not block.

    Raises
    ------
    UsageError
        If somebody listens there already, or a file that is no socket is in the way.
    OSError
        If it cannot be made.
    """

    def __init__(self, path: str, mode: int) -> None:
        self.path = path
        _remove_left_over(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.setblocking(False)
            self.socket.bind(path)
            self._identity = _identity(path)
            # Nobody can connect before it listens: the rights are right from the first connection on.
            os.chmod(path, mode)
            self.socket.listen(16)
        except OSError as error:
            self.socket.close()
            what = (
                f"{path}: cannot be listened at ({error.strerror or error}); check that its folder is there, writable"
            )
            raise OSError(error.errno, what) from error

    @property
    def there(self) -> bool:
        """Whether its file still is the one that was made."""
        return _identity(self.path) == self._identity

    def close(self) -> None:
        """Stop listening, and remove the file if it still is the one that was made."""
        self.socket.close()
        if self.there:
            try:
                os.unlink(self.path)
            except OSError as error:
                _log.warning("%s: cannot be removed (%s)", self.path, error.strerror)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _remove_left_over(path: str) -> None:
    """Remove a socket that nobody listens at, and nothing else."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise UsageError(f"{path}: got a file that is no socket, expected none; remove it, or choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(path)
        except OSError as error:
            if error.errno not in (errno.ECONNREFUSED, errno.ENOENT):
                raise UsageError(
                    f"{path}: got a socket that does not answer ({error.strerror or error}), expected none; see who "
                    "uses it, or choose another path"
                ) from error
        else:
            raise UsageError(
                f"{path}: somebody listens there already, expected nobody; stop that program, or choose another path"
            )
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    _log.info("%s: nobody listened there; removed what was left over", path)

"""Keys that are pressed while the demo draws: read from the terminal itself, since sound may come on standard input."""

import os
import select
import termios
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Keys", "pressed_keys"]

_TERMINAL = "/dev/tty"


class Keys:
    """What was pressed.

    Parameters
    ----------
    descriptor : int
        Of the terminal; -1 where there is none, and nothing is ever pressed.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def take(self) -> str:
        """Return what was pressed since the last call, without waiting."""
        if self._descriptor < 0 or not select.select([self._descriptor], [], [], 0)[0]:
            return ""
        try:
            found = os.read(self._descriptor, 64)
        except OSError:
            found = b""
        if not found:
            # The terminal hung up: what it says from now on is nothing, at once.
            self._descriptor = -1
        return found.decode("utf-8", "replace")


@contextmanager
def pressed_keys(path: str = _TERMINAL) -> Iterator[Keys]:
    """Let keys be read one by one, and not appear; the terminal is as it was afterwards.

    Parameters
    ----------
    path : str, optional
        The terminal; that of this process by default. Where it cannot be opened there are no keys, only Ctrl-C.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        yield Keys(-1)
        return
    try:
        try:
            before = termios.tcgetattr(descriptor)
        except termios.error:
            yield Keys(-1)
            return
        changed = termios.tcgetattr(descriptor)
        changed[3] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(descriptor, termios.TCSANOW, changed)
        try:
            yield Keys(descriptor)
        finally:
            termios.tcsetattr(descriptor, termios.TCSANOW, before)
    finally:
        os.close(descriptor)

"""How many connections there may be at once: each has a thread of its own, and whoever holds one open costs one."""

import threading

__all__ = ["Places"]


class Places:
    """Count the threads that have a place.

    Parameters
    ----------
    most : int
        So many at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: set[int] = set()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a place for the thread that calls; False if there is none left. One that has a place keeps it."""
        with self._lock:
            if len(self._taken) < self._most:
                self._taken.add(threading.get_ident())
            return threading.get_ident() in self._taken

    def leave(self) -> None:
        """Give back the place of the thread that calls, if it has one."""
        with self._lock:
            self._taken.discard(threading.get_ident())

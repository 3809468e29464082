"""How fast sound of clients is taken: a device that listens itself must not be kept from it by recordings of others."""

import asyncio
from collections.abc import Callable

__all__ = ["Pace"]

_AT_ONCE_S = 60.0
"""Sound that is taken as fast as it comes, s: recordings that are sent whole."""


class Pace:
    """Hold up sound that goes on coming faster than people speak.

    Parameters
    ----------
    speed : float
        Seconds of sound that are taken in a second, on the whole.
    clock : callable
        Returns seconds, and only goes on.
    """

    def __init__(self, speed: float, clock: Callable[[], float]) -> None:
        self._speed = speed
        self._clock = clock
        self._ahead_s = 0.0
        self._at_s = clock()

    def owed_s(self, sound_s: float) -> float:
        """Take note of sound, and return how long to wait before more is taken, s."""
        now = self._clock()
        self._ahead_s = max(0.0, self._ahead_s - (now - self._at_s) * self._speed) + sound_s
        self._at_s = now
        return max(0.0, self._ahead_s - _AT_ONCE_S) / self._speed

    async def hold(self, sound_s: float) -> None:
        """Wait as long as it takes, after sound of this length, s."""
        if wait_s := self.owed_s(sound_s):
            await asyncio.sleep(wait_s)

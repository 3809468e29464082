"""Two counts of one sound: the device's sample indices, and those of the daemon's stream.

The device counts from its own start, and begins again when it starts anew; the daemon counts from its start, and goes
on. What lies between two blocks is known, so that both counts stay true over a loss. Pure, but for a lock: the source
places blocks in its thread, and the sink asks in another one.
"""

import threading
from collections import deque
from typing import NamedTuple

from edge.sample_time import SAMPLE_RATE_HZ
from firmware_bridge.link.table import WINDOW_MAX, kind_named

__all__ = ["LinkClock", "Placed"]

_AGAIN = WINDOW_MAX * kind_named("audio").field("samples").count
"""Samples that may come again after a reconnect, as they were not acknowledged; an index before that is of another
count."""
_AHEAD = 30 * SAMPLE_RATE_HZ
"""Samples that a device's count may be ahead of the time that passed; beyond, it is of another count."""
_FASTEST = 1.25
"""How much faster than ours a device's clock may run over longer times."""
_ANSWER = SAMPLE_RATE_HZ
"""An answer comes at most so many samples after its word."""
_REMEMBERED = 64
"""Beginnings of counts, and words without an answer, that are kept."""
_CAME_S = 0.25
"""Time between two notes of when sound came, s."""
_CAME = 1024
"""Such notes that are kept: 256 s at least."""
_COUNT_MASK = (1 << 64) - 1


class Placed(NamedTuple):
    """Where a block belongs."""

    lost: int
    """Samples between what came before and this block that did not come."""
    known: int
    """Samples at the beginning of the block that came before."""
    start: int
    """Index of the first new sample in the daemon's stream, after those that were lost."""


class _Word(NamedTuple):
    position: int
    index: int
    word: str


class LinkClock:
    """Both counts since the source was made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._position = 0
        self._last_s = 0.0
        # Where counts of the device begin: index in the daemon's stream, index of the device.
        self._begins: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self._words: deque[_Word] = deque(maxlen=_REMEMBERED)
        # When sound came: index of the device, time.
        self._came: deque[tuple[int, float]] = deque(maxlen=_CAME)

    @property
    def position(self) -> int:
        """Index of the next sample in the daemon's stream."""
        return self._position

    def place(self, index: int, size: int, now_s: float, *, anew: bool) -> Placed:
        """Take a block.

        Parameters
        ----------
        index : int
            Of its first sample, by the device.
        size : int
            Samples.
        now_s : float
            When it came, monotonic clock, s.
        anew : bool
            Whether the device started since the last block, so that its indices are of a new count.
        """
        with self._lock:
            known = lost = 0
            ahead = index - self._device(self._position) if self._begins else 0
            limit = _FASTEST * (now_s - self._last_s) * SAMPLE_RATE_HZ + _AHEAD
            if anew or not self._begins or not -_AGAIN <= ahead <= limit:
                self._begins.append((self._position, index))
                self._words.clear()
            elif ahead >= 0:
                lost = ahead
            else:
                known = min(size, -ahead)
            start = self._position + lost
            self._position = start + size - known
            self._last_s = now_s
            return Placed(lost, known, start)

    def came(self, index: int, now_s: float) -> None:
        """Take note that sound came, which waits to be placed.

        Parameters
        ----------
        index : int
            Of its first sample, by the device.
        now_s : float
            Monotonic clock, s.
        """
        with self._lock:
            if not self._came or index < self._came[-1][0] or now_s - self._came[-1][1] >= _CAME_S:
                self._came.append((index, now_s))

    def came_s(self, index: int) -> float | None:
        """Return when a sample of the device came, monotonic clock, s, within 0.25 s; None if no sound came yet."""
        with self._lock:
            # The newest first: after a start of the device it is of another count than those before it.
            for begin, at_s in reversed(self._came):
                if begin <= index:
                    return at_s
            return self._came[0][1] if self._came else None

    def heard(self, position: int, index: int, word: str) -> None:
        """Take note of a word that the device heard.

        Parameters
        ----------
        position : int
            Index in the daemon's stream at which it was told to the daemon.
        index : int
            Its end, as the device said it.
        word : str
            As the device said it.
        """
        with self._lock:
            self._words.append(_Word(position, index, word))

    def answered(self, decided: int) -> tuple[int, str] | None:
        """Return index and name, as the device said them, of the word that an answer is about; each word once.

        Parameters
        ----------
        decided : int
            Index in the daemon's stream at which the answer was given.
        """
        with self._lock:
            while self._words and self._words[0].position < decided - _ANSWER:
                self._words.popleft()
            if not self._words or self._words[0].position > decided:
                return None
            one = self._words.popleft()
            return one.index, one.word

    def device_index(self, position: int) -> int:
        """Return the device's index of a sample of the daemon's stream; the same where nothing came of a device yet."""
        with self._lock:
            return self._device(position)

    def _device(self, position: int) -> int:
        begin, index = 0, 0
        for begin, index in reversed(self._begins):  # noqa: B007
            if begin <= position:
                break
        return (index + position - begin) & _COUNT_MASK

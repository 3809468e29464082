"""The microphone of a browser as a source: raw samples that a page sends, at whatever rate it records."""

import threading
from collections import deque
from collections.abc import Generator

import numpy as np
import numpy.typing as npt

from edge.conversion import RawDecoder
from edge.errors import AudioError

__all__ = ["SAMPLE_BYTES", "BrowserMicrophone"]

SAMPLE_BYTES = 2
"""A page sends int16, little-endian, mono."""
_HELD_S = 5.0
"""Sound that waits here; whoever reads it holds much more, so that it waits only where nobody reads at all."""
_LOOK_S = 0.25
"""How long nothing may come before it is said that the source waits, s."""


class BrowserMicrophone:
    """Sound that a page records and sends; see :class:`edge.live.LiveSource`.

    Parameters
    ----------
    rate_hz : int
        Rate at which the page records, Hz.

    Raises
    ------
    UsageError
        If the rate is none of sound.
    """

    live = True
    endless = False
    name = "microphone of the browser"

    def __init__(self, rate_hz: int) -> None:
        self.native_rate_hz = rate_hz
        self.overflows = 0
        self._decoder = RawDecoder(self.name, rate_hz=rate_hz, sample_format="s16le", channels=1)
        self._most_bytes = int(_HELD_S * rate_hz) * SAMPLE_BYTES
        self._waiting: deque[bytes] = deque()
        self._held = 0
        self._closed = False
        self._changed = threading.Condition()

    def push(self, data: bytes) -> None:
        """Take what the page sent; from the thread of its connection.

        Raises
        ------
        AudioError
            If it ends inside a sample: then it is not what a page of ours sends.
        """
        if len(data) % SAMPLE_BYTES:
            raise AudioError(
                f"{self.name}: got {len(data)} bytes, expected whole samples of {SAMPLE_BYTES} bytes; "
                "load the page again"
            )
        with self._changed:
            self._waiting.append(data)
            self._held += len(data)
            while self._held > self._most_bytes:
                self._held -= len(self._waiting.popleft())
                self.overflows += 1
            self._changed.notify_all()

    def close(self) -> None:
        """End it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def blocks(self) -> Generator[npt.NDArray[np.int16], None, None]:
        """Yield blocks as they come; see :class:`edge.live.LiveSource`. What is there when it is closed still comes."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed, _LOOK_S)
                data = b"".join(self._waiting)
                self._waiting.clear()
                self._held = 0
                closed = self._closed
            if data:
                yield from (block for block in self._decoder.feed(data) if block.size)
            elif closed:
                yield from (block for block in self._decoder.flush() if block.size)
                return
            else:
                yield np.zeros(0, np.int16)

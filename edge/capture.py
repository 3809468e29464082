"""Capture: a source in a thread of its own, opened again whenever it fails, read by one consumer.

The consumer takes items in their order: blocks of sound, and what happened to the source between them. Where the sound
is live and the consumer is slow, the oldest sound gives way, and a :class:`Gap` stands in its place, so that sample
indices stay true; a file or a pipe waits instead.
"""

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge.errors import VivavoceError
from edge.events import SAMPLE_RATE_HZ
from edge.health import Health
from edge.live import LiveSource

__all__ = ["Block", "Capture", "Ended", "Gap", "Item", "Lost", "Nothing", "Opened", "leave"]

_log = logging.getLogger(__name__)

_HELD_SAMPLES = 20 * SAMPLE_RATE_HZ
"""Live sound that waits for a consumer: a bundle may be loaded meanwhile, and a disk be slow."""
_WAITING_SAMPLES = SAMPLE_RATE_HZ
"""Sound of a source that can wait which is taken in advance."""
_RETRY_S = (0.5, 30.0)
"""Time until a source that failed is opened again, s: the first, and the longest, doubling from one to the other."""
_STEADY_S = 10.0
"""A source that gave sound for so long begins with the first time again when it fails."""
_CLOSE_S = 1.0
_THREAD = "capture"


@dataclass(frozen=True, slots=True)
class Block:
    """Sound."""

    samples: npt.NDArray[np.int16] = field(repr=False)
    """``(n,) int16``, 16 kHz mono."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Sound that nobody took in time: what follows does not join what came before."""

    lost_samples: int
    """How much of it."""
    reason: str
    """Why, in words."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The source gives sound: comes before its first block, every time."""

    name: str
    """What listens."""
    native_rate_hz: int
    """Rate of the recording, Hz."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The source failed, or could not be opened: a finished attempt."""

    reason: str
    """Why, in words."""
    attempt: int
    """How many attempts have failed since it last gave sound, this one included."""
    next_in_s: float
    """When it is tried again, s."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The source is at its end, and there will be no more."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing came in the time that was waited."""


Item = Block | Gap | Opened | Lost | Ended | Nothing


class Capture:
    """Read a source in a thread of its own.

    Parameters
    ----------
    source : LiveSource
    health : Health
        Gets overflows, dropped samples, attempts to open again, and how much sound waits.
    wait : callable, optional
        Waits for an event, so many seconds at most, and returns whether it happened; for tests.
    """

    def __init__(
        self,
        source: LiveSource,
        *,
        health: Health,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self._source = source
        self._health = health
        self._wait = wait
        self._items: deque[Item] = deque()
        self._held = 0
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=_THREAD, daemon=True)
        self._started = False

    @property
    def live(self) -> bool:
        """Whether sound comes at its own pace: then it is a fault when none comes."""
        return self._source.live

    def take(self, timeout_s: float) -> Item:
        """Return the next item; :class:`Nothing` if none came in this time. The first call opens the source.

        Parameters
        ----------
        timeout_s : float
            Longest time to wait, s.
        """
        if not self._started:
            self._started = True
            self._thread.start()
        with self._changed:
            if not self._changed.wait_for(lambda: self._items, timeout_s):
                return Nothing()
            item = self._items.popleft()
            if isinstance(item, Block):
                self._held -= item.samples.size
                self._health.queue_s = self._held / SAMPLE_RATE_HZ
                self._changed.notify_all()
            return item

    def close(self) -> None:
        """Let go of the source; one that hangs is left behind after a second."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        end = getattr(self._source, "close", None)
        if end is not None:
            end()
        if self._started:
            self._thread.join(_CLOSE_S)
            if self._thread.is_alive():
                _log.info("%s: still waits for sound, and is left behind", self._source.name)

    def _run(self) -> None:
        attempt = 0
        wait_s = _RETRY_S[0]
        while not self._closing.is_set():
            began = time.monotonic()
            opened = False
            reason = f"{self._source.name}: ended"
            try:
                opened = self._read()
                if self._closing.is_set():
                    return
                if not self._source.endless:
                    self._put(Ended())
                    return
            except VivavoceError as error:
                opened = self._was_open
                reason = str(error)
            except Exception as error:
                # A source of a third party, or a driver: the daemon outlives all of them.
                opened = self._was_open
                reason = f"{self._source.name}: {type(error).__name__}: {error}"
                _log.exception("%s", self._source.name)
            if opened:
                attempt = 0
                if time.monotonic() - began >= _STEADY_S:
                    wait_s = _RETRY_S[0]
            attempt += 1
            self._put(Lost(reason, attempt, wait_s))
            if self._wait(self._closing, wait_s):
                return
            self._health.reopens += 1
            wait_s = min(2 * wait_s, getattr(self._source, "longest_retry_s", _RETRY_S[1]))

    def _read(self) -> bool:
        """Read the source to its end; return whether it gave any sound."""
        self._was_open = False
        blocks = self._source.blocks()
        try:
            for samples in blocks:
                if self._closing.is_set():
                    break
                if not self._was_open:
                    self._was_open = True
                    self._put(Opened(self._source.name, self._source.native_rate_hz))
                self._health.overflows = self._source.overflows
                self._put_block(samples)
        finally:
            blocks.close()
            self._health.overflows = self._source.overflows
        return self._was_open

    _was_open = False

    def _put(self, item: Item) -> None:
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def _put_block(self, samples: npt.NDArray[np.int16]) -> None:
        with self._changed:
            if self._source.live:
                while self._held + samples.size > _HELD_SAMPLES and self._drop_oldest():
                    pass
            else:
                self._changed.wait_for(lambda: self._held < _WAITING_SAMPLES or self._closing.is_set())
            self._items.append(Block(samples))
            self._held += samples.size
            self._health.queue_s = self._held / SAMPLE_RATE_HZ
            self._changed.notify_all()

    def _drop_oldest(self) -> bool:
        """Put a gap in the place of the oldest block; return whether there was one."""
        for place, item in enumerate(self._items):
            if isinstance(item, Block):
                n = item.samples.size
                self._held -= n
                self._health.dropped_samples += n
                before = self._items[place - 1] if place else None
                if isinstance(before, Gap):
                    self._items[place - 1] = Gap(before.lost_samples + n, before.reason)
                    del self._items[place]
                else:
                    self._items[place] = Gap(n, "the daemon did not keep up")
                return True
        return False


def leave(code: int) -> int:
    """Return the exit code of the process; if a source was left behind, end the process with it at once.

    The thread of a source that hangs is somewhere in a driver: libraries that are ended below it wait for it for ever,
    or crash.
    """
    if any(thread.name == _THREAD for thread in threading.enumerate()):
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(code)
    return code

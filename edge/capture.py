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
from edge.health import Health
from edge.input_check import InputCheck, InputReport
from edge.live import LiveSource, SoundLost, WordHeard
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["Block", "Capture", "Ended", "Gap", "Idle", "Item", "Lost", "Nothing", "Opened", "leave"]

_log = logging.getLogger(__name__)

_HELD_SAMPLES = 20 * SAMPLE_RATE_HZ
"""Live sound that waits for a consumer: a bundle may be loaded meanwhile, and a disk be slow."""
_WAITING_SAMPLES = SAMPLE_RATE_HZ
"""Sound of a source that can wait which is taken in advance."""
_RETRY_S = (0.5, 30.0)
"""Time until a source that failed is opened again, s: the first, and the longest, doubling from one to the other."""
_STEADY_S = 10.0
"""A source that gave sound for so long begins with the first time again when it fails; one that ended without a fault,
as when whoever writes into a pipe leaves, always does."""
_CLOSE_S = 1.0
_THREAD = "capture"


@dataclass(frozen=True, slots=True)
class Block:
    """Sound."""

    samples: npt.NDArray[np.int16] = field(repr=False)
    """``(n,) int16``, 16 kHz mono."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Sound that was lost, or that nobody took in time: what follows does not join what came before."""

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
class Idle:
    """The source works, and has no sound: a pipe that nobody writes to."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The source is at its end, and there will be no more."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing came in the time that was waited."""


Item = Block | Gap | WordHeard | Opened | Lost | Idle | Ended | Nothing


class Capture:
    """Read a source in a thread of its own.

    Parameters
    ----------
    source : LiveSource
    health : Health
        Gets overflows, dropped samples, attempts to open again, and how much sound waits.
    checked : bool, optional
        Look at the first seconds whenever the source was opened, and log what is wrong with them: a microphone is
        never as silent as what a device plays may be.
    wait : callable, optional
        Waits for an event, so many seconds at most, and returns whether it happened; for tests.
    """

    def __init__(
        self,
        source: LiveSource,
        *,
        health: Health,
        checked: bool = False,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self._source = source
        self._health = health
        self._checked = checked
        self._wait = wait
        self._items: deque[Item] = deque()
        self._held = 0
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=_THREAD, daemon=True)
        self._started = False

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
        told = ""
        while not self._closing.is_set():
            reason, fault = f"{self._source.name}: ended", False
            try:
                self._read()
            except VivavoceError as error:
                reason, fault = str(error), True
            except Exception as error:
                # A source of a third party, or a driver: the daemon outlives all of them.
                reason, fault = f"{self._source.name}: {type(error).__name__}: {error}", True
                if reason != told:
                    told = reason
                    _log.exception("%s", self._source.name)
            if self._closing.is_set():
                return
            if not (fault or self._source.endless):
                self._put(Ended())
                return
            if self._heard_at_s:
                attempt = 0
                if not fault or time.monotonic() - self._heard_at_s >= _STEADY_S:
                    wait_s, told = _RETRY_S[0], ""
            attempt += 1
            self._put(Lost(reason, attempt, wait_s))
            if self._wait(self._closing, wait_s):
                return
            self._health.reopens += 1
            wait_s = min(2 * wait_s, getattr(self._source, "longest_retry_s", _RETRY_S[1]))

    def _read(self) -> None:
        """Read the source to its end."""
        self._heard_at_s = 0.0
        check = InputCheck() if self._checked else None
        blocks = self._source.blocks()
        try:
            for samples in blocks:
                if self._closing.is_set():
                    break
                if not isinstance(samples, np.ndarray):
                    self._put(Gap(samples.samples, samples.reason) if isinstance(samples, SoundLost) else samples)
                    continue
                if not samples.size:
                    self._put_idle()
                    continue
                if not self._heard_at_s:
                    self._heard_at_s = time.monotonic()
                    self._put(Opened(self._source.name, self._source.native_rate_hz))
                self._health.overflows = self._source.overflows
                self._put_block(samples)
                if check is not None:
                    self._tell(check.push(samples))
        finally:
            blocks.close()
            self._health.overflows = self._source.overflows

    def _tell(self, report: InputReport | None) -> None:
        """Log what is wrong with the input, once for as long as it is the same."""
        if report is None:
            return
        kinds = tuple(problem.kind for problem in report.problems())
        for problem in report.problems() if kinds != self._told_kinds else ():
            _log.warning("%s: %s; %s", self._source.name, problem.found, problem.remedy)
        self._told_kinds = kinds
        _log.info("%s: %s", self._source.name, report.told())

    _told_kinds: tuple[str, ...] = ()
    _heard_at_s = 0.0
    """When the source gave its first sound since it was opened; 0 if it has not."""

    def _put_idle(self) -> None:
        with self._changed:
            if not self._items:
                self._items.append(Idle())
                self._changed.notify_all()

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
                    place += 1
                while place < len(self._items) and isinstance(self._items[place], WordHeard):
                    del self._items[place]  # its sound is gone
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

"""The bus: from the one thread that listens to the many that tell.

Each sink has a thread and a bounded queue of its own. Whoever publishes never waits: where a sink is slower than what
it is told, the oldest message gives way and is counted, so that a broker that hangs costs its own messages and nothing
else. A sink that fails is told of once, closed, and opened again after a while.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from edge.answers import Answer, Audio, Message, Status
from edge.errors import VivavoceError

__all__ = ["Bus", "Sink", "SinkCounts"]

_log = logging.getLogger(__name__)

_ROOM = 256
"""Messages that wait for a sink: of answers hours, of blocks of sound eight seconds."""
_RETRY_S = (1.0, 60.0)
"""Time until a sink that failed is opened again, s: the first, and the longest, doubling from one to the other."""
_GRACE_S = 2.0
"""Time that a sink has at the end to tell what it was given, s."""


class Sink(Protocol):
    """Who is told: one destination of messages. All of its methods are called in one thread, its own."""

    name: str
    """What logs and metrics call it: the name of its table in the settings."""
    wants: tuple[type[Message], ...]
    """Kinds of messages that it is given. Sound (:class:`~edge.answers.Audio`) comes many times a second."""

    def open(self) -> None:
        """Connect to wherever it tells of; called before the first message, and again after a failure.

        Raises
        ------
        VivavoceError, OSError
            If it cannot, which is tried again later.
        """

    def push(self, message: Message) -> None:
        """Tell of a message; may take its time.

        Raises
        ------
        VivavoceError, OSError
            If it cannot; the sink is then closed, and opened again later.
        """

    def close(self) -> None:
        """Let go of everything; nothing is raised, and it may be called at any time, more than once."""


class SinkCounts:
    """What became of the messages for one sink; each number has one writer."""

    def __init__(self) -> None:
        self.told = 0
        """Messages that were handed over."""
        self.dropped = 0
        """Messages that gave way to newer ones, or came while the sink could not be opened and its queue was full."""
        self.failures = 0
        """How often it failed to open or to tell."""
        self.up = False
        """Whether it is open."""


class _Runner:
    """One sink, its queue and its thread."""

    def __init__(self, sink: Sink, room: int, status: Callable[[], Status]) -> None:
        self.sink = sink
        self.counts = SinkCounts()
        self._status = status
        self._waiting: deque[Message] = deque()
        self._room = room
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"sink {sink.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def give(self, message: Message) -> None:
        with self._changed:
            if len(self._waiting) >= self._room:
                self._give_way()
            self._waiting.append(message)
            self._changed.notify()

    def _give_way(self) -> None:
        """Drop the oldest block of sound, or the oldest of all: an answer is worth more than sound."""
        self.counts.dropped += 1
        for at, message in enumerate(self._waiting):
            if isinstance(message, Audio):
                del self._waiting[at]
                return
        self._waiting.popleft()

    def stop(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            _log.warning("sink %s: still busy after %g s, left behind", self.sink.name, timeout_s)

    def _run(self) -> None:
        wait_s = _RETRY_S[0]
        told = False
        while True:
            try:
                if not self.counts.up:
                    self.sink.open()
                    self.counts.up = True
                    if Status in self.sink.wants:
                        self.sink.push(self._status())
                    if told:
                        _log.info("sink %s: works again", self.sink.name)
                    told, wait_s = False, _RETRY_S[0]
                message = self._next()
                if message is None:
                    break
                self.sink.push(message)
                self.counts.told += 1
            except Exception as error:
                # Whatever a sink raises, third parties' among them, must not end the others.
                self.counts.failures += 1
                self.counts.up = False
                expected = isinstance(error, (VivavoceError, OSError))
                if not told or not expected:
                    _log.error("sink %s: %s", self.sink.name, error, exc_info=not expected)
                told = True
                self._closed_quietly()
                if self._stopping_within(wait_s):
                    return
                wait_s = min(2 * wait_s, _RETRY_S[1])
        self.counts.up = False
        self._closed_quietly()

    def _closed_quietly(self) -> None:
        try:
            self.sink.close()
        except Exception:
            _log.exception("sink %s: does not close", self.sink.name)

    def _next(self) -> Message | None:
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            return self._waiting.popleft() if self._waiting else None

    def _stopping_within(self, wait_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._closing, wait_s)


class Bus:
    """Hand every message to the sinks that want it.

    Parameters
    ----------
    sinks : sequence of Sink
    status : callable
        Returns how the daemon is now; a sink that wants it is told when it was opened.
    room : int
        Messages that may wait for each sink.
    """

    def __init__(self, sinks: Sequence[Sink], status: Callable[[], Status], *, room: int = _ROOM) -> None:
        self._runners = [_Runner(sink, room, status) for sink in sinks]
        self._for = {
            kind: [runner for runner in self._runners if kind in runner.sink.wants] for kind in (Answer, Audio, Status)
        }

    def start(self) -> None:
        """Start the threads of the sinks."""
        for runner in self._runners:
            runner.start()

    def push(self, message: Message) -> None:
        """Publish a message; returns at once, and may be called from any thread."""
        for runner in self._for[type(message)]:
            runner.give(message)

    def wanted(self, kind: type[Message]) -> bool:
        """Tell whether anybody wants messages of a kind."""
        return bool(self._for[kind])

    @property
    def counts(self) -> dict[str, SinkCounts]:
        """What became of the messages, by the name of the sink."""
        return {runner.sink.name: runner.counts for runner in self._runners}

    def close(self) -> None:
        """Let every sink tell what it was given, for a while, and close it."""
        for runner in self._runners:
            runner.stop()
        for runner in self._runners:
            runner.join(_GRACE_S)

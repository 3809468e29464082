"""The bus: from the one thread that listens to the many that tell.

Each sink has a thread and a bounded queue of its own. Whoever publishes never waits: where a sink is slower than what
it is told, the oldest message gives way and is counted, so that a broker that hangs costs its own messages and nothing
else. A sink that fails is told of once, closed, and opened again after a while; the message that it failed at is told
once more then, because whoever restarts a broker does not want to lose the answer that showed that it was away.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from edge.answers import Answer, Audio, Message, Status
from edge.errors import VivavoceError

__all__ = ["Bus", "CheckedSink", "Sink", "SinkCounts"]

_log = logging.getLogger(__name__)

_ROOM = 256
"""Messages that wait for a sink: of answers hours, of blocks of sound eight seconds."""
_RETRY_S = (1.0, 60.0)
"""Time until a sink that failed is opened again, s: the first, and the longest, doubling from one to the other."""
_CHECK_S = 1.0
"""Time without a message after which a sink is asked whether it still works, s."""
_GRACE_S = 2.0
"""Time that all sinks together have at the end to tell what they were given, s."""
_LAST_CLOSE_S = 0.5
"""Time that a sink has to let go after that, s."""


class Sink(Protocol):
    """Who is told: one destination of messages.

    All of its methods are called in one thread, its own; ``close`` alone may come from another one, at the end of the
    daemon, where the sink is still busy after its time: it ends what the sink is waiting for.
    """

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
            If it cannot; the sink is then closed, and opened again later. An answer comes once more after that, so
            that it may arrive twice: it is known by its id. How the daemon is (:class:`~edge.answers.Status`) is told
            anew.
        """

    def close(self) -> None:
        """Let go of everything; nothing is raised, and it may be called at any time, more than once."""


@runtime_checkable
class CheckedSink(Sink, Protocol):
    """A sink that may lose what it is connected to while there is nothing to tell."""

    def check(self) -> None:
        """Look whether it still works; called about once a second while no message comes.

        Raises
        ------
        VivavoceError, OSError
            If it does not; the sink is then closed, and opened again later.
        """


class SinkCounts:
    """What became of the messages for one sink."""

    def __init__(self) -> None:
        self.told = 0
        """Messages that were handed over."""
        self.dropped = 0
        """Messages that gave way to others, that the sink failed at, or that were left when it had to end."""
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
        self._again: Message | None = None
        """What the sink failed at, and is told once more."""
        self._room = room
        self._changed = threading.Condition()
        self._closing = False
        self._until_s = float("inf")
        """When it has to end at the latest, monotonic clock, s."""
        self._thread = threading.Thread(target=self._run, name=f"sink {sink.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def give(self, message: Message) -> None:
        with self._changed:
            if len(self._waiting) >= self._room:
                self.counts.dropped += 1
                if not self._give_way(message):
                    return
            self._waiting.append(message)
            self._changed.notify()

    def _give_way(self, new: Message) -> bool:
        """Drop the oldest message of the kind that is worth least; False if the new one itself is worth less than all.

        Sound is worth less than how the daemon is, which the next one says again, and that less than an answer.
        """
        for kind in (Audio, Status, Answer):
            for at, message in enumerate(self._waiting):
                if isinstance(message, kind):
                    del self._waiting[at]
                    return True
            if isinstance(new, kind):
                break
        return False

    def stop(self, until_s: float) -> None:
        with self._changed:
            self._closing = True
            self._until_s = until_s
            self._changed.notify()

    def ended(self) -> bool:
        """Wait until it is time; tell whether the thread is at its end by then."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, self._until_s - time.monotonic()))
        return not self._thread.is_alive()

    def leave(self) -> None:
        """Close the sink that did not come to an end, from outside."""
        _log.warning("sink %s: still busy when its time was over, left behind", self.sink.name)
        closer = threading.Thread(target=self._close, name=f"end of sink {self.sink.name}", daemon=True)
        closer.start()
        closer.join(_LAST_CLOSE_S)
        self._thread.join(_LAST_CLOSE_S)

    def _run(self) -> None:
        wait_s = _RETRY_S[0]
        failing = False
        while True:
            message: Message | None = None
            opened_s = time.monotonic()
            worked = False
            try:
                self._open()
                while True:
                    message = self._next()
                    if message is None:
                        if self._closing:
                            break
                        if isinstance(self.sink, CheckedSink):
                            self.sink.check()
                    else:
                        self.sink.push(message)
                        self.counts.told += 1
                        self._again = None
                    # Opening alone proves little: what takes a connection and drops it would be opened every second.
                    worked = worked or message is not None or time.monotonic() - opened_s > wait_s
                    if worked:
                        if failing:
                            _log.info("sink %s: works again", self.sink.name)
                        failing, wait_s = False, _RETRY_S[0]
                break
            except Exception as error:
                # Whatever a sink raises, third parties' among them, must not end the others.
                self.counts.failures += 1
                self.counts.up = False
                if not failing:
                    expected = isinstance(error, (VivavoceError, OSError))
                    _log.error("sink %s: %s", self.sink.name, error, exc_info=not expected)
                failing = True
                self._failed_at(message)
                self._close()
                if self._stopping_within(wait_s):
                    break
                wait_s = min(2 * wait_s, _RETRY_S[1])
        self.counts.up = False
        with self._changed:
            self.counts.dropped += len(self._waiting) + (self._again is not None)
            self._waiting.clear()
            self._again = None
        self._close()

    def _open(self) -> None:
        self.sink.open()
        self.counts.up = True
        if Status in self.sink.wants:
            with self._changed:
                # Told anew, and an older one must not follow it.
                self._waiting = deque(message for message in self._waiting if not isinstance(message, Status))
            self.sink.push(self._status())

    def _failed_at(self, message: Message | None) -> None:
        if message is None:  # it could not be opened: what it failed at before still waits
            return
        with self._changed:
            again = isinstance(message, Answer) and message is not self._again
            if not again and not isinstance(message, Status):
                self.counts.dropped += 1
            self._again = message if again else None

    def _close(self) -> None:
        try:
            self.sink.close()
        except Exception:
            _log.exception("sink %s: does not close", self.sink.name)

    def _next(self) -> Message | None:
        """Return the next message; None where none came for a while, and where it is time to end."""
        with self._changed:
            if self._again is None:
                self._changed.wait_for(lambda: self._waiting or self._closing, _CHECK_S)
            if time.monotonic() > self._until_s:
                return None
            if self._again is not None:
                return self._again
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
        until_s = time.monotonic() + _GRACE_S
        for runner in self._runners:
            runner.stop(until_s)
        for busy in [runner for runner in self._runners if not runner.ended()]:
            busy.leave()

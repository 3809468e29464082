"""What a peer has to send: reliable messages from being queued until they are acknowledged."""

import itertools
from collections import deque
from collections.abc import Iterator
from typing import Any

from firmware_bridge.link.peer_state import Counts, Outgoing, Settings, before
from firmware_bridge.link.table import PAYLOAD_MAX, WINDOW_MAX

__all__ = ["Sending"]


class Sending:
    """The queue of one side, and how far the other side is with it.

    Parameters
    ----------
    settings : Settings
    counts : Counts
        Of the peer; counted in here.
    """

    def __init__(self, settings: Settings, counts: Counts) -> None:
        self.queue: deque[Outgoing] = deque()
        self.next_sequence = 0
        self.payload_max = PAYLOAD_MAX
        """Longest payload that the other side takes, bytes."""
        self._settings, self._counts = settings, counts
        self._credit = 0
        self._sent_as = 0

    def add(self, kind: int, payload: bytes) -> bool:
        """Queue a message; False if the queue is full."""
        if len(self.queue) >= self._settings.queue:
            return False
        self.queue.append(Outgoing(kind, payload))
        return True

    def begin(self, session: int, hello: dict[str, Any]) -> None:
        """Begin a session: forget what the other side has, and have all else sent again.

        Parameters
        ----------
        session : int
            Number of this side in it.
        hello : dict
            Values of the hello of the other side.
        """
        if hello["resume_session"] and hello["resume_session"] == self._sent_as:
            self._drop_before(hello["resume_next"])
        self.payload_max = hello["payload_max"]
        fitting = [one for one in self.queue if len(one.payload) <= self.payload_max]
        self._counts.too_long += len(self.queue) - len(fitting)
        self.queue = deque(fitting)
        for one in self.queue:
            one.sent = one.acknowledged = False
        self._sent_as = session
        self.next_sequence = 0
        self._credit = hello["window"]

    def take_ack(self, ack: dict[str, Any], now_s: float) -> None:
        """Take the values of an acknowledgement."""
        following, have = ack["next"], ack["have"]
        if (self.next_sequence - following) & 0xFFFF > WINDOW_MAX:
            # Older than what was acknowledged since, or of frames that were never sent.
            self._counts.stale += 1
            return
        oldest = self.queue[0].sequence if self.queue and self.queue[0].sent else self.next_sequence
        if before(following, oldest):
            self._counts.stale += 1  # it was overtaken; its credit is old
            return
        self._drop_before(following)
        newest = have.bit_length() - 1
        for one in self.queue:
            if not one.sent:
                break
            ahead = (one.sequence - following - 1) & 0xFFFF
            if ahead < 32 and have >> ahead & 1:
                one.acknowledged = True
            elif newest >= 0 and (one.sequence - following) & 0xFFFF <= newest:
                # One that was sent later has come: this one is lost, unless the wire changes the order.
                one.due_s = min(one.due_s, now_s + self._settings.resend_s / 3)
        self._credit = ack["credit"]

    def due(self, now_s: float) -> Iterator[Outgoing]:
        """Yield what is to be sent now; each is taken as sent when the next one is asked for."""
        for one in itertools.islice(self.queue, min(WINDOW_MAX, self._credit)):
            if one.acknowledged or (one.sent and one.due_s > now_s):
                continue
            if not one.sent:
                one.sequence = self.next_sequence
            yield one
            if one.sent:
                self._counts.resent += 1
            else:
                one.first_s, one.sent = now_s, True
                self.next_sequence = (self.next_sequence + 1) & 0xFFFF
            one.due_s = now_s + self._settings.resend_s

    def next_due_s(self, now_s: float) -> float:
        """Return when :meth:`due` has something, s; infinity if nothing waits for that."""
        if any(not one.sent for one in itertools.islice(self.queue, min(WINDOW_MAX, self._credit))):
            return now_s
        return min((one.due_s for one in self.queue if one.sent and not one.acknowledged), default=float("inf"))

    def stuck(self, now_s: float) -> bool:
        """Whether what was sent is never taken by a peer with room, as after a wrong frame whose CRC was right."""
        oldest = self.queue[0] if self.queue else None
        return (
            oldest is not None and oldest.sent and self._credit > 0 and now_s - oldest.first_s > self._settings.stuck_s
        )

    def _drop_before(self, sequence: int) -> None:
        while self.queue and self.queue[0].sent and before(self.queue[0].sequence, sequence):
            self.queue.popleft()

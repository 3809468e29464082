"""One side of the link, without input or output: bytes and the time go in, bytes and messages come out.

A session begins with a handshake in which each side names a number and echoes that of the other. An echo of a session
that is over is not answered, so that frames that were held up across a reconnect cannot begin or end anything.
Reliable messages are sent again one by one (selective repeat) until they are acknowledged, are delivered in order and
once, and are kept over a reconnect: the hello tells what was received last. Only a side that starts anew may see again
what it had before.
"""

import itertools
from collections import deque
from collections.abc import Iterator

from edge.errors import DataError, UsageError
from firmware_bridge.link.framing import Frame, FrameReader, frame_bytes
from firmware_bridge.link.messages import Message, decode, encode
from firmware_bridge.link.peer_state import Counts, Other, Outgoing, Settings, before
from firmware_bridge.link.table import PAYLOAD_MAX, WINDOW_MAX, kind_named

__all__ = ["Counts", "Peer", "Settings"]

_HELLO, _ACK = kind_named("hello"), kind_named("ack")


class Peer:
    """One side of the link.

    Parameters
    ----------
    settings : Settings
    session : int
        A number to begin with, drawn at random by who starts; 16 bits of it are used.

    Raises
    ------
    UsageError
        If the settings cannot work.
    """

    def __init__(self, settings: Settings, *, session: int) -> None:
        if not 1 <= settings.window <= WINDOW_MAX:
            raise UsageError(f"link: got a window of {settings.window}, expected 1..{WINDOW_MAX}")
        self.settings = settings
        self.counts = Counts()
        self.fault = ""
        """Why no session can begin with the peer that is there; empty if nothing is known against it."""
        self._reader = FrameReader()
        self._session = session % 65535 + 1
        self._other: Other | None = None
        self._candidate: tuple[int, Other, float] | None = None
        self._queue: deque[Outgoing] = deque()
        self._next_sequence = 0
        self._resume = (0, 0)
        self._came = False
        self._sent_as = 0
        self._expected = 0
        self._early: dict[int, tuple[int, bytes]] = {}
        self._inbox: deque[Message] = deque()
        self._out = bytearray()
        self._ack_due = False
        self._hello_at_s = self._ack_at_s = self._heard_at_s = self._begun_s = float("-inf")
        self._now_s = 0.0
        self._other_credit = 0
        self._payload_max = PAYLOAD_MAX

    @property
    def established(self) -> bool:
        """Whether there is a session."""
        return self._other is not None

    @property
    def version(self) -> int:
        """The version of the session; 0 without one."""
        return 0 if self._other is None else self._other.version

    @property
    def peer_hello(self) -> Message | None:
        """What the other side said of itself; None without a session."""
        return None if self._other is None else self._other.hello

    @property
    def damaged(self) -> int:
        """Frames that were skipped because of their CRC, length or stuffing."""
        return self._reader.damaged

    @property
    def waiting(self) -> int:
        """Messages that are not acknowledged yet."""
        return len(self._queue)

    def send(self, message: Message) -> bool:
        """Queue a reliable message; False if the queue is full, and it was not taken.

        Raises
        ------
        UsageError
            If it cannot be encoded, or is one of the link itself.
        """
        payload = encode(message)
        kind = kind_named(message.kind)
        if not kind.reliable:
            raise UsageError(f"link: {message.kind} is sent by the link itself")
        if self._other is not None and len(payload) > self._payload_max:
            raise UsageError(
                f"link: {message.kind}: got a payload of {len(payload)} bytes, expected up to {self._payload_max}, "
                "which is what the other side takes"
            )
        if len(self._queue) >= self.settings.queue:
            return False
        self._queue.append(Outgoing(kind.code, payload))
        return True

    def messages(self) -> Iterator[Message]:
        """Take the messages that came, in order; what is not taken is not acknowledged beyond the window."""
        while self._inbox:
            # Room is told only when it was scarce: otherwise the next acknowledgement does.
            if self._credit() < self.settings.window // 2:
                self._ack_due = True
            yield self._inbox.popleft()

    def receive(self, data: bytes, now_s: float) -> None:
        """Take bytes as they came.

        Parameters
        ----------
        data : bytes
        now_s : float
            Of a clock that never goes back, s.
        """
        self._now_s = now_s
        for frame in self._reader.push(data):
            if frame.kind == _HELLO.code:
                self._take_hello(frame)
            elif self._other is None or frame.session != self._other.session or frame.version != self._other.version:
                self.counts.stale += 1
            else:
                self.counts.received += 1
                self._heard_at_s = now_s
                if frame.kind == _ACK.code:
                    self._take_ack(frame)
                elif frame.kind > _ACK.code:
                    self._take_message(frame)

    def disconnected(self, now_s: float) -> None:
        """Say that the transport is gone: the session is over, and a frame that was cut off is forgotten."""
        self._now_s = now_s
        self._reader.fresh()
        self._out.clear()
        self._end()
        self._hello_at_s = float("-inf")

    def poll(self, now_s: float, *, room: int = 1 << 16) -> bytes:
        """Return what is to be sent now, at most about ``room`` bytes."""
        self._now_s = now_s
        if self._other is not None and (now_s - self._heard_at_s > self.settings.silence_s or self._stuck()):
            self._end()
        if self._candidate is not None and now_s > self._candidate[2]:
            self._candidate = None
        if now_s - self._hello_at_s >= self.settings.hello_s:
            if self._candidate is not None:
                self._say_hello(self._candidate[0], self._candidate[1].session, established=False)
            elif self._other is None:
                self._say_hello(self._session, 0, established=False)
        if self._other is not None:
            if self._ack_due or now_s - self._ack_at_s >= self.settings.heartbeat_s:
                self._say_ack()
            self._send_waiting(room)
        out = bytes(self._out)
        self._out.clear()
        return out

    def next_poll_s(self) -> float:
        """Return when :meth:`poll` has something to do at the latest, on the clock of ``now_s``."""
        if self._other is None:
            return self._hello_at_s + self.settings.hello_s
        times = [self._ack_at_s + self.settings.heartbeat_s, self._heard_at_s + self.settings.silence_s]
        times += [one.due_s for one in self._queue if one.sent and not one.acknowledged]
        if self._candidate is not None:
            times.append(self._hello_at_s + self.settings.hello_s)
        window = min(WINDOW_MAX, self._other_credit)
        unsent = any(not one.sent for one in itertools.islice(self._queue, window))
        return self._now_s if self._ack_due or unsent else min(times)

    def _stuck(self) -> bool:
        """Whether what was sent is never taken by a peer with room, as after a wrong frame whose CRC was right."""
        oldest = self._queue[0] if self._queue else None
        return (
            oldest is not None
            and oldest.sent
            and self._other_credit > 0
            and self._now_s - oldest.first_s > self.settings.stuck_s
        )

    def _put(self, kind: int, payload: bytes, *, session: int, sequence: int, version: int) -> None:
        self._out += frame_bytes(Frame(version, kind, session, sequence, payload))

    def _say_hello(self, session: int, echo: int, *, established: bool) -> None:
        settings, resume = self.settings, self._resumable()
        values = {
            "lowest": settings.lowest,
            "highest": settings.highest,
            "established": int(established),
            "role": settings.role,
            "echo": echo,
            "resume_session": resume[0],
            "resume_next": resume[1],
            "window": settings.window,
            "payload_max": PAYLOAD_MAX,
            "capabilities": settings.capabilities,
            "name": settings.name,
        }
        self._put(_HELLO.code, encode(Message("hello", values)), session=session, sequence=0, version=1)
        self._hello_at_s = self._now_s

    def _take_hello(self, frame: Frame) -> None:
        try:
            hello = decode(_HELLO.code, frame.payload)
        except DataError:
            self.counts.refused += 1
            return
        values, settings = hello.values, self.settings
        version = min(values["highest"], settings.highest)
        if values["role"] == settings.role or not frame.session:
            self.counts.refused += 1
            return
        if version < max(values["lowest"], settings.lowest):
            self.fault = (
                f"the peer speaks versions {values['lowest']}..{values['highest']} of the link, expected one of "
                f"{settings.lowest}..{settings.highest}; update the older side"
            )
            return
        other = Other(frame.session, version, hello)
        echo = values["echo"]
        # A device that draws no random numbers starts anew with the number that it had.
        recent = self._now_s - self._begun_s < 4 * settings.hello_s
        if (
            self._other is not None
            and frame.session == self._other.session
            and (echo == self._session or (recent and not echo))
        ):
            self._heard_at_s = self._now_s
            if not values["established"]:
                self._say_hello(self._session, frame.session, established=True)
        elif self._candidate is not None and echo == self._candidate[0] and frame.session == self._candidate[1].session:
            session = self._candidate[0]
            self._end()
            self._session = session
            self._begin(other)
        elif self._other is None and echo == self._session:
            self._begin(other)
        elif echo:
            self.counts.stale += 1
        elif self._other is None:
            self._say_hello(self._session, frame.session, established=False)
        elif self._candidate is None or self._candidate[1].session != frame.session:
            # It may have started anew, or this was held up since long ago: only an answer to a new number tells.
            self._candidate = (self._following(), other, self._now_s + self.settings.silence_s)
            self._say_hello(self._candidate[0], frame.session, established=False)
        else:
            self._say_hello(self._candidate[0], frame.session, established=False)
        if self._other is other and not values["established"]:
            self._say_hello(self._session, frame.session, established=True)

    def _resumable(self) -> tuple[int, int]:
        """Return from where the other side shall go on; a session in which nothing came changes nothing about it."""
        return self._resume if self._other is None or not self._came else (self._other.session, self._expected)

    def _following(self) -> int:
        return self._session % 65535 + 1

    def _begin(self, other: Other) -> None:
        values = other.hello.values
        if values["resume_session"] and values["resume_session"] == self._sent_as:
            while self._queue and self._queue[0].sent and before(self._queue[0].sequence, values["resume_next"]):
                self._queue.popleft()
        self._payload_max = values["payload_max"]
        fitting = [one for one in self._queue if len(one.payload) <= self._payload_max]
        self.counts.too_long += len(self._queue) - len(fitting)
        self._queue = deque(fitting)
        for one in self._queue:
            one.sent = one.acknowledged = False
        self._other, self._candidate, self.fault = other, None, ""
        self._sent_as = self._session
        self._next_sequence = self._expected = 0
        self._came = False
        self._early.clear()
        self._other_credit = values["window"]
        self._heard_at_s = self._begun_s = self._now_s
        self._ack_due = True
        self.counts.sessions += 1

    def _end(self) -> None:
        if self._other is None:
            return
        self._resume = self._resumable()
        self._other = self._candidate = None
        self._session = self._following()
        self._early.clear()
        self.counts.lost += 1

    def _credit(self) -> int:
        return max(0, self.settings.window - len(self._inbox))

    def _say_ack(self) -> None:
        assert self._other is not None, "there is a session"
        have = sum(1 << ((sequence - self._expected - 1) & 0xFFFF) for sequence in self._early)
        values = {"next": self._expected, "have": have, "credit": self._credit()}
        payload = encode(Message("ack", values))
        self._put(_ACK.code, payload, session=self._session, sequence=0, version=self._other.version)
        self._ack_due = False
        self._ack_at_s = self._now_s

    def _take_ack(self, frame: Frame) -> None:
        try:
            values = decode(_ACK.code, frame.payload).values
        except DataError:
            self.counts.refused += 1
            return
        following, have = values["next"], values["have"]
        if (self._next_sequence - following) & 0xFFFF > WINDOW_MAX:
            # Older than what was acknowledged since, or of frames that were never sent.
            self.counts.stale += 1
            return
        oldest = self._queue[0].sequence if self._queue and self._queue[0].sent else self._next_sequence
        if before(following, oldest):
            self.counts.stale += 1  # it was overtaken; its credit is old
            return
        while self._queue and self._queue[0].sent and before(self._queue[0].sequence, following):
            self._queue.popleft()
        newest = max((bit for bit in range(32) if have >> bit & 1), default=-1)
        for one in self._queue:
            if not one.sent:
                break
            ahead = (one.sequence - following - 1) & 0xFFFF
            if ahead < 32 and have >> ahead & 1:
                one.acknowledged = True
            elif newest >= 0 and (one.sequence - following) & 0xFFFF <= newest:
                # One that was sent later has come: this one is lost, unless the wire changes the order.
                one.due_s = min(one.due_s, self._now_s + self.settings.resend_s / 3)
        self._other_credit = values["credit"]

    def _take_message(self, frame: Frame) -> None:
        ahead = (frame.sequence - self._expected) & 0xFFFF
        if self._candidate is not None:
            return  # what was told in the hello to resume from must not change; it is sent again
        self._ack_due = True
        if ahead >= WINDOW_MAX:
            self.counts.repeated += 1
            return
        if ahead >= self._credit():
            return  # there is no room: it is sent again
        if frame.sequence in self._early:
            self.counts.repeated += 1
            return
        self._early[frame.sequence] = (frame.kind, frame.payload)
        while self._expected in self._early and self._credit():
            kind, payload = self._early.pop(self._expected)
            self._expected = (self._expected + 1) & 0xFFFF
            self._came = True
            try:
                self._inbox.append(decode(kind, payload))
            except DataError:
                # Sent again it would be the same: it counts as received.
                self.counts.refused += 1

    def _send_waiting(self, room: int) -> None:
        assert self._other is not None, "there is a session"
        for place, one in enumerate(self._queue):
            if place >= min(WINDOW_MAX, self._other_credit) or len(self._out) >= room:
                break
            if one.acknowledged or (one.sent and one.due_s > self._now_s):
                continue
            if one.sent:
                self.counts.resent += 1
            else:
                one.sequence, one.first_s, one.sent = self._next_sequence, self._now_s, True
                self._next_sequence = (self._next_sequence + 1) & 0xFFFF
            one.due_s = self._now_s + self.settings.resend_s
            self._put(one.kind, one.payload, session=self._session, sequence=one.sequence, version=self._other.version)

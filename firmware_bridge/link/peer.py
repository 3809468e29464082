"""One side of the link, without input or output: bytes and the time go in, bytes and messages come out.

A session begins with a handshake in which each side names a number and echoes that of the other. An echo of a session
that is over is not answered, so that frames that were held up across a reconnect cannot begin or end anything.
Reliable messages are sent again one by one (selective repeat) until they are acknowledged, are delivered in order and
once, and are kept over a reconnect: the hello tells what was received last. Only a side that starts anew may see again
what it had before.
"""

from collections.abc import Iterator

from edge.errors import DataError, UsageError
from firmware_bridge.link.framing import Frame, FrameReader, frame_bytes
from firmware_bridge.link.messages import Message, decode, encode
from firmware_bridge.link.peer_state import Counts, Other, Settings
from firmware_bridge.link.receiving import Receiving
from firmware_bridge.link.sending import Sending
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
        self._sending = Sending(settings, self.counts)
        self._receiving = Receiving(settings, self.counts)
        self._resume = (0, 0)
        self._out = bytearray()
        self._hello_at_s = self._ack_at_s = self._heard_at_s = self._begun_s = float("-inf")
        self._now_s = 0.0

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
        return len(self._sending.queue)

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
        if self._other is not None and len(payload) > self._sending.payload_max:
            most = self._sending.payload_max
            raise UsageError(
                f"link: {message.kind}: got a payload of {len(payload)} bytes, expected up to {most}, "
                "which is what the other side takes"
            )
        return self._sending.add(kind.code, payload)

    def messages(self) -> Iterator[Message]:
        """Take the messages that came, in order; what is not taken is not acknowledged beyond the window."""
        return self._receiving.messages()

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
                elif frame.kind > _ACK.code and self._candidate is None:
                    # With one, what was told in the hello to resume from must not change; it is sent again.
                    self._receiving.take(frame)

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
        if self._other is not None and (
            now_s - self._heard_at_s > self.settings.silence_s or self._sending.stuck(now_s)
        ):
            self._end()
        if self._candidate is not None and now_s > self._candidate[2]:
            self._candidate = None
        if now_s - self._hello_at_s >= self.settings.hello_s:
            if self._candidate is not None:
                self._say_hello(self._candidate[0], self._candidate[1].session, established=False)
            elif self._other is None:
                self._say_hello(self._session, 0, established=False)
        if self._other is not None:
            if self._receiving.ack_due or now_s - self._ack_at_s >= self.settings.heartbeat_s:
                self._say_ack()
            self._send_due(room)
        out = bytes(self._out)
        self._out.clear()
        return out

    def next_poll_s(self) -> float:
        """Return when :meth:`poll` has something to do at the latest, on the clock of ``now_s``."""
        if self._other is None:
            return self._hello_at_s + self.settings.hello_s
        times = [
            self._ack_at_s + self.settings.heartbeat_s,
            self._heard_at_s + self.settings.silence_s,
            self._sending.next_due_s(self._now_s),
        ]
        if self._candidate is not None:
            times.append(self._hello_at_s + self.settings.hello_s)
        return self._now_s if self._receiving.ack_due else min(times)

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
        if self._other is None or not self._receiving.came:
            return self._resume
        return self._other.session, self._receiving.expected

    def _following(self) -> int:
        return self._session % 65535 + 1

    def _begin(self, other: Other) -> None:
        self._other, self._candidate, self.fault = other, None, ""
        self._sending.begin(self._session, other.hello.values)
        self._receiving.begin()
        self._heard_at_s = self._begun_s = self._now_s
        self.counts.sessions += 1

    def _end(self) -> None:
        if self._other is None:
            return
        self._resume = self._resumable()
        self._other = self._candidate = None
        self._session = self._following()
        self.counts.lost += 1

    def _say_ack(self) -> None:
        assert self._other is not None, "there is a session"
        receiving = self._receiving
        values = {"next": receiving.expected, "have": receiving.have, "credit": receiving.credit}
        payload = encode(Message("ack", values))
        self._put(_ACK.code, payload, session=self._session, sequence=0, version=self._other.version)
        receiving.ack_due = False
        self._ack_at_s = self._now_s

    def _take_ack(self, frame: Frame) -> None:
        try:
            values = decode(_ACK.code, frame.payload).values
        except DataError:
            self.counts.refused += 1
            return
        self._sending.take_ack(values, self._now_s)

    def _send_due(self, room: int) -> None:
        assert self._other is not None, "there is a session"
        for one in self._sending.due(self._now_s):
            if len(self._out) >= room:
                break
            self._put(one.kind, one.payload, session=self._session, sequence=one.sequence, version=self._other.version)

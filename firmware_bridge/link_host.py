"""The host's end of the link to a device: one connection, which the source and the sink of the daemon share.

It is made once for each port (:mod:`firmware_bridge.link_shared`), is open while somebody has joined it, and opens
again whatever went away. A thread of its own drives the peer, so that heartbeats do not wait for anybody.
"""

import logging
import os
import secrets
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from edge.errors import VivavoceError
from firmware_bridge.device_log import DeviceLog
from firmware_bridge.link.messages import Message
from firmware_bridge.link.peer import Peer
from firmware_bridge.link.peer_state import Settings
from firmware_bridge.link.table import CAPABILITIES, kind_named
from firmware_bridge.link.transports import Transport
from firmware_bridge.link_clock import LinkClock
from firmware_bridge.link_items import Began, Item, Over, Switched
from firmware_bridge.link_port import LinkSettings
from firmware_bridge.link_standing import Standing

__all__ = ["ANSWER_S", "LinkHost"]

_log = logging.getLogger(__name__)

ANSWER_S = 5.0
"""Time in which a device answers, s; it is looked for on and on, and told of as away meanwhile."""
_NAME = "vivavoce"
_RETRY_S = (0.25, 2.0)
"""Time until a port that failed is opened again, s: the first, and the longest."""
_LOOK_S = 0.25
"""Longest time until :attr:`LinkHost.ticks` are called again, s."""
_STALE_S = 10.0
"""What was not acknowledged for so long without a device is not sent to one that comes then, s."""
_HELD = 1500
"""Messages that wait for the source: 30 s of sound. Then the device is told to wait."""
_BETWEEN_S = 3.0
"""A source that fails asks again within this time, s."""
_LEAVE_S = 2.0
_ROOM_BYTES = 4096
_SWITCH = kind_named("mute").field("origin").names.index("switch of the device")


class LinkHost:
    """One port, the peer behind it, and who joined.

    Parameters
    ----------
    settings : LinkSettings
    open_port : callable
        Opens the port.
    """

    def __init__(self, settings: LinkSettings, open_port: Callable[[], Transport]) -> None:
        self.settings = settings
        self.clock = LinkClock()
        self.switched = False
        """Whether the switch of the device mutes; a device that is away may be no less muted than it was."""
        self.starts = 0
        """How often a device was met that had started anew: its sample indices are of another count each time."""
        self.source_tells = False
        """Whether a source tells of what becomes of the link, so that the link itself need not."""
        self.device_health: dict[str, Any] = {}
        """What the device said last of how it is."""
        self.ticks: list[Callable[[], None]] = []
        """Called in the thread of the link, a few times a second at least while somebody joined it."""
        self.mute_said: list[Callable[[bool, bool], None]] = []
        """Called there when the device says something of the mute: whether it mutes, whether that is the switch."""
        self.word_heard: list[Callable[[], None]] = []
        """Called there when the device heard a word."""
        self._open_port = open_port
        self._device_log = DeviceLog(settings.port)
        self._life = threading.Lock()
        self._users = 0
        self._stop: threading.Event | None = None
        self._slip = ""
        self._thread: threading.Thread | None = None
        # What follows is held by this lock.
        self._changed = threading.Condition()
        self._peer = self._new_peer()
        self._sessions = 0
        self._up = False
        self._down_since_s = time.monotonic()
        self._why = ""
        self._told = ""
        self._standing = Standing()
        self._items: deque[Item] = deque()
        self._listened_until_s = float("-inf")
        self._waker = -1

    # ------------------------------------------------------------------------------------ for source and sink

    def join(self) -> None:
        """Open the port, if nobody did yet."""
        with self._life:
            self._users += 1
            if self._users > 1:
                return
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._stop,), name=f"link {self.settings.port}", daemon=True
            )
            self._thread.start()

    def leave(self) -> None:
        """Close it, if nobody else has joined."""
        with self._life:
            self._users -= 1
            if self._users:
                return
            assert self._stop is not None, "somebody had joined"
            assert self._thread is not None, "somebody had joined"
            self._stop.set()
            self._wake()
            self._thread.join(_LEAVE_S)

    @property
    def up(self) -> bool:
        """Whether there is a session with a device."""
        return self._up

    @property
    def why(self) -> str:
        """Why there is none, in words."""
        with self._changed:
            if self._peer.fault:
                return f"{self.settings.port}: {self._peer.fault}"
            return self._why or f"{self.settings.port}: no device answers; check that its firmware runs"

    @property
    def muted(self) -> bool:
        """Whether the device has reason to send no sound: its switch, or what it was told."""
        told = self._standing.get("mute")
        return self.switched or (told is not None and bool(told.values["muted"]))

    def counts(self) -> dict[str, int]:
        """Return frames that were damaged or sent again since the link was made anew."""
        with self._changed:
            return {"damaged_frames": self._peer.damaged, "resent_frames": self._peer.counts.resent}

    def send(self, message: Message) -> bool:
        """Send a message to the device that is there; False if there is none, or it takes nothing."""
        with self._changed:
            sent = self._up and self._peer.send(message)
        self._wake()
        return sent

    def stand(self, message: Message) -> None:
        """Tell what holds until something else is told: to the device that is there, and to each one that comes."""
        with self._changed:
            self._standing.put(message)
            if self._up:
                self._standing.push(self._peer)
        self._wake()

    def listen(self, listened: bool) -> None:
        """Begin, or end, to keep what :meth:`take` returns; what comes shortly between the two is kept."""
        with self._changed:
            if not listened:
                self._listened_until_s = time.monotonic() + _BETWEEN_S
                return
            if time.monotonic() > self._listened_until_s:
                self._items.clear()
                self._items.append(Switched(self.switched))
            self._listened_until_s = float("inf")
            while any(isinstance(item, Over) for item in self._items):
                self._items.popleft()
            if self._up and not any(isinstance(item, Began) for item in self._items):
                self._items.appendleft(Began(self._hello()))

    def take(self, timeout_s: float) -> list[Item]:
        """Return sound, words and what became of the session, in their order; nothing if nothing came in this time."""
        with self._changed:
            full = len(self._items) >= _HELD
            self._changed.wait_for(lambda: self._items, timeout_s)
            items: list[Item] = []
            # What comes after the end of a session is for who asks again.
            while self._items and not (items and isinstance(items[-1], Over)):
                items.append(self._items.popleft())
        if full:
            self._wake()
        return items

    # ------------------------------------------------------------------------------------ the thread of the link

    def _new_peer(self) -> Peer:
        return Peer(Settings(role=0, name=_NAME), session=secrets.randbelow(65535))

    def _hello(self) -> dict[str, Any]:
        hello = self._peer.peer_hello
        assert hello is not None, "there is a session"
        return hello.values

    def _wake(self) -> None:
        with self._changed:
            if self._waker >= 0:
                os.eventfd_write(self._waker, 1)

    def _run(self, stop: threading.Event) -> None:
        wait_s = _RETRY_S[0]
        while not stop.is_set():
            began_s = time.monotonic()
            transport, reason = None, f"{self.settings.port}: closed"
            try:
                transport = self._open_port()
                self._drive(transport, stop)
            except VivavoceError as error:
                reason = str(error)
            except Exception as error:
                # A driver's, a resolver's, or a slip of ours: the daemon outlives it.
                _log.exception("link %s", self.settings.port)
                reason = f"{self.settings.port}: {type(error).__name__}: {error}"
            finally:
                if transport is not None:
                    transport.close()
            self._lost(reason, stop)
            if time.monotonic() - began_s > _RETRY_S[1]:
                wait_s = _RETRY_S[0]
            stop.wait(wait_s)
            wait_s = min(2 * wait_s, _RETRY_S[1])

    def _lost(self, reason: str, stop: threading.Event) -> None:
        """Note why there is no device, unless another thread has the peer by now."""
        with self._changed:
            if self._stop is not stop:
                return
            if not stop.is_set():
                self._why = reason
            self._peer.disconnected(time.monotonic())
            self._look(reason)
        if not stop.is_set():
            self._tell(reason)

    def _tell(self, reason: str) -> None:
        """Say why there is no device, once until there is one, or there is another reason."""
        with self._changed:
            told, self._told = self._told, reason
        if reason != told and not self.source_tells:
            _log.warning("link %s; tried again from now on", reason)

    def _drive(self, transport: Transport, stop: threading.Event) -> None:
        waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        with self._changed:
            if not stop.is_set():
                self._waker = waker
        try:
            waiting = select.poll()
            waiting.register(waker, select.POLLIN)
            waiting.register(transport.fileno(), select.POLLIN)
            unsent = b""
            # The port may have taken so long to open that this thread is not wanted any more.
            while not stop.is_set():
                data = transport.read()
                taken, unsent, due_s = self._turn(data, unsent)
                # What was taken is acknowledged: what fails over one message must not lose the others.
                for message in taken:
                    self._guarded(self._dispatch, message)
                for tick in tuple(self.ticks):
                    self._guarded(tick)
                if not self._up and time.monotonic() - self._down_since_s > ANSWER_S:
                    self._tell(self.why)
                if unsent:
                    unsent = unsent[transport.write(unsent) :]
                waiting.modify(transport.fileno(), select.POLLIN | (select.POLLOUT if unsent else 0))
                left_s = 0.0 if data else min(max(due_s - time.monotonic(), 0.0), _LOOK_S)
                if any(number == waker for number, _ in waiting.poll(1000 * left_s)):
                    os.eventfd_read(waker)
        finally:
            with self._changed:
                if self._waker == waker:  # otherwise it is that of the thread that came after this one
                    self._waker = -1
            os.close(waker)

    def _guarded(self, call: Callable[..., None], *values: Any) -> None:
        try:
            call(*values)
        except Exception as error:
            # A tick that fails, fails on and on: said once in a row.
            slip, self._slip = self._slip, f"{type(error).__name__}: {error}"
            if slip != self._slip:
                _log.exception("link %s", self.settings.port)

    def _turn(self, data: bytes, unsent: bytes) -> tuple[list[Message], bytes, float]:
        """Give the peer what came; return its messages, what it sends, and when it wants to be asked again."""
        now_s = time.monotonic()
        with self._changed:
            peer = self._peer
            peer.receive(data, now_s)
            unsent = unsent or peer.poll(now_s, room=_ROOM_BYTES)
            self._look(f"{self.settings.port}: the device fell silent; check that its firmware runs")
            if not self._up and peer.waiting and now_s - self._down_since_s > _STALE_S:
                self._peer = peer = self._new_peer()
                self._sessions = 0
            taken = list(peer.messages()) if len(self._items) < _HELD else []
            if self._up:
                self._standing.push(peer)
            if not unsent:
                unsent = peer.poll(now_s, room=_ROOM_BYTES)
            due_s = float("inf") if unsent else peer.next_poll_s()
        return taken, unsent, due_s

    def _look(self, reason: str) -> None:
        """See whether a session began or ended; called with the lock."""
        peer = self._peer
        began = peer.counts.sessions != self._sessions
        if self._up and (began or not peer.established):
            self._up = False
            self._down_since_s = time.monotonic()
            self._why = reason
            self._put(Over(reason))
        if began and peer.established:
            hello = self._hello()
            self._up, self._told, self._why = True, "", ""
            _log.info("link %s: a session with %r began", self.settings.port, hello["name"])
            # Said before the device's own words are taken, which may be that its switch is on.
            if self.switched and not self.can("mute switch"):
                self._say_mute(False, True)
            self._standing.owe_all()
            self._standing.push(peer)
            self.starts += not hello["resume_session"]
            self._put(Began(hello))
        self._sessions = peer.counts.sessions

    def can(self, capability: str) -> bool:
        """Whether the device that is there has a capability, by its name in the table; False if there is no device."""
        with self._changed:
            hello = self._peer.peer_hello
            return hello is not None and bool(hello.values["capabilities"] >> CAPABILITIES.index(capability) & 1)

    def _put(self, item: Item) -> None:
        with self._changed:
            if time.monotonic() < self._listened_until_s:
                self._items.append(item)
                self._changed.notify_all()

    def _dispatch(self, message: Message) -> None:
        if message.kind == "mute":
            self._say_mute(bool(message.values["muted"]), message.values["origin"] == _SWITCH)
        elif message.kind == "health":
            self.device_health = message.values
        elif message.kind == "log":
            self._device_log.push(message.values, time.monotonic())
        elif message.kind in ("audio", "wake"):
            if message.kind == "audio":
                self.clock.came(message.values["index"], time.monotonic())
            self._put(message)
            if message.kind == "wake":
                for call in tuple(self.word_heard):
                    self._guarded(call)

    def _say_mute(self, muted: bool, switch: bool) -> None:
        # With the lock, so that who is told by say_switch meanwhile is told this afterwards.
        with self._changed:
            if switch:
                self.switched = muted
                self._put(Switched(muted))
            for call in tuple(self.mute_said):
                self._guarded(call, muted, switch)

    def say_switch(self, call: Callable[[bool, bool], None]) -> None:
        """Tell one who comes late how the switch is, if a device was met; like :attr:`mute_said`."""
        with self._changed:
            if self.starts or self.switched:
                call(self.switched, True)

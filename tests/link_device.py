"""A device at the link, in Python: what a microcontroller does, in a thread, at a Unix socket or a pseudoterminal."""

import contextlib
import os
import select
import socket
import threading
import time
import tty

from edge.errors import AudioError
from firmware_bridge.link.messages import Message
from firmware_bridge.link.peer import Peer
from firmware_bridge.link.peer_state import Settings
from firmware_bridge.link.table import CAPABILITIES
from firmware_bridge.link.transports import DescriptorTransport, SocketTransport

__all__ = ["PATIENCE_S", "Device", "capable"]

PATIENCE_S = 30
BLOCK = 320


def capable(*names):
    """Return capabilities as the bits of a hello."""
    return sum(1 << CAPABILITIES.index(name) for name in names)


_USUAL = capable("audio", "mute switch", "LEDs")


class Device:
    """A device; `path` is a Unix socket that it listens at, or empty for a pseudoterminal, whose path `port` has."""

    def __init__(self, path="", capabilities=_USUAL, **settings):
        self.settings = Settings(role=1, name="test device", capabilities=capabilities, **settings)
        self.peer = Peer(self.settings, session=7)
        self.index = self._starts = 0
        self.got = []
        self.news = threading.Condition()
        self._begin = b""
        self._stop = threading.Event()
        self._transport = None
        self._listener = None
        self._master = -1
        if path:
            self.port = f"unix:{path}"
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen(1)
            self._listener.settimeout(0.05)
        else:
            self._master, slave = os.openpty()
            tty.setraw(slave)
            self.port = os.ttyname(slave)
            self._slave = slave  # held open: the host may come and go
            self._transport = DescriptorTransport(self._master, "device")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._stop.set()
        self._thread.join(PATIENCE_S)
        if self._listener is not None:
            self._listener.close()
        else:
            os.close(self._slave)

    def unplug(self):
        """End the connection, as a cable that is pulled out does; a socket is connected anew by the host."""
        with self.news:
            transport, self._transport = self._transport, None
            self.peer.disconnected(time.monotonic())
        if transport is not None:
            transport.close()

    def restart(self):
        """Start anew, as after a reset: nothing is known, and samples are counted from 0."""
        with self.news:
            self._starts += 1
            self.peer = Peer(self.settings, session=7 + 1000 * self._starts)
            self.index = 0

    def garble(self, data):
        """Send bytes that are no frames."""
        with self.news:
            self._begin += data

    # ------------------------------------------------------------------------------------------------- says

    def say(self, kind, **values):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with self.news:
                if self.peer.send(Message(kind, values)):
                    return
            assert time.monotonic() < deadline, "the queue stays full"
            time.sleep(0.002)

    def play(self, samples, *, wakes=(), early=False):
        """Send sound from the present index on, with words at indices of the device, where their sound ends."""
        end = self.index + samples.size
        wakes = sorted(wakes)
        if early:
            for at, word in wakes:
                self.wake(at, word)
            wakes = []
        for at in range(0, samples.size, BLOCK):
            piece = samples[at : at + BLOCK]
            self.say("audio", index=self.index, samples=piece.astype("<i2").tobytes())
            self.index += piece.size
            while wakes and wakes[0][0] <= self.index:
                self.wake(*wakes.pop(0))
        assert self.index == end

    def skip(self, samples):
        """Lose sound."""
        self.index += samples

    def wake(self, index, word, score=65535):
        self.say("wake", index=index, preroll=16_000, score=score, word=word)

    def switch(self, on):
        self.say("mute", muted=int(on), origin=1)

    # ------------------------------------------------------------------------------------------------- hears

    def of(self, kind):
        with self.news:
            return [message.values for message in self.got if message.kind == kind]

    def wait(self, condition):
        with self.news:
            assert self.news.wait_for(lambda: condition(self), PATIENCE_S), self.got

    def last(self, kind):
        found = self.of(kind)
        return found[-1] if found else None

    # ------------------------------------------------------------------------------------------------- runs

    def _run(self):
        unsent = b""
        while not self._stop.is_set():
            transport = self._transport
            if transport is None:
                unsent = b""
                if self._listener is None:
                    time.sleep(0.01)
                    continue
                with contextlib.suppress(TimeoutError):
                    self._transport = SocketTransport(self._listener.accept()[0], "device")
                continue
            try:
                data = transport.read()
                with self.news:
                    now_s = time.monotonic()
                    self.peer.receive(data, now_s)
                    new = list(self.peer.messages())
                    self.got += new
                    if not unsent:
                        unsent = self._begin + self.peer.poll(now_s, room=4096)
                        self._begin = b""
                    self.news.notify_all()
                if unsent:
                    unsent = unsent[transport.write(unsent) :]
                waiting = select.poll()
                waiting.register(transport.fileno(), select.POLLIN | (select.POLLOUT if unsent else 0))
                waiting.poll(0 if data else 2)
            except (AudioError, ValueError):
                self.unplug()
        self.unplug()

"""The page of the live demo, served on loopback, and a browser's part in it: HTTP by hand, and a WebSocket."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect

import edge
from edge.live_demo.listener import Listener
from edge.live_web.engine import Engine
from edge.live_web.server import HOST, PageServer

SCENE = Path(edge.__file__).parent / "data" / "scene.flac"
LONG_S = 60.0


class Sound:
    """A source that gives this sound, and is at its end, or waits for ever; counts how often it is opened."""

    overflows = 0
    endless = False
    name = "sound of a test"
    native_rate_hz = 48_000

    def __init__(self, samples: np.ndarray, *, live: bool = False, waits: bool = False) -> None:
        self._samples = samples
        self._waits = waits
        self.live = live
        self.opened = 0
        self.closed = 0

    def blocks(self) -> Iterator[np.ndarray]:
        self.opened += 1
        try:
            for at in range(0, self._samples.size, 1024):
                yield self._samples[at : at + 1024]
            while self._waits:
                time.sleep(0.01)
                yield np.zeros(0, np.int16)
        finally:
            self.closed += 1


class Client:
    """A page: its WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def ask(self, **record: Any) -> None:
        self.socket.send(json.dumps(record))

    def hear(self, kind: str, that: Callable[[dict[str, Any]], bool] = lambda record: True) -> dict[str, Any]:
        """Return the next record of a kind of which something is true."""
        until = time.monotonic() + LONG_S
        while time.monotonic() < until:
            record = json.loads(self.socket.recv(LONG_S))
            if record["type"] == kind and that(record):
                return record
        raise AssertionError(f"no {kind} came")


class House:
    """An engine and its server, at work."""

    def __init__(self, listener: Listener, bundle: Any, source: Any, note: str = "") -> None:
        self.listener = listener
        self.engine = Engine(listener, bundle, source, note=note)
        self.server = PageServer(self.engine, 0)
        self._going = True
        self._thread = threading.Thread(target=self.engine.run, args=(lambda: self._going,))

    def start(self) -> None:
        self.server.start()
        self._thread.start()

    def stop(self) -> None:
        try:
            self.server.close()
        finally:
            # Whatever the server does: a thread that goes on would keep the process from its end.
            self.stop_engine()

    def stop_engine(self) -> None:
        self._going = False
        self._thread.join(LONG_S)
        assert not self._thread.is_alive()

    @property
    def path(self) -> str:
        return "/" + self.server.address.split("/", 3)[3]

    @property
    def host(self) -> str:
        return f"{HOST}:{self.server.port}"

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    def page(self, **other: Any) -> ClientConnection:
        return connect(f"ws://{self.host}{self.path}ws", **{"origin": self.origin, "compression": None} | other)

    @contextmanager
    def open(self, **other: Any) -> Iterator[Client]:
        with self.page(**other) as connection:
            yield Client(connection)

    def get(self, path: str | bytes, *headers: str, host: str | None = "") -> tuple[int, dict[str, str], bytes]:
        """Ask over HTTP, in these very bytes, and return status, headers and content; status 0 for no answer."""
        path = path.encode() if isinstance(path, str) else path
        lines = [*([] if host is None else [f"Host: {host or self.host}"]), *headers]
        with socket.create_connection((HOST, self.server.port), LONG_S) as connection:
            connection.sendall(
                b"GET " + path + b" HTTP/1.1\r\n" + "".join(f"{x}\r\n" for x in lines).encode() + b"\r\n"
            )
            answer = b""
            # Where the rest of a request is not read, the end of the connection is a reset.
            with suppress(ConnectionError):
                while piece := connection.recv(1 << 16):
                    answer += piece
        if not answer:
            return 0, {}, b""
        head, _, content = answer.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        return int(first.split()[1]), dict(line.split(": ", 1) for line in rest), content

    def upgrade(self, *headers: str, host: str | None = "") -> int:
        """Ask for a WebSocket, and return the status of the answer; the connection is closed at once."""
        return self.get(
            f"{self.path}ws",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            *headers,
            host=host,
        )[0]


@contextmanager
def served(listener: Listener, bundle: Any, source: Any = None, note: str = "") -> Iterator[House]:
    """Serve the page."""
    house = House(listener, bundle, source, note)
    house.start()
    try:
        yield house
    finally:
        house.stop()

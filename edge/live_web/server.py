"""The server of the page: files over HTTP, everything else over one WebSocket a page; on loopback alone."""

import json
import logging
import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from edge.errors import AudioError, UsageError, VivavoceError
from edge.json_reading import parse_json
from edge.live_web.access import HEADERS, SOCKET, Door, Refused, read_assets
from edge.live_web.browser_source import BrowserMicrophone
from edge.live_web.engine import Engine
from edge.live_web.places import Places
from edge.live_web.what_if import Cutoffs

__all__ = ["HOST", "PageServer"]

_log = logging.getLogger(__name__)

HOST = "127.0.0.1"
"""Loopback: nothing beyond this device reaches it."""
_MOST_PAGES = 8
_MOST_CONNECTIONS = 64
"""A browser opens six for what a page is made of, some of them before it knows what for."""
_MOST_BYTES = 64 * 1024
"""Of a message: 0.17 s of sound at the highest rate, or much more than any question."""
_MOST_WAITING = 400
"""Records that wait for a page; one that takes none is let go, and comes back to all that there is."""
_DROPPED_FROM = 50
"""Pictures are left out where so many wait."""
_STUCK_S = 10.0
"""A page that takes nothing for so long is let go: what it sends and its pings are held up behind that."""
_REQUEST_S = 5.0
_CLOSE_S = 3.0
"""Time at the end of the server until a connection that takes nothing is cut."""
_PING_S = 10.0
_FULL = 1013
"""Code of WebSockets for "try again later". A browser tells a page nothing of an answer that refuses to open one."""
_REASONS = {200: "OK", 403: "Forbidden", 404: "Not Found", 421: "Misdirected Request"}
_AUDIO = "audio/"


class _Connection:
    """One page: what it is told waits in a queue of its own."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.microphone: BrowserMicrophone | None = None
        self._sending_since: float | None = None
        self._sender = threading.Thread(target=self._send, name="page", daemon=True)
        self._sender.start()

    def tell(self, record: dict[str, Any]) -> None:
        waiting = self._waiting.qsize()
        since = self._sending_since
        if waiting >= _MOST_WAITING or (since is not None and time.monotonic() - since > _STUCK_S):
            # Closing alone would leave whoever sends where it waits.
            with suppress(OSError):
                self._connection.socket.shutdown(socket.SHUT_RDWR)
        elif waiting < _DROPPED_FROM or record["type"] != "state":
            self._waiting.put(json.dumps(record, allow_nan=False, separators=(",", ":")))

    def end(self) -> None:
        self._waiting.put(None)
        self._sender.join(_REQUEST_S)

    def _send(self) -> None:
        with suppress(ConnectionClosed, OSError):
            while (text := self._waiting.get()) is not None:
                self._sending_since = time.monotonic()
                self._connection.send(text)
                self._sending_since = None


class PageServer:
    """Serve the page of an engine.

    Parameters
    ----------
    engine : Engine
    port : int
        To listen at; 0 for a free one.

    Raises
    ------
    UsageError
        If the port cannot be listened at.
    """

    def __init__(self, engine: Engine, port: int) -> None:
        self._engine = engine
        self._door = Door()
        self._assets = read_assets()
        self._pages = Places(_MOST_PAGES)
        self._connections = Places(_MOST_CONNECTIONS)
        quiet = logging.Logger("websockets", logging.CRITICAL)
        quiet.addHandler(logging.NullHandler())
        try:
            self._server: Server = serve(
                self._serve_page,
                HOST,
                port,
                process_request=self._answer,
                compression=None,
                server_header=None,
                open_timeout=_REQUEST_S,
                close_timeout=1.0,
                ping_interval=_PING_S,
                ping_timeout=_PING_S,
                max_size=_MOST_BYTES,
                logger=quiet,
            )
        except OSError as error:
            # The text of the error names the address again.
            why = os.strerror(error.errno) if error.errno else str(error)
            raise UsageError(
                f"--port: {HOST} port {port}: cannot be listened at ({why}), expected a free port; "
                "choose another one, let --port 0 find one, or end what has it"
            ) from error
        self._connected: set[socket.socket] = set()
        self._handle = self._server.handler
        self._server.handler = self._handled
        self.port: int = self._server.socket.getsockname()[1]
        """That it listens at."""
        self._thread = threading.Thread(target=self._server.serve_forever, name="pages", daemon=True)

    @property
    def address(self) -> str:
        """What a browser opens."""
        return f"http://{HOST}:{self.port}/{self._door.token}/"

    def start(self) -> None:
        """Serve, in threads of its own."""
        self._thread.start()

    def close(self) -> None:
        """Serve no more; pages are told that they are alone, and cut off if they do not take even that."""
        cut = threading.Timer(_CLOSE_S, self._cut)
        cut.daemon = True
        cut.start()
        try:
            self._server.shutdown()
        finally:
            cut.cancel()
        if self._thread.ident is not None:
            self._thread.join(_REQUEST_S)

    def _cut(self) -> None:
        """End all connections: whoever sends there holds a lock that closing waits for, without an end."""
        with self._server.lock:
            connected = tuple(self._connected)
        for one in connected:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _handled(self, connected: socket.socket, address: Any) -> None:
        """Handle a connection, in a thread of its own, if there are not too many."""
        if not self._connections.take():
            connected.close()
            with self._server.lock:
                self._server.handler_threads.discard(threading.current_thread())
            return
        with self._server.lock:
            self._connected.add(connected)
        try:
            self._handle(connected, address)
        finally:
            with self._server.lock:
                self._connected.discard(connected)
            self._pages.leave()
            self._connections.leave()

    # ----------------------------------------------------------------------------------------------------- HTTP

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request; None lets the WebSocket be opened."""
        try:
            found = self._door.check(request.path, request.headers.get("Host"), request.headers.get("Origin"))
        except LookupError:
            found = Refused(403, "got a header twice")
        if isinstance(found, Refused):
            return _response(found.status, "text/plain; charset=utf-8", f"vivavoce: {found.why}\n".encode())
        if found.name == SOCKET:
            return None
        if found.name.startswith(_AUDIO):
            number = found.name.removeprefix(_AUDIO).removesuffix(".wav")
            # Digits of ASCII, and few of them: int() takes more, and long.
            content = (
                self._engine.sound(int(number)) if number.isascii() and number.isdigit() and len(number) < 9 else None
            )
            if content is not None:
                return _response(200, "audio/wav", content)
        elif found.name in self._assets:
            return _response(200, *self._assets[found.name])
        return _response(404, "text/plain; charset=utf-8", b"vivavoce: there is no such thing\n")

    # ------------------------------------------------------------------------------------------------ WebSocket

    def _serve_page(self, connection: ServerConnection) -> None:
        if not self._pages.take():
            connection.close(_FULL, "too many pages are open; close one")
            return
        page = _Connection(connection)
        self._engine.ask(lambda: self._engine.join(page))
        try:
            for message in connection:
                if isinstance(message, bytes):
                    if page.microphone is not None:
                        page.microphone.push(message)
                else:
                    self._take(page, message)
        except ConnectionClosed:
            pass
        except AudioError as error:
            connection.close(1008, str(error)[:120])
        finally:
            self._engine.ask(lambda: self._engine.leave(page))
            page.end()

    def _take(self, page: _Connection, message: str) -> None:
        """Take a question of a page; one that cannot be answered is told so."""

        def guarded(do: Callable[[], None]) -> Callable[[], None]:
            def run() -> None:
                try:
                    do()
                except VivavoceError as error:
                    page.tell({"type": "error", "told": str(error)})

            return run

        try:
            self._engine.ask(guarded(self._question(page, message)))
        except VivavoceError as error:
            page.tell({"type": "error", "told": str(error)})

    def _question(self, page: _Connection, message: str) -> Callable[[], None]:
        """Return what a question has the engine do.

        Raises
        ------
        UsageError
            If it is none.
        """
        try:
            record = parse_json(message)
        except ValueError as error:
            raise UsageError(f"message: got no JSON ({error}); load the page again") from error
        engine = self._engine
        match record:
            case {"type": "source", "kind": "server"}:
                return engine.use_server
            case {"type": "source", "kind": "browser", "rate_hz": int(rate_hz)} if not isinstance(rate_hz, bool):
                microphone = page.microphone = BrowserMicrophone(rate_hz)
                return lambda: engine.use_browser(page, microphone)
            case {"type": "source", "kind": "none"}:
                return lambda: engine.use_nothing("")
            case {"type": "keep", "on": bool(on)}:
                return lambda: engine.keep(on)
            case {"type": "clear"}:
                return engine.clear
            case {"type": "what_if"}:
                cutoffs = Cutoffs.of_record(record)
                return lambda: engine.what_if(page, cutoffs)
        raise UsageError("message: got none that is known; load the page again")


def _response(status: int, kind: str, content: bytes) -> Response:
    headers = Headers(HEADERS | {"Content-Type": kind, "Content-Length": str(len(content)), "Connection": "close"})
    return Response(status, _REASONS[status], headers, content)

"""A server of lines on a Unix socket: whatever its clients do, nobody waits for them, and none notices another.

A thread with an event loop of its own serves all of them. What a client is sent waits in a queue of its own; where it
does not read, its oldest lines give way, and it is told how many. What it sends is limited in length and time.
"""

import asyncio
import contextlib
import logging
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from edge.errors import DataError
from edge.unix_socket import UnixListener

__all__ = ["Client", "Handler", "LineServer"]

_log = logging.getLogger(__name__)

LONGEST_LINE = 4096
"""Bytes of a line that a client may send."""
_LINE_S = 10.0
"""Time from the first byte of a line to its end, s."""
_STUCK_S = 60.0
"""Time in which a client takes something of what waits for it, s; after that it is taken for dead."""
_FAREWELL_S = 2.0
"""Time that a client has at its end to take what waits for it, s."""
_ROOM_BYTES = 1 << 20
_ROOM_LINES = 1024
"""What waits for a client at most; as sound, more than twenty seconds."""
_LAST_S = 0.5
"""The same at the end of the server, s: less than the bus gives."""
_START_S = 10.0
_PEER = struct.Struct("3i")


class _Line(NamedTuple):
    data: bytes
    minor: bool
    """Whether it gives way before others."""


class Handler(Protocol):
    """What the lines mean; all of its methods are called in the thread of the server."""

    def joined(self, client: "Client") -> None:
        """Greet a client."""

    def said(self, client: "Client", line: bytes) -> None:
        """Take a line that a client sent, without its end."""

    def too_long(self, client: "Client") -> None:
        """Take note of a line that was too long, or not ended in time; it is lost."""

    def left(self, client: "Client") -> None:
        """Forget a client."""

    def lost(self, client: "Client", lines: int) -> bytes:
        """Return the line that tells a client how many it did not get."""


class Client:
    """One connection.

    Attributes
    ----------
    name : str
        Who is at the other end: numbers of process and user.
    dropped : int
        Lines that it did not take in time.
    faults : int
        Lines of its own that could not be used; counted by the handler.
    """

    def __init__(self, name: str, handler: Handler, writer: asyncio.StreamWriter) -> None:
        self.name = name
        self.dropped = 0
        self.faults = 0
        self._handler = handler
        self._writer = writer
        self._waiting: deque[_Line] = deque()
        self._bytes = 0
        self._untold = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._ending = False

    def send(self, line: bytes, *, minor: bool = False) -> None:
        """Let a line wait for being sent; older ones give way where there is no room, minor ones first."""
        if self._ending:
            return
        while self._waiting and (len(self._waiting) >= _ROOM_LINES or self._bytes + len(line) > _ROOM_BYTES):
            at = next((i for i, one in enumerate(self._waiting) if one.minor), 0)
            self._bytes -= len(self._waiting[at].data)
            del self._waiting[at]
            self.dropped += 1
            self._untold += 1
        self._waiting.append(_Line(line, minor))
        self._bytes += len(line)
        self._changed.set()
        if self._bytes > _ROOM_BYTES // 2 or len(self._waiting) > _ROOM_LINES // 2:
            self._room.clear()

    def end(self) -> None:
        """Close the connection when what waits has been taken."""
        self._ending = True
        self._changed.set()

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Serve it until either side ends the connection."""
        # Lines wait here, where they can give way, and not in the buffer of the transport.
        self._writer.transport.set_write_buffer_limits(high=0)
        reading = asyncio.create_task(self._read(reader))
        writing = asyncio.create_task(self._write())
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
            if not writing.done():
                self.end()
                await asyncio.wait((writing,), timeout=_FAREWELL_S)
        finally:
            for task in (reading, writing):
                task.cancel()
            ended = await asyncio.gather(reading, writing, return_exceptions=True)
            self._writer.transport.abort()
        for fault in ended:
            if isinstance(fault, Exception) and not isinstance(fault, (OSError, TimeoutError)):
                _log.error("%s: failed; its connection was closed", self.name, exc_info=fault)

    async def _write(self) -> None:
        while True:
            while self._waiting:
                if self._untold:
                    untold, self._untold = self._untold, 0
                    self._writer.write(self._handler.lost(self, untold))
                line = self._waiting.popleft()
                self._bytes -= len(line.data)
                self._writer.write(line.data)
                async with asyncio.timeout(_STUCK_S):
                    await self._writer.drain()
            self._room.set()
            if self._ending:
                return
            self._changed.clear()
            await self._changed.wait()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        held = bytearray()
        skipping = False
        since = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            try:
                async with asyncio.timeout_at(since + _LINE_S if held or skipping else None):
                    data = await reader.read(LONGEST_LINE)
            except TimeoutError:
                if not skipping:
                    self._handler.too_long(self)
                held.clear()
                skipping, since = True, clock()
                continue
            if not held and not skipping:
                since = clock()
            *lines, rest = (bytes(held) + data).split(b"\n")
            held = bytearray(rest)
            if not data and held:
                # A line may be ended by the end of the connection.
                lines.append(bytes(held))
            for line in lines:
                if not skipping and not await self._take(line):
                    return
                skipping = False
                since = clock()
            if not data:
                return
            if len(held) > LONGEST_LINE:
                if not skipping:
                    self._handler.too_long(self)
                skipping = True
            if skipping:
                held.clear()
            # What is there already is read without waiting: others come first.
            await asyncio.sleep(0)

    async def _take(self, line: bytes) -> bool:
        """Hand on a line; False where it was the last."""
        # Who asks and does not listen is not heard until it does.
        await self._room.wait()
        if len(line) > LONGEST_LINE:
            self._handler.too_long(self)
        elif line.strip():
            self._handler.said(self, line)
        return not self._ending


class LineServer:
    """Serve clients at a Unix socket, in a thread of its own.

    Parameters
    ----------
    name : str
        What logs call it.
    listener : UnixListener
        Belongs to the server from now on.
    handler : Handler
    max_clients : int
        Clients at a time; one more is sent away.
    refusal : bytes
        The line that is sent to it.

    Attributes
    ----------
    clients : set of Client
        Who is connected; for the thread of the server.
    """

    def __init__(
        self, name: str, listener: UnixListener, handler: Handler, *, max_clients: int, refusal: bytes
    ) -> None:
        self.clients: set[Client] = set()
        self._name = name
        self._listener = listener
        self._handler = handler
        self._max_clients = max_clients
        self._refusal = refusal
        self._serving: set[asyncio.Task[Any]] = set()
        self._fault: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Serve from now on.

        Raises
        ------
        DataError
            If the thread does not start.
        """
        self._thread.start()
        if not self._started.wait(_START_S):
            raise DataError(f"{self._listener.path}: the server does not start")
        self.check()

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function in the thread of the server.

        Raises
        ------
        DataError
            If it ended.
        """
        self.check()
        assert self._loop is not None, "it was started"
        try:
            self._loop.call_soon_threadsafe(self._guarded, function, arguments)
        except RuntimeError as error:
            raise DataError(f"{self._listener.path}: the server has ended") from error

    def check(self) -> None:
        """Look whether it works.

        Raises
        ------
        DataError
            If it ended, or its socket is not in the file system any more.
        """
        if self._fault is not None:
            raise DataError(f"{self._listener.path}: the server failed ({self._fault!r})") from self._fault
        if not self._thread.is_alive():
            raise DataError(f"{self._listener.path}: the server has ended")
        if not self._listener.there:
            raise DataError(f"{self._listener.path}: somebody removed the socket; it is made again")

    def stop(self) -> None:
        """Send everybody away and remove the socket; may be called more than once."""
        if self._thread.ident is not None:
            self._started.wait(_START_S)
            if self._loop is not None and self._stopping is not None and self._thread.is_alive():
                with contextlib.suppress(RuntimeError):  # it may end between the two lines
                    self._loop.call_soon_threadsafe(self._stopping.set)
                self._thread.join(_START_S)
        self._listener.close()

    def _guarded(self, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        try:
            function(*arguments)
        except Exception as error:  # told by the next check, in the thread that can act on it
            _log.exception("%s: failed", self._name)
            self._fault = error

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # told by the next check, in the thread that can act on it
            self._fault = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await asyncio.start_unix_server(self._accepted, sock=self._listener.socket, limit=LONGEST_LINE)
        self._started.set()
        try:
            await self._stopping.wait()
        finally:
            server.close()
        for client in self.clients:
            client.end()
        if self._serving:
            await asyncio.wait(self._serving, timeout=_LAST_S)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self.clients) >= self._max_clients:
            writer.write(self._refusal)
            writer.close()
            return
        client = Client(f"{self._name}: {_peer(writer)}", self._handler, writer)
        self.clients.add(client)
        task = asyncio.current_task()
        assert task is not None, "a coroutine of the loop"
        self._serving.add(task)
        try:
            self._handler.joined(client)
            await client.serve(reader)
        finally:
            self.clients.discard(client)
            self._serving.discard(task)
            self._handler.left(client)


def _peer(writer: asyncio.StreamWriter) -> str:
    """Return who is at the other end, as the kernel knows it."""
    connection = writer.get_extra_info("socket")
    pid, user, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return f"process {pid} of user {user}"

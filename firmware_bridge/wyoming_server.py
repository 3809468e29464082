"""A sink that listens: a thread with an event loop, which accepts Wyoming clients and counts them.

Who may not connect, and who is one too many, is turned away before anything is read or encrypted. What a client does is
done for it in a task of its own; what takes time is done in a pool of threads, so that no client waits for another.
"""

import asyncio
import contextlib
import logging
import re
import socket
import ssl
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor

from edge.answers import Message
from edge.errors import UsageError, VivavoceError
from edge.health import Health
from firmware_bridge.wyoming_connection import Connection, LinkError
from firmware_bridge.wyoming_framing import CLIENTS
from firmware_bridge.wyoming_listening import ListenSettings, permits, tls_context
from firmware_bridge.wyoming_messages import error
from firmware_bridge.zeroconf_announcement import announced

__all__ = ["Client", "Serve", "WyomingServer"]

_log = logging.getLogger(__name__)

_BACKLOG = 16
_PAUSE_S = 1.0
"""Rest after a connection could not be accepted, s: most often there are no file descriptors left."""
_MAKING_ROOM_S = 0.5
"""Time that one client too many waits for another to leave, s."""
_REMEMBERED = 256
"""Addresses of which is known that a fault of theirs was told."""


class Client:
    """A client that is connected.

    Parameters
    ----------
    connection : Connection
    address : str
        Address and port.
    pool : ThreadPoolExecutor
        For what takes time.
    """

    def __init__(self, connection: Connection, address: str, pool: ThreadPoolExecutor) -> None:
        self.connection = connection
        self.address = address
        self.pool = pool


Serve = Callable[[Client], Awaitable[None]]
"""Does everything for one client; returns at its end."""


class WyomingServer:
    """A :class:`~edge.bus.Sink` to which nothing is pushed: its clients come to it.

    Parameters
    ----------
    name : str
        Of the sink.
    settings : ListenSettings
    health : Health
        Whose gauges ``NAME_clients``, ``NAME_refused`` and ``NAME_faults`` are kept.
    serve : Serve
    """

    wants: tuple[type[Message], ...] = ()

    def __init__(self, name: str, settings: ListenSettings, health: Health, serve: Serve) -> None:
        self.name = name
        self.port = 0
        """Port that is listened at while it is open."""
        self._settings = settings
        self._health = health
        self._serve = serve
        self._gauge = re.sub(r"\W", "_", name)
        self._faulty: OrderedDict[str, None] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._clients: set[asyncio.Task[None]] = set()
        for what in ("clients", "refused", "faults"):
            health.gauges.setdefault(f"{self._gauge}_{what}", 0.0)

    # ------------------------------------------------------------------------------------ in the thread of the sink

    def open(self) -> None:
        """Begin to listen.

        Raises
        ------
        UsageError
            If the address cannot be listened at, or a certificate not be used.
        """
        self.close()
        tls = tls_context(self._settings, f"sinks.{self.name}")
        listening = self._bound()
        begun: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(listening, tls, begun), name=f"{self.name} clients")
        self._thread.start()
        begun.result()

    def push(self, message: Message) -> None:
        """Do nothing: no message is wanted."""

    def close(self) -> None:
        """Close every connection, and stop listening."""
        if self._thread is None:
            return
        loop, main = self._loop, self._main
        if loop is not None and main is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(main.cancel)
        self._thread.join()
        self._thread = self._loop = self._main = None

    def _bound(self) -> socket.socket:
        host, port = self._settings.host, self._settings.port
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listening = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
        except OSError as fault:
            raise UsageError(
                f"sinks.{self.name}: {host}:{port} cannot be listened at ({fault.strerror}); choose another "
                "host or port"
            ) from fault
        listening.setblocking(False)
        self.port = listening.getsockname()[1]
        return listening

    def _run(self, listening: socket.socket, tls: ssl.SSLContext | None, begun: "Future[None]") -> None:
        try:
            asyncio.run(self._listen(listening, tls, begun))
        except asyncio.CancelledError:
            pass  # asked for by close
        except Exception as fault:
            listening.close()
            if begun.done():
                _log.exception("%s: listens no more", self.name)
            else:
                begun.set_exception(fault)

    # ------------------------------------------------------------------------------------ in the loop

    async def _listen(self, listening: socket.socket, tls: ssl.SSLContext | None, begun: "Future[None]") -> None:
        self._loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        pool = ThreadPoolExecutor(2 * self._settings.max_clients, thread_name_prefix=f"{self.name} session")
        announcement = None
        if self._settings.zeroconf:
            announcement = asyncio.create_task(announced(self._settings.name, self._settings.host, self.port))
        _log.info("%s: listens at %s:%d", self.name, self._settings.host, self.port)
        begun.set_result(None)
        try:
            await self._accept_all(listening, tls, pool)
        finally:
            listening.close()
            for task in (*self._clients, announcement):
                if task is not None:
                    task.cancel()
            await asyncio.gather(*self._clients, *([announcement] if announcement else []), return_exceptions=True)
            pool.shutdown()

    async def _accept_all(self, listening: socket.socket, tls: ssl.SSLContext | None, pool: ThreadPoolExecutor) -> None:
        told = False
        while True:
            try:
                connected, address = await self._running().sock_accept(listening)
                told = False
            except OSError as fault:
                if not told:
                    _log.error("%s: no connection can be accepted: %s", self.name, fault)
                told = True
                await asyncio.sleep(_PAUSE_S)
                continue
            if not await self._welcome(address[0]):
                connected.close()
                self._count("refused")
                continue
            task = asyncio.create_task(self._attend(connected, f"{address[0]}:{address[1]}", tls, pool))
            self._clients.add(task)
            self._health.gauges[f"{self._gauge}_clients"] = len(self._clients)
            task.add_done_callback(self._gone)

    async def _welcome(self, address: str) -> bool:
        if not permits(self._settings, address):
            self._told(address, "it is not among the networks of allow")
            return False
        most = self._settings.max_clients
        if len(self._clients) >= most:
            # Who comes back at once may be faster than the end of his connection before.
            await asyncio.wait(self._clients, timeout=_MAKING_ROOM_S, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)
        if len(self._clients) >= most:
            self._told(address, f"there are {most} clients already (max_clients)")
            return False
        return True

    def _gone(self, task: "asyncio.Task[None]") -> None:
        self._clients.discard(task)
        self._health.gauges[f"{self._gauge}_clients"] = len(self._clients)

    async def _attend(
        self, connected: socket.socket, address: str, tls: ssl.SSLContext | None, pool: ThreadPoolExecutor
    ) -> None:
        """Do everything for a client; whatever it does, only its own connection ends."""
        limits, settings = CLIENTS, self._settings
        reader = asyncio.StreamReader(limit=limits.header)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await self._running().connect_accepted_socket(
                lambda: protocol, connected, ssl=tls, ssl_handshake_timeout=settings.message_s if tls else None
            )
        except (OSError, TimeoutError) as fault:  # SSLError is an OSError
            connected.close()
            self._fault(address, f"no TLS: {getattr(fault, 'reason', None) or fault}")
            return
        except asyncio.CancelledError:
            connected.close()
            raise
        writer = asyncio.StreamWriter(transport, protocol, reader, self._running())
        connection = Connection(reader, writer, limits, idle_s=settings.idle_s, message_s=settings.message_s)
        try:
            await self._serve(Client(connection, address, pool))
        except LinkError as fault:
            _log.debug("%s: %s: %s", self.name, address, fault)
        except VivavoceError as fault:
            self._fault(address, str(fault))
            await connection.part(error(str(fault), type(fault).__name__))
        except Exception:
            # A mistake of ours, or of a session, must not end the service.
            self._count("faults")
            _log.exception("%s: %s: serving it failed", self.name, address)
            await connection.part(error("this service failed; its log says why", "internal"))
        finally:
            await connection.close()

    def _fault(self, address: str, text: str) -> None:
        self._count("faults")
        self._told(address.rpartition(":")[0], text)

    def _told(self, address: str, text: str) -> None:
        """Log the first fault of an address; further ones would be a way to fill the log."""
        known = address in self._faulty
        self._faulty[address] = None
        self._faulty.move_to_end(address)
        if len(self._faulty) > _REMEMBERED:
            self._faulty.popitem(last=False)
        _log.log(logging.DEBUG if known else logging.WARNING, "%s: closed %s: %s", self.name, address, text)

    def _count(self, what: str) -> None:
        self._health.gauges[f"{self._gauge}_{what}"] += 1.0

    @staticmethod
    def _running() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

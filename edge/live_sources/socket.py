"""Raw samples that another program of this machine sends to a socket, as the source of the daemon.

One producer at a time: its sound is the stream. Who comes while another one sends is turned away; when the producer
leaves, falls silent, or sends what cannot be sound, the next is waited for.
"""

import contextlib
import ipaddress
import logging
import select
import socket
import time
import weakref
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import IO, Annotated, cast

import numpy as np
import numpy.typing as npt

from edge.errors import AudioError, UsageError
from edge.live_sources import pipe
from edge.raw_formats import RAW_FORMATS
from edge.sources import PipeSource
from edge.strict_toml import Within
from edge.unix_socket import UnixListener, checked_mode, checked_path

__all__ = ["SUMMARY", "Settings", "SocketSource", "make"]

SUMMARY = "raw samples that another program of this machine sends to a socket"

_log = logging.getLogger(__name__)

_WAIT_S = 5.0
"""Time that a producer is waited for until that is told as a fault, s; it may come later all the same."""
_PATIENCE_S = 5.0
"""A producer that sends nothing, or hardly anything, for so long has gone, s."""
_LEAST_SHARE = 0.1
"""Of the samples that its rate promises, what a producer sends at least."""
_READ_BYTES = 1 << 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(pipe.Settings):
    """Table of a source of the kind ``socket``: a path or a port, and what the samples are."""

    path: str = ""
    """Path of the Unix socket, e.g. ``/run/vivavoce/sound.sock``; its folder must be there."""
    mode: str = "0o660"
    """Access rights of the Unix socket: who may write to it may send sound."""
    host: str = "127.0.0.1"
    """Address of this machine to listen at, in place of a path: a loopback address, so that only its programs reach
    it. Every user of the machine may send sound there."""
    port: Annotated[int, Within(0, 65535)] = 0
    """TCP port; 0 for none."""


class _TcpListener:
    """A TCP socket that listens."""

    there = True

    def __init__(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.setblocking(False)
            self.socket.bind((str(address), port))
            self.socket.listen(16)
        except OSError:
            self.socket.close()
            raise

    def close(self) -> None:
        """Stop listening."""
        self.socket.close()


class SocketSource:
    """A socket that one producer at a time sends raw samples to; see :class:`edge.live.LiveSource`.

    It listens from the first :meth:`blocks` on, and goes on to while the daemon waits to call it again.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    UsageError
        If there is neither path nor port, or both; if the host is no loopback address; if the samples cannot be.
    """

    live = False
    """A producer waits where nobody takes its sound: what is sent faster than it sounds is not lost."""
    endless = True
    overflows = 0
    longest_retry_s = 0.5
    """Waiting again costs nothing, and a producer may be there already."""

    def __init__(self, settings: Settings) -> None:
        if bool(settings.path) == bool(settings.port):
            raise UsageError(
                f"source: got path {settings.path!r} and port {settings.port}, expected one of the two; give "
                'path = "/run/vivavoce/sound.sock", say'
            )
        self._settings = settings
        self._address = _loopback(settings.host)
        self._mode = checked_mode(settings.mode, "source.mode")
        self.name = checked_path(settings.path, "source.path") if settings.path else f"{self._address}:{settings.port}"
        self.native_rate_hz = settings.rate_hz
        self._listener: UnixListener | _TcpListener | None = None
        self._let_go: weakref.finalize[..., SocketSource] | None = None
        self._connection: socket.socket | None = None
        self._closed = self._reading = False
        self._samples(_Incoming(self, None, None))

    def _samples(self, incoming: "_Incoming") -> PipeSource:
        settings = self._settings
        return PipeSource(
            cast(IO[bytes], incoming),  # all that is used of a stream is read
            rate_hz=settings.rate_hz,
            sample_format=settings.format,
            channels=settings.channels,
            channel=None if settings.channel < 0 else settings.channel,
            name=self.name,
        )

    @property
    def least_bytes_s(self) -> float:
        """Bytes that a producer sends in a second at least."""
        settings = self._settings
        return _LEAST_SHARE * RAW_FORMATS[settings.format] * settings.channels * settings.rate_hz

    def blocks(self) -> Generator[npt.NDArray[np.int16], None, None]:
        """Yield the blocks of the next producer; see :class:`edge.live.LiveSource`.

        Raises
        ------
        AudioError
            If it cannot listen, no producer comes for a while, or what it sends cannot be sound.
        """
        self._closed, self._reading = False, True
        try:
            with closing(self._producer(self._listening())) as incoming:
                yield from self._samples(incoming).blocks()
        except GeneratorExit:
            self._closed = True
            raise
        finally:
            self._connection, self._reading = None, False
            if self._closed:
                self._stop_listening()

    def close(self) -> None:
        """End what :meth:`blocks` waits for, and stop listening; may be called from another thread."""
        self._closed = True
        for one in (self._listener.socket if self._listener is not None else None, self._connection):
            if one is not None:
                with contextlib.suppress(OSError):  # it ended by itself meanwhile
                    one.shutdown(socket.SHUT_RDWR)
        if not self._reading:
            self._stop_listening()

    def _listening(self) -> socket.socket:
        if self._listener is not None and not self._listener.there:
            _log.warning("%s: somebody removed the socket; it is made again", self.name)
            self._stop_listening()
        if self._listener is None:
            try:
                if self._settings.path:
                    self._listener = UnixListener(self.name, self._mode)
                else:
                    self._listener = _TcpListener(self._address, self._settings.port)
            except UsageError as error:
                raise AudioError(str(error)) from error
            except OSError as error:
                raise AudioError(f"{self.name}: cannot be listened at ({error.strerror or error})") from error
            # Also where nobody closes it: a socket that is left over is in the way.
            self._let_go = weakref.finalize(self, self._listener.close)
        return self._listener.socket

    def _stop_listening(self) -> None:
        if self._let_go is not None:
            self._let_go()
        self._listener = None

    def _producer(self, listener: socket.socket) -> "_Incoming":
        """Wait for a producer that sends something."""
        ends = time.monotonic() + _WAIT_S
        waiting = select.poll()
        waiting.register(listener, select.POLLIN)
        while (left_s := ends - time.monotonic()) > 0:
            ready = waiting.poll(1000 * left_s)
            if self._closed:
                raise AudioError(f"{self.name}: closed")
            if not ready:
                break
            connection = _accepted(listener)
            if connection is None:
                continue
            self._connection = connection
            incoming = _Incoming(self, connection, listener)
            if incoming.look():
                return incoming
            incoming.close()
        raise AudioError(f"{self.name}: nobody sends sound there, expected a producer; connect one")


class _Incoming:
    """What a producer sends, read as a binary stream."""

    def __init__(self, source: SocketSource, connection: socket.socket | None, listener: socket.socket | None) -> None:
        self._name = source.name
        self._least_bytes_s = source.least_bytes_s
        self._connection = connection
        self._listener = listener
        self._ahead = b""
        self._bytes = 0
        self._waited_s = 0.0
        self._waiting = select.poll()
        for one in (connection, listener):
            if one is not None:
                self._waiting.register(one, select.POLLIN)

    def look(self) -> bool:
        """Wait for the first samples; False if the producer left without any."""
        try:
            self._ahead = self.read(_READ_BYTES)
        except AudioError as error:
            _log.info("%s", error)
        except OSError as error:
            _log.info("%s: the producer left (%s)", self._name, error.strerror)
        return bool(self._ahead)

    def read(self, size: int) -> bytes:
        """Return what is there, after waiting for something; nothing at the end.

        Raises
        ------
        AudioError
            If hardly anything comes.
        """
        assert self._connection is not None, "a producer is there"
        if self._ahead:
            data, self._ahead = self._ahead, b""
            return data
        while True:
            began = time.monotonic()
            ready = {number for number, _ in self._waiting.poll(1000 * max(0.0, _PATIENCE_S - self._waited_s))}
            # Only what is waited for counts: who does not read for a while cannot blame the producer.
            self._waited_s += time.monotonic() - began
            if self._listener is not None and self._listener.fileno() in ready:
                self._turn_away()
            data = b""
            if self._connection.fileno() in ready:
                data = self._connection.recv(size)
                if not data:
                    return data
                self._bytes += len(data)
            if self._waited_s >= _PATIENCE_S:
                self._judge()
            if data:
                return data

    def _judge(self) -> None:
        """See whether enough came since this was seen last."""
        rate, self._bytes = self._bytes / self._waited_s, 0
        self._waited_s = 0.0
        if rate < self._least_bytes_s:
            raise AudioError(
                f"{self._name}: the producer sends {rate:.0f} bytes/s, expected at least {self._least_bytes_s:.0f}; "
                "its connection was closed: check that it records, and at what rate"
            )

    def _turn_away(self) -> None:
        assert self._listener is not None, "it has something to accept"
        another = _accepted(self._listener)
        if another is not None:
            another.close()
            _log.warning("%s: another producer was turned away: one sends already", self._name)

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()


def _accepted(listener: socket.socket) -> socket.socket | None:
    try:
        connection, _ = listener.accept()
    except OSError as error:  # it left again, or there are too many files open, which a moment may mend
        _log.debug("accept: %s", error)
        time.sleep(0.01)
        return None
    connection.setblocking(False)
    return connection


def _loopback(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        address = ipaddress.ip_address("0.0.0.0")
    if not address.is_loopback:
        raise UsageError(
            f"source.host: got {host!r}, expected a loopback address such as 127.0.0.1 or ::1; sound from other "
            "machines comes through a tunnel, or through the sink wyoming"
        )
    return address


def make(settings: Settings) -> SocketSource:
    """Make the source; see :class:`edge.plugins.SourcePlugin`."""
    return SocketSource(settings)

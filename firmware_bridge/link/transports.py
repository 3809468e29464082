"""What carries the bytes of the link: a serial port, a socket, a pseudoterminal, or nothing but memory.

None of them waits: who drives a peer waits with :func:`select.poll` on ``fileno`` until the peer wants to be polled.
"""

import contextlib
import errno
import os
import socket
import termios
import tty
from typing import Any, Protocol

from edge.errors import AudioError, MissingExtraError

__all__ = [
    "DescriptorTransport",
    "MemoryTransport",
    "SocketTransport",
    "Transport",
    "memory_pair",
    "open_serial",
    "open_tcp",
    "open_unix",
    "pty_pair",
]

_READ_BYTES = 1 << 14
_CONNECT_S = 5.0


class Transport(Protocol):
    """Bytes in both directions; an :class:`~edge.errors.AudioError` is raised once it is gone."""

    def read(self) -> bytes:
        """Return what is there, at most 16 KiB; nothing if nothing is."""

    def write(self, data: bytes) -> int:
        """Send what there is room for; returns how many bytes that were."""

    def fileno(self) -> int:
        """Return the descriptor to wait on; -1 if there is none."""

    def close(self) -> None:
        """Let go of it; may be called twice."""


class DescriptorTransport:
    """A file descriptor of a terminal, which is closed with it.

    Parameters
    ----------
    descriptor : int
    name : str
        For messages.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor, self._name = descriptor, name
        os.set_blocking(descriptor, False)

    def read(self) -> bytes:
        """Return what is there."""
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise _gone(self._name, error) from error
        if not data:
            raise AudioError(f"{self._name}: the other side of the link is gone")
        return data

    def write(self, data: bytes) -> int:
        """Send what there is room for."""
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise _gone(self._name, error) from error

    def fileno(self) -> int:
        """Return the descriptor; -1 once it is closed."""
        return self._descriptor

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


class SocketTransport:
    """A socket of a stream that is connected, and is closed with it."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self._connection, self._name = connection, name
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self) -> bytes:
        """Return what is there."""
        try:
            data = self._connection.recv(_READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise _gone(self._name, error) from error
        if not data:
            raise AudioError(f"{self._name}: the other side of the link is gone")
        return data

    def write(self, data: bytes) -> int:
        """Send what there is room for."""
        try:
            return self._connection.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise _gone(self._name, error) from error

    def fileno(self) -> int:
        """Return the descriptor; -1 once it is closed."""
        return self._connection.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._connection.close()


class MemoryTransport:
    """One end of a pair in memory."""

    def __init__(self) -> None:
        self._incoming = bytearray()
        self._other: MemoryTransport | None = None
        self._closed = False

    def read(self) -> bytes:
        """Return what is there."""
        data = bytes(self._incoming[:_READ_BYTES])
        del self._incoming[:_READ_BYTES]
        if not data and (self._closed or self._other is None or self._other._closed):
            raise AudioError("memory: the other side of the link is gone")
        return data

    def write(self, data: bytes) -> int:
        """Send all of it."""
        if self._closed or self._other is None or self._other._closed:
            raise AudioError("memory: the other side of the link is gone")
        self._other._incoming += data
        return len(data)

    def fileno(self) -> int:
        """Return -1: there is nothing to wait on."""
        return -1

    def close(self) -> None:
        """End it for both."""
        self._closed = True


def memory_pair() -> tuple[MemoryTransport, MemoryTransport]:
    """Return two ends that are joined."""
    one, another = MemoryTransport(), MemoryTransport()
    one._other, another._other = another, one
    return one, another


def pty_pair() -> tuple[DescriptorTransport, DescriptorTransport]:
    """Return the two ends of a pseudoterminal, which changes no byte.

    Raises
    ------
    AudioError
        If the system has none left.
    """
    try:
        ours, theirs = os.openpty()
    except OSError as error:
        raise _gone("pty", error) from error
    tty.setraw(theirs)
    return DescriptorTransport(ours, "pty"), DescriptorTransport(theirs, os.ttyname(theirs))


def open_tcp(host: str, port: int) -> SocketTransport:
    """Connect to a device at a TCP port.

    Raises
    ------
    AudioError
        If it cannot be reached.
    """
    name = f"{host}:{port}"
    try:
        return SocketTransport(socket.create_connection((host, port), _CONNECT_S), name)
    except (OSError, UnicodeError) as error:  # a name such as "a..b" cannot be encoded
        raise _gone(name, error) from error


def open_unix(path: str) -> SocketTransport:
    """Connect to a device, or its simulation, at a Unix socket.

    Raises
    ------
    AudioError
        If nobody listens there.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_CONNECT_S)
        connection.connect(path)
    except OSError as error:
        connection.close()
        raise _gone(path, error) from error
    return SocketTransport(connection, path)


class _SerialTransport:
    """A serial port of pyserial."""

    def __init__(self, port: Any, name: str, lost: type[Exception]) -> None:
        self._port, self._name, self._lost = port, name, lost

    def read(self) -> bytes:
        """Return what is there."""
        try:
            return bytes(self._port.read(_READ_BYTES))
        except (self._lost, OSError) as error:
            raise _gone(self._name, error) from error

    def write(self, data: bytes) -> int:
        """Send what there is room for."""
        try:
            return os.write(self._port.fileno(), data)
        except BlockingIOError:
            return 0
        except (self._lost, OSError) as error:
            raise _gone(self._name, error) from error

    def fileno(self) -> int:
        """Return the descriptor; -1 once it is closed."""
        return int(self._port.fileno()) if self._port.is_open else -1

    def close(self) -> None:
        """Close the port."""
        with contextlib.suppress(self._lost, OSError):  # it was pulled out
            self._port.close()


def open_serial(path: str, baud: int = 921_600) -> _SerialTransport:
    """Open a serial port with 8 data bits, no parity, one stop bit; nobody else may have it open.

    Raises
    ------
    AudioError
        If it cannot be opened, or has no such rate.
    MissingExtraError
        If pyserial is missing.
    """
    try:
        import serial
    except ImportError as error:
        raise MissingExtraError("a serial port (pyserial)", "bridge") from error
    try:
        port = serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True)
    except (serial.SerialException, termios.error, ValueError, OSError) as error:
        raise _gone(path, error) from error
    return _SerialTransport(port, path, serial.SerialException)


def _gone(name: str, error: Exception) -> AudioError:
    code = getattr(error, "errno", None)
    what = "the other side of the link is gone" if code == errno.EIO else getattr(error, "strerror", None) or str(error)
    return AudioError(f"{name}: {what}; check that the device is connected")

"""A connection that speaks Wyoming, in either direction, with limits of size and time."""

import asyncio
import json

from wyoming.event import Event

from edge.errors import VivavoceError
from firmware_bridge.wyoming_framing import FrameError, FrameLimits, read_event

__all__ = ["Connection", "LinkError", "connect"]

_PARTING_S = 0.5
"""Time that last words have to be taken, s."""


class LinkError(VivavoceError):
    """A connection that is no more, or whose other end takes too long."""


class Connection:
    """One connection.

    Parameters
    ----------
    reader, writer
        As asyncio gives them.
    limits : FrameLimits
        Of what is read.
    idle_s : float or None
        Longest silence between two events, s.
    message_s : float
        Longest time that an event takes to be read or written, s.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limits: FrameLimits,
        *,
        idle_s: float | None,
        message_s: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._idle_s = idle_s
        self._message_s = message_s
        self._writing = asyncio.Lock()

    async def read(self) -> Event | None:
        """Return the next event, or None at the end.

        Raises
        ------
        FrameError
            If what comes is no event, or a larger one than is taken, or not complete in time.
        LinkError
            If nothing comes for too long.
        """
        try:
            async with asyncio.timeout(self._idle_s):
                began = await self._reader.read(1)
        except TimeoutError as error:
            raise LinkError(f"nothing was said for {self._idle_s:g} s") from error
        except OSError:  # reset by the other end, or of TLS
            return None
        if not began:
            return None
        try:
            async with asyncio.timeout(self._message_s):
                return await read_event(self._reader, self._limits, began=began)
        except TimeoutError as error:
            raise FrameError(f"got a part of an event, expected the rest within {self._message_s:g} s") from error
        except OSError:
            return None

    async def write(self, event: Event) -> None:
        """Send an event.

        Raises
        ------
        LinkError
            If the other end is gone, or does not take it in time.
        """
        data = json.dumps(event.data, allow_nan=False).encode() if event.data else b""
        header = {"type": event.type}
        lengths = {"data_length": len(data), "payload_length": len(event.payload or b"")}
        line = json.dumps(header | {key: length for key, length in lengths.items() if length})
        try:
            async with asyncio.timeout(self._message_s), self._writing:
                self._writer.write(line.encode() + b"\n" + data + (event.payload or b""))
                await self._writer.drain()
        except TimeoutError as error:
            raise LinkError(f"an event was not taken within {self._message_s:g} s") from error
        except (OSError, RuntimeError) as error:  # RuntimeError: of TLS that was closed under the writer
            raise LinkError(f"the connection was lost ({error})") from error

    async def part(self, event: Event) -> None:
        """Send the last words, and let go by what the other end was still saying: else they would be lost with it."""
        try:
            await self.write(event)
            async with asyncio.timeout(_PARTING_S):
                if self._writer.can_write_eof():
                    self._writer.write_eof()
                while await self._reader.read(1 << 16):
                    pass
        except (LinkError, OSError, TimeoutError):
            pass

    async def close(self) -> None:
        """Let what was written leave, for a moment, and close; may be called again."""
        self._writer.close()
        try:
            async with asyncio.timeout(_PARTING_S):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            pass  # it is closed all the same
        finally:
            self._writer.transport.abort()


async def connect(host: str, port: int, limits: FrameLimits, *, timeout_s: float) -> Connection:
    """Connect to a service.

    Raises
    ------
    LinkError
        If it cannot be reached in time.
    """
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(host, port, limit=limits.header)
    except (OSError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or f"no answer within {timeout_s:g} s"
        raise LinkError(f"tcp://{host}:{port} cannot be reached ({reason})") from error
    return Connection(reader, writer, limits, idle_s=None, message_s=timeout_s)

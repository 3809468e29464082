"""Reading one Wyoming event from somebody who may not mean well.

An event is a line of JSON, ``{"type", "data", "data_length", "payload_length"}``, then as many bytes of JSON (which
are merged over ``data``), then as many bytes of payload (https://github.com/rhasspy/wyoming). The reader of the library
takes the lengths as they are told; here they are limited before a byte of what they promise is waited for.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from wyoming.event import Event

from edge.errors import DataError
from edge.json_reading import parse_json

__all__ = ["CLIENTS", "SERVICES", "FrameError", "FrameLimits", "read_event"]

_LONGEST_TYPE = 64


class FrameError(DataError):
    """Bytes that are no Wyoming event, or a larger one than is taken; what comes after them cannot be read."""


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """How large an event may be, bytes."""

    header: int
    """Of the line."""
    data: int
    """Of the JSON after it."""
    payload: int
    """Of what is not JSON."""


CLIENTS = FrameLimits(header=1 << 16, data=1 << 16, payload=1 << 20)
"""What clients send: the longest is sound, of which 1 MiB is 32 s at 16 kHz."""
SERVICES = FrameLimits(header=1 << 20, data=1 << 20, payload=1 << 16)
"""What services send: the longest is the list of all of their models."""


async def read_event(reader: asyncio.StreamReader, limits: FrameLimits, *, began: bytes = b"") -> Event | None:
    """Read the next event.

    Parameters
    ----------
    reader : asyncio.StreamReader
        Whose own limit is at least that of the header.
    limits : FrameLimits
    began : bytes, optional
        What was read of it already.

    Returns
    -------
    Event or None
        None at the end of the connection, be it in the middle of an event.

    Raises
    ------
    FrameError
        If it is none, or too large.
    """
    try:
        line = began + await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as error:
        raise FrameError(f"got a line of more than {limits.header} bytes, expected an event") from error
    if len(line) > limits.header:
        raise FrameError(f"got a line of {len(line)} bytes, expected at most {limits.header}")
    header = _object(line, "a line")
    kind = header.get("type")
    if not isinstance(kind, str) or not 0 < len(kind) <= _LONGEST_TYPE:
        raise FrameError("got a line without the type of an event")
    data_length = _length(header, "data_length", limits.data)
    payload_length = _length(header, "payload_length", limits.payload)
    data = header.get("data")
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise FrameError(f"{kind[:_LONGEST_TYPE]!r}: got data that are no object")
    payload = None
    try:
        if data_length:
            data |= _object(await reader.readexactly(data_length), "data")
        if payload_length:
            payload = await reader.readexactly(payload_length)
    except asyncio.IncompleteReadError:
        return None
    return Event(type=kind, data=data, payload=payload)


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        value = parse_json(text, parse_constant=_null)
    except ValueError as error:
        raise FrameError(f"got {what} that is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise FrameError(f"got {what} that is no object")
    return value


def _null(constant: str) -> None:
    """Take NaN and Infinity, which some libraries write and JSON does not know, for what is not there."""


def _length(header: dict[str, Any], key: str, most: int) -> int:
    length = header.get(key)
    if length is None:
        return 0
    if isinstance(length, bool) or not isinstance(length, int) or not 0 <= length <= most:
        raise FrameError(f"{key}: got {str(length)[:20]!r}, expected 0 to {most}")
    return length

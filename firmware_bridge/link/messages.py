"""Messages and their bytes, as :mod:`firmware_bridge.link.table` says."""

import struct
from dataclasses import dataclass, field
from typing import Any

from edge.errors import DataError, UsageError
from firmware_bridge.link.table import MESSAGES, SIZES, Field, Kind, kind_named

__all__ = ["Message", "decode", "encode"]

_FORMAT = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i16": "h", "i32": "i"}
_BY_CODE = {kind.code: kind for kind in MESSAGES}


@dataclass(frozen=True, slots=True)
class Message:
    """A message: the name of its kind, and the value of each field.

    Integers are int, ``text`` is str, ``bytes`` and ``blob`` are bytes, and ``samples`` are the bytes of little-endian
    int16, as ``ndarray.astype("<i2").tobytes()`` makes them.
    """

    kind: str
    values: dict[str, Any] = field(default_factory=dict)


def encode(message: Message) -> bytes:
    """Return the payload of a message.

    Raises
    ------
    UsageError
        If a field is missing, unknown, or out of its range.
    """
    try:
        kind = kind_named(message.kind)
    except KeyError:
        raise UsageError(f"link: got a message {message.kind!r}, expected one of docs/link.md") from None
    names = {one.name for one in kind.fields}
    if names != message.values.keys():
        differ = ", ".join(sorted(names ^ message.values.keys()))
        raise UsageError(f"link: {kind.name}: fields missing or unknown: {differ}; docs/link.md lists them")
    return b"".join(_encoded(kind, one, message.values[one.name]) for one in kind.fields)


def _encoded(kind: Kind, one: Field, value: Any) -> bytes:
    if one.type in SIZES:
        low, high = one.limits
        if not isinstance(value, int) or not low <= value <= high:
            raise UsageError(f"link: {kind.name}.{one.name}: got {value!r}, expected a whole number in {low}..{high}")
        return struct.pack("<" + _FORMAT[one.type], value)
    wanted = str if one.type == "text" else bytes
    if not isinstance(value, wanted):
        raise UsageError(f"link: {kind.name}.{one.name}: got {type(value).__name__}, expected {wanted.__name__}")
    data = value.encode() if isinstance(value, str) else value
    if one.type == "bytes":
        if len(data) != one.count:
            raise UsageError(f"link: {kind.name}.{one.name}: got {len(data)} bytes, expected {one.count}")
        return data
    width = 2 if one.type == "samples" else 1
    if len(data) % width or len(data) > one.count * width:
        raise UsageError(f"link: {kind.name}.{one.name}: got {len(data)} bytes, expected up to {one.count * width}")
    return struct.pack("<H", len(data) // width) + data


def decode(code: int, payload: bytes) -> Message:
    """Return the message of a payload; bytes after the last field that is known are those of a newer version.

    Raises
    ------
    DataError
        If the code is unknown, the payload ends early, or a field is out of its range.
    """
    kind = _BY_CODE.get(code)
    if kind is None:
        raise DataError(f"link: got a message of code {code}, expected one that is known; the peer may be newer")
    values: dict[str, Any] = {}
    at = 0
    for one in kind.fields:
        value, at = _decoded(kind, one, payload, at)
        values[one.name] = value
    return Message(kind.name, values)


def _decoded(kind: Kind, one: Field, payload: bytes, at: int) -> tuple[Any, int]:
    size = one.count if one.type == "bytes" else SIZES.get(one.type, 2)
    if at + size > len(payload):
        raise DataError(f"link: {kind.name}: the payload ends in {one.name}, at byte {len(payload)}")
    if one.type == "bytes":
        return payload[at : at + size], at + size
    (value,) = struct.unpack_from("<" + _FORMAT.get(one.type, "H"), payload, at)
    at += size
    if not one.varies:
        low, high = one.limits
        if not low <= value <= high:
            raise DataError(f"link: {kind.name}.{one.name}: got {value}, expected {low}..{high}")
        return value, at
    ends = at + value * (2 if one.type == "samples" else 1)
    if value > one.count or ends > len(payload):
        raise DataError(
            f"link: {kind.name}.{one.name}: got a length of {value}, expected up to {one.count} that follow"
        )
    data = payload[at:ends]
    if one.type != "text":
        return data, ends
    try:
        return data.decode(), ends
    except UnicodeDecodeError:
        raise DataError(f"link: {kind.name}.{one.name}: got bytes that are no UTF-8") from None

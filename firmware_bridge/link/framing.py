"""Frames on a wire of bytes: COBS, ended by a zero byte, with a CRC-16/CCITT-FALSE over header and payload.

Consistent overhead byte stuffing is that of Cheshire and Baker (IEEE/ACM Transactions on Networking 7(2), 1999). The
CRC is :func:`binascii.crc_hqx` from 0xFFFF. Splitting at zeros is done by ``bytes.split``, in C: a library brings
nothing here.
"""

import binascii
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from edge.errors import DataError
from firmware_bridge.link.table import PAYLOAD_MAX

__all__ = ["ENCODED_MAX", "Frame", "FrameReader", "cobs_decode", "cobs_encode", "crc16", "frame_bytes", "parse_frame"]

_HEADER = struct.Struct("<BBHHH")
_CRC = struct.Struct("<H")
_PLAIN_MAX = _HEADER.size + PAYLOAD_MAX + _CRC.size
ENCODED_MAX = _PLAIN_MAX + _PLAIN_MAX // 254 + 1
"""Longest frame on the wire without its zero byte, bytes."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame whose CRC was right."""

    version: int
    kind: int
    session: int
    sequence: int
    payload: bytes


def crc16(data: bytes) -> int:
    """Return the CRC-16/CCITT-FALSE; that of ``123456789`` is 0x29B1."""
    return binascii.crc_hqx(data, 0xFFFF)


def cobs_encode(data: bytes) -> bytes:
    """Return data without zero bytes, as COBS writes them."""
    out = bytearray()
    parts = data.split(b"\0")
    for place, part in enumerate(parts):
        while len(part) >= 254:
            out.append(255)
            out += part[:254]
            part = part[254:]
            if not part and place == len(parts) - 1:
                return bytes(out)  # a full group stands for no zero: there is none that would have to be taken back
        out.append(len(part) + 1)
        out += part
    return bytes(out)


def cobs_decode(data: bytes) -> bytes:
    """Return what COBS wrote.

    Raises
    ------
    DataError
        If a group is longer than the rest, or there is a zero byte.
    """
    out = bytearray()
    at, size = 0, len(data)
    while at < size:
        code = data[at]
        ends = at + code
        if not code or ends > size:
            raise DataError(f"link: byte {at} of a frame is no length of COBS")
        out += data[at + 1 : ends]
        at = ends
        if code != 255 and at < size:
            out.append(0)
    if 0 in data:
        raise DataError("link: a zero byte inside a frame")
    return bytes(out)


def frame_bytes(frame: Frame) -> bytes:
    """Return the bytes for the wire, ended by the zero byte."""
    head = _HEADER.pack(frame.version, frame.kind, frame.session, frame.sequence, len(frame.payload))
    plain = head + frame.payload
    return cobs_encode(plain + _CRC.pack(crc16(plain))) + b"\0"


def parse_frame(encoded: bytes) -> Frame:
    """Return the frame of what stood between two zero bytes.

    Raises
    ------
    DataError
        If it is too short or too long, or its CRC or length is wrong.
    """
    plain = cobs_decode(encoded)
    if not _HEADER.size + _CRC.size <= len(plain) <= _PLAIN_MAX:
        raise DataError(f"link: got a frame of {len(plain)} bytes, expected {_HEADER.size + _CRC.size}..{_PLAIN_MAX}")
    (crc,) = _CRC.unpack_from(plain, len(plain) - 2)
    if crc != crc16(plain[:-2]):
        raise DataError("link: the CRC of a frame is wrong")
    version, kind, session, sequence, length = _HEADER.unpack_from(plain)
    if length != len(plain) - _HEADER.size - _CRC.size:
        raise DataError(f"link: got a payload of {len(plain) - _HEADER.size - _CRC.size} bytes, expected {length}")
    return Frame(version, kind, session, sequence, plain[_HEADER.size : -2])


class FrameReader:
    """Cuts a stream of bytes into frames; what is damaged is counted and skipped up to the next zero byte."""

    def __init__(self) -> None:
        self.damaged = 0
        """Frames that were skipped."""
        self._kept = bytearray()
        self._skipping = False

    def fresh(self) -> None:
        """Forget a frame that was cut off, as a transport that is gone leaves one; it counts as damaged."""
        self.damaged += bool(self._kept) or self._skipping
        self._kept.clear()
        self._skipping = False

    def push(self, data: bytes) -> Iterator[Frame]:
        """Take bytes as they came and yield the frames that they complete."""
        parts = data.split(b"\0")
        for place, part in enumerate(parts):
            if not self._skipping:
                self._kept += part
                self._skipping = len(self._kept) > ENCODED_MAX
            if self._skipping:
                self._kept.clear()
            if place == len(parts) - 1:
                return
            encoded, skipped = bytes(self._kept), self._skipping
            self._kept.clear()
            self._skipping = False
            if skipped:
                self.damaged += 1
            elif encoded:
                try:
                    frame = parse_frame(encoded)
                except DataError:
                    self.damaged += 1
                else:
                    yield frame

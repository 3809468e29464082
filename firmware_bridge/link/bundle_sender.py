"""The host's side of sending a model image, without input or output: on top of a peer, whose messages it is given.

It offers the image to each device that starts, and sends from where the device wants it on. A state counts only after
the device has named the offer that it is about: what it says before may be about another one, which it could not say
while nobody listened.
"""

from typing import Literal

from edge.errors import DataError
from firmware_bridge.link.bundle_format import STATES
from firmware_bridge.link.bundle_image import sha256_of
from firmware_bridge.link.messages import Message
from firmware_bridge.link.peer import Peer
from firmware_bridge.link.table import PAYLOAD_MAX, kind_named

__all__ = ["BUNDLE_SLOTS", "BundleSender"]

BUNDLE_SLOTS = 1 << 4
"""Bit of the capabilities in hello of a device that takes bundles."""

_CHUNK = next(one.count for one in kind_named("bundle_chunk").fields if one.name == "data")
_OVERHEAD = kind_named("bundle_chunk").fields[0].size + 2


class BundleSender:
    """Sends one image.

    Parameters
    ----------
    content : bytes
        The image.
    in_flight : int
        Messages of a peer that wait at most before more are added. Twice what is on its way keeps the line full, and
        little waits in the way of other messages.
    """

    def __init__(self, content: bytes, *, in_flight: int = 16) -> None:
        self.content = content
        self.sha256 = sha256_of(content)
        self.state: Literal["waiting", "offered", "receiving", "verified", "active", "refused"] = "waiting"
        """What the device made of it; the first two are before it said anything."""
        self.reason = ""
        """Why it was refused."""
        self.stored = 0
        """Bytes that the device said to have."""
        self.sent_bytes = 0
        """Bytes that were sent, those that were sent again included."""
        self.starts: list[int] = []
        """Places from which on the device wanted it."""
        self._in_flight = in_flight
        self._session = 0
        self._at: int | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing more will come: it is active or was refused."""
        return self.state in ("active", "refused")

    def take(self, message: Message) -> None:
        """Take a message of the device; those that are not about bundles are ignored.

        Raises
        ------
        DataError
            If the device wants what there is not.
        """
        values = message.values
        if message.kind == "bundle_want" and values["sha256"] == self.sha256 and self.state != "waiting":
            if values["offset"] > len(self.content):
                raise DataError(
                    f"device: it wants byte {values['offset']} of a model of {len(self.content)} bytes; start the "
                    "device anew, then send it again"
                )
            # One that comes twice, as it may over a reconnect, does not make it go back.
            if not self.finished and not (self.state == "receiving" and values["offset"] == self.starts[-1]):
                self.state = "receiving"
                self.stored = self._at = values["offset"]
                self.starts.append(values["offset"])
        elif message.kind == "bundle_state" and self.state in ("receiving", "verified"):
            self.state = STATES[values["state"]]
            if self.state == "refused":
                self.reason = values["reason"]
            elif self.state == "receiving":
                self.stored = max(self.stored, values["offset"])
            else:
                self.stored = len(self.content)

    def offer_again(self) -> None:
        """Begin with an offer once more: for a device that says nothing, and may have started anew."""
        self._session = 0

    def push(self, peer: Peer) -> None:
        """Give a peer what is to be sent now.

        Raises
        ------
        DataError
            If the device takes no bundles.
        """
        if peer.peer_hello is None or self.finished:
            return
        if peer.counts.sessions != self._session:
            if not peer.peer_hello.values["capabilities"] & BUNDLE_SLOTS:
                raise DataError(
                    f"device: {peer.peer_hello.values['name'] or 'it'} has no slots for models, expected bit 4 of its "
                    "capabilities; its firmware must be built with firmware_bridge/c_slots"
                )
            if self._session and (peer.peer_hello.values["resume_session"] or self.state == "offered"):
                # It kept running, and the link keeps what was on its way; or an offer is on its way already.
                self._session = peer.counts.sessions
                return
            # Chunks of before that still wait come first, and are counted in the place that the device then wants.
            if not peer.send(Message("bundle_offer", {"size": len(self.content), "sha256": self.sha256})):
                return
            self._session = peer.counts.sessions
            self.state, self._at = "offered", None
        longest = min(_CHUNK, min(PAYLOAD_MAX, peer.peer_hello.values["payload_max"]) - _OVERHEAD)
        while self.state == "receiving" and self._at is not None and peer.waiting < self._in_flight:
            piece = self.content[self._at : self._at + longest]
            if not piece or not peer.send(Message("bundle_chunk", {"offset": self._at, "data": piece})):
                return
            self._at += len(piece)
            self.sent_bytes += len(piece)

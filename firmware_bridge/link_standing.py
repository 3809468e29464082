"""What a device is told that holds until something else is told: its lights, and whether it is muted."""

from firmware_bridge.link.messages import Message
from firmware_bridge.link.peer import Peer

__all__ = ["Standing"]


class Standing:
    """The newest message of each kind, and which of them the peer has not taken yet."""

    def __init__(self) -> None:
        self._held: dict[str, Message] = {}
        self._owed: set[str] = set()

    def get(self, kind: str) -> Message | None:
        """Return what holds of a kind; None if nothing was told yet."""
        return self._held.get(kind)

    def put(self, message: Message) -> None:
        """Take what holds from now on; it is owed if it is new."""
        if self._held.get(message.kind) != message:
            self._held[message.kind] = message
            self._owed.add(message.kind)

    def owe_all(self) -> None:
        """Owe everything: to a device that came."""
        self._owed.update(self._held)

    def push(self, peer: Peer) -> None:
        """Give a peer what is owed; what its queue has no room for stays owed."""
        for kind, message in self._held.items():
            if kind in self._owed and peer.send(message):
                self._owed.discard(kind)

"""What a peer has received: reliable messages in order, once, and no more of them than there is room for."""

from collections import deque
from collections.abc import Iterator

from edge.errors import DataError
from firmware_bridge.link.framing import Frame
from firmware_bridge.link.messages import Message, decode
from firmware_bridge.link.peer_state import Counts, Settings
from firmware_bridge.link.table import WINDOW_MAX

__all__ = ["Receiving"]


class Receiving:
    """The window of one side, and what nobody has taken yet.

    Parameters
    ----------
    settings : Settings
    counts : Counts
        Of the peer; counted in here.
    """

    def __init__(self, settings: Settings, counts: Counts) -> None:
        self.expected = 0
        """First sequence number that is missing."""
        self.early: dict[int, tuple[int, bytes]] = {}
        """Kind and payload of what came before its turn, by sequence number."""
        self.came = False
        """Whether anything came in this session."""
        self.ack_due = False
        self._settings, self._counts = settings, counts
        self._inbox: deque[Message] = deque()

    @property
    def credit(self) -> int:
        """Frames from ``expected`` on that there is room for."""
        return max(0, self._settings.window - len(self._inbox))

    @property
    def have(self) -> int:
        """The field of an acknowledgement: bit i says that ``expected + 1 + i`` was received."""
        return sum(1 << ((sequence - self.expected - 1) & 0xFFFF) for sequence in self.early)

    def begin(self) -> None:
        """Begin a session; what was delivered and not taken stays."""
        self.expected, self.came, self.ack_due = 0, False, True
        self.early.clear()

    def take(self, frame: Frame) -> None:
        """Take a frame of a reliable message."""
        ahead = (frame.sequence - self.expected) & 0xFFFF
        self.ack_due = True
        if ahead >= WINDOW_MAX:
            self._counts.repeated += 1
            return
        if ahead >= self.credit:
            return  # there is no room: it is sent again
        if frame.sequence in self.early:
            self._counts.repeated += 1
            return
        self.early[frame.sequence] = (frame.kind, frame.payload)
        while self.expected in self.early and self.credit:
            kind, payload = self.early.pop(self.expected)
            self.expected = (self.expected + 1) & 0xFFFF
            self.came = True
            try:
                self._inbox.append(decode(kind, payload))
            except DataError:
                # Sent again it would be the same: it counts as received.
                self._counts.refused += 1

    def messages(self) -> Iterator[Message]:
        """Take what was delivered, in order."""
        while self._inbox:
            # Room is told only when it was scarce: otherwise the next acknowledgement does.
            if self.credit < self._settings.window // 2:
                self.ack_due = True
            yield self._inbox.popleft()

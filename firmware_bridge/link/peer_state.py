"""What a side of the link keeps: how it behaves, what it counted, what it knows of the other side."""

from dataclasses import dataclass, field

from firmware_bridge.link.messages import Message
from firmware_bridge.link.table import VERSION, WINDOW_MAX

__all__ = ["Counts", "Other", "Outgoing", "Settings", "before"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a side behaves."""

    role: int
    """0 host, 1 device."""
    name: str = ""
    capabilities: int = 0
    """Bits, as in the message hello."""
    lowest: int = VERSION
    """Oldest version that is spoken."""
    highest: int = VERSION
    """Newest version that is spoken."""
    window: int = WINDOW_MAX
    """Messages that are held until somebody takes them; at most WINDOW_MAX."""
    queue: int = 256
    """Messages that wait to be sent, those on their way included."""
    resend_s: float = 0.15
    """Time without an acknowledgement after which a frame is sent again, s."""
    hello_s: float = 0.25
    """Time between hellos while nobody answers, s."""
    heartbeat_s: float = 0.5
    """Longest time in which nothing is sent, s."""
    silence_s: float = 2.0
    """Time without a valid frame after which the session is over, s."""
    stuck_s: float = 5.0
    """Time for which a frame is sent again to a peer that is there, and has room, until the session is over, s."""


@dataclass(slots=True)
class Counts:
    """What became of frames and messages since the peer was made."""

    received: int = 0
    """Frames of the session whose CRC was right."""
    stale: int = 0
    """Frames of a session that is over, or of none."""
    repeated: int = 0
    """Reliable frames that had been received before."""
    refused: int = 0
    """Messages of an unknown kind, or with a value out of its range."""
    too_long: int = 0
    """Messages that were dropped because the other side takes no payload so long."""
    resent: int = 0
    sessions: int = 0
    """How often a session began."""
    lost: int = 0
    """How often one ended."""


@dataclass(slots=True)
class Outgoing:
    """A reliable message until it is acknowledged."""

    kind: int
    payload: bytes
    sequence: int = 0
    due_s: float = 0.0
    first_s: float = 0.0
    sent: bool = False
    acknowledged: bool = False


@dataclass(slots=True)
class Other:
    """What the other side said of itself."""

    session: int
    version: int
    hello: Message = field(default_factory=lambda: Message("hello"))


def before(one: int, another: int) -> bool:
    """Whether a sequence number comes before another one, round the end of 16 bits."""
    return 0 < (another - one) & 0xFFFF < 0x8000

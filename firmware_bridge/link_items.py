"""What the link gives to a source: messages of the device, and what becomes of the session between them."""

from dataclasses import dataclass
from typing import Any

from firmware_bridge.link.messages import Message

__all__ = ["Began", "Item", "Over", "Switched"]


@dataclass(frozen=True, slots=True)
class Began:
    """A session with a device began."""

    hello: dict[str, Any]
    """What it said of itself."""


@dataclass(frozen=True, slots=True)
class Over:
    """The session ended."""

    reason: str
    """Why, in words."""


@dataclass(frozen=True, slots=True)
class Switched:
    """How the mute switch of the device is from here on."""

    on: bool


Item = Message | Began | Over | Switched
"""What a source is given, in its order."""

"""Settings of the sink ``wyoming-proxy``."""

from dataclasses import dataclass
from typing import Annotated, Literal

from edge.strict_toml import Within
from firmware_bridge.wyoming_listening import ListenSettings, address_of

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ListenSettings):
    """Table of the sink."""

    upstream: str = "tcp://127.0.0.1:10401"
    """The other service."""
    upstream_s: Annotated[float, Within(0.1, 60.0)] = 2.0
    """Time in which it must take a connection, and what it is sent, s."""
    settle_s: Annotated[float, Within(0.0, 60.0)] = 1.0
    """Time that it has after the end of a stream to tell what it heard in it, s."""
    upstream_lost: Literal["not-detected", "close"] = "not-detected"
    """What a client meets while it is away: nothing is detected until it is there again, or its connection is closed,
    so that it notices."""
    fail: Literal["closed", "open"] = "closed"
    """What becomes of a word that it heard and that cannot be judged here: nothing, or it passes. Open, whoever can
    overload this device can speak through a loudspeaker."""
    tell_refusals: bool = True
    """Whether a client is told, by a ``user-event``, of words by which nothing may pass."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises
        ------
        ValueError
            If settings do not fit each other.
        """
        ListenSettings.__post_init__(self)
        if address_of(self.upstream) == (self.host, self.port):
            raise ValueError(f"upstream: got {self.upstream!r}, which is this service itself; name the other one")

"""Settings of the sink ``wyoming``."""

from dataclasses import dataclass

from firmware_bridge.wyoming_listening import ListenSettings

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ListenSettings):
    """Table of the sink."""

    tell_refusals: bool = True
    """Whether a client is told, by a ``user-event``, of words by which nothing may pass."""

"""The sink ``wyoming``: a wake service for Home Assistant and other Wyoming clients, which send their own sound.

A client hears of a word only if the command may pass. See ``docs/wyoming.md``.
"""

from edge.bus import Sink
from edge.house import House
from firmware_bridge.wyoming_listening import needing_extra, tls_context
from firmware_bridge.wyoming_wake_settings import Settings

__all__ = ["SUMMARY", "Settings", "make"]

SUMMARY = "a wake service for clients of the Wyoming protocol, which hear only of what may pass"


def make(settings: Settings, name: str, house: House) -> Sink:
    """Make the service.

    Raises
    ------
    MissingExtraError
        If the extra is not installed.
    UsageError
        If a certificate cannot be used.
    """
    with needing_extra(settings):
        from firmware_bridge.wyoming_server import Client, WyomingServer
        from firmware_bridge.wyoming_wake_client import WakeClient

    tls_context(settings, f"sinks.{name}")

    async def serve(client: Client) -> None:
        await WakeClient(client, name, settings, house).run()

    return WyomingServer(name, settings, house.health, serve)

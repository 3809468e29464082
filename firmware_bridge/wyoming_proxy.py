"""The sink ``wyoming-proxy``: another wake service hears the words, and its clients hear only of those that may pass.

See ``docs/wyoming.md``.
"""

from edge.bus import Sink
from edge.house import House
from firmware_bridge.wyoming_listening import needing_extra, tls_context
from firmware_bridge.wyoming_proxy_settings import Settings

__all__ = ["SUMMARY", "Settings", "make"]

SUMMARY = "a gate before another wake service of the Wyoming protocol"


def make(settings: Settings, name: str, house: House) -> Sink:
    """Make the proxy.

    Raises
    ------
    MissingExtraError
        If the extra is not installed.
    UsageError
        If a certificate cannot be used.
    """
    with needing_extra(settings):
        from firmware_bridge.wyoming_proxy_client import ProxyClient
        from firmware_bridge.wyoming_server import Client, WyomingServer
        from firmware_bridge.wyoming_upstream import Upstream

    tls_context(settings, f"sinks.{name}")
    upstream = Upstream(name, settings.upstream, settings.upstream_s)

    async def serve(client: Client) -> None:
        await ProxyClient(client, name, settings, house, upstream).run()

    return WyomingServer(name, settings, house.health, serve)

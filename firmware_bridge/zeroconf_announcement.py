"""Telling the local network of a Wyoming service, so that Home Assistant finds it (multicast DNS)."""

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import Sequence

__all__ = ["SERVICE_TYPE", "announced"]

_log = logging.getLogger(__name__)

SERVICE_TYPE = "_wyoming._tcp.local."
_GROUP = ("224.0.0.251", 5353)
"""Of multicast DNS (RFC 6762); a socket that is connected to it has the address that others see."""
_RETRY_S = 60.0
_PARTING_S = 2.0
_LABEL_BYTES = 63


async def announced(name: str, host: str, port: int, *, interfaces: Sequence[str] | None = None) -> None:
    """Announce a service until cancelled; where there is no network, try again.

    Parameters
    ----------
    name : str
        Of the service; the name of this machine is added, as there may be several on a network.
    host : str
        Address that it listens at.
    port : int
    interfaces : sequence of str, optional
        Addresses of the interfaces to announce on; all by default.
    """
    from zeroconf import Error, InterfaceChoice
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    machine = socket.gethostname().partition(".")[0] or "device"
    label = f"{name} on {machine}".encode()[:_LABEL_BYTES].decode(errors="ignore")
    told = False
    while True:
        try:
            address = _reached_at(host)
            service = AsyncServiceInfo(SERVICE_TYPE, f"{label}.{SERVICE_TYPE}", addresses=[address], port=port)
            zeroconf = AsyncZeroconf(interfaces=list(interfaces) if interfaces else InterfaceChoice.All)
        except OSError as error:
            if not told:
                _log.warning("%s cannot be announced, which is tried again: %s", name, error)
            told = True
            await asyncio.sleep(_RETRY_S)
            continue
        try:
            await zeroconf.async_register_service(service, allow_name_change=True)
            _log.info("announced as %s", service.name)
            await asyncio.Event().wait()
        except (Error, OSError) as error:
            if not told:
                _log.warning("%s cannot be announced, which is tried again: %s", name, error)
            told = True
        finally:
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(_PARTING_S):
                    await zeroconf.async_unregister_all_services()
            await zeroconf.async_close()
        await asyncio.sleep(_RETRY_S)


def _reached_at(host: str) -> bytes:
    """Return the address at which others reach a service that listens at a host, packed.

    Raises
    ------
    OSError
        If there is no network.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = ipaddress.ip_address(socket.gethostbyname(host))
    if not address.is_unspecified:
        return address.packed
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_GROUP)
        return ipaddress.ip_address(probe.getsockname()[0]).packed

"""Where a device is: the name of a port, as source and sink have it in their settings, and how it is opened."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from edge.errors import MissingExtraError, UsageError
from edge.strict_toml import Within
from firmware_bridge.link.transports import Transport, open_serial, open_tcp, open_unix

__all__ = ["LinkSettings", "opener"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """Where the device is. Source and sink of the same port share one connection."""

    port: str
    """A serial port, e.g. ``/dev/serial/by-id/usb-...``; ``tcp:HOST:PORT``; or ``unix:/path`` of a socket. Source and
    sink have to name it in the same way."""
    baud: Annotated[int, Within(1200, 12_000_000)] = 921_600
    """Rate of a serial port, bit/s; the sound alone takes 333,000."""


def opener(settings: LinkSettings, where: str) -> Callable[[], Transport]:
    """Return what opens the port.

    Parameters
    ----------
    settings : LinkSettings
    where : str
        Name of the setting that holds the port, for messages.

    Raises
    ------
    UsageError
        If the name of the port cannot be.
    MissingExtraError
        If it takes pyserial, which is not installed.
    """
    port = settings.port
    if port.startswith("unix:/"):
        return lambda: open_unix(port.removeprefix("unix:"))
    if port.startswith("tcp:"):
        host, _, number = port.removeprefix("tcp:").rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if host and number.isascii() and number.isdigit() and 0 < int(number) < 65536:
            return lambda: open_tcp(host, int(number))
    elif port.startswith("/"):
        try:
            import serial  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("a serial port (pyserial)", "bridge") from error
        return lambda: open_serial(port, settings.baud)
    raise UsageError(
        f"{where}: got {port!r}, expected the path of a serial port, tcp:HOST:PORT or unix:/path; e.g. /dev/ttyACM0"
    )

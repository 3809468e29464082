"""Links that are there, by their ports: so source and sink find each other, in whatever order they are made."""

import threading
import weakref

from edge.errors import UsageError
from firmware_bridge.link_host import LinkHost
from firmware_bridge.link_port import LinkSettings, opener

__all__ = ["shared"]

_hosts: weakref.WeakValueDictionary[str, LinkHost] = weakref.WeakValueDictionary()
_making = threading.Lock()


def shared(settings: LinkSettings, where: str) -> LinkHost:
    """Return the link of a port: the one that is there, if somebody has it.

    Parameters
    ----------
    settings : LinkSettings
    where : str
        Table of the settings, for messages.

    Raises
    ------
    UsageError
        If the name of the port cannot be, or somebody has the port at another rate.
    MissingExtraError
        If it takes pyserial, which is not installed.
    """
    with _making:
        host = _hosts.get(settings.port)
        if host is None:
            link = LinkSettings(port=settings.port, baud=settings.baud)
            host = _hosts[settings.port] = LinkHost(link, opener(link, f"{where}.port"))
        elif host.settings.baud != settings.baud:
            raise UsageError(
                f"{where}.baud: got {settings.baud}, expected {host.settings.baud}: source and sink share "
                f"{settings.port}; give both the same rate"
            )
        return host

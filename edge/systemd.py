"""What a service tells systemd (``sd_notify``): datagrams to the socket that the environment names."""

import logging
import os
import socket
import time
from collections.abc import Mapping

__all__ = ["Notifier"]

_log = logging.getLogger(__name__)

_PATIENCE_S = 0.5


class Notifier:
    """Tell systemd how the service is; nobody, where it does not ask.

    Parameters
    ----------
    environment : mapping, optional
        ``NOTIFY_SOCKET`` names the socket, ``WATCHDOG_USEC`` how often the watchdog must be fed.

    Attributes
    ----------
    watchdog_s : float
        The watchdog must be fed within this time, s; 0 where there is none.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An abstract address is written with @ in place of its first byte, zero.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._told_fault = False
        usec = environment.get("WATCHDOG_USEC", "")
        mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(usec) / 1e6 if usec.isdecimal() and mine else 0.0
        self._fed_at_s = -1e9

    def ready(self) -> None:
        """Say that the service works, or that settings have been read again."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Say that settings are being read again; :meth:`ready` ends it."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the service ends."""
        self._tell("STOPPING=1")

    def status(self, text: str) -> None:
        """Say in a line how the service is, for ``systemctl status``."""
        self._tell("STATUS=" + " ".join(text.split()))

    def watchdog(self) -> None:
        """Feed the watchdog; call it for every sign of progress, it tells no more often than it is asked to."""
        now_s = time.monotonic()
        if self.watchdog_s and now_s - self._fed_at_s >= self.watchdog_s / 4:
            self._fed_at_s = now_s
            self._tell("WATCHDOG=1")

    def _tell(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
                # Not without waiting at all: a READY that is lost would be the end of the service.
                connection.settimeout(_PATIENCE_S)
                connection.sendto(message.encode(errors="replace"), self._address)
            self._told_fault = False
        except OSError as error:
            if not self._told_fault:
                _log.warning("systemd cannot be told (%s): %s", error.strerror or error, message.partition("\n")[0])
            self._told_fault = True

"""Settings of the connection to an MQTT broker, and what is made of them: names, password, encryption."""

import logging
import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from edge.errors import DataError, UsageError
from edge.loopback import is_loopback
from edge.strict_toml import Within

__all__ = ["Settings", "check_settings", "checked_topic", "encryption", "password"]

_log = logging.getLogger(__name__)

_PORTS = (1883, 8883)
"""Without and with TLS, where the settings name none."""
_LONGEST_TOPIC = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the sink ``mqtt``."""

    host: str = "127.0.0.1"
    """Name or address of the broker."""
    port: Annotated[int, Within(0, 65535)] = 0
    """Its port; 0 for 1883, or 8883 with TLS."""
    username: str = ""
    """Name to log in with; empty for none."""
    password_file: str = ""
    """File whose first line is the password."""
    tls: bool = False
    """Whether the connection is encrypted; it is where one of the following is given, too."""
    tls_ca: str = ""
    """File of the certificates that may sign the broker's; empty for those of the system."""
    tls_certificate: str = ""
    """File of our own certificate, where the broker wants one."""
    tls_key: str = ""
    """File of its key."""
    client_id: str = ""
    """Name of the connection, one of its kind at the broker; empty for the topic."""
    topic: str = ""
    """Topic that everything of this device is below; empty for ``vivavoce/`` and the name of the host."""
    discovery: bool = True
    """Whether Home Assistant is told of the device."""
    discovery_prefix: str = "homeassistant"
    """Topic under which Home Assistant looks for devices."""
    hermes_site: str = ""
    """Site id under which an answer that passes is told as a hotword of the Hermes protocol, too; empty for not."""
    stale_s: Annotated[float, Within(0.1, 3600.0)] = 30.0
    """An answer that is older, s, because the broker was away, is not told any more: nobody acts on it in time."""

    @property
    def encrypted(self) -> bool:
        """Whether the connection is encrypted."""
        return self.tls or bool(self.tls_ca or self.tls_certificate or self.tls_key)

    @property
    def actual_port(self) -> int:
        """The port that is connected to."""
        return self.port or _PORTS[self.encrypted]

    @property
    def broker(self) -> str:
        """What messages call the broker."""
        return f"broker {self.host}:{self.actual_port}"


class _TlsSocket(ssl.SSLSocket):
    """A connection that is closed where its greeting fails; the client would leave that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        """Greet the other side."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def check_settings(settings: Settings, where: str) -> None:
    """See whether settings can work; ``where`` is the dotted path of their table.

    Raises
    ------
    UsageError
        If they cannot.
    """
    if not settings.host or re.search(r"[\s\x00]", settings.host):
        raise UsageError(f"{where}.host: got {settings.host!r}, expected the name or address of a broker")
    if settings.password_file and not settings.username:
        raise UsageError(f"{where}.password_file: got a password without a name; give username, too")
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise UsageError(f"{where}: got one of tls_certificate and tls_key, expected both or none; give the other")
    for entry in ("password_file", "tls_ca", "tls_certificate", "tls_key"):
        path = getattr(settings, entry)
        if path and not os.path.isfile(path):
            raise UsageError(f"{where}.{entry}: {path}: no such file; check the path, and that it can be read")
    if _wild(settings.hermes_site) or "/" in settings.hermes_site:
        raise UsageError(f"{where}.hermes_site: got {settings.hermes_site!r}, expected a name without / + # and NUL")
    if settings.password_file and not settings.encrypted and not is_loopback(settings.host):
        _log.warning(
            "%s: the password goes to %s as plain text; everybody on the way can read it: set tls = true",
            where,
            settings.host,
        )


def encryption(settings: Settings) -> ssl.SSLContext:
    """Return what a connection is encrypted with.

    Raises
    ------
    DataError
        If certificates or key cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca or None)
        if settings.tls_certificate:
            # Without a password a key that wants one would ask for it at the terminal.
            context.load_cert_chain(settings.tls_certificate, settings.tls_key, password="")
    except OSError as error:
        raise DataError(
            f"{settings.broker}: certificates or key cannot be used ({error}); check tls_ca, tls_certificate, tls_key"
        ) from error
    context.sslsocket_class = _TlsSocket
    return context


def password(path: str) -> str | None:
    """Return the first line of a file; None where no file is named.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    if not path:
        return None
    try:
        return Path(path).read_text().partition("\n")[0].rstrip("\r")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the password cannot be read ({error}); check its permissions") from error


def _wild(topic: str) -> bool:
    return bool(re.search(r"[+#\x00\ud800-\udfff]", topic))


def checked_topic(topic: str, where: str) -> str:
    """Return a topic that can be published under, and have others below it.

    Raises
    ------
    UsageError
        If it cannot.
    """
    if (
        _wild(topic)
        or not 0 < len(topic.encode(errors="replace")) <= _LONGEST_TOPIC
        or "" in topic.split("/")
        or topic[0] == "$"
    ):
        raise UsageError(
            f"{where}: got {topic!r}, expected a topic of at most {_LONGEST_TOPIC} bytes such as vivavoce/kitchen: no "
            "empty level, no + # or NUL, no $ in front"
        )
    return topic

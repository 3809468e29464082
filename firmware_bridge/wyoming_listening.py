"""Who may connect to what listens for Wyoming clients: the settings that both services share, and what they forbid.

The protocol has no authentication. Beyond loopback a client is therefore heard only from networks that are named, or
through TLS with a certificate of an authority that is named.
"""

import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from edge.errors import MissingExtraError, UsageError
from edge.loopback import is_loopback
from edge.strict_toml import Within

__all__ = ["ListenSettings", "address_of", "needing_extra", "permits", "tls_context"]

_LONGEST_NAME = 40
"""Of a DNS label of 63 bytes, what the name of the machine leaves."""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenSettings:
    """Where a service listens, to whom, and how much of it."""

    host: str = "127.0.0.1"
    """Address to listen at. Beyond loopback, `allow` or `client_ca` is demanded."""
    port: Annotated[int, Within(0, 65_535)] = 10_400
    """Port to listen at; 0 for one that is free."""
    allow: tuple[str, ...] = ()
    """Networks of clients, e.g. ``"192.168.1.0/24"``; everybody who reaches the address if empty. Whoever is there may
    have sound judged, and learns the words; an address on a network can be forged by whoever shares it."""
    max_clients: Annotated[int, Within(1, 64)] = 8
    """Connections at a time; further ones are closed at once."""
    idle_s: Annotated[float, Within(0.1, 86_400.0)] = 300.0
    """A connection that says nothing for so long is closed, s."""
    message_s: Annotated[float, Within(0.1, 60.0)] = 10.0
    """Time in which a message that has begun must be complete, and in which one that is sent must be taken, s."""
    speed: Annotated[float, Within(1.0, 1000.0)] = 8.0
    """Seconds of sound that are taken from a connection in a second, on the whole; a minute of it at once. More makes
    this device compute for others until it does not keep up with its own microphone."""
    tls_certificate: str = ""
    """File of the server's certificate, PEM; with it everything goes through TLS."""
    tls_key: str = ""
    """File of its key; empty where the certificate's file holds it, too."""
    client_ca: str = ""
    """File of the authorities, PEM, one of which must have signed the certificate of a client."""
    zeroconf: bool = False
    """Whether the service is announced on the local network, for Home Assistant to find."""
    name: str = "vivavoce"
    """What the service is called."""

    def __post_init__(self) -> None:
        """Refuse what would listen to everybody.

        Raises
        ------
        ValueError
            If settings do not fit each other.
        """
        networks = _networks(self.allow)
        if not self.name.isprintable() or not self.name.strip() or len(self.name.encode()) > _LONGEST_NAME:
            raise ValueError(f"name: got {self.name[:60]!r}, expected 1 to {_LONGEST_NAME} bytes of printable text")
        if "." in self.name:
            raise ValueError(f"name: got {self.name!r}, expected no dots, which part the names of networks")
        if not self.tls_certificate and (self.tls_key or self.client_ca):
            raise ValueError("tls_certificate is missing; give the file of the server's certificate")
        if is_loopback(self.host):
            if self.zeroconf:
                raise ValueError(
                    f"zeroconf: got true, and host {self.host}, which no other machine reaches; set another host"
                )
            return
        if self.client_ca:
            return
        if not networks:
            raise ValueError(
                f"host: got {self.host!r}, which others reach, and no allow; name the networks of the clients there, "
                "or demand certificates with tls_certificate and client_ca"
            )
        for network in networks:
            if network.prefixlen == 0:
                raise ValueError(
                    f"allow: got {network}, which is everybody; name the networks of the clients, or demand "
                    "certificates with tls_certificate and client_ca"
                )


def _networks(allow: tuple[str, ...]) -> list[_Network]:
    try:
        return [ipaddress.ip_network(one) for one in allow]
    except ValueError as error:
        raise ValueError(f"allow: {error}; expected addresses or networks such as 192.168.1.0/24") from error


def address_of(uri: str) -> tuple[str, int]:
    """Return host and port of ``tcp://HOST:PORT``.

    Raises
    ------
    ValueError
        If it is something else.
    """
    fault = ValueError(f"upstream: got {uri[:100]!r}, expected tcp://HOST:PORT")
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise fault from error
    if parts.scheme != "tcp" or not host or not port or parts.path or parts.query or parts.username is not None:
        raise fault
    return host, port


def permits(settings: ListenSettings, address: str) -> bool:
    """Tell whether a client at this address may connect; whoever has to show a certificate still has to."""
    if not settings.allow:
        return True
    client = ipaddress.ip_address(address)
    mapped = client.ipv4_mapped if isinstance(client, ipaddress.IPv6Address) else None
    return any((mapped or client) in network for network in _networks(settings.allow))


@contextmanager
def needing_extra(settings: ListenSettings) -> Iterator[None]:
    """Say which extra brings the libraries of a service, where what is imported within is not installed.

    Raises
    ------
    MissingExtraError
        If the protocol's library is not there, or zeroconf is not and is asked for.
    """
    try:
        yield
        if settings.zeroconf:
            import zeroconf  # noqa: F401
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("wyoming", "zeroconf"):
            raise
        raise MissingExtraError("the Wyoming protocol", "wyoming") from error


def tls_context(settings: ListenSettings, where: str) -> ssl.SSLContext | None:
    """Read the certificates, if there are any.

    Parameters
    ----------
    settings : ListenSettings
    where : str
        For messages.

    Raises
    ------
    UsageError
        If they cannot be read, or do not fit each other.
    """
    if not settings.tls_certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    part = "tls_certificate"
    try:
        # Without a passphrase to be asked for: there is nobody to ask.
        context.load_cert_chain(settings.tls_certificate, settings.tls_key or None, password="")
        if settings.client_ca:
            part = "client_ca"
            context.load_verify_locations(settings.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise UsageError(
            f"{where}: {part}: got {getattr(settings, part)!r}, which cannot be used ({reason}); expected PEM files "
            "of a certificate and its key"
        ) from error
    return context

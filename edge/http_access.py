"""Who may ask a server of this device, and how long and how much: token, client certificates, limits.

A server that only this device can reach needs no credentials. One that others reach demands a token
(``Authorization: Bearer``, RFC 6750), a client certificate (TLS), or both, and is not started without.
"""

import hmac
import io
import logging
import os
import re
import socket
import socketserver
import ssl
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from edge.errors import UsageError
from edge.loopback import is_loopback

__all__ = ["Access", "LimitedServer", "open_access"]

_log = logging.getLogger(__name__)

_REQUEST_S = 10.0
"""Time for a whole connection, handshake and answer included, s."""
_REQUEST_BYTES = 8192
"""Of request line and headers together."""
_CONNECTIONS = 8
"""At a time; whoever comes then is hung up on."""
_LEAST_TOKEN, _MOST_TOKEN = 16, 4096
"""Characters of a token."""

_StartResponse = Callable[[str, list[tuple[str, str]]], object]
_App = Callable[[dict[str, Any], _StartResponse], Iterable[bytes]]


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """What is demanded of whoever connects."""

    token: bytes = b""
    """Empty if none is demanded."""
    tls: ssl.SSLContext | None = None
    """How connections are encrypted; None if they are not."""
    client_certificates: bool = False
    """Whether TLS demands a certificate of the client."""

    def refusal(self, environ: dict[str, Any]) -> tuple[str, str] | None:
        """Return status and reason if a request is refused, None if it may be answered.

        Parameters
        ----------
        environ : dict
            Of the request, as WSGI has it.
        """
        if self.token:
            scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
            # The comparison takes as long for any token of one length.
            same = hmac.compare_digest(given.strip().encode("latin-1", "replace"), self.token)
            return None if same and scheme.lower() == "bearer" else ("401 Unauthorized", "token")
        if not self.client_certificates and not is_loopback(_host_of(environ.get("HTTP_HOST", ""))):
            # A web page may have its own name mean this device, and would read the answer in the owner's browser.
            return "421 Misdirected Request", "host"
        return None


def _host_of(header: str) -> str:
    """Return the host of a header ``Host``, without port and brackets."""
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]*))(?::[0-9]*)?", header)
    return "" if found is None else found[1] or found[2] or ""


def open_access(
    host: str, *, token_file: str, tls_certificate: str, tls_key: str, client_ca: str, where: str
) -> Access:
    """Read what is demanded, and see that it is enough for the address.

    Parameters
    ----------
    host : str
        Address that the server listens at.
    token_file, tls_certificate, tls_key, client_ca : str
        Files; empty for none.
    where : str
        Dotted path of the table, for messages.

    Raises
    ------
    UsageError
        If a file cannot be used, or others could reach the server and nothing is demanded of them.
    """
    for name, given, needed in (
        ("tls_key", tls_key, tls_certificate),
        ("tls_certificate", tls_certificate, tls_key),
        ("client_ca", client_ca, tls_certificate),
    ):
        if given and not needed:
            other = "tls_key" if name == "tls_certificate" else "tls_certificate"
            raise UsageError(f"{where}.{other}: got none, expected a file beside {where}.{name}; give both or neither")
    if not is_loopback(host) and not (token_file or client_ca):
        raise UsageError(
            f"{where}.host: got {host!r}, which others can reach, and neither {where}.token_file nor "
            f"{where}.client_ca, expected one of them; or listen at 127.0.0.1"
        )
    return Access(
        token=_token(Path(token_file), f"{where}.token_file") if token_file else b"",
        tls=_context(tls_certificate, tls_key, client_ca, where) if tls_certificate else None,
        client_certificates=bool(client_ca),
    )


def _secret(path: Path, where: str) -> bytes:
    """Return the content of a small file that not everybody may read."""
    try:
        # Without waiting: a pipe in place of a file must not hang the program.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise UsageError(f"{where}: {path}: got a folder or device, expected a file; correct the path")
            if found.st_mode & stat.S_IRWXO:
                raise UsageError(
                    f"{where}: {path}: got a secret that every user of this device may open (mode "
                    f"{stat.S_IMODE(found.st_mode):04o}), expected 0640 or less; chmod o= {path}"
                )
            return file.read(1 << 20)
    except OSError as error:
        raise UsageError(f"{where}: {path}: cannot be read ({error.strerror}); correct path or permissions") from error


def _token(path: Path, where: str) -> bytes:
    token = _secret(path, where).strip()
    if not _LEAST_TOKEN <= len(token) <= _MOST_TOKEN or not all(0x21 <= byte <= 0x7E for byte in token):
        raise UsageError(
            f"{where}: {path}: got no token, expected one line of {_LEAST_TOKEN} to {_MOST_TOKEN} letters, digits and "
            f"signs; make one with: openssl rand -hex 32 > {path}"
        )
    return token


def _context(certificate: str, key: str, client_ca: str, where: str) -> ssl.SSLContext:
    _secret(Path(key), f"{where}.tls_key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without the empty password a key that has one would be asked for at a terminal that a service does not have.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{where}.tls_certificate: {certificate} with {key}: cannot be used ({error}), expected a certificate and "
            "its key without a password, in PEM; correct the two files"
        ) from error
    if client_ca:
        try:
            context.load_verify_locations(cafile=client_ca)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{where}.client_ca: {client_ca}: cannot be used ({error}), expected certificates of authorities in PEM"
            ) from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class _TooMuchError(OSError):
    """More was sent than a request may have."""


class _Deadline(io.RawIOBase):
    """What a client sends, up to a moment and a size: one that sends a byte at a time gains no time by it."""

    def __init__(self, connection: socket.socket, until_s: float, most: int) -> None:
        self._connection = connection
        self._until_s = until_s
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._left <= 0:
            raise _TooMuchError("the request is too large")
        self._connection.settimeout(_remaining(self._until_s))
        got = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= got
        return got


def _remaining(until_s: float) -> float:
    left = until_s - time.monotonic()
    if left <= 0:
        raise TimeoutError("the client takes too long")
    return left


class _Handler(WSGIRequestHandler):
    """One request a connection."""

    server: "LimitedServer"

    def setup(self) -> None:
        super().setup()
        self._until_s = time.monotonic() + self.server.request_s
        self.rfile.close()
        self.rfile = io.BufferedReader(_Deadline(self.connection, self._until_s, _REQUEST_BYTES), 1024)

    def get_environ(self) -> dict[str, Any]:
        # The request is complete: what is left of the time is for the answer.
        self.connection.settimeout(_remaining(self._until_s))
        return super().get_environ()

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug("%s: %s", self.address_string(), (format % args).encode("ascii", "backslashreplace").decode())


class LimitedServer(socketserver.ThreadingMixIn, WSGIServer):
    """A server that nobody can keep busy: limits of connections, of time and of size.

    Parameters
    ----------
    host : str
        Address; port 0 takes a free one.
    port : int
    access : Access
    app : callable
        WSGI; asked only after `access` allowed it.
    request_s : float
        Time for a whole connection, s.
    connections : int
        How many are served at a time.

    Raises
    ------
    OSError
        If the address cannot be listened at.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 16

    def __init__(
        self,
        host: str,
        port: int,
        access: Access,
        app: _App,
        *,
        request_s: float = _REQUEST_S,
        connections: int = _CONNECTIONS,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.request_s = request_s
        self.refused: Counter[str] = Counter()
        """How often somebody was refused, by reason: ``token``, ``host``, ``tls``, ``time``, ``size``,
        ``connections``."""
        self._counting = threading.Lock()
        self._access = access
        self._app = app
        self._room = threading.BoundedSemaphore(connections)
        super().__init__((host, port), _Handler)
        self.set_app(self._guarded)

    def server_bind(self) -> None:
        """Bind; names are not looked up, which may take a minute where nobody answers."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def refuse(self, reason: str) -> None:
        """Count somebody who was refused."""
        with self._counting:
            self.refused[reason] += 1

    def _guarded(self, environ: dict[str, Any], start_response: _StartResponse) -> Iterable[bytes]:
        refusal = self._access.refusal(environ)
        if refusal is None:
            try:
                return self._app(environ, start_response)
            except Exception:
                # Into the log, as everything else; the rest of the program lives on.
                _log.exception("a request could not be answered")
                start_response("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
                return [b"the log tells why\n"]
        status, reason = refusal
        self.refuse(reason)
        headers = [("Content-Type", "text/plain; charset=utf-8")]
        if reason == "token":
            headers.append(("WWW-Authenticate", "Bearer"))
        start_response(status, headers)
        return [f"{status}\n".encode()]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own, if there is room for one."""
        if not self._room.acquire(blocking=False):
            self.refuse("connections")
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve it, and make room again."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer; where connections are encrypted, shake hands first."""
        if self._access.tls is None:
            super().finish_request(request, client_address)
            return
        # Not on accept: one client that does not shake hands would keep all others waiting.
        with self._access.tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as encrypted:
            encrypted.settimeout(self.request_s)
            encrypted.do_handshake()
            super().finish_request(encrypted, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Count a client that failed; it is nothing that an owner has to know of."""
        error = sys.exception()
        if isinstance(error, ssl.SSLError):
            self.refuse("tls")
        elif isinstance(error, TimeoutError):
            self.refuse("time")
        elif isinstance(error, _TooMuchError):
            self.refuse("size")
        elif not isinstance(error, OSError):
            _log.error("a request failed", exc_info=True)
        _log.debug("%s: %s", client_address, error)

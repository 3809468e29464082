"""The sink that serves metrics to Prometheus over HTTP: there while ``[metrics]`` is enabled. It is told nothing."""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from edge.answers import Message
from edge.errors import MissingExtraError, UsageError
from edge.house import House
from edge.http_access import LimitedServer, open_access
from edge.loopback import is_loopback
from edge.metrics import HouseCollector, stalled
from edge.strict_toml import Within

__all__ = ["SUMMARY", "MetricsSettings", "MetricsSink"]

SUMMARY = "serves metrics to Prometheus, and whether all is well, over HTTP"

_log = logging.getLogger(__name__)

_TABLE = "metrics"


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Table ``[metrics]``: metrics over HTTP."""

    enabled: bool = False
    """Whether they are served."""
    host: str = "127.0.0.1"
    """Address to listen at; beyond this device a token or client certificates are demanded."""
    port: Annotated[int, Within(0, 65_535)] = 9464
    """Port; 0 takes a free one."""
    token_file: str = ""
    """File of a token that clients must send (``Authorization: Bearer``); not everybody may read it."""
    tls_certificate: str = ""
    """File of the server's certificate, PEM: connections are encrypted."""
    tls_key: str = ""
    """File of its key, PEM."""
    client_ca: str = ""
    """File of the authorities, PEM, by which certificates of clients must be signed; empty if none are demanded."""

    def __post_init__(self) -> None:
        """Refuse an address that is none."""
        if not self.host.strip():
            raise ValueError("host: got nothing, expected an address such as 127.0.0.1; 0.0.0.0 is that of everybody")


class MetricsSink:
    """Serve ``/metrics`` and ``/healthz`` in threads of their own.

    Parameters
    ----------
    settings : MetricsSettings
    house : House

    Raises
    ------
    UsageError
        If others could reach the server and nothing is demanded of them, or a file cannot be used.
    MissingExtraError
        If prometheus_client is not installed.
    """

    name = _TABLE
    wants: tuple[type[Message], ...] = ()

    def __init__(self, settings: MetricsSettings, house: House) -> None:
        self._settings = settings
        self._house = house
        self._server: LimitedServer | None = None
        self._thread: threading.Thread | None = None
        try:
            import prometheus_client  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("metrics over HTTP", "metrics") from error
        access = self._access()
        if access.token and access.tls is None and not is_loopback(settings.host):
            _log.warning("metrics.token_file: the token travels unencrypted; metrics.tls_certificate would change that")

    def _access(self) -> Any:
        one = self._settings
        return open_access(
            one.host,
            token_file=one.token_file,
            tls_certificate=one.tls_certificate,
            tls_key=one.tls_key,
            client_ca=one.client_ca,
            where=_TABLE,
        )

    @property
    def port(self) -> int:
        """Port that it listens at; 0 while it is not open."""
        return 0 if self._server is None else self._server.server_port

    def open(self) -> None:
        """Listen, with the token and certificates that are there now.

        Raises
        ------
        UsageError
            If the address cannot be listened at, or a file cannot be used.
        """
        self.close()
        one = self._settings
        try:
            self._server = LimitedServer(one.host, one.port, self._access(), self._app())
        except OSError as error:
            raise UsageError(
                f"{_TABLE}: {one.host} port {one.port}: cannot be listened at ({error.strerror or error}); choose "
                "another port, or end what has it"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="metrics", daemon=True)
        self._thread.start()
        _log.info("metrics: listening at %s port %d", one.host, self.port)

    def push(self, message: Message) -> None:
        """Do nothing: who wants metrics asks."""

    def close(self) -> None:
        """Listen no more."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _refused(self) -> dict[str, int]:
        return {} if self._server is None else dict(self._server.refused)

    def _app(self) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
        from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app

        registry = CollectorRegistry(auto_describe=False)
        registry.register(HouseCollector(self._house, self._refused))
        ProcessCollector(namespace="vivavoce", registry=registry)
        metrics = make_wsgi_app(registry)

        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            method = environ["REQUEST_METHOD"]
            if method not in ("GET", "HEAD"):
                return _told(start_response, "405 Method Not Allowed", "ask with GET", [("Allow", "GET, HEAD")])
            found = answered(environ, start_response)
            return [] if method == "HEAD" else found

        def answered(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            match environ.get("PATH_INFO", ""):
                case "/metrics":
                    # All of them whatever is asked for: the registry does not know beforehand which there will be.
                    plain = {**environ, "REQUEST_METHOD": "GET", "QUERY_STRING": ""}
                    found: Iterable[bytes] = metrics(plain, start_response)
                    return found
                case "/healthz":
                    why = stalled(self._house)
                    return _told(start_response, "503 Service Unavailable" if why else "200 OK", why or "ok")
            return _told(start_response, "404 Not Found", "there are /metrics and /healthz")

        return app


def _told(start_response: Any, status: str, text: str, headers: Iterable[tuple[str, str]] = ()) -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), *headers])
    return [f"{text}\n".encode()]

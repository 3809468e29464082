"""Who may see the page: whoever has its address, in a browser of this device.

Other pages in the same browser, and other programs of this device, can reach a port on loopback. A token that nobody
can guess is part of every path; the name in ``Host`` must be one of this device, so that a foreign name that is made to
point here (DNS rebinding) is refused; and a WebSocket is opened for pages of this server alone (``Origin``).
"""

import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from edge.loopback import is_loopback

__all__ = ["HEADERS", "SOCKET", "Asked", "Door", "Refused", "read_assets"]

SOCKET = "ws"
"""Name below the token at which the WebSocket is."""
_FOLDER = Path(__file__).parent.parent / "data" / "web"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_TOKEN_BYTES = 18

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src 'self'; "
        "img-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer: nothing is fetched from elsewhere, framed by others, or kept by the browser."""


class Asked(NamedTuple):
    """A request that may be answered."""

    name: str
    """What is asked for below the token: ``""`` for the page."""


class Refused(NamedTuple):
    """A request that may not."""

    status: int
    """Of HTTP."""
    why: str
    """In words, with what to do."""


@dataclass(frozen=True, slots=True)
class Door:
    """Check requests.

    Parameters
    ----------
    token : str, optional
        A new one by default.
    """

    token: str = field(default_factory=lambda: secrets.token_urlsafe(_TOKEN_BYTES), repr=False)

    def check(self, path: str, host: str | None, origin: str | None) -> Asked | Refused:
        """Check one.

        Parameters
        ----------
        path : str
            As it was asked for.
        host, origin : str or None
            The headers of these names.
        """
        if host is None or not _of_this_device(host):
            return Refused(421, "got a name that is not of this device; open the address that the command printed")
        # No page of another origin has anything to ask for here, and one of ours says so when it opens the WebSocket.
        if origin is not None and origin != f"http://{host}":
            return Refused(403, "got a page of another origin; open the address that the command printed")
        token, slash, name = path.partition("?")[0].removeprefix("/").partition("/")
        if not slash or not hmac.compare_digest(token.encode(), self.token.encode()):
            return Refused(403, "the address is not complete; open the one that the command printed")
        if name == SOCKET and origin is None:
            return Refused(403, "got no origin, expected a page of this server")
        return Asked(name)


def _of_this_device(host: str) -> bool:
    try:
        parts = urlsplit(f"//{host}")
        return not parts.path and is_loopback(parts.hostname or "")
    except ValueError:
        return False


def read_assets() -> dict[str, tuple[str, bytes]]:
    """Read the page and all that it is made of: by name, its type and content. The page itself has the name ``""``."""
    found = {
        path.name: (_TYPES[path.suffix], path.read_bytes())
        for path in sorted(_FOLDER.iterdir())
        if path.suffix in _TYPES
    }
    found[""] = found.pop("index.html")
    return found

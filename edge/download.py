"""Downloading an archive by https, with limits on size and time; what was broken off is gone on with.

What came stays in ``download`` until all of it is there, and ``download.json`` says of which address and which version
of the file it is. The server is asked for the rest on the condition that its file is still that one (``If-Range``);
where it says nothing by which that could be told, the download begins anew. This spares time and is no protection:
whose bundle it is, and whether it is whole, is for :mod:`edge.slots` to find.
"""

import contextlib
import http.client
import json
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, NoReturn

from edge.errors import BundleError, DataError, UsageError
from edge.files import write_whole
from edge.json_reading import parse_json
from edge.regular_file import read_regular
from edge.strict_toml import Within
from edge.unpacking import MAX_ARCHIVE_BYTES

__all__ = ["FetchSettings", "check_address", "download", "forget", "is_address"]

_PART, _NOTE = "download", "download.json"
_BLOCK = 1 << 16
_MAX_NOTE_BYTES = 16_384
_MAX_WAIT_S = 30.0
_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(?:\d{1,15}|\*)")
_TRANSIENT = frozenset({408, 416, 425, 429, 500, 502, 503, 504})
"""Answers of a server that may be better the next time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """Limits of a download."""

    seconds: Annotated[float, Within(1.0, 86_400.0)] = 600.0
    """Time that it may take altogether, s."""
    silence_s: Annotated[float, Within(0.1, 600.0)] = 20.0
    """Time that the server may say nothing, s."""
    attempts: Annotated[int, Within(1, 100)] = 5
    """How often it is begun, or gone on with."""


class _TransientError(Exception):
    """Something that may go well the next time."""


def is_address(source: str) -> bool:
    """Tell whether a source is an address on the network, and no path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source) is not None


def forget(folder: Path) -> None:
    """Remove what was downloaded, or a part of it, from the folder of :func:`download`."""
    for name in (_NOTE, _PART):
        with contextlib.suppress(OSError):
            (folder / name).unlink()


def download(
    address: str,
    folder: Path,
    settings: FetchSettings,
    *,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], object] = time.sleep,
) -> Path:
    """Download a file, or the rest of it.

    Parameters
    ----------
    address : str
        Its https address.
    folder : Path
        Where it is kept; only one process at a time may work in it.
    settings : FetchSettings
        Limits.
    clock : callable
        Returns the time, s.
    wait : callable
        Lets some seconds pass before the next attempt.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UsageError
        If the address is none of https.
    DataError
        If it cannot be got within the limits, or there is no room for it.
    """
    check_address(address)
    deadline = clock() + settings.seconds
    why = ""
    for attempt in range(settings.attempts):
        if attempt:
            wait(max(0.0, min(2.0 ** (attempt - 1), _MAX_WAIT_S, deadline - clock())))
        left = deadline - clock()
        if attempt and left <= 0:
            raise _too_slow(address, settings)
        try:
            return _go_on(address, folder, settings, deadline, clock)
        except _TransientError as error:
            why = str(error)
    raise DataError(
        f"{address}: cannot be got ({why}), expected an archive, after {settings.attempts} attempts; check the address "
        "and the network, and run it again, which goes on where it stopped"
    )


def check_address(address: str) -> None:
    """Refuse an address that is not downloaded from.

    Raises
    ------
    UsageError
        If it is none of https, or holds a name or a password.
    """
    try:
        parts = urllib.parse.urlsplit(address)
        good = parts.scheme.lower() == "https" and parts.hostname and parts.username is None and parts.port != 0
    except ValueError:
        good = False
    if not good or not address.isascii() or not address.isprintable() or " " in address:
        raise UsageError(
            f"{address}: got an address of another kind, expected https://HOST/PATH without a user's name; use such a "
            "one, or fetch the archive by other means and give its path"
        )


def _too_slow(address: str, settings: FetchSettings) -> DataError:
    return DataError(
        f"{address}: got only a part in {settings.seconds:g} s, expected all of it; run it again, which goes on where "
        "it stopped, or allow more time"
    )


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows a redirection only to where nobody can read or change what comes, either."""

    max_redirections = 5

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urllib.parse.urlsplit(newurl).scheme != "https":
            fp.close()
            raise DataError(
                f"{req.full_url}: got a redirection to {newurl[:200]}, expected https; ask whom the bundle is from"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _go_on(address: str, folder: Path, settings: FetchSettings, deadline: float, clock: Callable[[], float]) -> Path:
    """Get what is missing, in one request."""
    part = folder / _PART
    validator = _validator(folder, address)
    have = part.stat().st_size if validator and part.is_file() and not part.is_symlink() else 0
    request = urllib.request.Request(address, headers={"User-Agent": "vivavoce", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", validator)
    timeout = max(0.1, min(settings.silence_s, deadline - clock()))
    with _network(address, folder), _opener().open(request, timeout=timeout) as answer:
        begins = _begin(address, answer, have)
        length = _length(answer)
        if length is not None and begins + length > MAX_ARCHIVE_BYTES:
            raise _too_large(address, f"{begins + length} bytes")
        with _room(folder):
            if begins == 0:
                # First the note goes: it is of another version of the file, or of another file.
                forget(folder)
                _note(folder, address, answer)
            file = open(part, "ab")  # noqa: SIM115  # closed below; its faults are not those of the network
        try:
            size = begins
            while piece := answer.read1(_BLOCK):
                size += len(piece)
                if size > MAX_ARCHIVE_BYTES:
                    raise _too_large(address, "more")
                with _room(folder):
                    file.write(piece)
                if clock() > deadline:
                    raise _too_slow(address, settings)
        finally:
            with _room(folder):
                file.close()
        if length is not None and size < begins + length:
            raise _TransientError(f"the connection ended after {size} of {begins + length} bytes")
    return part


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=ssl.create_default_context()), _HttpsOnly())


def _begin(address: str, answer: Any, have: int) -> int:
    """Return where the answer begins in the file."""
    if answer.status == 200:
        return 0
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if answer.status != 206 or not have or found is None or int(found[1]) != have:
        raise DataError(
            f"{address}: got an answer ({answer.status}) that was not asked for, expected the file or its rest; fetch "
            "the archive by other means and give its path"
        )
    return have


def _length(answer: Any) -> int | None:
    written = answer.headers.get("Content-Length", "")
    return int(written) if re.fullmatch(r"\d{1,15}", written) else None


def _too_large(address: str, got: str) -> DataError:
    return DataError(f"{address}: got {got}, expected at most {MAX_ARCHIVE_BYTES} bytes; check the address")


def _note(folder: Path, address: str, answer: Any) -> None:
    tag = answer.headers.get("ETag", "")
    validator = tag if re.fullmatch(r'"[!#-~]{1,1000}"', tag) else answer.headers.get("Last-Modified", "")
    content = json.dumps({"address": address, "validator": validator[:1000]}).encode()
    write_whole(folder / _NOTE, lambda file: file.write(content), one_writer=True)


def _validator(folder: Path, address: str) -> str:
    """Return by what the server can tell whether its file is still the one of which a part is here; may be empty."""
    with contextlib.suppress(BundleError, ValueError):
        note = parse_json(read_regular(folder / _NOTE, _MAX_NOTE_BYTES, what="a note", remedy="remove it"))
        if isinstance(note, dict) and note.get("address") == address:
            found = note.get("validator")
            if isinstance(found, str) and found.isascii() and found.isprintable():
                return found
    return ""


@contextlib.contextmanager
def _network(address: str, folder: Path) -> Iterator[None]:
    """Tell faults that may pass from those that will not."""
    try:
        yield
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:
                forget(folder)  # there is no rest of this: it is not that file
            if error.code in _TRANSIENT:
                raise _TransientError(f"the server says {error.code} {error.reason}") from error
            _refuse(address, f"the server says {error.code} {error.reason}", error)
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            _refuse(address, f"its certificate is not trusted: {error.reason.verify_message}", error)
        raise _TransientError(getattr(error.reason, "strerror", None) or str(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _TransientError(getattr(error, "strerror", None) or str(error) or type(error).__name__) from error


def _refuse(address: str, why: str, error: Exception) -> NoReturn:
    raise DataError(f"{address}: cannot be got ({why}), expected an archive; check the address") from error


@contextlib.contextmanager
def _room(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror}), expected room for an archive; make room or check its "
            "permissions; nothing was installed"
        ) from error

"""The demo's last picture as SVG, for a page: of files, without a terminal."""

import io
import re
from pathlib import Path

from rich.console import Console

from edge.capture import Capture
from edge.errors import UsageError
from edge.files import prove_writable, write_whole
from edge.health import Health
from edge.live import LiveSource
from edge.live_demo.drawing import draw
from edge.live_demo.keys import Keys
from edge.live_demo.listener import Listener
from edge.live_demo.notes import noted
from edge.live_demo.screen import follow
from edge.live_demo.state import State

__all__ = ["COLUMNS", "ROWS", "check_svg", "svg_of", "write_svg"]

COLUMNS, ROWS = 100, 32
"""Size of the picture."""
_NO_TERMINAL = -1
_FONT = re.compile(r"@font-face\s*\{[^}]*\}\s*")


def svg_of(state: State) -> str:
    """Return the picture of a state as SVG; the same state gives the same text."""
    console = Console(record=True, width=COLUMNS, height=ROWS, file=io.StringIO(), force_terminal=True)
    console.print(draw(state, width=COLUMNS, height=ROWS), highlight=False)
    text = console.export_svg(title="vivavoce live", unique_id="vivavoce")
    # Fonts would be fetched from somebody's server by whoever looks at the picture.
    return _FONT.sub("", text)


def check_svg(path: Path) -> None:
    """Refuse a place that a picture could not be written to, before anything is listened to for it.

    Raises
    ------
    UsageError
        If it could not.
    """
    try:
        prove_writable(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def write_svg(source: LiveSource, listener: Listener, path: Path) -> list[str]:
    """Listen to a source to its end, and write the last picture.

    Returns
    -------
    list of str
        What went wrong with the source, one line each.

    Raises
    ------
    UsageError
        If the file cannot be written; what was there before still is.
    """
    health = Health()
    with noted(listener.state) as notes:
        capture = Capture(source, health=health, checked=source.live)
        try:
            follow(capture, health, listener, Keys(_NO_TERMINAL), lambda: None)
        finally:
            capture.close()
    text = svg_of(listener.state)
    try:
        write_whole(path, lambda file: file.write(text.encode()))
    except OSError as error:
        raise _unwritable(path, error) from error
    return notes.faults


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"--svg: {path}: cannot be written ({error.strerror}); choose another file")

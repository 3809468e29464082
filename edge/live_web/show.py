"""The demo in a browser, from start to end."""

import logging
from collections.abc import Callable
from contextlib import suppress

from edge.bundle import Bundle
from edge.live import LiveSource
from edge.live_demo.listener import Listener
from edge.live_web.engine import Engine
from edge.live_web.server import PageServer

__all__ = ["show"]


class _Notes(logging.Handler):
    """Show log entries on the page; errors are told at the end, too."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell
        self.faults: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self._tell(text)
        if record.levelno >= logging.ERROR and text not in self.faults:
            self.faults.append(text)


def show(
    listener: Listener,
    bundle: Bundle,
    source: LiveSource | None,
    *,
    port: int,
    note: str,
    ready: Callable[[str], object],
) -> list[str]:
    """Serve the page until somebody interrupts.

    Parameters
    ----------
    listener : Listener
    bundle : Bundle
        That it listens with.
    source : LiveSource or None
        Of the server.
    port : int
        To listen at; 0 for a free one.
    note : str
        What the page says at first; empty for nothing.
    ready : callable
        Called with the address when the page can be opened.

    Returns
    -------
    list of str
        What went wrong with the source, one line each.

    Raises
    ------
    UsageError
        If the port cannot be listened at.
    """
    engine = Engine(listener, bundle, source, note=note)
    server = PageServer(engine, port)

    def noted(text: str) -> None:
        listener.state.note = text

    notes = _Notes(noted)
    root = logging.getLogger("edge")
    before = root.propagate, list(root.handlers)
    root.propagate, root.handlers = False, [notes]
    try:
        server.start()
        with suppress(KeyboardInterrupt):
            ready(server.address)
            engine.run(lambda: True)
    finally:
        server.close()
        root.propagate, root.handlers = before
    return notes.faults

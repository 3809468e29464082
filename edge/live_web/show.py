"""The demo in a browser, from start to end."""

from collections.abc import Callable
from contextlib import suppress

from edge.bundle import Bundle
from edge.live import LiveSource
from edge.live_demo.listener import Listener
from edge.live_demo.notes import noted
from edge.live_web.engine import Engine
from edge.live_web.server import PageServer

__all__ = ["show"]


_AGAIN_S = 5.0
"""A page that is loaded again, or lost its connection, is back by then."""


def show(
    listener: Listener,
    bundle: Bundle,
    source: LiveSource | None,
    *,
    port: int,
    note: str,
    ready: Callable[[str], object],
    failed: Callable[[str], object],
) -> list[str]:
    """Serve the page until somebody interrupts, or a source that failed is at its end and nobody looks any more.

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
    failed : callable
        Called at once with what went wrong with the source, one line each.

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
    with noted(listener.state) as notes:
        told: list[str] = []

        def going() -> bool:
            for fault in notes.faults[len(told) :]:
                told.append(fault)
                failed(fault)
            # Whoever still looks at what was heard before the fault can go on looking.
            return not (told and engine.over(_AGAIN_S))

        try:
            server.start()
            with suppress(KeyboardInterrupt):
                ready(server.address)
                engine.run(going)
        finally:
            server.close()
    for fault in notes.faults[len(told) :]:
        failed(fault)
    return notes.faults

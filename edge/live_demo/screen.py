"""The loop of the demo: sound from a source into what listens, and ten pictures a second onto the terminal."""

import time
from collections.abc import Callable
from contextlib import suppress

from rich.console import Console
from rich.live import Live
from rich.text import Text

from edge.capture import Block, Capture, Ended, Gap, Idle, Lost, Opened
from edge.health import Health
from edge.live import LiveSource
from edge.live_demo.drawing import draw
from edge.live_demo.keys import Keys, pressed_keys
from edge.live_demo.listener import Listener
from edge.live_demo.notes import noted

__all__ = ["follow", "show"]

_PICTURES_PER_S = 10
_WAIT_S = 1 / _PICTURES_PER_S
_QUIT = frozenset("qQ\x03")


def show(source: LiveSource, listener: Listener, console: Console) -> list[str]:
    """Show what is heard until the source ends, or a key says so; the last picture stays.

    Parameters
    ----------
    source : LiveSource
    listener : Listener
    console : rich.console.Console
        On a terminal.

    Returns
    -------
    list of str
        What went wrong with the source, one line each.
    """
    state = listener.state

    def picture(spare_rows: int = 0) -> Text:
        width, height = console.size
        return draw(state, width=width, height=height - spare_rows, encoding=console.encoding)

    health = Health()
    with noted(state) as notes:
        capture = Capture(source, health=health, checked=source.live)
        try:
            with (
                pressed_keys() as keys,
                Live(picture(), console=console, screen=True, auto_refresh=False, redirect_stderr=False) as live,
                suppress(KeyboardInterrupt),  # one more key that ends it
            ):
                follow(capture, health, listener, keys, lambda: live.update(picture(), refresh=True))
        finally:
            capture.close()
    # A row for the prompt that follows.
    console.print(picture(1), highlight=False)
    return notes.faults


def follow(
    capture: Capture,
    health: Health,
    listener: Listener,
    keys: Keys,
    redraw: Callable[[], object],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Take items until the source ends, or ``q`` is pressed.

    Parameters
    ----------
    capture : Capture
    health : Health
        Of the capture.
    listener : Listener
    keys : Keys
    redraw : callable
        Called ten times a second at most.
    clock : callable, optional
        Returns seconds.
    """
    state = listener.state
    name = state.source
    due = clock()
    while not _QUIT & set(keys.take()):
        item = capture.take(_WAIT_S)
        if isinstance(item, Opened):
            listener.begin(item.native_rate_hz)
            name, state.note = item.name, ""
        elif isinstance(item, Block):
            state.source = name
            for _ in listener.push(item.samples):
                pass
        elif isinstance(item, Gap):
            # What follows does not join what came before.
            listener.begin(listener.native_rate_hz)
            state.note = f"{item.reason}: {item.lost_samples} samples are lost"
        elif isinstance(item, Lost):
            state.source = f"lost, tried again in {item.next_in_s:.0f} s"
            state.note = item.reason
        elif isinstance(item, Idle):
            state.source = f"{name}: waits for sound"
        elif isinstance(item, Ended):
            for _ in listener.finish():
                pass
            state.source = f"{name}: ended"
            redraw()
            return
        state.queue_s = health.queue_s
        if clock() >= due:
            redraw()
            due = clock() + _WAIT_S

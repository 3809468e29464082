"""Log entries as notes of what is shown: the terminal has a picture, and a page its own place for them."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge.live_demo.state import State

__all__ = ["Notes", "noted"]


class Notes(logging.Handler):
    """Keep log entries from the terminal; what is shown has the last one.

    Parameters
    ----------
    tell : callable
        Takes the text of an entry.
    """

    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell
        self.faults: list[str] = []
        """Errors, in their order, each once."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take an entry."""
        text = record.getMessage()
        self._tell(text)
        if record.levelno >= logging.ERROR and text not in self.faults:
            self.faults.append(text)


@contextmanager
def noted(state: State) -> Iterator[Notes]:
    """Let log entries be notes of the state, and nothing else, within."""

    def note(text: str) -> None:
        state.note = text

    notes = Notes(note)
    root = logging.getLogger("edge")
    before = root.propagate, list(root.handlers)
    root.propagate, root.handlers = False, [notes]
    try:
        yield notes
    finally:
        root.propagate, root.handlers = before

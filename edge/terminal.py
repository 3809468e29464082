"""A dialogue in plain text: no colours, no cursor keys, so that it works over any connection and in a script."""

import sys
from typing import TextIO

from edge.output import emit

__all__ = ["Terminal"]

_WIDTH = 72


class Terminal:
    """Says, shows and asks.

    Parameters
    ----------
    reader, writer : text file, optional
        Standard input and output by default.
    patient : bool
        Whether to wait for a person at all; False where a script answered beforehand.
    """

    def __init__(self, reader: TextIO | None = None, writer: TextIO | None = None, *, patient: bool = True) -> None:
        self._reader = sys.stdin if reader is None else reader
        self._writer = sys.stdout if writer is None else writer
        self.interactive = patient and self._reader is not None and self._reader.isatty()
        """Whether there is a person who can answer."""
        self._redraws = self._writer is not None and self._writer.isatty()
        self._shown = False

    def say(self, text: str = "") -> None:
        """Print lines, at once."""
        self._clear()
        emit(self._writer, text + "\n")

    def show(self, text: str) -> None:
        """Show a line that the next one replaces; nothing where lines cannot be replaced."""
        if self._redraws:
            emit(self._writer, "\r" + text[:_WIDTH].ljust(_WIDTH))
            self._shown = True

    def ask(self, question: str) -> str:
        """Return the answer, without blanks around it; only where there is a person.

        Raises
        ------
        KeyboardInterrupt
            If the input ended (Ctrl-D, a closed connection): nobody is there any more.
        """
        self._clear()
        emit(self._writer, question + " ")
        answer = self._reader.readline()
        if not answer:
            emit(self._writer, "\n")
            raise KeyboardInterrupt
        return answer.strip()

    def _clear(self) -> None:
        if self._shown:
            emit(self._writer, "\r" + " " * _WIDTH + "\r")
            self._shown = False

"""The characters that the demo draws with, as many as the terminal has."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import NamedTuple, TypeVar

from rich.text import Text

__all__ = ["Glyphs", "painted"]

_Kind = TypeVar("_Kind")


class Glyphs(NamedTuple):
    """The characters of meters."""

    shades: str
    """From nothing to the strongest."""
    full: str
    """A filled cell of a bar."""
    empty: str
    """An empty one."""
    mark: str
    """The highest value lately, and a cut-off."""
    scale: str
    """The scale of the needle."""
    needle: str
    """The needle, below it."""
    people: str
    """Where curves of people lie, in the picture of the decay."""
    replays: str
    """Where curves of loudspeakers lie."""
    both: str
    """Where both do."""
    curve: str
    """The curve of what was heard."""

    @classmethod
    def of(cls, encoding: str) -> "Glyphs":
        """Return what a terminal of this encoding can show."""
        if encoding.lower().replace("-", "") in ("utf8", "utf16", "utf32"):
            return cls(" ░▒▓█", "█", "·", "│", "─", "▲", "╲", "╱", "╳", "●")  # noqa: RUF001
        return cls(" .:+#", "#", ".", "|", "-", "^", "\\", "/", "x", "o")


def painted(cells: Iterable[_Kind], marks: Mapping[_Kind, tuple[str, str]]) -> Text:
    """Return a line of cells; neighbours of one kind are one piece, so that a terminal is told of a colour once.

    Parameters
    ----------
    cells : iterable
        The kind of each cell.
    marks : mapping
        Character and style of each kind.
    """
    line = Text()
    for kind, run in groupby(cells):
        mark, style = marks[kind]
        line.append(mark * sum(1 for _ in run), style=style)
    return line

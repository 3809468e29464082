"""The characters that the demo draws with, as many as the terminal has."""

from typing import NamedTuple

__all__ = ["Glyphs"]


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

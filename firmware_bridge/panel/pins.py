"""A mute switch and a button at GPIO lines, through libgpiod 2 (extra ``panel``)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from edge.errors import DataError, MissingExtraError

__all__ = ["FakePins", "GpioPins", "Pins"]

_DEBOUNCE = timedelta(milliseconds=20)


class Pins(Protocol):
    """Inputs, by their names."""

    def read(self) -> Mapping[str, bool]:
        """Return for each input whether it is pressed, or on."""

    def close(self) -> None:
        """Let go of them."""


class GpioPins:
    """Lines of a chip, pulled up where they close to ground.

    Parameters
    ----------
    chip : str
        E.g. ``/dev/gpiochip0``.
    lines : mapping
        Offset of each input, by name.
    active_low : bool
        Whether an input that is on is at ground.

    Raises
    ------
    MissingExtraError
        If gpiod is not installed.
    DataError
        If the chip or a line cannot be used.
    """

    def __init__(self, chip: str, lines: Mapping[str, int], *, active_low: bool) -> None:
        try:
            import gpiod
            from gpiod.line import Bias, Direction, Value
        except ImportError as error:
            raise MissingExtraError("a mute switch or button (gpiod)", "panel") from error
        self._chip, self._lines = chip, dict(lines)
        self._active = Value.ACTIVE
        wanted = gpiod.LineSettings(
            direction=Direction.INPUT,
            bias=Bias.PULL_UP if active_low else Bias.PULL_DOWN,
            active_low=active_low,
            debounce_period=_DEBOUNCE,
        )
        try:
            self._request: Any = gpiod.request_lines(chip, {tuple(lines.values()): wanted}, consumer="vivavoce")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(
                f"{chip}: lines {', '.join(map(str, lines.values()))} cannot be used ({reason}); name a chip that "
                "gpiodetect lists, free lines of it, and let the daemon's user use it (group gpio)"
            ) from error

    def read(self) -> Mapping[str, bool]:
        """See :class:`Pins`."""
        try:
            return {name: self._request.get_value(line) == self._active for name, line in self._lines.items()}
        except (OSError, ValueError) as error:
            raise DataError(f"{self._chip}: cannot be read ({error}); check the panel") from error

    def close(self) -> None:
        """See :class:`Pins`."""
        self._request.release()


class FakePins:
    """Inputs that are set by hand."""

    def __init__(self) -> None:
        self.now: dict[str, bool] = {}
        self.closed = False

    def read(self) -> Mapping[str, bool]:
        """See :class:`Pins`."""
        return dict(self.now)

    def close(self) -> None:
        """See :class:`Pins`."""
        self.closed = True

"""A ring of APA102 or SK9822 lights at SPI, as most microphone boards for the Raspberry Pi have it (extra ``panel``).

The protocol: 32 zero bits, then for each light three one bits, five of brightness, blue, green, red; then a clock edge
for every two lights and 32 more zero bits, which an SK9822 needs to take over what it was sent.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge.errors import DataError, MissingExtraError

__all__ = ["FakeRing", "Ring", "SpiRing", "frame"]

_FULL = 0xE0 | 31
_SPI_HZ = 4_000_000


class Ring(Protocol):
    """Lights."""

    def show(self, colours: npt.NDArray[np.uint8]) -> None:
        """Show colours ``(lights, 3) uint8``, red, green, blue."""

    def close(self) -> None:
        """Let go of it."""


def frame(colours: npt.NDArray[np.uint8]) -> bytes:
    """Return the bytes that show colours ``(lights, 3) uint8``, red, green, blue."""
    lights = len(colours)
    body = np.concatenate((np.full((lights, 1), _FULL, np.uint8), colours[:, ::-1]), axis=1)
    return bytes(4) + body.tobytes() + bytes(4 + (lights + 15) // 16)


class SpiRing:
    """A ring at ``/dev/spidevBUS.DEVICE``.

    Raises
    ------
    MissingExtraError
        If spidev is not installed.
    DataError
        If it cannot be opened.
    """

    def __init__(self, bus: int, device: int) -> None:
        self._name = f"/dev/spidev{bus}.{device}"
        try:
            import spidev
        except ImportError as error:
            raise MissingExtraError("a ring of lights (spidev)", "panel") from error
        self._spi = spidev.SpiDev()
        try:
            self._spi.open(bus, device)
        except OSError as error:
            raise DataError(
                f"{self._name}: cannot be opened ({error.strerror}); turn SPI on, and let the daemon's user use it "
                "(group spi), or set lights = 0"
            ) from error
        self._spi.max_speed_hz = _SPI_HZ
        self._spi.mode = 0

    def show(self, colours: npt.NDArray[np.uint8]) -> None:
        """See :class:`Ring`."""
        try:
            self._spi.writebytes2(frame(colours))
        except OSError as error:
            raise DataError(f"{self._name}: cannot be written ({error.strerror}); check the ring") from error

    def close(self) -> None:
        """See :class:`Ring`."""
        self._spi.close()


class FakeRing:
    """A ring that remembers what it shows."""

    def __init__(self) -> None:
        self.shown: npt.NDArray[np.uint8] = np.zeros((0, 3), np.uint8)
        self.closed = False

    def show(self, colours: npt.NDArray[np.uint8]) -> None:
        """See :class:`Ring`."""
        self.shown = colours.copy()

    def close(self) -> None:
        """See :class:`Ring`."""
        self.closed = True

"""The panel of this device as a sink of the daemon: a mute switch, a mute button, a ring of lights (docs/panel.md)."""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Annotated

from edge.answers import Answer, Message, Status
from edge.errors import DataError, UsageError, VivavoceError
from edge.house import House
from edge.strict_toml import Within
from firmware_bridge.panel.lights import Lights
from firmware_bridge.panel.patterns import PATTERNS, drawn
from firmware_bridge.panel.pins import FakePins, GpioPins, Pins
from firmware_bridge.panel.ring import FakeRing, Ring, SpiRing

__all__ = ["SUMMARY", "PanelSink", "Settings", "make"]

SUMMARY = "a mute switch, a button and a ring of lights at the pins of this device"

_log = logging.getLogger(__name__)

_LOOK_S = 0.04
"""Time between two looks at the inputs, and two pictures of what moves, s."""
_LEAVE_S = 2.0
_RING_S = 5.0
"""Time until a ring that failed is opened again, s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the sink ``panel``."""

    chip: str = "/dev/gpiochip0"
    """Chip of the lines; ``gpiodetect`` lists them."""
    switch_line: Annotated[int, Within(-1, 1023)] = -1
    """Line of the mute switch; -1 for none. While it is on, software cannot end the mute."""
    button_line: Annotated[int, Within(-1, 1023)] = -1
    """Line of the button, which turns the software mute on and off; -1 for none."""
    active_low: bool = True
    """Whether switch and button connect their lines to ground."""
    long_press_s: Annotated[float, Within(0.2, 10.0)] = 1.0
    """The button held for so long, s, does nothing."""
    lights: Annotated[int, Within(0, 256)] = 12
    """Lights in the ring, APA102 or SK9822; 0 for none."""
    spi_bus: Annotated[int, Within(0, 31)] = 0
    """Bus of the ring: the first number of ``/dev/spidev0.1``."""
    spi_device: Annotated[int, Within(0, 31)] = 1
    """Its device: the second number."""
    brightness: Annotated[float, Within(0.0, 1.0)] = 0.3
    """Of the lights; 0 is dark."""
    hold_s: Annotated[float, Within(0.1, 60.0)] = 2.0
    """How long the lights show an answer, s."""
    fake: bool = False
    """Without any of it: what the lights would show goes into the log. To try the daemon elsewhere."""

    def __post_init__(self) -> None:
        if self.switch_line == self.button_line >= 0:
            raise ValueError(f"button_line: got {self.button_line}, which is switch_line, too; give each its own")


class PanelSink:
    """The panel; see the module.

    Parameters
    ----------
    settings : Settings
    name : str
    house : House
    pins : Pins, optional
        In place of those of the settings.
    ring : Ring, optional
        The same.
    """

    wants: tuple[type[Message], ...] = (Answer, Status)

    def __init__(
        self, settings: Settings, name: str, house: House, *, pins: Pins | None = None, ring: Ring | None = None
    ) -> None:
        self.name = name
        self._settings, self._house = settings, house
        self._given = (pins, ring)
        self._pins: Pins | None = None
        self._ring: Ring | None = None
        self._ring_s = float("-inf")
        """When the ring is opened again."""
        self._ring_fault = ""
        self._watches = False
        """Whether there is an input, which is looked at without a ring, too."""
        self._lock = threading.Lock()
        self._lights = Lights(settings.hold_s)
        self._shown, self._since_s = "", 0.0
        self._pressed_s: float | None = None
        self._switch: bool | None = None
        self._fault: VivavoceError | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------------------------------ for the bus

    def open(self) -> None:
        """Take lines and ring, and begin to look at them.

        Raises
        ------
        DataError, MissingExtraError
            If they cannot be used; the daemon goes on, and tries again. A ring that cannot be used beside a switch or
            a button is a warning: the switch has to mute without lights, too.
        """
        settings = self._settings
        pins, _ = self._given
        named = {"switch": settings.switch_line, "button": settings.button_line}
        lines = {name: line for name, line in named.items() if line >= 0}
        if pins is None:
            pins = FakePins() if settings.fake or not lines else None
        self._pins = pins or GpioPins(settings.chip, lines, active_low=settings.active_low)
        self._watches = bool(lines) or self._given[0] is not None
        self._ring_s = float("-inf")
        self._fault, self._shown, self._pressed_s, self._switch = None, "", None, None
        self._look(time.monotonic())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._stop,), name=f"panel {self.name}", daemon=True)
        self._thread.start()

    def push(self, message: Message) -> None:
        """Show it, within a picture."""
        self.check()
        with self._lock:
            self._lights.push(message, time.monotonic())

    def check(self) -> None:
        """See :class:`edge.bus.CheckedSink`."""
        if self._fault is not None:
            raise self._fault

    def close(self) -> None:
        """Turn the lights off, and let go of everything. A switch that mutes goes on to: nobody saw it turned off."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_LEAVE_S)
            self._thread = None
        ring, self._ring = self._ring, None
        pins, self._pins = self._pins, None
        if ring is not None:
            try:
                ring.show(drawn("off", self._settings.lights, 0.0, 0.0))
            except VivavoceError as error:
                _log.debug("sink %s: %s", self.name, error)
            ring.close()
        if pins is not None:
            pins.close()

    # ------------------------------------------------------------------------------------ its thread

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(_LOOK_S):
            try:
                self._look(time.monotonic())
            except VivavoceError as error:
                self._fault = error
                return
            except Exception as error:
                # A driver's: told by the bus, which opens the panel again.
                self._fault = DataError(f"sink {self.name}: {type(error).__name__}: {error}")
                return

    def _look(self, now_s: float) -> None:
        """Look at the inputs, and draw what is to be seen now."""
        assert self._pins is not None, "it is open"
        inputs = self._pins.read()
        switch = inputs.get("switch", False)
        if switch != self._switch:
            self._switch = switch
            self._house.mute_switch(self.name, switch)
        pressed = inputs.get("button", False)
        if pressed and self._pressed_s is None:
            self._pressed_s = now_s
        elif not pressed and self._pressed_s is not None:
            held_s, self._pressed_s = now_s - self._pressed_s, None
            if held_s < self._settings.long_press_s:
                self._press()
        try:
            self._draw(now_s)
        except Exception as error:
            if not self._watches:
                raise
            self._lose_ring(error, now_s)

    def _draw(self, now_s: float) -> None:
        if self._ring is None:
            if now_s < self._ring_s:
                return
            self._ring = self._open_ring()
            self._shown = ""
        with self._lock:
            state = self._lights.state(now_s)
        moves = PATTERNS[state].motion != "steady"
        if state != self._shown:
            if self._settings.fake:
                _log.info("sink %s: shows %s", self.name, state)
            self._shown, self._since_s = state, now_s
        elif not moves:
            return
        if self._settings.lights:
            self._ring.show(drawn(state, self._settings.lights, now_s - self._since_s, self._settings.brightness))
        if self._ring_fault:
            _log.info("sink %s: the ring works again", self.name)
            self._ring_fault = ""

    def _open_ring(self) -> Ring:
        settings = self._settings
        if self._given[1] is not None:
            return self._given[1]
        if settings.fake or not settings.lights:
            return FakeRing()
        return SpiRing(settings.spi_bus, settings.spi_device)

    def _lose_ring(self, error: Exception, now_s: float) -> None:
        """Go on without the ring, and open it again after a while."""
        ring, self._ring = self._ring, None
        self._ring_s = now_s + _RING_S
        if str(error) != self._ring_fault:
            self._ring_fault = str(error)
            _log.warning("sink %s: %s; switch and button work without lights", self.name, error)
        if ring is not None:
            try:
                ring.close()
            except Exception as close_error:
                _log.debug("sink %s: %s", self.name, close_error)

    def _press(self) -> None:
        try:
            self._house.mute(not self._house.status.muted)
        except UsageError as error:  # the switch wins
            _log.info("sink %s: %s", self.name, error)


def make(settings: Settings, name: str, house: House) -> PanelSink:
    """Make the sink; see :class:`edge.plugins.SinkPlugin`. Lines and ring are taken when it is opened."""
    return PanelSink(settings, name, house)

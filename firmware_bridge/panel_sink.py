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
_RETRY_S = (1.0, 60.0)
"""Time until a ring that failed is opened again, s: the first, and the longest, doubling from one to the other."""


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
        self._retry_s = _RETRY_S[0]
        self._next_ring_s = 0.0
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

        A ring that cannot be used is told in the log, and tried again: the switch must mute without lights, too.

        Raises
        ------
        DataError, MissingExtraError
            If the lines cannot be used; the daemon goes on, and tries again.
        """
        settings = self._settings
        pins = self._given[0]
        named = {"switch": settings.switch_line, "button": settings.button_line}
        lines = {name: line for name, line in named.items() if line >= 0}
        if pins is None:
            pins = FakePins() if settings.fake or not lines else None
        self._pins = pins or GpioPins(settings.chip, lines, active_low=settings.active_low)
        self._fault, self._pressed_s, self._switch = None, None, None
        self._ring, self._retry_s, self._next_ring_s = None, _RETRY_S[0], 0.0
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
        self._look_at_inputs(now_s)
        if self._ring is None and now_s >= self._next_ring_s:
            self._open_ring(now_s)
        ring = self._ring
        if ring is None:
            return
        try:
            self._draw(ring, now_s)
        except Exception as error:
            self._ring_failed(error, now_s)
            ring.close()

    def _look_at_inputs(self, now_s: float) -> None:
        assert self._pins is not None, "it is open"
        inputs = self._pins.read()
        switch = inputs.get("switch", False)
        if switch != self._switch:
            self._house.mute_switch(self.name, switch)
            self._switch = switch
        pressed = inputs.get("button", False)
        if pressed and self._pressed_s is None:
            self._pressed_s = now_s
        elif not pressed and self._pressed_s is not None:
            held_s, self._pressed_s = now_s - self._pressed_s, None
            if held_s < self._settings.long_press_s:
                self._press()

    def _open_ring(self, now_s: float) -> None:
        settings = self._settings
        ring = self._given[1]
        if ring is None and (settings.fake or not settings.lights):
            ring = FakeRing()
        try:
            self._ring = ring or SpiRing(settings.spi_bus, settings.spi_device)
        except Exception as error:
            self._ring_failed(error, now_s)
            return
        self._shown = ""  # to be drawn, whatever it was

    def _ring_failed(self, error: Exception, now_s: float) -> None:
        """Go on without lights for a while; told once, until a picture was shown again."""
        if self._retry_s == _RETRY_S[0]:
            what = str(error) if isinstance(error, VivavoceError) else f"{type(error).__name__}: {error}"
            _log.error("sink %s: goes on without lights: %s", self.name, what)
        self._ring, self._next_ring_s = None, now_s + self._retry_s
        self._retry_s = min(2 * self._retry_s, _RETRY_S[1])

    def _draw(self, ring: Ring, now_s: float) -> None:
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
            ring.show(drawn(state, self._settings.lights, now_s - self._since_s, self._settings.brightness))
            if self._retry_s != _RETRY_S[0]:
                _log.info("sink %s: the lights work again", self.name)
                self._retry_s = _RETRY_S[0]

    def _press(self) -> None:
        try:
            self._house.mute(not self._house.status.muted)
        except UsageError as error:  # the switch wins
            _log.info("sink %s: %s", self.name, error)


def make(settings: Settings, name: str, house: House) -> PanelSink:
    """Make the sink; see :class:`edge.plugins.SinkPlugin`. Lines and ring are taken when it is opened."""
    return PanelSink(settings, name, house)

"""A device at the link as a sink of the daemon: it is told decisions, what its lights show, and whether it is muted.

Its own mute switch wins over software; a mute button of it is software like any other.
"""

import logging
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from edge.answers import SOURCE, Answer, Message, Status
from edge.errors import DataError, UsageError
from edge.house import House
from edge.strict_toml import Within
from firmware_bridge.link.messages import Message as LinkMessage
from firmware_bridge.link.table import kind_named
from firmware_bridge.link_host import LinkHost
from firmware_bridge.link_port import LinkSettings
from firmware_bridge.link_shared import shared
from firmware_bridge.panel.lights import STATES, Lights

__all__ = ["SUMMARY", "FirmwareSink", "Settings", "make"]

SUMMARY = "decisions, lights and the mute of a microcontroller"

_log = logging.getLogger(__name__)

_MEASURE_S = 1.0
_DECISION, _MUTE = kind_named("decision"), kind_named("mute")
_VERDICTS, _ACTIONS = _DECISION.field("verdict").names, _DECISION.field("action").names
_SOFTWARE, _SWITCH = (_MUTE.field("origin").names.index(name) for name in ("software", "switch of the device"))
_SCORE_MAX = _DECISION.field("score").limits[1]
_BRIGHTEST = kind_named("led").field("brightness").limits[1]
_WORD_BYTES = _DECISION.field("word").count


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(LinkSettings):
    """Settings of the sink ``firmware``."""

    brightness: Annotated[float, Within(0.0, 1.0)] = 0.5
    """Of its lights; 0 is dark."""
    hold_s: Annotated[float, Within(0.1, 60.0)] = 2.0
    """How long its lights show an answer, s."""
    stale_s: Annotated[float, Within(0.1, 3600.0)] = 5.0
    """A decision that is older is not told any more, s: nobody waits for it."""


class FirmwareSink:
    """A device; see the module.

    Parameters
    ----------
    settings : Settings
    name : str
    house : House

    Raises
    ------
    UsageError
        If the settings cannot work.
    MissingExtraError
        If they take pyserial, which is not installed.
    """

    wants: tuple[type[Message], ...] = (Answer, Status)

    def __init__(self, settings: Settings, name: str, house: House) -> None:
        self.name = name
        self._settings = settings
        self._house = house
        self._link: LinkHost = shared(settings, f"sinks.{name}")
        self._lights = Lights(settings.hold_s)
        self._brightness = round(settings.brightness * _BRIGHTEST)
        self._joined = False
        self._untold = 0
        self._muted_at = 0
        """Samples of the daemon's stream that came before the last mute."""
        self._gauge = re.sub(r"\W", "_", f"sink_{name}")
        self._measured_s = float("-inf")

    # ------------------------------------------------------------------------------------ for the bus

    def open(self) -> None:
        """Join the link; a device that is not there yet is told everything when it comes."""
        if not self._joined:
            self._joined = True
            self._link.ticks.append(self._tick)
            self._link.mute_said.append(self._mute_said)
            self._link.word_heard.append(self._word_heard)
            self._link.join()
            # What the device said of its switch while nobody listened here.
            self._link.say_switch(self._mute_said)

    def push(self, message: Message) -> None:
        """Tell the device.

        Raises
        ------
        DataError
            If it takes nothing more.
        """
        if isinstance(message, Answer) and message.origin == SOURCE:
            self._decide(message)
            return
        self._show(message)
        if isinstance(message, Status):
            self._mute(message)

    def close(self) -> None:
        """Leave the link; it is closed, if the source is not there either."""
        if self._joined:
            self._joined = False
            self._link.ticks.remove(self._tick)
            self._link.mute_said.remove(self._mute_said)
            self._link.word_heard.remove(self._word_heard)
            self._link.leave()

    def _decide(self, answer: Answer) -> None:
        told = self._link.clock.answered(answer.decided_sample)
        index, word = told or (self._link.clock.device_index(answer.end_sample), answer.word)
        if self._stale(answer, index):
            return
        self._show(answer)
        if not self._link.up:
            self._leave_untold(answer, self._link.why)
            return
        # What could not be judged is neither a mouth nor a loudspeaker.
        live = 0.5 if math.isnan(answer.live_probability) else answer.live_probability
        values = {
            "index": index,
            "verdict": _VERDICTS.index(answer.decision),
            "action": _ACTIONS.index(answer.action),
            "score": round(live * _SCORE_MAX),
            "word": _shortened(word),
        }
        if not self._link.send(LinkMessage(_DECISION.name, values)) and self._link.up:
            raise DataError(f"{self._link.settings.port}: the device takes no more; see whether its firmware hangs")

    def _stale(self, answer: Answer, index: int) -> bool:
        """Whether nobody waits for a decision any more: its word is too old, or of before a mute."""
        came_s = self._link.clock.came_s(index)
        # When it was decided says little: the daemon may have been behind with the sound.
        age_s = max(time.time() - answer.at_s, 0.0 if came_s is None else time.monotonic() - came_s)
        if answer.end_sample <= self._muted_at:
            self._leave_untold(answer, "its word is of before a mute")
        elif age_s > self._settings.stale_s:
            self._leave_untold(answer, f"it is {age_s:.0f} s old")
        else:
            return False
        return True

    def _leave_untold(self, answer: Answer, reason: str) -> None:
        self._untold += 1
        _log.warning("sink %s: the decision %s is not told: %s", self.name, answer.id, reason)

    def _mute(self, status: Status) -> None:
        if status.muted:
            self._muted_at = self._link.clock.position
        origin = _SWITCH if status.mute_switch else _SOFTWARE
        self._link.stand(LinkMessage(_MUTE.name, {"muted": int(status.muted), "origin": origin}))

    def _show(self, message: Message) -> None:
        self._lights.push(message, time.monotonic())
        self._light()

    def _light(self) -> None:
        state = STATES.index(self._lights.state(time.monotonic()))
        self._link.stand(LinkMessage("led", {"state": state, "brightness": self._brightness}))

    # ------------------------------------------------------------------------------------ for the link's thread

    def _tick(self) -> None:
        self._light()
        now_s = time.monotonic()
        if now_s < self._measured_s + _MEASURE_S:
            return
        self._measured_s = now_s
        gauges = self._house.health.gauges
        gauges[f"{self._gauge}_up"] = self._link.up
        gauges[f"{self._gauge}_untold_decisions"] = self._untold
        for count, value in self._link.counts().items():
            gauges[f"{self._gauge}_{count}"] = value
        said: Mapping[str, int] = self._link.device_health
        if said:
            gauges[f"{self._gauge}_lost_samples"] = said["lost"]
            gauges[f"{self._gauge}_temperature_celsius"] = said["temperature"] / 10

    def _word_heard(self) -> None:
        self._lights.word(time.monotonic())
        self._light()

    def _mute_said(self, muted: bool, switch: bool) -> None:
        try:
            if switch:
                self._house.mute_switch(self.name, muted)
            else:
                self._house.mute(muted)
        except UsageError as error:
            # The device said that it is not muted; it is told again that it is.
            _log.warning("sink %s: %s", self.name, error)
            self._link.send(LinkMessage(_MUTE.name, {"muted": 1, "origin": _SWITCH}))


def _shortened(word: str) -> str:
    """Return as much of a word as the wire takes."""
    return word.encode()[:_WORD_BYTES].decode(errors="ignore")


def make(settings: Settings, name: str, house: House) -> FirmwareSink:
    """Make the sink; see :class:`edge.plugins.SinkPlugin`."""
    return FirmwareSink(settings, name, house)

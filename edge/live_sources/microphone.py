"""A microphone of this device as the source of the daemon: looked for anew, by its name, whenever it is opened."""

import math
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt

from edge.microphone import MicSource, keep_stderr, require_portaudio
from edge.strict_toml import Within

__all__ = ["SUMMARY", "LiveMicrophone", "Settings", "make"]

SUMMARY = "a microphone of this device, through PortAudio (extra mic)"

_BLOCK = 320
"""Samples in a block: 20 ms. A longer one only makes the last sample of a word wait."""
_LATENCIES = ("low", "high")
_LONGEST_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Table of a source of the kind ``microphone``."""

    device: str = ""
    """Part of its name, in any case, or its number in text, e.g. ``"2"``, unless that is a full name; empty for the
    system's default. Numbers change when something else is plugged in, names do not."""
    rate_hz: Annotated[int, Within(0, 768_000)] = 0
    """Rate to record at, Hz; 0 for the best that it takes: 16 kHz, its own, 48 or 44.1 kHz."""
    channels: Annotated[int, Within(0, 64)] = 0
    """Channels to record; 0 for as few as it takes."""
    channel: Annotated[int, Within(-1, 63)] = -1
    """Channel to listen to, from 0; -1 for the mean of all."""
    latency: str = "low"
    """What the sound system is asked for: ``low``, ``high``, or seconds in text, e.g. ``"0.05"``."""

    def __post_init__(self) -> None:
        if 0 < self.channels <= self.channel:
            raise ValueError(
                f"got channel {self.channel} of {self.channels}, expected 0 to {self.channels - 1}; "
                "channels are counted from 0"
            )
        if 0 < self.rate_hz < 1000:
            raise ValueError(f"got rate_hz {self.rate_hz}, expected 1000 or more; 16 kHz is 16000")
        _latency(self.latency)


def _latency(text: str) -> float | str:
    if text in _LATENCIES:
        return text
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds <= _LONGEST_S:
        raise ValueError(f"got latency {text!r}, expected 'low', 'high', or seconds up to {_LONGEST_S:g}, e.g. '0.05'")
    return seconds


class LiveMicrophone:
    """A microphone that may go and come again; see :class:`edge.live.LiveSource`."""

    live = True
    endless = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._microphone: MicSource | None = None
        self.overflows = 0
        self.name = settings.device or "the default microphone"
        self.native_rate_hz = 0

    @property
    def latency_s(self) -> float:
        """Latency that the sound system gave, s; 0 before it was opened."""
        return 0.0 if self._microphone is None else self._microphone.latency_s

    def blocks(self) -> Generator[npt.NDArray[np.int16], None, None]:
        """Look for it, open it and yield blocks as they come; see :class:`edge.live.LiveSource`."""
        settings = self._settings
        keep_stderr()
        before = self.overflows
        microphone = MicSource(
            settings.device or None,
            block=_BLOCK,
            latency=_latency(settings.latency),
            rate_hz=settings.rate_hz,
            channels=settings.channels,
            channel=None if settings.channel < 0 else settings.channel,
            again=True,
        )
        self._microphone = microphone
        self.name, self.native_rate_hz = microphone.name, microphone.native_rate_hz
        with closing(microphone.blocks()) as blocks:
            try:
                for block in blocks:
                    self.overflows = before + microphone.overflows
                    yield block
            finally:
                self.overflows = before + microphone.overflows


def make(settings: Settings) -> LiveMicrophone:
    """Make the source; whether the microphone is there is seen when it is opened.

    Raises
    ------
    MissingExtraError, UsageError
        If sounddevice, or PortAudio below it, is not installed.
    """
    require_portaudio()
    return LiveMicrophone(settings)

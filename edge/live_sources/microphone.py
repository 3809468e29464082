"""A microphone as the source of the daemon, through PortAudio (the extra ``mic``)."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt

from edge import portaudio
from edge.microphone import MicSource
from edge.sample_time import SAMPLE_RATE_HZ
from edge.strict_toml import Within

__all__ = ["SUMMARY", "LiveMicrophone", "Settings", "make"]

SUMMARY = "a microphone of this device"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Table of a source of the kind ``microphone``."""

    device: str | Annotated[int, Within(0, 10_000)] = ""
    """Part of its name, e.g. ``"USB"``, or its number, as ``vivavoce collect --list-devices`` tells them; empty for the
    system's default. A text of digits is a number, unless it is a whole name. Numbers change when devices come and
    go: prefer a name."""
    rate_hz: Annotated[int, Within(0, 768_000)] = 0
    """Rate to record at, Hz; 0 for the best of 16 kHz, the device's own, 48 and 44.1 kHz."""
    channels: Annotated[int, Within(0, 64)] = 0
    """Channels to record; 0 for as few as it takes."""
    channel: Annotated[int, Within(-1, 63)] = -1
    """Channel to listen to, from 0; -1 for the mean of all."""
    latency: Literal["low", "high"] | Annotated[float, Within(0.001, 2.0)] = "low"
    """What PortAudio is asked for: ``"low"``, ``"high"``, or seconds. ``"high"`` helps where samples are lost."""

    def __post_init__(self) -> None:
        if self.rate_hz and self.rate_hz < 1_000:
            raise ValueError(f"rate_hz: got {self.rate_hz}, expected 0, or at least 1000")
        if self.channels and self.channel >= self.channels:
            raise ValueError(
                f"channel: got {self.channel}, expected less than channels ({self.channels}), or -1 for the mean of all"
            )


class LiveMicrophone:
    """A microphone that may go and come again; see :class:`edge.live.LiveSource`."""

    live = True
    endless = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.overflows = 0
        self._open: MicSource | None = None
        self.name = str(settings.device) or "microphone"
        self.native_rate_hz = settings.rate_hz or SAMPLE_RATE_HZ

    @property
    def latency_s(self) -> float:
        """Latency that PortAudio gave, s; 0 while it is not open."""
        return self._open.latency_s if self._open is not None else 0.0

    def blocks(self) -> Generator[npt.NDArray[np.int16], None, None]:
        """Look for the device, open it, and yield its blocks; see :class:`edge.live.LiveSource`."""
        settings = self._settings
        with portaudio.in_use(portaudio.load(), hush=False):
            opened = MicSource(
                None if settings.device == "" else settings.device,
                latency=settings.latency,
                rate_hz=settings.rate_hz,
                channels=settings.channels,
                channel=None if settings.channel < 0 else settings.channel,
                hush=False,
            )
            self.name, self.native_rate_hz = opened.name, opened.native_rate_hz
            self._open = opened
            before = self.overflows
            try:
                with closing(opened.blocks()) as blocks:
                    for block in blocks:
                        self.overflows = before + opened.overflows
                        yield block
            finally:
                self.overflows = before + opened.overflows
                self._open = None


def make(settings: Settings) -> LiveMicrophone:
    """Make the source; whether the device is there is looked at when it is opened.

    Raises
    ------
    MissingExtraError, UsageError
        If sounddevice, or PortAudio below it, is not installed.
    """
    portaudio.require()
    return LiveMicrophone(settings)

"""A file as the source of the daemon: heard once, or again and again; its end is the end of the daemon's work."""

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt

from edge.events import SAMPLE_RATE_HZ
from edge.sources import FileSource
from edge.strict_toml import Within

__all__ = ["SUMMARY", "FileLoop", "Settings", "make"]

SUMMARY = "a recording, to try the daemon without a microphone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Table of a source of the kind ``file``."""

    path: str
    """The file, in any format that libsndfile reads."""
    pace: Literal["fast", "real"] = "fast"
    """As fast as it is looked at, or as fast as it was recorded."""
    repeat: Annotated[int, Within(0, 1_000_000)] = 1
    """How often it is heard; 0 for ever."""
    channel: Annotated[int, Within(-1, 63)] = -1
    """Channel to listen to, from 0; -1 for the mean of all."""


class FileLoop:
    """A file, heard so often; see :class:`edge.live.LiveSource`."""

    live = False
    endless = False
    overflows = 0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = FileSource(settings.path, channel=None if settings.channel < 0 else settings.channel)
        self.name = self._file.name
        self.native_rate_hz = self._file.native_rate_hz

    def blocks(self) -> Generator[npt.NDArray[np.int16], None, None]:
        """Yield its blocks; see :class:`edge.live.LiveSource`."""
        began, heard, times = time.monotonic(), 0, 0
        while not self._settings.repeat or times < self._settings.repeat:
            times += 1
            for block in self._file.blocks():
                heard += block.size
                if self._settings.pace == "real":
                    time.sleep(max(0.0, began + heard / SAMPLE_RATE_HZ - time.monotonic()))
                yield block


def make(settings: Settings) -> FileLoop:
    """Make the source.

    Raises
    ------
    AudioError, UsageError
        If the file cannot be read, or has no such channel.
    """
    return FileLoop(settings)

"""Recordings as the source of the daemon: heard once, or again and again; their end is the end of the daemon's work."""

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

SUMMARY = "recordings, to try the daemon without a microphone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Table of a source of the kind ``file``."""

    path: str | tuple[str, ...]
    """The file, in any format that libsndfile reads, or an array of files, heard one after the other."""
    pace: Literal["fast", "real"] = "fast"
    """As fast as it is looked at, or as fast as it was recorded."""
    repeat: Annotated[int, Within(0, 1_000_000)] = 1
    """How often all are heard; 0 for ever."""
    channel: Annotated[int, Within(-1, 63)] = -1
    """Channel to listen to, from 0; -1 for the mean of all."""

    def __post_init__(self) -> None:
        if not self.paths or not all(self.paths):
            raise ValueError(f"path: got {self.path!r}, expected the name of a file, or an array of them")

    @property
    def paths(self) -> tuple[str, ...]:
        """Names of all files."""
        return (self.path,) if isinstance(self.path, str) else self.path


class FileLoop:
    """Files, heard so often; see :class:`edge.live.LiveSource`. Its rate is the lowest of theirs."""

    live = False
    endless = False
    overflows = 0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        channel = None if settings.channel < 0 else settings.channel
        self._files = [FileSource(path, channel=channel) for path in settings.paths]
        first = self._files[0].name
        self.name = first if len(self._files) == 1 else f"{first} and {len(self._files) - 1} more"
        self.native_rate_hz = min(file.native_rate_hz for file in self._files)

    def blocks(self) -> Generator[npt.NDArray[np.int16], None, None]:
        """Yield their blocks; see :class:`edge.live.LiveSource`."""
        began, heard, times = time.monotonic(), 0, 0
        while not self._settings.repeat or times < self._settings.repeat:
            times += 1
            for file in self._files:
                for block in file.blocks():
                    heard += block.size
                    if self._settings.pace == "real":
                        time.sleep(max(0.0, began + heard / SAMPLE_RATE_HZ - time.monotonic()))
                    yield block


def make(settings: Settings) -> FileLoop:
    """Make the source.

    Raises
    ------
    AudioError, UsageError
        If a file cannot be read, or has no such channel.
    """
    return FileLoop(settings)

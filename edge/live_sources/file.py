"""Files as the source of the daemon: heard once, or again and again; their end is the end of the daemon's work."""

import logging
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt

from edge.errors import AudioError, UsageError
from edge.sample_time import SAMPLE_RATE_HZ
from edge.sources import FileSource
from edge.strict_toml import Within

__all__ = ["SUMMARY", "FileLoop", "Settings", "make"]

_log = logging.getLogger(__name__)

SUMMARY = "a recording, to try the daemon without a microphone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Table of a source of the kind ``file``."""

    path: str = ""
    """The file, in any format that libsndfile reads."""
    paths: tuple[str, ...] = ()
    """Files that are heard one after another, in place of one; all of one rate."""
    pace: Literal["fast", "real"] = "fast"
    """As fast as it is looked at, or as fast as it was recorded."""
    repeat: Annotated[int, Within(0, 1_000_000)] = 1
    """How often all is heard; 0 for ever."""
    channel: Annotated[int, Within(-1, 63)] = -1
    """Channel to listen to, from 0; -1 for the mean of all."""

    def __post_init__(self) -> None:
        if bool(self.path) == bool(self.paths) or "" in self.paths:
            raise ValueError("expected the name of a file as path, or of several as paths")


class FileLoop:
    """Files, heard so often; see :class:`edge.live.LiveSource`."""

    live = False
    endless = False
    overflows = 0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        channel = None if settings.channel < 0 else settings.channel
        self._files = [FileSource(path, channel=channel) for path in settings.paths or (settings.path,)]
        first = self._files[0]
        self.name = first.name if len(self._files) == 1 else f"{first.name} and {len(self._files) - 1} more"
        self.native_rate_hz = first.native_rate_hz
        for file in self._files:
            if file.native_rate_hz != self.native_rate_hz:
                # What a voice is judged by depends on the rate of the recording, and one source has one.
                raise UsageError(
                    f"{file.name}: got {file.native_rate_hz} Hz, expected {self.native_rate_hz} Hz as in {first.name}; "
                    "give files of one rate"
                )

    def blocks(self) -> Generator[npt.NDArray[np.int16], None, None]:
        """Yield their blocks; a fault ends them; see :class:`edge.live.LiveSource`."""
        try:
            yield from self._blocks()
        except AudioError as error:
            _log.error("%s", error)

    def _blocks(self) -> Generator[npt.NDArray[np.int16], None, None]:
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
        If a file cannot be read or has no such channel, or the files differ in their rates.
    """
    return FileLoop(settings)

"""Raw samples on standard input, or from a named pipe, as the source of the daemon."""

import io
import os
import stat
import sys
from collections.abc import Generator
from dataclasses import dataclass
from typing import IO, Annotated, Literal

import numpy as np
import numpy.typing as npt

from edge.errors import AudioError, UsageError
from edge.events import SAMPLE_RATE_HZ
from edge.sources import PipeSource
from edge.strict_toml import Within

__all__ = ["SUMMARY", "RawPipe", "Settings", "make"]

SUMMARY = "raw samples on standard input, or from a named pipe"

_STDIN = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Table of a source of the kind ``pipe``."""

    path: str = _STDIN
    """The named pipe; ``-`` for standard input, whose end is the end of the daemon's work."""
    rate_hz: Annotated[int, Within(1_000, 768_000)] = SAMPLE_RATE_HZ
    """Rate of the samples, Hz."""
    format: Literal["s16le", "u8", "s24le", "s32le", "f32le"] = "s16le"
    """Format of the samples."""
    channels: Annotated[int, Within(1, 64)] = 1
    """Interleaved channels."""
    channel: Annotated[int, Within(-1, 63)] = -1
    """Channel to listen to, from 0; -1 for the mean of all."""


class RawPipe:
    """Raw samples; see :class:`edge.live.LiveSource`."""

    live = False
    overflows = 0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.name = "standard input" if settings.path == _STDIN else settings.path
        self.native_rate_hz = settings.rate_hz
        self.endless = settings.path != _STDIN
        self._source(io.BytesIO())  # complains of settings now

    def _source(self, stream: IO[bytes]) -> PipeSource:
        settings = self._settings
        return PipeSource(
            stream,
            rate_hz=settings.rate_hz,
            sample_format=settings.format,
            channels=settings.channels,
            channel=None if settings.channel < 0 else settings.channel,
            name=self.name,
        )

    def blocks(self) -> Generator[npt.NDArray[np.int16], None, None]:
        """Yield blocks as they come; see :class:`edge.live.LiveSource`. A named pipe waits for who writes."""
        with self._opened() as stream:
            yield from self._source(stream).blocks()

    def _opened(self) -> IO[bytes]:
        if self._settings.path == _STDIN:
            # Without the buffer, whose lock a thread that waits for sound would hold when the process ends.
            return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
        try:
            if not stat.S_ISFIFO(os.stat(self._settings.path).st_mode):
                raise AudioError(
                    f"{self.name}: got something else than a named pipe; recordings are a source of the kind 'file'"
                )
            return open(self._settings.path, "rb", buffering=0)
        except OSError as error:
            raise AudioError(
                f"{self.name}: cannot be opened ({error.strerror}), expected a named pipe; make it with: "
                f"mkfifo {self._settings.path}"
            ) from error


def make(settings: Settings) -> RawPipe:
    """Make the source.

    Raises
    ------
    UsageError
        If there is no standard input, or the settings do not fit each other.
    """
    if settings.path == _STDIN and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError(
            "source.path: got a terminal or nothing on standard input, expected raw samples; pipe them in, or name a "
            "pipe"
        )
    return RawPipe(settings)

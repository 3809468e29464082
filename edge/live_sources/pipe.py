"""Raw samples on standard input, or from a named pipe, as the source of the daemon."""

import logging
import os
import select
import stat
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt

from edge.conversion import RawDecoder
from edge.errors import AudioError, UsageError
from edge.sample_time import SAMPLE_RATE_HZ
from edge.sources import refuse_container
from edge.strict_toml import Within

__all__ = ["SUMMARY", "RawPipe", "Settings", "make"]

_log = logging.getLogger(__name__)

SUMMARY = "raw samples on standard input, or from a named pipe"

_STDIN = "-"
_LOOK_MS = 250
"""How long nothing may come before it is said that the pipe waits, ms."""
_READ_BYTES = 1 << 15
_LEAST_SAMPLES = 160
"""Samples in a block at least, but in the last: 10 ms."""
_MARK_BYTES = 4


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
        self._first_decoder = self._decoder()  # complains of settings now
        self._begin = b""
        """What came first on standard input."""
        self._over = False
        """Whether standard input has ended."""

    def _decoder(self) -> RawDecoder:
        settings = self._settings
        return RawDecoder(
            self.name,
            rate_hz=settings.rate_hz,
            sample_format=settings.format,
            channels=settings.channels,
            channel=None if settings.channel < 0 else settings.channel,
        )

    def blocks(self) -> Generator[npt.NDArray[np.int16], None, None]:
        """Yield blocks as they come; see :class:`edge.live.LiveSource`."""
        try:
            yield from self._blocks()
        except AudioError as error:
            if self.endless:
                raise
            # What was on standard input is gone, and reading it again does not bring it back.
            _log.error("%s", error)

    def _blocks(self) -> Generator[npt.NDArray[np.int16], None, None]:
        """Put pieces together: who writes sample by sample does not make everything else work for each of them."""
        held: list[npt.NDArray[np.int16]] = []
        n = 0
        fault: AudioError | None = None
        with closing(self._pieces()) as pieces:
            while True:
                try:
                    piece = next(pieces)
                except StopIteration:
                    break
                except AudioError as error:
                    fault = error  # after what came before
                    break
                if not piece.size:
                    yield piece
                    continue
                held.append(piece)
                n += piece.size
                if n >= _LEAST_SAMPLES:
                    yield np.concatenate(held)
                    held, n = [], 0
        if held:
            yield np.concatenate(held)
        if fault is not None:
            raise fault

    def _pieces(self) -> Generator[npt.NDArray[np.int16], None, None]:
        if self._over:
            return
        # Standard input goes on where it was left, maybe inside a frame; a named pipe begins with each who writes.
        decoder = self._first_decoder if not self.endless else self._decoder()
        begin = self._begin
        with self._opened() as descriptor:
            ready = select.poll()
            ready.register(descriptor, select.POLLIN)
            while True:
                if not ready.poll(_LOOK_MS):
                    yield np.zeros(0, np.int16)
                    continue
                data = self._read(descriptor)
                if not data:
                    self._over = not self.endless
                    break
                if len(begin) < _MARK_BYTES:
                    begin += data[: _MARK_BYTES - len(begin)]
                    if not self.endless:
                        self._begin = begin
                    refuse_container(self.name, self._settings.format, begin)
                # All of what was read is decoded, even if whoever listens leaves at the first piece.
                pieces, fault = _decoded(decoder, data)
                yield from pieces
                if fault is not None:
                    raise fault
        yield from (piece for piece in decoder.flush() if piece.size)
        if not begin and not self.endless:
            raise AudioError(
                f"{self.name}: ended without a sample, expected raw audio; check the program that writes it"
            )

    @contextmanager
    def _opened(self) -> Iterator[int]:
        if self._settings.path == _STDIN:
            yield sys.stdin.fileno()
            return
        try:
            # A pipe that nobody writes to would make this wait, where nobody could close it.
            descriptor = os.open(self._settings.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise AudioError(
                f"{self.name}: cannot be opened ({error.strerror}), expected a named pipe; make it with: "
                f"mkfifo {self._settings.path}"
            ) from error
        try:
            if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                raise AudioError(_no_pipe(self._settings.path))
            yield descriptor
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int) -> bytes:
        try:
            return os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            # Two read the same pipe, and the other one was faster.
            raise AudioError(
                f"{self.name}: somebody else reads it, too, expected to be the only one; end the other program"
            ) from None
        except OSError as error:
            raise AudioError(
                f"{self.name}: cannot be read ({error.strerror}), expected raw audio; check where it comes from"
            ) from error


def _decoded(decoder: RawDecoder, data: bytes) -> tuple[list[npt.NDArray[np.int16]], AudioError | None]:
    """Return what bytes hold, and what ends it."""
    pieces: list[npt.NDArray[np.int16]] = []
    try:
        pieces.extend(piece for piece in decoder.feed(data) if piece.size)
    except AudioError as error:
        return pieces, error
    return pieces, None


def _no_pipe(path: str) -> str:
    return (
        f"{path}: got a file or folder, expected a named pipe; make one with mkfifo, or play a file with a source of "
        'the kind "file"'
    )


def make(settings: Settings) -> RawPipe:
    """Make the source.

    Raises
    ------
    UsageError
        If there is no standard input, the path is no pipe, or the settings do not fit each other.
    """
    if settings.path == _STDIN:
        if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
            raise UsageError(
                "source.path: got a terminal or nothing on standard input, expected raw samples; pipe them in, or name "
                "a pipe"
            )
    elif not settings.path:
        raise UsageError("source.path: got an empty name, expected that of a named pipe, or '-' for standard input")
    elif os.path.exists(settings.path) and not stat.S_ISFIFO(os.stat(settings.path).st_mode):
        raise UsageError(_no_pipe(settings.path))
    return RawPipe(settings)

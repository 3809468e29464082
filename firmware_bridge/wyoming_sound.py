"""The sound of a Wyoming client: any rate, width and channels in, 16 kHz mono out; and the client's own clock."""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.conversion import RawDecoder
from edge.errors import DataError, UsageError
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["SAMPLES_PER_MS", "Clock", "IncomingSound", "SoundFormat", "timestamp_of"]

_FORMATS = {1: "u8", 2: "s16le", 3: "s24le", 4: "s32le"}
_PIECE_S = 0.25
"""Sound that is converted and judged at once, s: answers of a long chunk do not wait for its end."""
SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000
_ROUNDING_MS = 1.0
"""Clients count in whole milliseconds: less of a difference is no other time."""
_KEPT = 1024
_LONGEST_TIME = 1 << 63
"""Some clients count nanoseconds since their start."""


class SoundFormat(NamedTuple):
    """What the samples of a chunk are."""

    rate_hz: int
    """Frames a second."""
    width: int
    """Bytes a sample: 1 (unsigned), or 2 to 4 (signed, little-endian), as in WAV files."""
    channels: int
    """Interleaved."""

    @classmethod
    def from_data(cls, data: Mapping[str, Any], known: "SoundFormat | None") -> "SoundFormat":
        """Read it from the data of ``audio-start`` or ``audio-chunk``.

        Parameters
        ----------
        data : mapping
            With ``rate``, ``width`` and ``channels``.
        known : SoundFormat or None
            What holds for entries that are missing.

        Raises
        ------
        DataError
            If one of them is missing or no whole number, or there is no such width.
        """
        values = []
        for key, before in zip(("rate", "width", "channels"), known or (None, None, None), strict=True):
            value = data.get(key, before)
            if isinstance(value, bool) or not isinstance(value, int):
                raise DataError(f"{key}: got {str(value)[:20]!r}, expected a whole number")
            values.append(value)
        if values[1] not in _FORMATS:
            raise DataError(f"width: got {values[1]} bytes, expected 1, 2, 3 or 4")
        return cls(*values)


def timestamp_of(data: Mapping[str, Any]) -> float | None:
    """Read the time of a chunk or detection as its sender counts it, ms; None if it says none.

    Raises
    ------
    DataError
        If it is no number.
    """
    value = data.get("timestamp")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < _LONGEST_TIME:
        raise DataError(f"timestamp: got {str(value)[:20]!r}, expected milliseconds")
    return float(value)


class Clock:
    """Time as a client counts it, from sample indices: chunk by chunk, as its clock may jump, or not be one."""

    def __init__(self) -> None:
        self._samples: list[float] = []
        self._times_ms: list[float] = []

    def mark(self, sample: float, time_ms: float) -> None:
        """Take the time of a sample later than all that were marked before."""
        if self._samples and abs(self.at(sample) - time_ms) <= _ROUNDING_MS:
            return
        self._samples.append(sample)
        self._times_ms.append(time_ms)
        if len(self._samples) > 2 * _KEPT:
            del self._samples[:_KEPT], self._times_ms[:_KEPT]

    def at(self, sample: float) -> float:
        """Return the time of a sample, ms; from 0 where none was marked."""
        if not self._samples:
            return sample / SAMPLES_PER_MS
        place = max(0, bisect_right(self._samples, sample) - 1)
        return self._times_ms[place] + (sample - self._samples[place]) / SAMPLES_PER_MS


class IncomingSound:
    """One stream of sound: chunks of one format go in.

    Parameters
    ----------
    form : SoundFormat
    start_ms : float or None
        Time of its first sample as the client counts it.

    Raises
    ------
    DataError
        If the rate or the channels cannot be.
    """

    def __init__(self, form: SoundFormat, start_ms: float | None = None) -> None:
        self.form = form
        self.clock = Clock()
        """The client's."""
        self.samples = 0
        """Samples that came out, 16 kHz."""
        self._frames = 0
        try:
            self._decoder = RawDecoder(
                "sound", rate_hz=form.rate_hz, sample_format=_FORMATS[form.width], channels=form.channels
            )
        except UsageError as error:
            raise DataError(f"got {form.channels} channels at {form.rate_hz} Hz, which cannot be sound") from error
        if start_ms is not None:
            self.clock.mark(0.0, start_ms)

    @property
    def position(self) -> float:
        """Index that the next frame has at 16 kHz; ahead of :attr:`samples` by what the resampler holds."""
        return self._frames * SAMPLE_RATE_HZ / self.form.rate_hz

    def seconds_of(self, payload: bytes) -> float:
        """Return how long a chunk is, s."""
        return len(payload) / (self.form.width * self.form.channels * self.form.rate_hz)

    def pieces(self, payload: bytes, time_ms: float | None) -> list[bytes]:
        """Cut a chunk into pieces that are decoded one by one, and take its time.

        Raises
        ------
        DataError
            If it ends inside a frame.
        """
        frame = self.form.width * self.form.channels
        if len(payload) % frame:
            raise DataError(f"got a chunk of {len(payload)} bytes, expected whole frames of {frame}")
        if time_ms is not None:
            self.clock.mark(self.position, time_ms)
        self._frames += len(payload) // frame
        size = frame * math.ceil(_PIECE_S * self.form.rate_hz)
        return [payload[at : at + size] for at in range(0, len(payload), size)]

    def decode(self, piece: bytes) -> Iterator[npt.NDArray[np.int16]]:
        """Yield blocks ``(n,) int16``, 16 kHz; the iterator has to be exhausted."""
        return self._counted(self._decoder.feed(piece))

    def flush(self) -> Iterator[npt.NDArray[np.int16]]:
        """Yield what the resampler still holds; nothing can be decoded after it."""
        return self._counted(self._decoder.flush())

    def _counted(self, blocks: Iterator[npt.NDArray[np.int16]]) -> Iterator[npt.NDArray[np.int16]]:
        for block in blocks:
            self.samples += block.size
            if block.size:
                yield block

"""Conversion of what comes in, of any rate, width and channels, to 16 kHz mono int16, chunk by chunk.

What already is 16 kHz, mono and 16 bits passes through bit by bit.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from edge.errors import AudioError, UsageError
from edge.raw_formats import RAW_FORMATS
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["Block", "Converter", "Frames", "RawDecoder"]

_PIPE_CHUNK_S = 0.01
"""Only where samples are resampled; a chunk is what a live stream may be late by."""
_RATES_HZ = (1_000, 768_000)
"""Below, nothing of speech is left; above, no converter is made."""
_HIGH_RATE_HZ = 96_000
"""From here on high quality would take 79 ms; see :func:`_resampler`."""
_MAX_CHANNELS = 64
_LOUDEST = np.float32(1e4)
"""Float samples are limited to this (1 is full scale) before the resampler, whose sums would overflow."""

Block = npt.NDArray[np.int16]
Frames = npt.NDArray[np.int16] | npt.NDArray[np.float32]


class Converter:
    """Mix to mono, resample to 16 kHz and round to 16 bits, chunk by chunk.

    Parameters
    ----------
    name : str
        Of the source, for messages.
    rate_hz, channels : int
        Of the frames that come in.
    channel : int or None
        The channel to take, from 0; None for the mean of all.
    """

    def __init__(self, name: str, rate_hz: int, channels: int, channel: int | None) -> None:
        if channel is not None and not 0 <= channel < channels:
            there = "only channel 0" if channels == 1 else f"a channel from 0 to {channels - 1}"
            raise UsageError(
                f"{name}: got channel {channel}, expected {there}; leave --channel out for the mean of all"
            )
        low, high = _RATES_HZ
        if not low <= rate_hz <= high:
            raise AudioError(
                f"{name}: got a rate of {rate_hz} Hz, expected {low} to {high} Hz; check how it was recorded"
            )
        self.resamples = rate_hz != SAMPLE_RATE_HZ
        self._name = name
        self._rate_hz = rate_hz
        self._channel = channel
        self._heard = 0
        self._resampler = None
        if self.resamples:
            self._resampler = _resampler(rate_hz)

    def feed(self, frames: Frames) -> Iterator[Block]:
        """Convert frames ``(n, channels)``, int16, or float32 with full scale 1.

        Raises
        ------
        AudioError
            At the first sample that is not finite, after the samples before it.
        """
        single = frames.shape[1] == 1 or self._channel is not None
        if frames.dtype == np.int16 and single and not self.resamples:
            self._heard += len(frames)
            # A copy, as the caller uses the memory of the frames again.
            yield frames[:, self._channel or 0].astype(np.int16)
            return
        x = frames if self._channel is None else frames[:, self._channel : self._channel + 1]
        if x.dtype == np.int16:
            x = x.astype(np.float32) / np.float32(32768)
        bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
        good = x[: bad[0]] if bad.size else x
        self._heard += len(good)
        mono = np.clip(good, -_LOUDEST, _LOUDEST).mean(axis=1, dtype=np.float32)
        yield _to_int16(self._resampler.resample_chunk(mono) if self._resampler else mono)
        if bad.size:
            yield from self.flush()
            raise AudioError(
                f"{self._name}: got a sample that is not a finite number (NaN or infinity) at "
                f"{self._heard / self._rate_hz:.3f} s, expected finite ones; the part before was used: "
                "export the recording again"
            )

    def flush(self) -> Iterator[Block]:
        """Yield what the resampler still holds; nothing can be fed after it."""
        if self._resampler is not None:
            yield _to_int16(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))


def _resampler(rate_hz: int) -> soxr.ResampleStream:
    """Choose the resampler that is best within the delay that a live stream may have.

    The blocks of the high-quality resampler take 37 to 58 ms at most rates, but 115 ms from 8 kHz and 79 ms from
    96 kHz. Below 16 kHz the one for variable rates filters sample by sample: 30 ms from 8 kHz, flat to 0.43 of
    the rate, 1 dB down at 0.46, and up to 0.2 samples early or late. Medium quality, from 96 kHz on, takes 38 ms
    and differs by 0.01 dB.
    """
    low = rate_hz < SAMPLE_RATE_HZ
    quality = "MQ" if rate_hz >= _HIGH_RATE_HZ else "HQ"
    return soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality=quality, vr=low)


def _to_int16(mono: npt.NDArray[np.float32]) -> Block:
    """Round and saturate samples of full scale 1; the limits are taken before the cast, which would wrap."""
    rounded: Block = np.clip(np.rint(mono * np.float32(32768)), -32768, 32767).astype(np.int16)
    return rounded


class RawDecoder:
    """Turn raw samples, which come in pieces of any size, into 16 kHz mono int16.

    What comes out does not depend on how the bytes were cut: a resampler is fed chunks of one size.

    Parameters
    ----------
    name : str
        Of the source, for messages.
    rate_hz : int
        Rate of the samples, Hz.
    sample_format : str
        One of :data:`edge.raw_formats.RAW_FORMATS`.
    channels : int
        Interleaved channels.
    channel : int, optional
        Channel to use, from 0; the mean of all by default.

    Raises
    ------
    UsageError
        If the format is unknown, or rate, channels or channel cannot be.
    """

    def __init__(
        self, name: str, *, rate_hz: int, sample_format: str, channels: int, channel: int | None = None
    ) -> None:
        if sample_format not in RAW_FORMATS:
            raise UsageError(
                f"{name}: got the raw format {sample_format!r}, expected one of {', '.join(RAW_FORMATS)}; "
                "choose one with --raw"
            )
        low, high = _RATES_HZ
        if not low <= rate_hz <= high or not 1 <= channels <= _MAX_CHANNELS:
            raise UsageError(
                f"{name}: got {channels} channels at {rate_hz} Hz, expected 1 to {_MAX_CHANNELS} channels at "
                f"{low} to {high} Hz; check --channels and --rate"
            )
        self._name = name
        self._format = sample_format
        self._channels = channels
        self._converter = Converter(name, rate_hz, channels, channel)
        self._frame = RAW_FORMATS[sample_format] * channels
        self._chunk = self._frame * (max(1, round(_PIPE_CHUNK_S * rate_hz)) if self._converter.resamples else 1)
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[npt.NDArray[np.int16]]:
        """Take bytes, and yield blocks ``(n,) int16``, 16 kHz, of any size; the iterator has to be exhausted.

        Raises
        ------
        AudioError
            At the first sample that is not finite, after the samples before it.
        """
        self._pending += data
        whole = len(self._pending) - len(self._pending) % self._chunk
        step = self._chunk if self._converter.resamples else max(whole, 1)
        for at in range(0, whole, step):
            yield from self._converter.feed(self._decode(self._pending[at : at + step]))
        self._pending = self._pending[whole:]

    def flush(self) -> Iterator[npt.NDArray[np.int16]]:
        """Yield what is still held; nothing can be fed after it.

        Raises
        ------
        AudioError
            If the last sample is not complete, or not finite; after the samples before it.
        """
        rest = len(self._pending) % self._frame
        yield from self._converter.feed(self._decode(self._pending[: len(self._pending) - rest]))
        yield from self._converter.flush()
        if rest:
            raise AudioError(
                f"{self._name}: the stream ends inside a sample: got {rest} bytes, expected "
                f"{self._frame} ({self._format}, channels: {self._channels}); what came before was used: check "
                "--raw and --channels"
            )

    def _decode(self, data: bytes) -> Frames:
        """Return whole frames ``(n, channels)``, int16, or float32 with full scale 1."""
        samples: npt.NDArray[Any]
        if self._format == "s16le":
            samples = np.frombuffer(data, "<i2").astype(np.int16)
        elif self._format == "u8":
            samples = (np.frombuffer(data, np.uint8).astype(np.int16) - 128) * np.int16(256)
        elif self._format == "s24le":
            # Into the upper bytes of 32 bits, which keeps the sign.
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            samples = wide.view("<i4").astype(np.float32) / np.float32(1 << 31)
        elif self._format == "s32le":
            samples = np.frombuffer(data, "<i4").astype(np.float32) / np.float32(1 << 31)
        else:
            samples = np.frombuffer(data, "<f4").astype(np.float32)
        frames: Frames = samples.reshape(-1, self._channels)
        return frames

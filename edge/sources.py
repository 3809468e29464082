"""Where samples come from: files and raw pipes, of any rate, width and channels.

Every source yields blocks of 16 kHz mono int16, all of the size that was asked for but the last. Resampling and
mixing happen in chunks of a fixed size *before* the blocks are cut, so that the samples do not depend on the size
of the blocks. A 16 kHz mono file of 16 bits passes through bit by bit.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from edge.errors import AudioError, UsageError
from edge.events import SAMPLE_RATE_HZ

__all__ = ["DEFAULT_BLOCK", "RAW_FORMATS", "AudioSource", "FileSource", "PipeSource"]

DEFAULT_BLOCK = 1024
"""Samples in a block: 64 ms, as a microphone would deliver them."""

_CHUNK_S = 0.1
_SHORTAGE_S = 0.02
"""Encoders count the length of a file to within a frame; only a larger difference is a truncated file."""

Block = npt.NDArray[np.int16]


class AudioSource(Protocol):
    """Anything that yields blocks of samples."""

    name: str
    """What messages call the source, e.g. the path of a file."""
    native_rate_hz: int
    """Rate of the recording before resampling, Hz: there is no sound above half of it."""

    def blocks(self) -> Iterator[Block]:
        """Yield blocks ``(n,) int16``, 16 kHz mono.

        Raises
        ------
        AudioError
            If the audio cannot be read, after the part that could be.
        """


class _Converter:
    """Mix to mono, resample to 16 kHz and round to 16 bits, chunk by chunk."""

    def __init__(self, name: str, rate_hz: int, channels: int, channel: int | None) -> None:
        if channel is not None and not 0 <= channel < channels:
            raise UsageError(
                f"{name}: got channel {channel}, expected 0 to {channels - 1}; leave --channel out for the mean of all"
            )
        self._name = name
        self._channel = channel
        self._heard = 0
        self._rate_hz = rate_hz
        self._resampler = (
            soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
            if rate_hz != SAMPLE_RATE_HZ
            else None
        )

    def convert(self, frames: npt.NDArray[Any], *, last: bool = False) -> Block:
        """Convert frames ``(n, channels)``, int16 or float32 with full scale 1."""
        if self._resampler is None and frames.dtype == np.int16 and (frames.shape[1] == 1 or self._channel is not None):
            exact: Block = frames[:, self._channel or 0]
            return exact
        x = frames.astype(np.float32) / np.float32(32768) if frames.dtype == np.int16 else frames
        mono = x[:, self._channel] if self._channel is not None else x.mean(axis=1)
        if not np.isfinite(mono).all():
            bad = int(np.flatnonzero(~np.isfinite(mono))[0])
            at = (self._heard + bad) / self._rate_hz
            raise AudioError(
                f"{self._name}: got a sample that is not a number (NaN or infinite) at {at:.3f} s, expected finite samples; "
                "export the recording again"
            )
        self._heard += mono.size
        if self._resampler is not None:
            mono = self._resampler.resample_chunk(np.ascontiguousarray(mono, np.float32), last=last)
        rounded: Block = np.clip(np.rint(mono * np.float32(32768)), -32768, 32767).astype(np.int16)
        return rounded


def _cut(pieces: Iterator[Block], size: int) -> Iterator[Block]:
    """Cut pieces of any size into blocks of one size; the last may be shorter, and is yielded before an error."""
    if size < 1:
        raise UsageError(f"block size: got {size}, expected at least 1 sample")
    pending: Block = np.zeros(0, np.int16)
    fault: AudioError | None = None
    while True:
        try:
            piece = next(pieces)
        except StopIteration:
            break
        except AudioError as error:
            fault = error
            break
        pending = np.concatenate((pending, piece)) if pending.size else piece
        whole = pending.size // size * size
        for at in range(0, whole, size):
            yield pending[at : at + size]
        pending = pending[whole:]
    if pending.size:
        yield pending
    if fault is not None:
        raise fault


class FileSource:
    """A file of any format that libsndfile reads (WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF ...).

    Parameters
    ----------
    path : path
    block : int
        Samples in a block.
    channel : int, optional
        Channel to use, from 0; the mean of all by default.

    Raises
    ------
    AudioError
        If the file is missing, a folder, empty, or no audio.
    UsageError
        If it has no such channel.
    """

    def __init__(self, path: str | os.PathLike[str], *, block: int = DEFAULT_BLOCK, channel: int | None = None) -> None:
        self.name = os.fspath(path)
        self._block = block
        self._channel = channel
        with self._open() as file:
            self.native_rate_hz = int(file.samplerate)
            _Converter(self.name, file.samplerate, file.channels, channel)

    def _open(self) -> soundfile.SoundFile:
        path = Path(self.name)
        try:
            if path.is_dir():
                raise AudioError(f"{self.name}: got a folder, expected an audio file; name the files in it")
            if not path.exists():
                raise AudioError(f"{self.name}: no such file; check the name")
            if path.stat().st_size == 0:
                raise AudioError(f"{self.name}: the file is empty (0 bytes), expected audio; record or copy it again")
            file = soundfile.SoundFile(self.name)
        except OSError as error:
            raise AudioError(f"{self.name}: cannot be read ({error.strerror}); check its permissions") from error
        except soundfile.LibsndfileError as error:
            raise AudioError(
                f"{self.name}: got something that is not audio ({error.error_string.rstrip('.')}), expected WAV, FLAC, Ogg or MP3; "
                "check what the file holds"
            ) from error
        if file.frames == 0:
            file.close()
            raise AudioError(f"{self.name}: got a file without any samples, expected audio; record it again")
        return file

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of the file; see :class:`AudioSource`."""
        return _cut(self._pieces(), self._block)

    def _pieces(self) -> Iterator[Block]:
        with self._open() as file:
            converter = _Converter(self.name, file.samplerate, file.channels, self._channel)
            dtype = "int16" if file.subtype in ("PCM_16", "PCM_S8", "PCM_U8") else "float32"
            chunk = max(1, round(_CHUNK_S * file.samplerate))
            expected, got = file.frames, 0
            while True:
                try:
                    frames = file.read(chunk, dtype=dtype, always_2d=True)
                except soundfile.LibsndfileError as error:
                    raise self._truncated(got, expected, file.samplerate) from error
                got += frames.shape[0]
                last = frames.shape[0] < chunk
                if frames.shape[0] or last:
                    yield converter.convert(frames, last=last)
                if last:
                    break
            if expected - got > _SHORTAGE_S * file.samplerate and expected < 1 << 60:
                raise self._truncated(got, expected, file.samplerate)

    def _truncated(self, got: int, expected: int, rate_hz: int) -> AudioError:
        return AudioError(
            f"{self.name}: the file breaks off: got {got / rate_hz:.2f} s, expected {expected / rate_hz:.2f} s; "
            "the part before was used, copy the file again for the rest"
        )


RAW_FORMATS = {"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4}
"""Raw sample formats that a pipe may carry, and their bytes a sample."""


class PipeSource:
    """Raw samples from a binary stream, as they come.

    Parameters
    ----------
    stream : binary file
        E.g. ``sys.stdin.buffer``, or the reading end of a pipe.
    rate_hz : int
        Rate of the samples.
    sample_format : str
        One of :data:`RAW_FORMATS`.
    channels : int
        Interleaved channels.
    channel : int, optional
        Channel to use, from 0; the mean of all by default.
    block : int
        Samples in a block.
    name : str
        What messages call the source.

    Raises
    ------
    UsageError
        If the format is unknown, or rate or channels cannot be.
    """

    def __init__(
        self,
        stream: IO[bytes],
        *,
        rate_hz: int = SAMPLE_RATE_HZ,
        sample_format: str = "s16le",
        channels: int = 1,
        channel: int | None = None,
        block: int = DEFAULT_BLOCK,
        name: str = "-",
    ) -> None:
        if sample_format not in RAW_FORMATS:
            raise UsageError(f"raw format: got {sample_format!r}, expected one of {', '.join(RAW_FORMATS)}")
        if not 1_000 <= rate_hz <= 768_000 or not 1 <= channels <= 64:
            raise UsageError(
                f"raw audio: got {rate_hz} Hz and {channels} channels, expected 1000 to 768000 Hz and 1 to 64 channels"
            )
        self.name = name
        self.native_rate_hz = rate_hz
        self._stream = stream
        self._format = sample_format
        self._channels = channels
        self._channel = channel
        self._block = block
        _Converter(name, rate_hz, channels, channel)

    def blocks(self) -> Iterator[Block]:
        """Yield blocks as data arrive; see :class:`AudioSource`."""
        return _cut(self._pieces(), self._block)

    def _pieces(self) -> Iterator[Block]:
        converter = _Converter(self.name, self.native_rate_hz, self._channels, self._channel)
        frame = RAW_FORMATS[self._format] * self._channels
        # The resampler is fed fixed chunks, however the bytes arrive; one chunk is also the longest delay.
        chunk = frame * max(1, self.native_rate_hz // 100)
        read = getattr(self._stream, "read1", self._stream.read)
        pending = b""
        while True:
            data = read(chunk)
            pending += data or b""
            while len(pending) >= chunk:
                yield converter.convert(self._decode(pending[:chunk]))
                pending = pending[chunk:]
            if not data:
                break
        whole = len(pending) // frame * frame
        yield converter.convert(self._decode(pending[:whole]), last=True)
        if len(pending) != whole:
            raise AudioError(
                f"{self.name}: the stream ends inside a sample: got {len(pending) - whole} bytes over, expected whole frames of "
                f"{frame} bytes; check the format ({self._format}) and the number of channels ({self._channels})"
            )

    def _decode(self, data: bytes) -> npt.NDArray[Any]:
        if self._format == "s16le":
            samples: npt.NDArray[Any] = np.frombuffer(data, "<i2").astype(np.int16)
        elif self._format == "u8":
            samples = ((np.frombuffer(data, np.uint8).astype(np.int16) - 128) << 8).astype(np.int16)
        elif self._format == "s32le":
            samples = (np.frombuffer(data, "<i4") / 2.0**31).astype(np.float32)
        elif self._format == "f32le":
            samples = np.frombuffer(data, "<f4").astype(np.float32)
        else:
            triples = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.int32)
            value = (triples[:, 0] | triples[:, 1] << 8 | triples[:, 2] << 16) << 8
            samples = (value / 2.0**31).astype(np.float32)
        return samples.reshape(-1, self._channels)

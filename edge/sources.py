"""Where samples come from: files and raw pipes, of any rate, width and channels.

Every source yields 16 kHz mono int16, in blocks of exactly the size that was asked for, the last excepted.
Mixing and resampling happen in chunks of a fixed size *before* the blocks are cut, so that the samples do not
depend on the size of the blocks. What already is 16 kHz, mono and 16 bits passes through bit by bit.

A fault in the middle of a source is raised after everything before it was delivered: a recording whose end is
damaged may still hold the word that matters.
"""

import os
import re
import select
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from edge.errors import AudioError, UsageError
from edge.events import SAMPLE_RATE_HZ
from edge.raw_formats import RAW_FORMATS

__all__ = ["DEFAULT_BLOCK", "AudioSource", "FileSource", "PipeSource", "RawDecoder", "refuse_container"]

DEFAULT_BLOCK = 512
"""Samples in a block, 32 ms: with a chunk and the delay of the resampler (at most 58 ms) the blocks of a live
stream stay within 100 ms, whatever its rate."""

_FILE_CHUNK_S = 0.1
_PIPE_CHUNK_S = 0.01
"""Only where samples are resampled; a chunk is what a live stream may be late by."""
_PIPE_READ_BYTES = 1 << 15
_RATES_HZ = (1_000, 768_000)
"""Below, nothing of speech is left; above, no converter is made."""
_HIGH_RATE_HZ = 96_000
"""From here on high quality would take 79 ms; see :func:`_resampler`."""
_MAX_CHANNELS = 64
_SHORTAGE_S = 0.05
"""MP3 and Ogg encoders count the length of a file to within a frame or two, which is not a missing end."""
_UNKNOWN_FRAMES = 1 << 48
"""libsndfile gives lengths as large as this where a file does not say how long it is."""
_UNKNOWN_BYTES = (1 << 31) - (1 << 16)
"""Programs that write WAV into a pipe promise 2 or 4 GiB, because they cannot know better."""
_LOUDEST = np.float32(1e4)
"""Float samples are limited to this (1 is full scale) before the resampler, whose sums would overflow."""
_MARK_BYTES = 4
_CONTAINERS = {b"RIFF": "WAV", b"RF64": "WAV", b"fLaC": "FLAC", b"OggS": "Ogg"}
"""What begins with one of these is not samples, but a file that came through the pipe by mistake."""

_Block = npt.NDArray[np.int16]
_Frames = npt.NDArray[np.int16] | npt.NDArray[np.float32]


class AudioSource(Protocol):
    """Anything that yields blocks of samples."""

    name: str
    """What messages call the source, e.g. the path of a file."""
    native_rate_hz: int
    """Rate of the recording before resampling, Hz: there is no sound above half of it."""

    def blocks(self) -> Iterator[npt.NDArray[np.int16]]:
        """Yield blocks ``(n,) int16``, 16 kHz mono; all have the same size but the last.

        Raises
        ------
        AudioError
            If the audio cannot be read, or holds samples that are not numbers; after the part before was
            delivered.
        """


class _Converter:
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

    def feed(self, frames: _Frames) -> Iterator[_Block]:
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

    def flush(self) -> Iterator[_Block]:
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


def _to_int16(mono: npt.NDArray[np.float32]) -> _Block:
    """Round and saturate samples of full scale 1; the limits are taken before the cast, which would wrap."""
    rounded: _Block = np.clip(np.rint(mono * np.float32(32768)), -32768, 32767).astype(np.int16)
    return rounded


def _cut(pieces: Iterator[_Block], size: int) -> Iterator[_Block]:
    """Cut pieces of any size into blocks of one size; the rest is yielded before a fault is passed on."""
    pending: _Block = np.zeros(0, np.int16)
    try:
        for piece in pieces:
            pending = np.concatenate((pending, piece)) if pending.size else piece
            whole = pending.size - pending.size % size
            for at in range(0, whole, size):
                yield pending[at : at + size]
            pending = pending[whole:]
    except AudioError:
        if pending.size:
            yield pending
        raise
    if pending.size:
        yield pending


def _check_block(name: str, block: int) -> int:
    if block < 1:
        raise UsageError(f"{name}: got blocks of {block} samples, expected at least 1; choose a larger --block")
    return block


# -------------------------------------------------------------------------------------------- files


class _Straight(soundfile.SoundFile):  # type: ignore[misc]  # the wrapper has no types
    """A file that is read from beginning to end.

    The wrapper seeks after every read of a file that can be sought in: needless, and in a FLAC of unknown
    length (written into a pipe) the seek at the end fails and the last samples are lost.
    """

    def seekable(self) -> bool:
        """Say no, so that the wrapper does not seek."""
        return False


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for the other end of a named pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


class FileSource:
    """A file of any format that libsndfile reads: WAV, FLAC, Ogg Vorbis and Opus, MP3, AIFF, CAF ...

    The file is read in chunks of 0.1 s, so that memory does not grow with its length, and opened anew for
    every call of :meth:`blocks`.

    Parameters
    ----------
    path : path
    block : int, optional
        Samples in a block, at 16 kHz.
    channel : int, optional
        Channel to use, from 0; the mean of all by default.

    Attributes
    ----------
    name : str
        The path.
    native_rate_hz : int
        Rate of the file, Hz.

    Raises
    ------
    AudioError
        If the file is missing, a folder, empty, or no audio.
    UsageError
        If it has no such channel, or the block size is not positive.
    """

    def __init__(self, path: str | os.PathLike[str], *, block: int = DEFAULT_BLOCK, channel: int | None = None) -> None:
        self.name = os.fspath(path)
        self._block = _check_block(self.name, block)
        self._channel = channel
        with self._open() as file:
            self.native_rate_hz = int(file.samplerate)
            # Complain now, not at the first block.
            _Converter(self.name, file.samplerate, file.channels, channel)

    def blocks(self) -> Iterator[npt.NDArray[np.int16]]:
        """Yield the blocks of the file from its beginning; see :class:`AudioSource`."""
        return _cut(self._pieces(), self._block)

    @contextmanager
    def _open(self) -> Iterator[_Straight]:
        try:
            raw = open(self.name, "rb", opener=_open_at_once)  # noqa: SIM115
        except FileNotFoundError as error:
            raise AudioError(f"{self.name}: no such file; check the name and the folder") from error
        except IsADirectoryError as error:
            raise AudioError(f"{self.name}: got a folder, expected an audio file; name the files in it") from error
        except OSError as error:
            raise AudioError(
                f"{self.name}: cannot be opened ({error.strerror}); check its permissions and the path"
            ) from error
        with raw:
            found = os.fstat(raw.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise AudioError(
                    f"{self.name}: got a pipe or device, expected a file; give raw samples on standard input "
                    "instead, with - for the name"
                )
            if found.st_size == 0:
                raise AudioError(f"{self.name}: the file is empty (0 bytes), expected audio; record or copy it again")
            try:
                # By descriptor: libsndfile and its wrapper draw conclusions from file names (".raw"), and
                # do not take every name that a disk may hold.
                file = _Straight(raw.fileno(), closefd=False)
            except soundfile.LibsndfileError as error:
                raise AudioError(
                    f"{self.name}: got something that is not readable audio "
                    f"({error.error_string.strip().rstrip('.')}), expected WAV, FLAC, Ogg, MP3 or the like; "
                    "check what the file holds, or convert it"
                ) from error
            with file:
                if file.frames == 0:
                    raise AudioError(
                        f"{self.name}: got a header without samples, expected audio; record or copy it again"
                    )
                yield file

    def _pieces(self) -> Iterator[_Block]:
        with self._open() as file:
            converter = _Converter(self.name, file.samplerate, file.channels, self._channel)
            # What decodes to 16 bits is read as such; lossy formats may go beyond full scale.
            exact = file.subtype in ("PCM_16", "PCM_S8", "PCM_U8", "ULAW", "ALAW", "ALAC_16")
            size = max(1, round(_FILE_CHUNK_S * file.samplerate))
            chunk = np.empty((size, file.channels), np.int16 if exact else np.float32)
            got = 0
            broken = ""
            while True:
                n = 0
                try:
                    n = len(file.read(dtype=chunk.dtype.name, always_2d=True, out=chunk))
                except soundfile.LibsndfileError as error:
                    broken = error.error_string.strip().rstrip(".")
                    n = min(max(0, file.tell() - got), size)  # what it had decoded before it stumbled
                got += n
                yield from converter.feed(chunk[:n])
                if n < size or broken:
                    break
            yield from converter.flush()
            expected = _promised_frames(file)
            if broken or expected - got > _SHORTAGE_S * file.samplerate:
                whole = "a whole file" if not expected else f"{expected / file.samplerate:.2f} s"
                detail = f" ({broken})" if broken else ""
                raise AudioError(
                    f"{self.name}: the file is cut short or damaged{detail}: "
                    f"got {got / file.samplerate:.2f} s, expected {whole}; "
                    "the readable part was used: copy the file again for the rest"
                )


def _promised_frames(file: _Straight) -> int:
    """Return how many frames the header of a file promises, 0 where it does not say."""
    if file.frames >= _UNKNOWN_FRAMES:
        return 0
    # For a WAV file whose end is missing libsndfile reports what is left, and the promise only in its log.
    log = re.search(r"^\s*data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if log and 0 < int(log[2]) < int(log[1]) < _UNKNOWN_BYTES:
        return int(file.frames * int(log[1]) // int(log[2]))
    return int(file.frames)


# --------------------------------------------------------------------------------------- raw samples


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
        self._converter = _Converter(name, rate_hz, channels, channel)
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

    def _decode(self, data: bytes) -> _Frames:
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
        frames: _Frames = samples.reshape(-1, self._channels)
        return frames


def refuse_container(name: str, sample_format: str, begin: bytes) -> None:
    """Refuse a stream that begins as a file of audio does: its header is no sound, and what follows may be packed.

    Parameters
    ----------
    name : str
        Of the source, for messages.
    sample_format : str
        What was expected, one of :data:`edge.raw_formats.RAW_FORMATS`.
    begin : bytes
        The first bytes, four or more.

    Raises
    ------
    AudioError
        If they are those of such a file.
    """
    kind = _CONTAINERS.get(begin[:_MARK_BYTES])
    if kind is not None:
        raise AudioError(
            f"{name}: got a {kind} file, expected raw {sample_format} samples; give the file by its name instead"
        )


# -------------------------------------------------------------------------------------------- pipes


class PipeSource:
    """Raw samples from a binary stream, delivered as they come.

    At 16 kHz a block is delivered as soon as its last sample is there. At other rates the resampler adds its
    delay: 30 ms from 8 kHz, 40 ms from 22.05, 44.1, 48 and 96 kHz, at most 58 ms (32 kHz); chunk, block and
    delay together stay under 100 ms with the default block.

    Parameters
    ----------
    stream : binary file
        E.g. ``sys.stdin.buffer``, or the reading end of a pipe. It is read with ``read1`` where it has one,
        so that nothing waits for a buffer to fill.
    rate_hz : int, optional
        Rate of the samples, Hz.
    sample_format : str, optional
        One of :data:`edge.raw_formats.RAW_FORMATS`.
    channels : int, optional
        Interleaved channels.
    channel : int, optional
        Channel to use, from 0; the mean of all by default.
    block : int, optional
        Samples in a block, at 16 kHz.
    name : str, optional
        What messages call the source.

    Attributes
    ----------
    name : str
        As given.
    native_rate_hz : int
        As given, Hz.

    Raises
    ------
    UsageError
        If the format is unknown, or rate, channels, channel or block size cannot be.
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
        self.name = name
        self.native_rate_hz = rate_hz
        self._stream = stream
        self._format = sample_format
        self._channels = channels
        self._channel = channel
        self._block = _check_block(name, block)
        self._decoder()

    def blocks(self) -> Iterator[npt.NDArray[np.int16]]:
        """Yield blocks as data arrive; see :class:`AudioSource`. What was read is gone from the stream."""
        return _cut(self._pieces(), self._block)

    def _decoder(self) -> "RawDecoder":
        return RawDecoder(
            self.name,
            rate_hz=self.native_rate_hz,
            sample_format=self._format,
            channels=self._channels,
            channel=self._channel,
        )

    def _pieces(self) -> Iterator[_Block]:
        decoder = self._decoder()
        begin = b""
        while data := self._read():
            if len(begin) < _MARK_BYTES:
                begin += data[: _MARK_BYTES - len(begin)]
                refuse_container(self.name, self._format, begin)
            yield from decoder.feed(data)
        yield from decoder.flush()
        if not begin:
            raise AudioError(
                f"{self.name}: the stream ended without a sample, expected raw audio; check the program that writes it"
            )

    def _read(self) -> bytes:
        """Return what is there, after waiting for at least one byte; nothing at the end of the stream."""
        read = getattr(self._stream, "read1", self._stream.read)
        try:
            while (data := read(_PIPE_READ_BYTES)) is None:  # a stream that does not wait by itself
                select.select([self._stream], [], [])
        except OSError as error:
            raise AudioError(
                f"{self.name}: the stream cannot be read ({error.strerror}), expected raw audio; "
                "check where it comes from"
            ) from error
        return bytes(data)

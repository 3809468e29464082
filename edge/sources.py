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
from typing import IO, Protocol

import numpy as np
import numpy.typing as npt
import soundfile

from edge.conversion import Block, Converter, RawDecoder
from edge.errors import AudioError, UsageError
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["DEFAULT_BLOCK", "AudioSource", "FileSource", "PipeSource", "refuse_container"]

DEFAULT_BLOCK = 512
"""Samples in a block, 32 ms: with a chunk and the delay of the resampler (at most 58 ms) the blocks of a live
stream stay within 100 ms, whatever its rate."""

_FILE_CHUNK_S = 0.1
_PIPE_READ_BYTES = 1 << 15
_SHORTAGE_S = 0.05
"""MP3 and Ogg encoders count the length of a file to within a frame or two, which is not a missing end."""
_UNKNOWN_FRAMES = 1 << 48
"""libsndfile gives lengths as large as this where a file does not say how long it is."""
_UNKNOWN_BYTES = (1 << 31) - (1 << 16)
"""Programs that write WAV into a pipe promise 2 or 4 GiB, because they cannot know better."""
_MARK_BYTES = 4
_CONTAINERS = {b"RIFF": "WAV", b"RF64": "WAV", b"fLaC": "FLAC", b"OggS": "Ogg"}
"""What begins with one of these is not samples, but a file that came through the pipe by mistake."""


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


def _cut(pieces: Iterator[Block], size: int) -> Iterator[Block]:
    """Cut pieces of any size into blocks of one size; the rest is yielded before a fault is passed on."""
    pending: Block = np.zeros(0, np.int16)
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
            Converter(self.name, file.samplerate, file.channels, channel)

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

    def _pieces(self) -> Iterator[Block]:
        with self._open() as file:
            converter = Converter(self.name, file.samplerate, file.channels, self._channel)
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

    def _pieces(self) -> Iterator[Block]:
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

"""A microphone as a source of blocks, through PortAudio (the extra ``mic``).

Nothing of PortAudio is loaded before a microphone is opened: without the extra, or without the library below it,
everything else works, and whoever asks for a microphone reads one line.
"""

import os
import queue
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np  # a callback may run before anything else asked for it
import numpy.typing as npt

from edge.errors import AudioError, MissingExtraError, UsageError
from edge.events import SAMPLE_RATE_HZ
from edge.sources import DEFAULT_BLOCK, AudioSource, PipeSource

__all__ = ["Device", "MicSource", "Microphone", "choose_device", "list_devices"]

_SAMPLE_BYTES = 2
_HELD_S = 20.0
"""Sound that waits for a slow reader, s; beyond it new sound is dropped and counted."""
_PATIENCE_S = 5.0
"""A device that gives no sample for so long is gone: USB microphones that are pulled out often just fall silent."""
_LOOK_S = 0.25
_REPEAT = "see: vivavoce collect --list-devices"


class Microphone(AudioSource, Protocol):
    """A live source, which can lose samples."""

    overflows: int
    """How often samples were lost since it was made, because nobody took them in time."""

    def blocks(self) -> Generator[npt.NDArray[np.int16], None, None]:
        """Yield blocks as every source does; closing the generator closes the input."""


class Device(NamedTuple):
    """An input that PortAudio offers."""

    number: int
    """Its number there."""
    name: str
    """Its name there, e.g. ``"USB PnP Audio Device: Audio (hw:1,0)"``."""
    channels: int
    """Input channels that it has."""
    native_rate_hz: int
    """Rate that it prefers, Hz."""
    default: bool
    """Whether it is taken where no name is given."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep ALSA's library from writing to the terminal: it complains of every device that is configured, not there."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _sounddevice() -> ModuleType:
    try:
        with _quiet():
            import sounddevice
    except ImportError as error:
        raise MissingExtraError("listening to a microphone", "mic") from error
    except OSError as error:  # the Python package is there, the C library below it is not
        raise UsageError(
            "microphone: the library PortAudio is not installed here; install it with: apt-get install libportaudio2"
        ) from error
    module: ModuleType = sounddevice
    return module


def list_devices() -> list[Device]:
    """Return every input that there is now.

    Raises
    ------
    MissingExtraError, UsageError
        If sounddevice, or PortAudio below it, is not installed.
    """
    sounddevice = _sounddevice()
    found: list[Mapping[str, Any]] = list(sounddevice.query_devices())
    preferred = sounddevice.default.device[0]
    return [
        Device(
            index,
            str(entry["name"]),
            int(entry["max_input_channels"]),
            round(entry["default_samplerate"]),
            index == preferred,
        )
        for index, entry in enumerate(found)
        if entry["max_input_channels"] > 0
    ]


def choose_device(devices: Sequence[Device], wanted: str | None) -> Device:
    """Choose an input by a part of its name.

    Parameters
    ----------
    devices : sequence of Device
        What there is.
    wanted : str or None
        Part of the name, in any case; a full name goes before names that contain it. None for the default.

    Raises
    ------
    AudioError
        If there is no input, none matches, or several do; the message lists what there is.
    """
    if not devices:
        raise AudioError(
            "microphone: no input is there, expected at least one; connect one, and check that this user may use it "
            "(group audio)"
        )
    there = ", ".join(f"'{device.name}'" for device in devices)
    if wanted is None:
        chosen = [device for device in devices if device.default] or list(devices[:1])
    else:
        chosen = [device for device in devices if wanted.casefold() in device.name.casefold()]
        chosen = [device for device in chosen if wanted.casefold() == device.name.casefold()] or chosen
    if not chosen:
        raise AudioError(f"microphone: no input has {wanted!r} in its name, there are: {there}; name one of them")
    if len(chosen) > 1:
        matching = ", ".join(f"'{device.name}'" for device in chosen)
        raise AudioError(f"microphone: {wanted!r} is in the names of several inputs: {matching}; give more of the name")
    return chosen[0]


class MicSource:
    """A microphone, recorded at 16 kHz if it can, else at its own rate and resampled.

    Parameters
    ----------
    microphone : str, optional
        Part of the name of the input; the system's default without.
    block : int, optional
        Samples in a block, at 16 kHz.
    latency : float or str, optional
        What PortAudio is asked for: seconds, ``"low"`` or ``"high"``. :attr:`latency_s` holds what it gave.

    Attributes
    ----------
    name : str
        Of the input, as PortAudio calls it.
    native_rate_hz : int
        Rate at which it is recorded, Hz.
    overflows : int
        How often samples were lost, in the driver or because the blocks were not taken for a long time.
    latency_s : float
        Latency of the stream that was opened last, s.

    Raises
    ------
    MissingExtraError, UsageError
        If sounddevice, or PortAudio below it, is not installed.
    AudioError
        If there is no such input, or it takes no rate that it says it does.
    """

    def __init__(
        self, microphone: str | None = None, *, block: int = DEFAULT_BLOCK, latency: float | str = "low"
    ) -> None:
        self._sounddevice = _sounddevice()
        self._device = choose_device(list_devices(), microphone)
        self._block = block
        self._latency = latency
        self.name = self._device.name
        self.native_rate_hz, self._channels = self._settings()
        self.overflows = 0
        self.latency_s = 0.0
        # Complain of a block size now, not when the person is already speaking.
        self._source(_Samples(self, queue.SimpleQueue()))

    def _settings(self) -> tuple[int, int]:
        """Return the first pair of rate (Hz) and channels that the device takes: one channel at 16 kHz is best."""
        device = self._device
        reasons = []
        for rate_hz in dict.fromkeys((SAMPLE_RATE_HZ, device.native_rate_hz)):
            for channels in dict.fromkeys((1, min(2, device.channels), device.channels)):
                try:
                    with _quiet():
                        self._sounddevice.check_input_settings(
                            device=device.number, channels=channels, dtype="int16", samplerate=rate_hz
                        )
                except (self._sounddevice.PortAudioError, ValueError) as error:
                    reasons.append(str(error))
                    continue
                return rate_hz, channels
        raise AudioError(
            f"{self.name}: takes neither {SAMPLE_RATE_HZ} nor {device.native_rate_hz} Hz ({reasons[0]}), expected a "
            f"microphone that is free; stop what else uses it, or name another ({_REPEAT})"
        )

    def _source(self, samples: "_Samples") -> PipeSource:
        return PipeSource(
            samples,  # type: ignore[arg-type]  # all that is used of a stream is read
            rate_hz=self.native_rate_hz,
            channels=self._channels,
            block=self._block,
            name=self.name,
        )

    def blocks(self) -> Generator[npt.NDArray[np.int16], None, None]:
        """Yield blocks ``(n,) int16`` from now on; see :class:`edge.sources.AudioSource`.

        The input is open from the first block until the generator is closed or forgotten.

        Raises
        ------
        AudioError
            If it cannot be opened, or disappears.
        """
        waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        samples = _Samples(self, waiting)
        try:
            with _quiet():
                stream = self._sounddevice.RawInputStream(
                    samplerate=self.native_rate_hz,
                    channels=self._channels,
                    dtype="int16",
                    device=self._device.number,
                    latency=self._latency,
                    blocksize=0,  # whatever comes is taken; a fixed size would only add a buffer
                    callback=samples.take,
                )
                stream.start()
        except self._sounddevice.PortAudioError as error:
            raise AudioError(
                f"{self.name}: cannot be opened ({error}), expected a microphone that is free; stop what else uses "
                f"it, or name another ({_REPEAT})"
            ) from error
        self.latency_s = float(stream.latency)
        samples.stream = stream
        try:
            yield from self._source(samples).blocks()
        finally:
            # A device that is gone cannot be closed properly, and that is no second fault.
            with _quiet():
                stream.abort(ignore_errors=True)
                stream.close(ignore_errors=True)


class _Samples:
    """What the callback leaves, read as a binary stream.

    Parameters
    ----------
    owner : MicSource
        Counts the overflows.
    waiting : queue
        Of pieces of raw samples; PortAudio's thread puts, the reader's gets, and neither ever holds a lock for long.
    """

    def __init__(self, owner: MicSource, waiting: "queue.SimpleQueue[bytes]") -> None:
        self.stream: Any = None
        self._owner = owner
        self._waiting = waiting
        self._held_bytes = 0
        self._taken_bytes = 0
        self._limit_bytes = round(_HELD_S * owner.native_rate_hz) * owner._channels * _SAMPLE_BYTES

    def take(self, data: Any, frames: int, time: Any, status: Any) -> None:
        """Copy what PortAudio hands over; called in its thread, so that nothing else is done here."""
        if status.input_overflow:
            self._owner.overflows += 1
        piece = bytes(data)
        # Each of the two counters is written by one thread only.
        if self._held_bytes - self._taken_bytes > self._limit_bytes:
            self._owner.overflows += 1
            return
        self._held_bytes += len(piece)
        self._waiting.put(piece)

    def read(self, size: int) -> bytes:
        """Return the next piece, however long, when it is there; never nothing.

        Raises
        ------
        AudioError
            If the device stopped, or gives no samples any more.
        """
        waited_s = 0.0
        while True:
            try:
                piece = self._waiting.get(timeout=_LOOK_S)
            except queue.Empty:
                waited_s += _LOOK_S
            else:
                self._taken_bytes += len(piece)
                return piece
            if waited_s >= _PATIENCE_S or not self.stream.active:
                raise AudioError(
                    f"{self._owner.name}: the microphone stopped: no sample for {waited_s:g} s; what came before was "
                    "used: connect it again"
                )

"""A microphone as a source of blocks, through PortAudio (the extra ``mic``).

Nothing of PortAudio is loaded before a microphone is opened: without the extra, or without the library below it,
everything else works, and whoever asks for a microphone reads one line.
"""

import queue
from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np  # a callback may run before anything else asked for it
import numpy.typing as npt

from edge import portaudio
from edge.errors import AudioError
from edge.sample_time import SAMPLE_RATE_HZ
from edge.sources import DEFAULT_BLOCK, AudioSource, PipeSource

__all__ = ["Device", "MicSource", "Microphone", "choose_device", "list_devices"]

_SAMPLE_BYTES = 2
_HELD_S = 20.0
"""Sound that waits for a slow reader, s; beyond it new sound is dropped and counted."""
_PATIENCE_S = 5.0
"""A device that gives no sample for so long is gone: USB microphones that are pulled out often just fall silent."""
_LOOK_S = 0.25
_USUAL_RATES_HZ = (48_000, 44_100)
"""Rates that are tried where a device takes neither 16 kHz nor what it calls its own, Hz."""
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


def list_devices() -> list[Device]:
    """Return every input that there is now.

    Raises
    ------
    MissingExtraError, UsageError
        If sounddevice, or PortAudio below it, is not installed.
    AudioError
        If PortAudio does not work.
    """
    sounddevice = portaudio.load()
    try:
        found: list[Mapping[str, Any]] = list(sounddevice.query_devices())
    except sounddevice.PortAudioError as error:
        raise AudioError(f"microphone: PortAudio does not work ({error}); check the sound system") from error
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


def choose_device(devices: Sequence[Device], wanted: str | int | None) -> Device:
    """Choose an input by its number, or by a part of its name.

    Parameters
    ----------
    devices : sequence of Device
        What there is.
    wanted : str or int or None
        Part of the name, in any case; a full name goes before names that contain it. A number, or a text that is one
        and no full name, is that of PortAudio. None for the default.

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
    if wanted is None:
        chosen = [device for device in devices if device.default] or list(devices[:1])
        return chosen[0]
    text = str(wanted).casefold()
    chosen = [] if isinstance(wanted, int) else [device for device in devices if text == device.name.casefold()]
    if not chosen and text.isdecimal():
        chosen = [device for device in devices if device.number == int(text)]
        if not chosen:
            numbers = ", ".join(f"{device.number} '{device.name}'" for device in devices)
            raise AudioError(f"microphone: no input has the number {text}, there are: {numbers}; give one of them")
    chosen = chosen or [device for device in devices if text in device.name.casefold()]
    if not chosen:
        there = ", ".join(f"'{device.name}'" for device in devices)
        raise AudioError(f"microphone: no input has {wanted!r} in its name, there are: {there}; name one of them")
    if len(chosen) > 1:
        matching = ", ".join(f"'{device.name}'" for device in chosen)
        raise AudioError(f"microphone: {wanted!r} is in the names of several inputs: {matching}; give more of the name")
    return chosen[0]


class MicSource:
    """A microphone, recorded at 16 kHz if it can, else at its own rate and resampled.

    Parameters
    ----------
    microphone : str or int, optional
        Part of the name of the input, or its number, see :func:`choose_device`; the system's default without.
    block : int, optional
        Samples in a block, at 16 kHz.
    latency : float or str, optional
        What PortAudio is asked for: seconds, ``"low"`` or ``"high"``. :attr:`latency_s` holds what it gave.
    rate_hz : int, optional
        Rate to record at, Hz; 0 for 16 kHz, else the device's own, 48 kHz or 44.1 kHz: the first that it takes.
    channels : int, optional
        Channels to record; 0 for one if it can, else as few as it takes.
    channel : int, optional
        Channel to use, from 0; the mean of all by default.
    hush : bool, optional
        Whether C libraries may be kept from the terminal, see :func:`edge.portaudio.hushed`.

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
        If there is no such input, or it takes no such rate and channels.
    """

    def __init__(
        self,
        microphone: str | int | None = None,
        *,
        block: int = DEFAULT_BLOCK,
        latency: float | str = "low",
        rate_hz: int = 0,
        channels: int = 0,
        channel: int | None = None,
        hush: bool = True,
    ) -> None:
        self._sounddevice = portaudio.load()
        self._hush = hush
        self._device = choose_device(list_devices(), microphone)
        self._block = block
        self._latency = latency
        self.name = self._device.name
        self._channel = channel
        self.native_rate_hz, self._channels = self._settings(rate_hz, channels)
        self.overflows = 0
        self.latency_s = 0.0
        # Complain of a block size now, not when the person is already speaking.
        self._source(_Samples(self, queue.SimpleQueue()))

    def _settings(self, rate_hz: int, channels: int) -> tuple[int, int]:
        """Return the first pair of rate (Hz) and channels that the device takes: one channel at 16 kHz is best."""
        device = self._device
        least = 1 if self._channel is None else self._channel + 1
        rates = dict.fromkeys((rate_hz,) if rate_hz else (SAMPLE_RATE_HZ, device.native_rate_hz, *_USUAL_RATES_HZ))
        counts = dict.fromkeys((channels,) if channels else (least, max(2, least), device.channels))
        reasons = []
        for rate in rates:
            for count in counts:
                if count > device.channels:
                    reasons.append(f"it has {device.channels} channels, not {count}")
                    continue
                try:
                    with portaudio.hushed(self._hush):
                        self._sounddevice.check_input_settings(
                            device=device.number, channels=count, dtype="int16", samplerate=rate
                        )
                except (self._sounddevice.PortAudioError, ValueError) as error:
                    reasons.append(str(error))
                    continue
                return rate, count
        raise AudioError(
            f"{self.name}: takes none of {', '.join(map(str, rates))} Hz ({reasons[0]}), expected a microphone that is "
            f"free; stop what else uses it, or name another ({_REPEAT})"
        )

    def _source(self, samples: "_Samples") -> PipeSource:
        return PipeSource(
            samples,  # type: ignore[arg-type]  # all that is used of a stream is read
            rate_hz=self.native_rate_hz,
            channels=self._channels,
            channel=self._channel,
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
            with portaudio.turn, portaudio.hushed(self._hush):
                stream = self._sounddevice.RawInputStream(
                    samplerate=self.native_rate_hz,
                    channels=self._channels,
                    dtype="int16",
                    device=self._device.number,
                    latency=self._latency,
                    blocksize=0,  # whatever comes is taken; a fixed size would only add a buffer
                    callback=samples.take,
                )
                try:
                    stream.start()
                except self._sounddevice.PortAudioError:
                    stream.close(ignore_errors=True)  # or the device stays taken
                    raise
        except (self._sounddevice.PortAudioError, ValueError) as error:
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
            with portaudio.turn, portaudio.hushed(self._hush):
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

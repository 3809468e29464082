"""A microphone as a source of blocks, through PortAudio (the extra ``mic``).

Nothing of PortAudio is loaded before a microphone is opened: without the extra, or without the library below it,
everything else works, and whoever asks for a microphone reads one line.
"""

import atexit
import ctypes
import ctypes.util
import importlib.util
import os
import queue
import sys
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np  # a callback may run before anything else asked for it
import numpy.typing as npt

from edge.errors import AudioError, MissingExtraError, UsageError
from edge.events import SAMPLE_RATE_HZ
from edge.sources import DEFAULT_BLOCK, AudioSource, PipeSource

__all__ = ["Device", "MicSource", "Microphone", "choose_device", "keep_stderr", "list_devices", "require_portaudio"]

_SAMPLE_BYTES = 2
_HELD_S = 20.0
"""Sound that waits for a slow reader, s; beyond it new sound is dropped and counted."""
_PATIENCE_S = 5.0
"""A device that gives no sample for so long is gone: USB microphones that are pulled out often just fall silent."""
_LOOK_S = 0.25
_CLOSE_S = 2.0
"""How long the closing of an input is waited for, s."""
_WHAT, _EXTRA = "listening to a microphone", "mic"
_NO_LIBRARY = "microphone: the library PortAudio is not installed here; install it with: apt-get install libportaudio2"
_REPEAT = "see: vivavoce collect --list-devices"
_USUAL_RATES_HZ = (48_000, 44_100)
"""Rates that are tried where a device takes neither 16 kHz nor what it calls its own, Hz."""

_portaudio = threading.RLock()
"""Held while PortAudio starts, ends, opens or closes anything: it has no lock of its own for these."""
_open_streams = 0
"""Inputs that are open in this process."""
_watched: list[ModuleType] = []
"""sounddevice, once it is there."""
_stderr = threading.Lock()
_kept_stderr: int | None = None
_silent = 0
_stderr_is_log = False
_ALSA_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)
_hushed: Any = None


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


def keep_stderr() -> None:
    """Leave standard error alone from now on, whatever the libraries write there: what runs for months logs to it.

    A device that hangs would take the log with it. What ALSA says is kept away where it comes from; a few lines of
    PortAudio's own, when a device is lost, remain.
    """
    global _stderr_is_log, _hushed
    if _stderr_is_log:
        return
    _stderr_is_log = True
    _hushed = _ALSA_HANDLER(lambda *_: None)
    # It has more arguments, for the text, which nobody here looks at; where there is no ALSA there is nothing to hush.
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(_hushed)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep ALSA's library from writing to the terminal: it complains of every device that is configured, not there."""
    global _kept_stderr, _silent
    if _stderr_is_log:
        yield
        return
    # There is one standard error for all threads: the first one that wants silence saves it, the last restores it.
    with _stderr:
        _silent += 1
        if _silent == 1:
            _kept_stderr = os.dup(2)
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        with _stderr:
            _silent -= 1
            if _silent == 0 and _kept_stderr is not None:
                os.dup2(_kept_stderr, 2)
                os.close(_kept_stderr)
                _kept_stderr = None


def _sounddevice() -> ModuleType:
    try:
        with _portaudio, _quiet():
            import sounddevice
    except ImportError as error:
        raise MissingExtraError(_WHAT, _EXTRA) from error
    except OSError as error:  # the Python package is there, the C library below it is not
        raise UsageError(_NO_LIBRARY) from error
    if not _watched:
        _watched.append(sounddevice)
        atexit.register(_leave)
    module: ModuleType = sounddevice
    return module


def _leave() -> None:
    """Let the process end without PortAudio's consent where that hangs: sounddevice, registered before, would wait."""
    if not _portaudio.acquire(timeout=_CLOSE_S):
        atexit.unregister(_watched[0]._exit_handler)


def require_portaudio() -> None:
    """See whether microphones can be used at all; whether one is there is another question.

    PortAudio is looked for, and not started: that asks every sound server, and waits minutes for one that hangs.

    Raises
    ------
    MissingExtraError, UsageError
        If sounddevice, or PortAudio below it, is not installed.
    """
    if "sounddevice" in sys.modules and sys.modules["sounddevice"] is not None:
        return
    try:
        found = importlib.util.find_spec("sounddevice")
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise MissingExtraError(_WHAT, _EXTRA)
    if ctypes.util.find_library("portaudio") is None:
        raise UsageError(_NO_LIBRARY)


def list_devices(*, again: bool = False) -> list[Device]:
    """Return every input that there is.

    Parameters
    ----------
    again : bool
        Look anew. PortAudio looks once, when it starts: what was plugged in since is not in its list, and what was
        pulled out still is. It has to end and start again to look, which no open input survives, so that nothing is
        looked at anew while one is open in this process.

    Raises
    ------
    MissingExtraError, UsageError
        If sounddevice, or PortAudio below it, is not installed.
    """
    sounddevice = _sounddevice()
    with _portaudio:
        if again and not _open_streams:
            with _quiet():
                sounddevice._terminate()
                sounddevice._initialize()
        return _listed(sounddevice)


def _listed(sounddevice: ModuleType) -> list[Device]:
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
    """Choose an input by a part of its name, or its number.

    Parameters
    ----------
    devices : sequence of Device
        What there is.
    wanted : str or None
        Part of the name, in any case; a full name goes before names that contain it. Digits alone are the number that
        PortAudio gives the input, unless they are a full name. None for the default.

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
        full = [device for device in chosen if wanted.casefold() == device.name.casefold()]
        if wanted.isdecimal() and not full:
            chosen = [device for device in devices if device.number == int(wanted)]
            if not chosen:
                numbers = ", ".join(f"{device.number} ('{device.name}')" for device in devices)
                raise AudioError(
                    f"microphone: no input has the number {wanted}, there are: {numbers}; give one of them"
                )
        chosen = full or chosen
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
        Part of the name of the input, or its number, see :func:`choose_device`; the system's default without.
    block : int, optional
        Samples in a block, at 16 kHz.
    latency : float or str, optional
        What PortAudio is asked for: seconds, ``"low"`` or ``"high"``. :attr:`latency_s` holds what it gave.
    rate_hz : int, optional
        Rate to record at, Hz; 0 for the best that the device takes: 16 kHz, its own, 48 or 44.1 kHz.
    channels : int, optional
        Channels to record; 0 for as few as the device takes.
    channel : int, optional
        Channel to listen to, from 0; the mean of all by default.
    again : bool, optional
        Look for the device anew, see :func:`list_devices`.

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
        self,
        microphone: str | None = None,
        *,
        block: int = DEFAULT_BLOCK,
        latency: float | str = "low",
        rate_hz: int = 0,
        channels: int = 0,
        channel: int | None = None,
        again: bool = False,
    ) -> None:
        self._sounddevice = _sounddevice()
        self._device = choose_device(list_devices(again=again), microphone)
        self._block = block
        self._latency = latency
        self._channel = channel
        self.name = self._device.name
        self.native_rate_hz, self._channels = self._settings(rate_hz, channels)
        self.overflows = 0
        self.latency_s = 0.0
        # Complain of a block size now, not when the person is already speaking.
        self._source(_Samples(self, queue.SimpleQueue()))

    def _settings(self, rate_hz: int, channels: int) -> tuple[int, int]:
        """Return the first pair of rate (Hz) and channels that the device takes: one channel at 16 kHz is best."""
        device = self._device
        least = 1 if self._channel is None else self._channel + 1
        if max(least, channels) > device.channels:
            raise AudioError(
                f"{self.name}: has {device.channels} channels, expected at least {max(least, channels)}; "
                "ask for fewer, or name another channel or microphone"
            )
        rates_hz = (rate_hz,) if rate_hz else (SAMPLE_RATE_HZ, device.native_rate_hz, *_USUAL_RATES_HZ)
        numbers = (channels,) if channels else (1, min(2, device.channels), device.channels)
        reasons = []
        for rate in dict.fromkeys(rates_hz):
            for number in dict.fromkeys(max(least, number) for number in numbers):
                try:
                    with _portaudio, _quiet():
                        self._sounddevice.check_input_settings(
                            device=device.number, channels=number, dtype="int16", samplerate=rate
                        )
                except (self._sounddevice.PortAudioError, ValueError) as error:
                    reasons.append(str(error))
                    continue
                return rate, number
        tried = " or ".join(f"{rate}" for rate in dict.fromkeys(rates_hz))
        raise AudioError(
            f"{self.name}: does not take {tried} Hz ({reasons[0]}), expected a microphone that is free; stop what "
            f"else uses it, or name another ({_REPEAT})"
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
        samples = _Samples(self, queue.SimpleQueue())
        stream = self._opened(samples)
        try:
            yield from self._source(samples).blocks()
        finally:
            # A sound server that hangs lets nobody go for a minute: what happened is told before, and whoever opens the
            # next input waits for this one.
            closing = threading.Thread(target=self._close, args=(stream,), name="closing microphone", daemon=True)
            closing.start()
            closing.join(_CLOSE_S)

    def _opened(self, samples: "_Samples") -> Any:
        global _open_streams
        stream = None
        try:
            with _portaudio, _quiet():
                stream = self._sounddevice.RawInputStream(
                    samplerate=self.native_rate_hz,
                    channels=self._channels,
                    dtype="int16",
                    device=self._device.number,
                    latency=self._latency,
                    blocksize=0,  # whatever comes is taken; a fixed size would only add a buffer
                    callback=samples.take,
                )
                _open_streams += 1
                samples.stream = stream
                stream.start()
        except (self._sounddevice.PortAudioError, ValueError) as error:
            if stream is not None:
                self._close(stream)
            raise AudioError(
                f"{self.name}: cannot be opened ({error}), expected a microphone that is free; stop what else uses "
                f"it, or name another ({_REPEAT})"
            ) from error
        self.latency_s = float(stream.latency)
        return stream

    @staticmethod
    def _close(stream: Any) -> None:
        """Close an input; one that is gone cannot be closed properly, and that is no second fault."""
        global _open_streams
        with _portaudio, _quiet():
            try:
                stream.abort(ignore_errors=True)
                stream.close(ignore_errors=True)
            finally:
                _open_streams -= 1


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

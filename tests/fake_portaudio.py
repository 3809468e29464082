"""A PortAudio that the tests script; tests/e2e has the real one."""

import threading
from types import SimpleNamespace

import numpy as np

__all__ = ["FakeAudio", "PortAudioError"]


class PortAudioError(Exception):
    """What sounddevice raises."""


class FakeAudio:
    """As much of sounddevice as there is need for; its callback is called from a thread, in pieces of odd sizes."""

    PortAudioError = PortAudioError

    def __init__(self, samples: np.ndarray, *, rate_hz: int, channels: int, ends: bool = True) -> None:
        self.samples, self.rate_hz, self.channels, self.ends = samples, rate_hz, channels, ends
        self.default = SimpleNamespace(device=[0, 0])
        self.overflow_at = -1
        self.busy = False
        self.closed = 0
        self.opened: dict[str, object] = {}
        self.broken_start = False
        self.calls: list[str] = []
        self._lib = SimpleNamespace(
            Pa_Terminate=lambda: self.calls.append("terminate"), Pa_Initialize=lambda: self.calls.append("initialise")
        )

    def query_devices(self):
        entry = {"max_input_channels": self.channels, "default_samplerate": float(self.rate_hz)}
        return [{**entry, "name": "fake"}, {**entry, "name": "an output", "max_input_channels": 0}]

    def check_input_settings(self, *, device, channels, dtype, samplerate):
        assert (device, dtype) == (0, "int16")
        if (samplerate, channels) != (self.rate_hz, self.channels):
            raise PortAudioError("Invalid sample rate or number of channels")

    def RawInputStream(self, **settings):  # noqa: N802
        if self.busy:
            raise PortAudioError("Device unavailable")
        self.opened = settings
        stream = SimpleNamespace(active=True, latency=0.012)

        def deliver() -> None:
            at = 0
            for number in range(1_000_000):
                piece = self.samples[at : at + 100 + number % 7 * 50]
                if not piece.size:
                    break
                overflow = number == self.overflow_at
                settings["callback"](piece.tobytes(), len(piece), None, SimpleNamespace(input_overflow=overflow))
                at += len(piece)
            stream.active = not self.ends

        thread = threading.Thread(target=deliver)

        def start() -> None:
            if self.broken_start:
                raise PortAudioError("Invalid device")
            thread.start()

        def close(ignore_errors: bool) -> None:
            assert ignore_errors
            if not self.broken_start:
                thread.join()
            self.closed += 1

        stream.start = start
        stream.abort = lambda ignore_errors: None
        stream.close = close
        return stream

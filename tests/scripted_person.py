"""A person, a room and a microphone for tests of ``vivavoce collect``: no hardware, no waiting.

The person reads what the program prints (:meth:`Scene.write`) and answers with the next sound of the script; the
program hears it in the blocks of :meth:`Scene.blocks`. Everything runs in one thread, in sample time.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 16_000
LONGEST_S = 900.0


def word(seed: int, *, seconds: float = 0.7, level: float = 0.2) -> np.ndarray:
    """Return something with the levels and bands of a word of two syllables, ``(n,) int16``; each seed is another."""
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE_HZ * rng.uniform(0.9, 1.1))
    t = np.arange(n) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(rng.uniform(100, 220) * (1 + 0.1 * np.sin(2 * np.pi * 2 * t))) / RATE_HZ
    voiced = sum(np.sin(k * phase) / k for k in range(1, 30))
    hiss = np.diff(rng.normal(0, 0.3, n + 1))
    middle = rng.uniform(0.35, 0.65) * n / RATE_HZ
    one = np.exp(-(((t - middle * 0.5) / (0.25 * middle)) ** 2))
    two = np.exp(-(((t - 1.4 * middle) / (0.3 * middle)) ** 2)) * rng.uniform(0.5, 1.0)
    fricative = np.exp(-(((t - middle * 1.9) / 0.05) ** 2))
    x = voiced * (one + two) + hiss * fricative
    return (x / np.abs(x).max() * level * 32767).astype(np.int16)


class Scene:
    """The room: a microphone for the program, and the writer of its terminal.

    Parameters
    ----------
    said : iterable of arrays or callables
        What is said at each prompt, ``(n,) int16``; a callable is called (to lose samples, to interrupt, to kill).
        When the script is over, nothing is said any more.
    play : iterable of callables
        For each time that playing is asked for: makes what the microphone hears of the recording.
    floor : float
        RMS of the noise of the room, units of 16 bits.
    """

    name = "scripted"
    native_rate_hz = RATE_HZ

    def __init__(self, said=(), play=(), *, floor: float = 5.0, block: int = 512) -> None:
        self.overflows = 0
        self.text = ""
        self.opened = 0
        self._said = iter(said)
        self._play = iter(play)
        self._floor = floor
        self._block = block
        self._rng = np.random.default_rng(0)
        self._pending = np.zeros(0, np.int16)

    # As a writer of text

    def isatty(self) -> bool:
        return False

    def flush(self) -> None:
        pass

    def write(self, text: str) -> None:
        self.text += text
        line = text.strip()
        if re.fullmatch(r'\d+ of \d+: say ".*" now', line):
            self._hear(next(self._said, None))
        elif line.endswith("play it now"):
            path = Path(re.findall(r"^ +(\S.*\.wav) \(", self.text, re.MULTILINE)[-1])
            recording = soundfile.read(path, dtype="int16")[0]
            answer: Callable[[np.ndarray], np.ndarray] | None = next(self._play, None)
            self._hear(answer and answer(recording))

    def _hear(self, sound) -> None:
        if callable(sound):
            sound = sound(self)
        if sound is not None:
            self._pending = np.asarray(sound)

    # As a microphone

    def blocks(self) -> Iterator[np.ndarray]:
        self.opened += 1
        for _ in range(int(LONGEST_S * RATE_HZ / self._block)):
            part, self._pending = self._pending[: self._block], self._pending[self._block :]
            x = self._rng.normal(0, self._floor, self._block) if self._floor else np.zeros(self._block)
            x[: part.size] += part
            yield np.clip(np.rint(x), -32768, 32767).astype(np.int16)


def pause(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE_HZ), np.int16)


def after(seconds: float, sound: np.ndarray) -> np.ndarray:
    """Return a sound that comes later."""
    return np.concatenate((pause(seconds), sound))


def through_a_room(recording: np.ndarray, *, delay_s: float = 2.0, gain: float = 0.3, noise: float = 60.0):
    """Return a recording as a small loudspeaker plays it into a room: later, softer, thinner, with echoes and noise."""
    rng = np.random.default_rng(3)
    decay = rng.normal(0, 1, RATE_HZ // 4) * np.exp(-np.arange(RATE_HZ // 4) / (0.06 * RATE_HZ))
    decay[0] = 6.0
    thin = np.diff(recording.astype(float), prepend=0.0) + 0.2 * recording
    size = thin.size + decay.size
    wet = np.fft.irfft(np.fft.rfft(thin, size) * np.fft.rfft(decay, size), size)
    wet *= gain * np.abs(recording.astype(float)).max() / np.abs(wet).max()
    x = after(delay_s, wet)
    return x + rng.normal(0, noise, x.size)

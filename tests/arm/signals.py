"""Sounds for counting that need no recordings."""

import numpy as np
import numpy.typing as npt

__all__ = ["HOP", "RATE", "make_quiet", "make_signal"]

RATE, HOP = 16000, 160


def make_signal(n: int, seed: int) -> npt.NDArray[np.int16]:
    """Return a sound with the rise and fall of speech: voiced syllables, hiss and pauses above faint noise."""
    rng = np.random.default_rng(seed)
    sound = rng.normal(0, 20, n)
    at = RATE // 2
    while at < n:
        length = int(rng.integers(RATE // 12, RATE // 3))
        t = np.arange(min(length, n - at)) / RATE
        pitch, loudness = rng.uniform(90, 250), 10 ** rng.uniform(2.3, 3.9)
        if rng.random() < 0.7:
            voice = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 21))
        else:
            voice = rng.normal(0, 0.5, t.size)
        sound[at : at + t.size] += loudness * np.hanning(length)[: t.size] * voice
        at += length + int(rng.integers(0, RATE // 3))
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


def make_quiet(n: int, seed: int) -> npt.NDArray[np.int16]:
    """Return a quiet room: noise at -70 dBFS."""
    return np.rint(np.random.default_rng(seed).normal(0, 10, n)).astype(np.int16)

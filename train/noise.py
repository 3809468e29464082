"""Noise to mix in: recordings of a split, and noises that are defined by a formula."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from train.corpus import Clip, read_clip

__all__ = ["NoisePool", "coloured_noise"]

_GENERATED_SHARE = 0.4
_MUSIC_SHARE = 0.2
_FADE = 800


def coloured_noise(n: int, exponent: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return noise whose power falls with frequency to the power of ``exponent`` (0 white, 1 pink, 2 brown), RMS 1."""
    spectrum = rng.standard_normal(n // 2 + 1) + 1j * rng.standard_normal(n // 2 + 1)
    frequency = np.maximum(np.arange(n // 2 + 1), 20 * n / 16_000)
    x = np.fft.irfft(spectrum * frequency ** (-exponent / 2), n)
    return (x / np.sqrt(np.mean(x**2))).astype(np.float32)


@lru_cache(maxsize=256)
def _read(clip: Clip) -> npt.NDArray[np.float32]:
    return read_clip(clip)


class NoisePool:
    """Noises and music of one split, and coloured noise.

    Parameters
    ----------
    clips : list of Clip
        Clips of one split; those of the roles ``noise`` and ``music`` are used.
    """

    def __init__(self, clips: list[Clip]) -> None:
        self._noise = [clip for clip in clips if clip.role == "noise"]
        self._music = [clip for clip in clips if clip.role == "music"]

    def draw(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Draw a stretch of ``n`` samples, RMS 1."""
        draw = rng.random()
        pool = self._music if draw < _MUSIC_SHARE else self._noise
        if draw > 1 - _GENERATED_SHARE or not pool:
            return coloured_noise(n, rng.uniform(0, 2), rng)
        return self._recorded(pool[rng.integers(len(pool))], n, rng)

    def music(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Draw a stretch of music, RMS 1; pink noise where the corpus has none."""
        if not self._music:
            return coloured_noise(n, 1.0, rng)
        return self._recorded(self._music[rng.integers(len(self._music))], n, rng)

    def _recorded(self, clip: Clip, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        x = _read(clip)
        if x.size > n:
            start = int(rng.integers(x.size - n))
            x = x[start : start + n]
        else:
            # Loops are faded into each other: a click every few seconds would be a mark of the noise.
            x = x.copy()
            fade = min(_FADE, x.size // 4)
            ramp = np.sin(np.linspace(0, np.pi / 2, fade, dtype=np.float32))
            x[:fade] *= ramp
            x[x.size - fade :] *= ramp[::-1]
            period = x.size - fade
            y = np.zeros(n + x.size, np.float32)
            for at in range(0, n, period):
                y[at : at + x.size] += x
            start = int(rng.integers(max(1, x.size - fade)))
            x = y[start : start + n] if start + n <= y.size else y[:n]
        rms = float(np.sqrt(np.mean(x**2)))
        return x / rms if rms > 1e-5 else coloured_noise(n, 1.0, rng)

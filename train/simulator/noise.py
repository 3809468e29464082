"""Background sound: recordings of the corpus, generated noise, and programmes that a television may play."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.fft

from edge.sample_time import SAMPLE_RATE_HZ
from train.corpus import Clip, read_clip
from train.simulator.levels import rms, speech_rms
from train.simulator.recipe import Background, shipped_recipe

__all__ = ["NoisePool", "coloured_noise", "mains_hum"]

_FLOOR_DB = -26.0  # under every recording: what was gated to digital silence must not stay so
_FADE = SAMPLE_RATE_HZ // 50
_KEPT_S = 30.0  # of each recording, so that a pool of decoded recordings stays small


def _unit(samples: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    scaled: npt.NDArray[np.float32] = (samples / max(rms(samples), 1e-12)).astype(np.float32)
    return scaled


def coloured_noise(n: int, rng: np.random.Generator, slope: float) -> npt.NDArray[np.float32]:
    """Generate Gaussian noise whose power falls as ``1 / f**slope`` (0 white, 1 pink, 2 brown) above 20 Hz.

    Returns
    -------
    float32 array, shape (n,)
        RMS 1.
    """
    if n <= 0:
        return np.zeros(0, np.float32)
    size = scipy.fft.next_fast_len(max(n, 64), real=True)
    white = scipy.fft.rfft(rng.standard_normal(size, dtype=np.float32))
    if slope:
        hz = np.maximum(scipy.fft.rfftfreq(size, 1.0 / SAMPLE_RATE_HZ), 20.0).astype(np.float32)
        white *= hz ** np.float32(-slope / 2)
    white[0] = 0.0
    noise = scipy.fft.irfft(white, size)[:n]
    return _unit(noise)


def mains_hum(n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Generate mains hum: 50 or 60 Hz and falling harmonics; RMS 1."""
    fundamental_hz = float(rng.choice([50.0, 60.0]))
    t = np.arange(n, dtype=np.float64) / SAMPLE_RATE_HZ
    hum = np.zeros(n)
    for order in range(1, 9):
        amplitude = 10.0 ** (-(order - 1) * rng.uniform(1.0, 6.0) / 20.0)
        hum += amplitude * np.sin(2 * np.pi * fundamental_hz * order * t + rng.uniform(0, 2 * np.pi))
    return _unit(hum)


class NoisePool:
    """Background sound of one split.

    Parameters
    ----------
    clips : sequence of Clip
        Clips of one split. Those with the roles ``noise`` and ``music`` are backgrounds; ``music`` and
        ``speech`` are programmes. Files are read when they are first drawn, and kept.
    shares : Background, optional
        Those of the shipped recipe by default.
    """

    def __init__(self, clips: Sequence[Clip], shares: Background | None = None) -> None:
        self._shares = shares or shipped_recipe().background
        self._noise = [clip for clip in clips if clip.role == "noise"]
        self._music = [clip for clip in clips if clip.role == "music"]
        self._speech = [clip for clip in clips if clip.role == "speech"]
        self._kept: dict[str, npt.NDArray[np.float32]] = {}

    def __getstate__(self) -> dict[str, object]:
        """Leave the decoded recordings behind when sent to another process."""
        return {**self.__dict__, "_kept": {}}

    def _samples(self, clip: Clip) -> npt.NDArray[np.float32]:
        if clip.path not in self._kept:
            self._kept[clip.path] = read_clip(clip)[: int(_KEPT_S * SAMPLE_RATE_HZ)].astype(np.float16)
        return self._kept[clip.path].astype(np.float32)

    def _stretch(self, clip: Clip, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Cut ``n`` samples from a recording, repeating a short one with cross-fades."""
        x = self._samples(clip)
        fade = min(_FADE, x.size // 4)
        if x.size < n + fade and fade:
            ramp = np.sqrt(np.linspace(0.0, 1.0, fade, dtype=np.float32))
            body = x.copy()
            body[:fade] *= ramp
            body[x.size - fade :] *= ramp[::-1]
            step = x.size - fade
            repeated = np.zeros(step * (n // step + 2) + fade, np.float32)
            for start in range(0, repeated.size - x.size + 1, step):
                repeated[start : start + x.size] += body
            x = repeated[fade : repeated.size - fade]
        start = int(rng.integers(0, max(1, x.size - n)))
        return np.resize(x[start : start + n], n) if x.size else np.zeros(n, np.float32)

    def draw_named(self, n: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], str]:
        """Draw background sound.

        Returns
        -------
        samples : float32 array, shape (n,)
            RMS 1 over the whole stretch, never digital silence.
        name : str
            Path of the recording, or ``generated``.
        """
        floor = coloured_noise(n, rng, float(rng.uniform(0.0, 2.0)))
        draw = rng.random()
        recordings: list[Clip] = []
        if draw < self._shares.recorded_share:
            recordings = self._noise
        elif draw < self._shares.recorded_share + self._shares.music_share:
            recordings = self._music
        if recordings:
            clip = recordings[int(rng.integers(len(recordings)))]
            stretch = self._stretch(clip, n, rng)
            level = rms(stretch)
            if level > 1e-4:  # not a silent stretch
                mixed = stretch / np.float32(level) + floor * np.float32(10.0 ** (_FLOOR_DB / 20.0))
                return _unit(mixed), clip.path
        if rng.random() < self._shares.hum_share:
            mixed = floor + mains_hum(n, rng) * np.float32(10.0 ** (rng.uniform(-15.0, 3.0) / 20.0))
            return _unit(mixed), "generated"
        return floor, "generated"

    def draw(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Draw background sound ``(n,)``, RMS 1; see :meth:`draw_named`."""
        return self.draw_named(n, rng)[0]

    def programme(self, n: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], str]:
        """Draw what a television plays: speech, music, or speech over music.

        Returns
        -------
        samples : float32 array, shape (n,)
            Level 1 while it sounds.
        name : str
            Paths of the recordings, or ``generated`` if the split has none.
        """
        parts: list[npt.NDArray[np.float32]] = []
        names: list[str] = []
        kind = rng.random()
        for clips, wanted, gain in (
            (self._speech, kind < 0.7, 1.0),
            (self._music, kind > 0.5, 0.3 if kind < 0.7 else 1.0),
        ):
            if clips and wanted:
                clip = clips[int(rng.integers(len(clips)))]
                stretch = self._stretch(clip, n, rng)
                level = speech_rms(stretch)
                if level > 1e-4:
                    parts.append(stretch * np.float32(gain / level))
                    names.append(clip.path)
        if not parts:
            return coloured_noise(n, rng, 1.0), "generated"
        mixed = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        return (mixed / max(speech_rms(mixed), 1e-6)).astype(np.float32), "+".join(names)

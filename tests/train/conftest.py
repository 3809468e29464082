"""Synthetic words: what needs speech, and no recordings."""

import numpy as np
import pytest
import scipy.signal


def synthetic_word(seed: int) -> np.ndarray:
    """Two syllables, pulses through formants, with a hiss behind each; 0.3 s of silence on either side."""
    rng = np.random.default_rng(seed)
    parts = []
    for formants_hz in ((500, 1500, 2500), (300, 2200, 3000)):
        n = int(rng.uniform(0.15, 0.3) * 16000)
        pitch_hz = rng.uniform(90, 220) * np.linspace(1.0, 0.85, n)
        phase = np.cumsum(pitch_hz / 16000)
        pulses = np.diff(np.floor(phase), prepend=0.0) + 0.003 * rng.standard_normal(n)
        voiced = sum(scipy.signal.lfilter(*scipy.signal.iirpeak(f, 6, fs=16000), pulses) for f in formants_hz)
        hiss = scipy.signal.lfilter([1, -0.9], [1], rng.standard_normal(1600)) * 0.02
        parts += [voiced * np.hanning(n), hiss * np.hanning(1600)]
    word = np.concatenate(parts)
    return (0.5 * np.pad(word, 4800) / np.abs(word).max()).astype(np.float32)


@pytest.fixture(scope="session")
def word() -> np.ndarray:
    return synthetic_word(1)


@pytest.fixture(scope="session")
def words() -> list[np.ndarray]:
    return [synthetic_word(seed) for seed in range(10)]

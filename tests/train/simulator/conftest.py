"""A small world without recordings: synthetic speech, flat and tilted loudspeakers, a few rooms."""

import numpy as np
import pytest
import scipy.signal

from train.simulator.chain import Simulator
from train.simulator.loudspeakers import GRID_HZ, Curves, Loudspeakers
from train.simulator.noise import NoisePool
from train.simulator.recipe import shipped_recipe
from train.simulator.rooms import RoomBank, make_room


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


@pytest.fixture(scope="session")
def loudspeakers() -> Loudspeakers:
    """Two measured brands in each split, each with a tilt of its own."""
    splits = ("train", "dev", "test") * 2
    tilts_db = np.linspace(-3, 3, 6)
    on_axis = tilts_db[:, None] * (np.log2(GRID_HZ) - np.log2(1000))[None, :] / 3
    curves = Curves(
        tuple(f"Model {i}" for i in range(6)),
        tuple(f"brand{i}" for i in range(6)),
        splits,
        on_axis,
        np.full((6, GRID_HZ.size), 5.0),
    )
    return Loudspeakers(shipped_recipe(), curves)


@pytest.fixture(scope="session")
def bank() -> RoomBank:
    return RoomBank([make_room("dev", number) for number in range(24)])


@pytest.fixture(scope="session")
def simulator(bank: RoomBank, loudspeakers: Loudspeakers) -> Simulator:
    return Simulator("dev", bank, loudspeakers, NoisePool([]))

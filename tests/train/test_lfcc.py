"""Linear-frequency cepstra against a slow twin."""

import numpy as np
import pytest

from edge.errors import FrontendError
from train.lfcc import LfccSettings, filter_bank, lfcc

SETTINGS = LfccSettings()
NOISE = np.random.default_rng(0).normal(0, 2000, 1600).astype(np.int16)


def test_filters_share_out_the_band():
    bank = filter_bank(SETTINGS)
    assert bank.shape == (20, 257)
    place = np.linspace(0, 21, 257)
    np.testing.assert_allclose(bank.sum(axis=0)[(place >= 1) & (place <= 20)], 1.0)
    assert bank[:, 0].max() == bank[:, -1].max() == 0.0
    # The tenth rises from 9/21 to 10/21 of 8 kHz.
    assert np.flatnonzero(bank[9])[0] == np.flatnonzero(place > 9)[0]
    np.testing.assert_allclose(bank[9] @ place / bank[9].sum(), 10, atol=0.01)


def test_coefficients_are_those_of_a_slow_twin():
    x = NOISE.astype(np.float64)
    x = (x - x.mean()) / np.sqrt(np.mean((x - x.mean()) ** 2))
    frames = np.stack([x[160 * i : 160 * i + 320] * np.hamming(320) for i in range(9)])
    turns = np.exp(-2j * np.pi * np.outer(np.arange(257), np.arange(320)) / 512)
    power = np.abs(frames @ turns.T) ** 2
    hz, edges = np.arange(257) * 16000 / 512, np.linspace(0, 8000, 22)
    energies = np.zeros((9, 20))
    for k in range(20):
        low, centre, high = edges[k : k + 3]
        weight = np.clip(np.minimum((hz - low) / (centre - low), (high - hz) / (high - centre)), 0, None)
        energies[:, k] = np.log(power @ weight)
    k, n = np.arange(20)[:, None], np.arange(20)[None, :]
    cosines = np.sqrt(np.where(k == 0, 1, 2) / 20) * np.cos(np.pi * k * (2 * n + 1) / 40)
    expected = energies @ cosines.T
    got = lfcc(NOISE, SETTINGS)
    assert got.shape == (9, 60)
    np.testing.assert_allclose(got[:, :20], expected, atol=2e-4)
    first = np.stack([(expected[min(8, i + 1)] - expected[max(0, i - 1)]) / 2 for i in range(9)])
    np.testing.assert_allclose(got[:, 20:40], first, atol=4e-4)
    second = np.stack([(first[min(8, i + 1)] - first[max(0, i - 1)]) / 2 for i in range(9)])
    np.testing.assert_allclose(got[:, 40:], second, atol=4e-4)


def test_the_level_does_not_matter():
    even = (NOISE // 8) * 8
    np.testing.assert_allclose(lfcc((even // 8).astype(np.int16), SETTINGS), lfcc(even, SETTINGS), atol=2e-3)


def test_silence_and_short_audio_give_numbers():
    assert np.isfinite(lfcc(np.zeros(1600, np.int16), SETTINGS)).all()
    assert lfcc(NOISE[:100], SETTINGS).shape == (1, 60)
    assert lfcc(NOISE[:0], SETTINGS).shape == (1, 60)


@pytest.mark.parametrize("samples", [NOISE.astype(np.float32), NOISE[None], [1, 2]])
def test_only_samples_are_taken(samples):
    with pytest.raises(FrontendError, match="expected int16 samples"):
        lfcc(samples, SETTINGS)

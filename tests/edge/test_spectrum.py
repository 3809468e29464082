"""The float transform, against the sum that defines it, and by what any power spectrum must fulfil."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import FrontendError
from edge.spectrum import power_spectra
from edge.spectrum_tables import LANES, LARGEST_FFT

ROUNDING = 2e-6
"""Of float32 through at most fifteen stages, as a share of the largest bin."""


def _noise(n, seed=0):
    return np.random.default_rng(seed).normal(size=n).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(
    bits=st.integers(3, 8),
    share=st.floats(0.1, 1.0),
    step=st.integers(1, 300),
    frames=st.integers(1, 2 * LANES + 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_the_naive_twin(bits, share, step, frames, seed):
    fft_size = 1 << bits
    size = max(1, round(share * fft_size))
    x, window = _noise((frames - 1) * step + size, seed), _noise(size, seed + 1)
    found = power_spectra(x, window, step=step, fft_size=fft_size)
    expected = np.array(naive.power_spectra(x.tolist(), window.tolist(), step, fft_size))
    assert found.dtype == np.float32
    assert found.shape == expected.shape == (frames, fft_size // 2 + 1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING * expected.max())


@pytest.mark.parametrize("fft_size", [8, 16, 512, 1024, 2048, LARGEST_FFT])
def test_power_is_that_of_the_signal(fft_size):
    x = _noise(fft_size + 7 * 100)
    powers = power_spectra(x, np.ones(fft_size, np.float32), step=100, fft_size=fft_size).astype(np.float64)
    # Parseval; the bins between 0 Hz and half the rate stand for two each.
    total = 2 * powers.sum(axis=1) - powers[:, 0] - powers[:, -1]
    expected = [fft_size * np.sum(x[at : at + fft_size].astype(np.float64) ** 2) for at in range(0, 701, 100)]
    np.testing.assert_allclose(total, expected, rtol=1e-5)


@pytest.mark.parametrize("k", [0, 1, 37, 128, 255, 256])
def test_a_tone_on_a_bin_is_in_that_bin_alone(k):
    x = np.cos(2 * np.pi * k * np.arange(512) / 512).astype(np.float32)
    powers = power_spectra(x, np.ones(512, np.float32), step=1, fft_size=512)[0]
    assert powers[k] == pytest.approx((512 if k in (0, 256) else 256) ** 2, rel=1e-5)
    assert np.delete(powers, k).max() < 1e-9 * powers[k]


def test_a_frame_does_not_depend_on_its_neighbours():
    x, window = _noise(512 + 160 * 20), np.hanning(512).astype(np.float32)
    together = power_spectra(x, window, step=160, fft_size=512)
    alone = [power_spectra(x[160 * i : 160 * i + 512], window, step=160, fft_size=512)[0] for i in range(21)]
    np.testing.assert_array_equal(together, alone)


def test_a_frame_of_no_numbers_does_not_spoil_the_next():
    x = np.concatenate((np.full(64, np.nan, np.float32), _noise(64)))
    found = power_spectra(x, np.ones(64, np.float32), step=64, fft_size=64)
    assert np.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1], power_spectra(x[64:], np.ones(64, np.float32), step=64, fft_size=64)[0])


@pytest.mark.parametrize("n", [0, 1, 63])
def test_less_than_a_frame_gives_none(n):
    assert power_spectra(_noise(n), np.ones(64, np.float32), step=10, fft_size=64).shape == (0, 33)


def test_views_of_other_audio_are_read_correctly():
    stereo = _noise(4000).reshape(2000, 2)
    window = np.hanning(64).astype(np.float32)
    np.testing.assert_array_equal(
        power_spectra(stereo[:, 1], window[::-1], step=32, fft_size=64),
        power_spectra(stereo[:, 1].copy(), window[::-1].copy(), step=32, fft_size=64),
    )


@pytest.mark.parametrize(
    ("samples", "window", "step", "fft_size", "told"),
    [
        (np.zeros(100), np.ones(8, np.float32), 1, 8, "spectrum, samples: got float64 of shape"),
        (
            np.zeros((2, 50), np.float32),
            np.ones(8, np.float32),
            1,
            8,
            r"spectrum, samples: got float32 of shape \(2, 50\)",
        ),
        (_noise(100), np.ones(8), 1, 8, "spectrum, window: got float64"),
        (_noise(100), np.ones(8, np.float32), 1, 100, "got 100 points.*expected a power of two"),
        (_noise(100), np.ones(4, np.float32), 1, 4, "got 4 points"),
        (_noise(100), np.ones(4, np.float32), 1, 2 * LARGEST_FFT, "got 65536 points"),
        (_noise(100), np.ones(9, np.float32), 1, 8, "for a window of 9 samples.*a window that fits"),
        (_noise(100), np.ones(0, np.float32), 1, 8, "for a window of 0 samples"),
        (_noise(100), np.ones(8, np.float32), 0, 8, "every 0, expected .* a step of at least 1"),
    ],
)
def test_what_cannot_be_transformed_is_refused(samples, window, step, fft_size, told):
    with pytest.raises(FrontendError, match=told):
        power_spectra(samples, window, step=step, fft_size=fft_size)

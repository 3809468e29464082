from pathlib import Path

import naive_cues as naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import FrontendError
from edge.lpcc import autocorrelation, levinson_durbin, predictor_cepstrum

ROOT = Path(__file__).resolve().parents[2]


def _pairs(*poles):
    """Return poles with their conjugates, from (radius, Hz)."""
    upper = [radius * np.exp(2j * np.pi * hz / 16000) for radius, hz in poles]
    return np.array([pole for p in upper for pole in (p, np.conj(p))])


def _series_of_filter(poles, lags):
    """Autocorrelation of white noise through an all-pole filter, from its impulse response."""
    denominator = np.real(np.poly(poles))
    response = np.zeros(6000)
    for t in range(response.size):
        past = response[max(0, t - poles.size) : t][::-1]
        response[t] = float(t == 0) - denominator[1 : 1 + past.size] @ past
    assert abs(response[-1]) < 1e-30, "the response has not faded"
    return np.array([response[lag:] @ response[: response.size - lag] for lag in range(lags)])


FILTERS = {
    "one formant": _pairs((0.95, 500)),
    "three formants": _pairs((0.97, 500), (0.95, 1500), (0.9, 2500)),
    "tilt and formants": np.concatenate(([0.98, -0.5], _pairs((0.98, 300), (0.9, 3000)))),
}


# ------------------------------------------------------------------------------------------------ physics


@pytest.mark.parametrize("poles", FILTERS.values(), ids=FILTERS)
def test_an_all_pole_filter_is_found_again(poles):
    found, error = levinson_durbin(_series_of_filter(poles, poles.size + 1))
    np.testing.assert_allclose(found, -np.real(np.poly(poles))[1:], atol=1e-8)
    # What the predictor cannot know is the noise that drives the filter, of power 1.
    assert error == pytest.approx(1.0, rel=1e-8)


@pytest.mark.parametrize("poles", FILTERS.values(), ids=FILTERS)
def test_cepstrum_is_the_sum_over_the_poles(poles):
    predictor, _ = levinson_durbin(_series_of_filter(poles, poles.size + 1))
    expected = [np.real(np.sum(poles**n)) / n for n in range(1, 21)]
    np.testing.assert_allclose(predictor_cepstrum(predictor, 20), expected, atol=1e-7)


@pytest.mark.parametrize("poles", FILTERS.values(), ids=FILTERS)
def test_a_higher_order_finds_nothing_more(poles):
    found, _ = levinson_durbin(_series_of_filter(poles, 16 + 1))
    np.testing.assert_allclose(found[poles.size :], 0.0, atol=1e-7)


def test_a_tone_is_predicted_perfectly_from_two_samples():
    angle = 2 * np.pi * 1000 / 16000
    predictor, error = levinson_durbin(np.cos(angle * np.arange(13)))
    np.testing.assert_allclose(predictor, [2 * np.cos(angle), -1.0, *[0.0] * 10], atol=1e-12)
    assert 0.0 <= error < 1e-13


def test_white_noise_and_silence_have_no_envelope():
    for power in (1.0, 0.0):
        predictor, error = levinson_durbin(np.array([power, *[0.0] * 12]))
        assert predictor.tolist() == [0.0] * 12
        assert error == power
    assert predictor_cepstrum(np.zeros(12), 12).tolist() == [0.0] * 12


def test_autocorrelation_is_that_in_time():
    x = np.random.default_rng(0).normal(size=100)
    expected = [float(x[lag:] @ x[: 100 - lag]) for lag in range(20)]
    # 119 points is the least with which the end of the signal does not meet its beginning.
    for points in (128, 120):
        np.testing.assert_allclose(autocorrelation(np.abs(np.fft.rfft(x, points)) ** 2, 20), expected, atol=1e-11)
    wrapped = autocorrelation(np.abs(np.fft.rfft(x, 110)) ** 2, 20)
    assert np.abs(wrapped - expected).max() > 0.01


# ------------------------------------------------------------------------------------------------ twin


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), order=st.integers(1, 14), decades=st.floats(0.0, 6.0))
def test_equals_the_naive_twin_and_is_stable(seed, order, decades):
    # Smooth spectra with up to 60 dB between valley and peak.
    rng = np.random.default_rng(seed)
    bumps = np.cos(np.outer(np.linspace(0, np.pi, 257), np.arange(8))) @ rng.normal(size=8)
    power = 10.0 ** (decades * (bumps - bumps.min()) / np.ptp(bumps))
    series = autocorrelation(power, order + 1)
    predictor, error = levinson_durbin(series)
    exact = naive.predictor(series.tolist())
    np.testing.assert_allclose(predictor, exact, atol=1e-7)
    assert np.abs(np.roots([1.0, *-predictor])).max(initial=0.0) < 1.0
    assert 0.0 < error <= series[0]
    np.testing.assert_allclose(predictor_cepstrum(predictor, 18), naive.cepstrum(exact, 18), atol=1e-6)


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "series",
    [np.array([1.0, np.nan]), np.array([np.inf, 1.0]), np.array([1.0, 1.5]), np.zeros(0), np.ones((2, 2))],
    ids=["not a number", "infinite", "larger than at lag 0", "none", "two axes"],
)
def test_what_is_no_autocorrelation_is_refused(series):
    with pytest.raises(FrontendError, match=r"linear predictor: got .*shape.*expected the autocorrelation"):
        levinson_durbin(series)


@pytest.mark.parametrize("lags", [0, 10])
def test_lags_that_the_spectrum_does_not_hold_are_refused(lags):
    with pytest.raises(FrontendError, match=rf"got {lags} lags.*expected 1 to"):
        autocorrelation(np.ones(9), lags)

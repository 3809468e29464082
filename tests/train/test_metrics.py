"""Figures of merit against worked values."""

import numpy as np
import pytest

from edge.errors import DataError
from train.metrics import cluster_interval, equal_error_rate, error_rates, poisson_upper, rate_interval


def test_equal_error_rate_of_a_worked_example() -> None:
    live = np.array([0.9, 0.8, 0.7, 0.4])
    replay = np.array([0.6, 0.3, 0.2, 0.1])
    # At a cut-off between 0.4 and 0.6 one live of four is refused and one replay of four accepted.
    assert equal_error_rate(live, replay) == pytest.approx(0.25)


@pytest.mark.parametrize(("shift", "expected"), [(10.0, 0.0), (0.0, 0.5), (-10.0, 1.0)])
def test_equal_error_rate_of_separate_equal_and_swapped_classes(shift: float, expected: float) -> None:
    x = np.linspace(0, 1, 2001)
    assert equal_error_rate(x + shift, x) == pytest.approx(expected, abs=1e-3)


def test_equal_error_rate_of_gaussians() -> None:
    # Two unit Gaussians at a distance of 2 meet at one standard deviation: Q(1) = 15.87 %.
    rng = np.random.default_rng(1)
    live, replay = rng.standard_normal(200_000) + 2, rng.standard_normal(200_000)
    assert equal_error_rate(live, replay) == pytest.approx(0.1587, abs=0.003)


def test_equal_error_rate_wants_both_classes() -> None:
    with pytest.raises(DataError, match="0 live and 1 replay"):
        equal_error_rate(np.array([]), np.array([1.0]))


def test_error_rates_accept_from_the_cutoff_on() -> None:
    assert error_rates(np.array([0.2, 0.5, 0.9]), np.array([0.5, 0.1]), 0.5) == (pytest.approx(1 / 3), 0.5)


def test_clusters_widen_an_interval() -> None:
    rng = np.random.default_rng(2)
    talkers = [f"t{i // 50}" for i in range(1000)]
    hits = np.repeat(rng.random(20) < 0.5, 50).astype(float)
    by_talker = cluster_interval(lambda c: float(hits[c].mean()), [talkers])
    by_clip = cluster_interval(lambda c: float(hits[c].mean()), [[str(i) for i in range(1000)]])
    assert by_talker[1] - by_talker[0] > 3 * (by_clip[1] - by_clip[0])


def test_cluster_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for trial in range(60):
        levels = np.repeat(rng.normal(0.0, 1.0, 30), 5) + rng.normal(0, 0.3, 150)
        low, high = cluster_interval(
            lambda c, x=levels: float(x[c].mean()), [[str(i // 5) for i in range(150)]], rounds=200, seed=trial
        )
        covered += low <= 0.0 <= high
    assert covered >= 50  # 95 % of 60 are 57


def test_wilson_interval_of_a_known_value() -> None:
    low, high = rate_interval(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-3), pytest.approx(0.9433, abs=1e-3))


def test_no_event_in_thirty_hours_bounds_the_rate_at_a_tenth_an_hour() -> None:
    assert poisson_upper(0, 30.0) == pytest.approx(0.0999, abs=1e-3)

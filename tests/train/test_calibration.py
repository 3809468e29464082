"""Cut-offs and calibration on made-up scores."""

import numpy as np
import pytest

from edge.errors import DataError
from train.calibration import choose_word_cutoffs, fit_calibration, fit_platt, quantile_cutoff
from train.wake_traces import Trace, count_detections


def _trace(*scores: float) -> Trace:
    return Trace(np.array(scores, np.float32)[:, None], 0.03, 0.03 * len(scores))


def test_the_budget_is_spent_where_it_buys_recall() -> None:
    def both(first: float, second: float) -> Trace:
        return Trace(np.array([[first, second]], np.float32), 0.03, 0.03)

    # Giving up the false accept of the first word gains nothing; of the second it gains half of its recordings.
    background = [both(0.80, 0.1), both(0.1, 0.90)]
    positives = [[both(0.95, 0), both(0.97, 0)], [both(0, 0.85), both(0, 0.95)]]
    first, second = choose_word_cutoffs(positives, background, refractory_s=1.0, false_accepts=1)
    assert (first.recall, first.false_accepts) == (1.0, 0)
    assert 0.80 < first.cutoff < 0.95
    assert (second.recall, second.false_accepts) == (1.0, 1)
    assert second.cutoff < 0.85


def test_a_false_accept_that_gains_nothing_may_lead_to_one_that_does() -> None:
    """Below the first false accept lies another one, and below both all that the first word misses."""
    background = [_trace(0.0, 0.0, 0.9, 0.0), _trace(0.0, 0.8, 0.0, 0.0)]
    positives = [[_trace(0.0, 0.95), _trace(0.0, 0.7), _trace(0.0, 0.7)]]
    for allowed, recall in ((1, 1 / 3), (2, 1.0)):
        (chosen,) = choose_word_cutoffs(positives, background, refractory_s=1.0, false_accepts=allowed)
        assert chosen.recall == pytest.approx(recall)
    # One that leads nowhere is not accepted.
    (chosen,) = choose_word_cutoffs(positives, background, refractory_s=1.0, false_accepts=1)
    assert chosen.false_accepts == 0


def test_a_long_rise_is_one_detection() -> None:
    rising = _trace(*[0.9] * 20)
    assert count_detections([rising], 0, 0.5, refractory_s=1.0) == 1
    assert count_detections([rising], 0, 0.5, refractory_s=0.3) == 2


def test_platt_scaling_finds_the_true_scale() -> None:
    rng = np.random.default_rng(4)
    # Log-likelihood ratio of unit Gaussians at +1 and -1 is 2x: slope 2, offset 0.
    slope, offset = fit_platt(rng.standard_normal(50_000) + 1, rng.standard_normal(50_000) - 1)
    assert slope == pytest.approx(2.0, rel=0.03)
    assert offset == pytest.approx(0.0, abs=0.03)


def test_quantile_cutoff_refuses_the_share_that_was_asked_for() -> None:
    live = np.linspace(0, 1, 1001)
    assert np.mean(live < quantile_cutoff(live, 0.1)) == pytest.approx(0.1, abs=0.002)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e4, -3e4), (1e-4, 2.0)])
def test_calibration_finds_the_true_ratio_on_any_scale(scale: float, shift: float) -> None:
    rng = np.random.default_rng(4)
    live, replay = rng.standard_normal(20_000) + 1, rng.standard_normal(20_000) - 1
    calibration = fit_calibration(scale * live + shift, scale * replay + shift)
    given = np.array([-2.0, 0.0, 2.0])
    np.testing.assert_allclose(calibration.ratios(scale * given + shift), 2 * given, atol=0.15)


def test_calibration_of_a_constant_says_nothing() -> None:
    calibration = fit_calibration(np.full(4, 7.3), np.full(5, 7.3))
    np.testing.assert_array_equal(calibration.ratios(np.array([7.3, 0.0])), 0.0)


def test_calibration_wants_numbers_of_both_classes() -> None:
    with pytest.raises(DataError, match="0 live"):
        fit_calibration(np.array([]), np.array([1.0]))
    with pytest.raises(DataError, match="not finite"):
        fit_calibration(np.array([np.nan]), np.array([1.0]))

"""Fitting a calibration: shrunk toward the bundle, right where there are many takes, refused where there is nothing."""

import numpy as np
import pytest
from scipy.stats import beta

from edge.bundle import open_bundle
from edge.calibration_fit import (
    LEAST_SLOPE,
    UNCHANGED,
    Line,
    beta_interval,
    check_takes,
    expectations,
    fit_line,
)
from edge.calibration_prior import Prior, Share, Spread, prior_for
from edge.errors import DataError
from edge.sensitivity import log_odds
from train.calibration import fit_platt

PRIOR = Prior(
    source="a test",
    slope_spread=0.8,
    offset_spread=0.5,
    live=Spread(1.0, 0.9, 0.7),
    refused_live=Share(0.3, 3.7),
    passed_replays=Share(1.0, 1.5),
)
VAGUE = Prior(
    source="a test", slope_spread=100.0, offset_spread=100.0, live=PRIOR.live, refused_live=PRIOR.refused_live,
    passed_replays=PRIOR.passed_replays,
)  # fmt: skip


def home(n: int, *, shift: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(1.0 + shift, 1.0, n), rng.normal(-1.0 + shift, 1.0, n)


class TestLine:
    def test_with_a_vague_prior_it_is_platts(self):
        live, replay = home(500, shift=0.7)
        line = fit_line(live, replay, VAGUE)
        assert line == pytest.approx(fit_platt(live, replay), abs=1e-3)

    def test_classes_weigh_the_same(self):
        live, replay = home(500, shift=0.7)
        assert fit_line(live, replay[:200], VAGUE) == pytest.approx(fit_platt(live, replay[:200]), abs=1e-3)

    def test_few_takes_move_it_less_than_many(self):
        moved = [abs(fit_line(*home(n, shift=1.5), PRIOR).offset) for n in (5, 20, 2000)]
        assert 0.05 < moved[0] < moved[1] < moved[2]
        # Many find the truth: for two normal distributions a distance of 2 apart, 2 x - 2 * 1.5.
        assert fit_line(*home(2000, shift=1.5), PRIOR) == pytest.approx((2.0, -3.0), abs=0.25)

    def test_takes_that_say_nothing_new_leave_it(self):
        x = np.linspace(-3, 3, 4001)
        weight = 1 / (1 + np.exp(-x))
        rng = np.random.default_rng(0)
        live = rng.choice(x, 4000, p=weight / weight.sum())
        replay = rng.choice(x, 4000, p=(1 - weight) / (1 - weight).sum())
        assert fit_line(live, replay, PRIOR) == pytest.approx(UNCHANGED, abs=0.1)

    def test_a_home_without_overlap_stays_finite(self):
        line = fit_line(np.full(20, 3.0), np.full(20, -3.0), PRIOR)
        assert 1.0 < line.slope < 1.0 + 3 * PRIOR.slope_spread
        assert abs(line.offset) < 1e-6

    def test_order_is_never_turned_round(self):
        assert fit_line(np.full(200, -3.0), np.full(200, 3.0), VAGUE).slope == LEAST_SLOPE

    def test_enormous_values_do_not_break_it(self):
        line = fit_line(np.full(5, 1e4), np.full(5, -1e4), PRIOR)
        assert np.isfinite(line).all()

    def test_over_the_networks_output(self):
        part = open_bundle().liveness
        slope, offset = Line(1.5, -0.25).over(part)
        score = 0.37
        assert slope * score + offset == pytest.approx(1.5 * (part.slope * score + part.offset) - 0.25)


class TestChecks:
    def test_a_good_home_passes(self):
        check_takes(*home(10), PRIOR)

    @pytest.mark.parametrize("n", [(4, 10), (10, 4), (0, 0)])
    def test_too_few_are_refused(self, n):
        with pytest.raises(DataError, match="expected at least 5"):
            check_takes(np.full(n[0], 2.0), np.full(n[1], -2.0), PRIOR)

    def test_replays_as_live_as_takes_are_refused(self):
        live, _ = home(20)
        with pytest.raises(DataError, match="cannot be calibrated, and nothing was written"):
            check_takes(live, home(20, seed=1)[0], PRIOR)

    def test_the_two_exchanged_are_refused(self):
        live, replay = home(10)
        with pytest.raises(DataError, match="sound as live as the takes"):
            check_takes(replay, live, PRIOR)

    def test_takes_that_a_loudspeaker_played_are_refused(self):
        with pytest.raises(DataError, match="sound like loudspeakers"):
            check_takes(np.full(10, -1.8), np.full(10, -3.5), PRIOR)

    def test_equal_scores_are_no_order(self):
        with pytest.raises(DataError, match="50%"):
            check_takes(np.ones(10), np.ones(10), PRIOR)


class TestExpectations:
    @pytest.mark.parametrize("a_b", [(0.3, 3.7), (1.0, 1.0), (12.3, 3.7), (400.0, 20.0), (0.05, 30.0)])
    def test_limits_are_those_of_the_distribution(self, a_b):
        low, mean, high = beta_interval(*a_b)
        assert mean == pytest.approx(beta.mean(*a_b))
        # Where the mean lies outside of a very skewed one the limit is stretched to it.
        assert (low, high) == pytest.approx((beta.ppf(0.05, *a_b), max(mean, beta.ppf(0.95, *a_b))), abs=2e-3)

    def test_what_was_refused_and_passed_is_counted(self):
        live = np.array([2.0] * 8 + [-1.0] * 2)
        replay = np.array([-2.0] * 5 + [1.0] * 5)
        refused, passed = expectations(live, replay, PRIOR, 0.5)
        a, b = PRIOR.refused_live
        assert refused.before[1] == pytest.approx((a + 2) / (a + b + 10))
        a, b = PRIOR.passed_replays
        assert passed.before[1] == pytest.approx((a + 5) / (a + b + 10))

    @pytest.mark.parametrize("n", [5, 10, 20])
    def test_the_same_counts_before_and_after_are_no_change(self, n):
        # Far from every cut-off: all takes pass, and no replay, by whatever line.
        prior = prior_for(open_bundle())
        for share in expectations(np.full(n, 9.0), np.full(n, -9.0), prior, 0.5):
            assert share.after == share.before

    def test_a_change_that_was_counted_is_told_in_its_direction(self):
        # Replays that pass by the bundle's line, and takes far above them: the home's line lies between the two.
        refused, passed = expectations(np.full(20, 4.0), np.full(20, 0.5), prior_for(open_bundle()), 0.5)
        assert refused.after == refused.before
        assert passed.after[1] < passed.before[1]

    def test_after_is_by_lines_that_did_not_see_the_take(self):
        # One take far from all others: by a line that saw it it would just be accepted.
        seen, unseen = 0, 0
        for seed in range(200):
            live, replay = home(5, shift=-1.0, seed=seed)
            line = fit_line(live, replay, VAGUE)
            seen += int(np.sum(line.of(live) < 0) + np.sum(line.of(replay) >= 0))
            refused, passed = expectations(live, replay, VAGUE, 0.5)
            for share, (a, b) in ((refused, VAGUE.refused_live), (passed, VAGUE.passed_replays)):
                unseen += round(share.after[1] * (a + b + 5) - a)
        assert unseen > 1.1 * seen

    @pytest.mark.parametrize(("cutoff", "odds"), [(0.0, -np.inf), (1.0, np.inf), (0.5, 0.0)])
    def test_cut_offs_at_the_ends(self, cutoff, odds):
        assert log_odds(cutoff) == odds

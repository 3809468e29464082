"""Cllr against worked values, and minimum Cllr against the definition of an isotonic fit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import DataError
from train.likelihood_ratios import cllr, min_cllr, pav_ratios

tied = st.lists(st.integers(-6, 6), min_size=1, max_size=20).map(lambda x: np.array(x, np.float64))


def test_cllr_of_a_worked_example():
    # Ratios of 3 and 1/3, both right: each costs log2(1 + 1/3) bits.
    assert cllr(np.log([3.0]), -np.log([3.0])) == pytest.approx(np.log2(4 / 3), abs=1e-12)
    # Both wrong: log2(1 + 3).
    assert cllr(-np.log([3.0]), np.log([3.0])) == pytest.approx(2.0, abs=1e-12)


def test_cllr_weighs_the_classes_equally():
    assert cllr(np.log([3.0]), np.zeros(99)) == pytest.approx((np.log2(4 / 3) + 1) / 2, abs=1e-12)


def test_sure_and_right_costs_nothing_and_silence_one_bit():
    sure = np.full(3, np.inf)
    assert cllr(sure, -sure) == 0.0
    assert cllr(np.zeros(5), np.zeros(2)) == pytest.approx(1.0, abs=1e-15)
    assert cllr(-sure, -sure) == np.inf


def test_min_cllr_of_a_worked_example():
    # In order: replay, live, replay, live. The middle two are pooled at even odds, the outer two are sure.
    live, replay = np.array([1.0, 3.0]), np.array([0.0, 2.0])
    of_live, of_replay = pav_ratios(live, replay)
    np.testing.assert_allclose(of_live, [0.0, np.inf])
    np.testing.assert_allclose(of_replay, [-np.inf, 0.0])
    assert min_cllr(live, replay) == pytest.approx(0.5, abs=1e-12)


def _naive_min_cllr(live: np.ndarray, replay: np.ndarray) -> float:
    """Use the formula of the isotonic fit: the largest of the starts, of the smallest mean over the ends."""
    values = sorted({*live.tolist(), *replay.tolist()})
    mouths = [int((live == v).sum()) for v in values]
    counts = [int((live == v).sum() + (replay == v).sum()) for v in values]
    total = 0.0
    for i in range(len(values)):
        share = max(
            min(sum(mouths[a : b + 1]) / sum(counts[a : b + 1]) for b in range(i, len(values))) for a in range(i + 1)
        )
        prior = live.size / replay.size
        if mouths[i]:
            total += mouths[i] / live.size * np.log2(1 + (1 - share) / share * prior)
        if counts[i] > mouths[i]:
            total += (counts[i] - mouths[i]) / replay.size * np.log2(1 + share / (1 - share) / prior)
    return total / 2


@given(tied, tied)
def test_min_cllr_is_that_of_the_formula(live, replay):
    assert min_cllr(live, replay) == pytest.approx(_naive_min_cllr(live, replay), abs=1e-9)


@given(tied, tied)
def test_no_scale_of_the_scores_is_better_than_the_minimum(live, replay):
    least = min_cllr(live, replay)
    assert 0.0 <= least <= 1.0 + 1e-12
    for slope, offset in ((1.0, 0.0), (0.2, 0.1), (3.0, -1.0)):
        assert least <= cllr(slope * live + offset, slope * replay + offset) + 1e-12
    assert min_cllr(live**3 + 2 * live, replay**3 + 2 * replay) == pytest.approx(least, abs=1e-12)


@given(tied, tied)
def test_the_fit_is_that_of_scikit_learn(live, replay):
    isotonic = pytest.importorskip("sklearn.isotonic", reason="needs scikit-learn (the extra `train`)")
    scores = np.concatenate((live, replay))
    labels = np.concatenate((np.ones(live.size), np.zeros(replay.size)))
    share = isotonic.IsotonicRegression().fit_transform(scores, labels)
    with np.errstate(over="ignore"):
        ours = 1 / (1 + np.exp(-np.concatenate(pav_ratios(live, replay))) * replay.size / live.size)
    np.testing.assert_allclose(ours, share, atol=1e-9)


@pytest.mark.parametrize("figure", [cllr, min_cllr])
def test_both_classes_must_hold_numbers(figure):
    good = np.array([0.0, 1.0])
    with pytest.raises(DataError, match="0 live and 2 replay"):
        figure(good[:0], good)
    with pytest.raises(DataError, match="replay scores: 1 of 2 are not numbers"):
        figure(good, np.array([np.nan, 1.0]))

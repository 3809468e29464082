"""Ranks, stability index and detector, against what is known of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.drift import MOST_POINTS, PSI_LEVEL, Detector, Reference, chi2_quantile, psi, psi_limit

FLOATS = st.floats(-1e6, 1e6)


def draw(seed, n):
    return np.random.default_rng(seed).normal(size=n)


@given(st.lists(FLOATS, min_size=2, max_size=MOST_POINTS))
def test_ranks_of_the_reference_itself_have_the_mean_one_half_whatever_is_equal(values):
    assert Reference.of(values).ranks(values).mean() == pytest.approx(0.5)


@given(st.lists(FLOATS, min_size=2, max_size=300), st.lists(FLOATS, min_size=1, max_size=20))
def test_ranks_keep_the_order_and_are_shares(values, others):
    ranks = Reference.of(values).ranks(sorted(others))
    assert (np.diff(ranks) >= 0).all()
    assert 0 <= ranks.min() <= ranks.max() <= 1


def test_the_mean_rank_is_the_probability_of_being_above():
    from scipy.stats import mannwhitneyu

    before, after = draw(1, 150), draw(2, 80) + 0.7
    expected = mannwhitneyu(after, before).statistic / (150 * 80)
    assert Reference.of(before).ranks(after).mean() == pytest.approx(expected)


def test_a_rank_counts_equal_ones_half():
    reference = Reference.of([0.0, 0.0, 0.0, 1.0])
    assert reference.ranks([-1.0, 0.0, 0.5, 1.0, 2.0]).tolist() == [0.0, 0.375, 0.75, 0.875, 1.0]


def test_many_answers_are_few_points_that_were_there():
    values = draw(3, 5000)
    reference = Reference.of(values)
    assert len(reference.points) == MOST_POINTS
    assert set(reference.points) <= set(values.tolist())
    assert reference.answers == 5000
    assert reference.ranks(values).mean() == pytest.approx(0.5, abs=0.003)
    assert list(reference.points) == sorted(reference.points)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [1.0, math.inf]])
def test_a_reference_needs_two_finite_figures(values):
    with pytest.raises(ValueError, match="expected two finite ones"):
        Reference.of(values)


def test_the_error_of_a_reference_is_that_of_its_mean_rank():
    # The mean rank of a whole population against a reference of 100 of it.
    population = draw(4, 20_000)
    rng = np.random.default_rng(5)
    means = [Reference.of(rng.choice(population, 100)).ranks(population).mean() for _ in range(400)]
    beyond = np.mean(np.array(means) - 0.5 > Reference.of(population[:100]).error)
    assert 0 < beyond < 0.03  # 1 in 100


@pytest.mark.parametrize("degrees", range(1, 20))
@pytest.mark.parametrize("probability", [0.5, 0.9, 0.99])
def test_quantiles_are_those_of_chi_square(degrees, probability):
    from scipy.stats import chi2

    assert chi2_quantile(probability, degrees) == pytest.approx(chi2.ppf(probability, degrees), rel=0.02)


def test_bins_are_deciles_and_none_is_empty():
    reference = Reference.of(draw(6, 200))
    assert reference.edges().size == 9
    assert reference.shares() == pytest.approx(np.full(10, 0.1))
    # A figure that most answers have leaves fewer.
    assert Reference.of([0.0] * 70 + [1.0] * 30).shares().tolist() == [0.7, 0.3]
    assert Reference.of([1.0] * 50).shares().tolist() == [1.0]
    assert (Reference.of([0.0] * 95 + draw(6, 105).tolist()).shares() > 0).all()


def test_the_index_is_the_textbook_one():
    reference = Reference(tuple(np.arange(200.0)), 10**9)
    values = np.concatenate((np.arange(100.0).repeat(3), np.arange(100.0, 200.0)))
    p, q = 0.1, np.array([0.15] * 5 + [0.05] * 5)
    assert psi(reference, np.tile(values, 1000)) == pytest.approx(float(np.sum((q - p) * np.log(q / p))), rel=1e-3)


def test_the_index_of_an_empty_bin_is_finite():
    assert 1.0 < psi(Reference.of(draw(7, 200)), [10.0] * 50) < 100.0


@pytest.mark.parametrize(("answers", "window"), [(200, 50), (200, 200), (2000, 200), (300, 1000)])
def test_the_limit_of_the_index_holds_where_nothing_changed(answers, window):
    rng = np.random.default_rng([8, answers, window])
    above = 0
    for _ in range(1000):
        reference = Reference.of(rng.normal(size=answers))
        above += psi(reference, rng.normal(size=window)) > psi_limit(reference, window)
    # 10 are expected; more than 23 are in 1 of 10,000 runs, and the customary 0.1 would have most of the small ones.
    assert above <= 23
    assert above >= 1
    assert PSI_LEVEL == 0.01


def test_the_index_finds_what_it_should():
    reference = Reference.of(draw(9, 300))
    assert psi(reference, draw(10, 200) + 1.0) > 3 * psi_limit(reference, 200)
    assert psi(reference, draw(10, 200) * 3.0) > 3 * psi_limit(reference, 200)  # as wide as never


def test_with_one_bin_there_is_no_index():
    reference = Reference.of([1.0] * 50)
    assert psi(reference, [1.0] * 50) == 0.0
    assert psi_limit(reference, 50) == math.inf


# ------------------------------------------------------------------------------------------ detector


def alarms(detector, ranks, days):
    """Return after which answers there was an alarm, beginning anew after each."""
    found = []
    for number, rank in enumerate(ranks):
        if detector.push(float(rank), days):
            found.append(number)
            detector.restart()
    return found


@pytest.mark.parametrize(("tolerance", "mean"), [(0.0, 0.5), (0.1, 0.6), (0.1, 0.4)])
@pytest.mark.parametrize("kind", ["uniform", "coin"])
def test_false_alarms_are_as_seldom_as_was_said_at_the_edge_of_the_tolerance(tolerance, mean, kind):
    rng = np.random.default_rng([11, round(10 * mean), kind == "coin"])
    per_day, threshold, n = 20, 10.0, 20_000
    ranks = rng.random(n) if kind == "uniform" else (rng.random(n) < 0.5).astype(float)
    ranks = ranks * 2 * min(mean, 1 - mean)
    ranks = ranks if mean <= 0.5 else 1 - ranks
    assert ranks.mean() == pytest.approx(mean, abs=0.01)
    found = alarms(Detector(tolerance, threshold), ranks, 1 / per_day)
    # In 1000 days no more than 100 on average (a Poisson number of mean 100 is above 132 in 1 of 1000 cases) ...
    assert len(found) <= 132
    # ... and not far fewer, where only one side is at its edge: half of the bets are lost.
    assert len(found) >= 15


def test_within_the_tolerance_there_is_silence():
    ranks = np.random.default_rng(12).random(10_000)
    assert alarms(Detector(0.1, 10.0), ranks, 0.05) == []


@pytest.mark.parametrize("per_day", [1, 100])
def test_the_promise_is_in_days_however_many_answers_a_day_brings(per_day):
    ranks = np.random.default_rng(13).random(15_000)
    days = ranks.size / per_day
    assert len(alarms(Detector(0.0, 10.0), ranks, 1 / per_day)) <= days / 10 + 4 * math.sqrt(days / 10)


def test_longer_promises_wait_longer():
    ranks = np.clip(np.random.default_rng(14).random(2000) + 0.2, 0, 1)
    first = [alarms(Detector(0.05, days), ranks, 0.1)[0] for days in (10.0, 1e3, 1e5)]
    assert first == sorted(first)
    assert len(set(first)) == 3


@pytest.mark.parametrize(("rank", "rising"), [(1.0, True), (0.0, False)])
def test_both_sides_are_found_alike(rank, rising):
    detector = Detector(0.05, 2000.0)
    count = 1
    while not detector.push(rank, 0.1):
        count += 1
    assert detector.rising is rising
    # The sum of a geometric series for each stake; what bets on the other side is worth next to nothing.
    growths = [1 + share / 0.55 * 0.45 for share in (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)]
    worth = [sum(0.1 * sum(growth**k for k in range(1, n + 1)) for growth in growths) / 12 for n in (count - 1, count)]
    assert worth[0] < 2000.0 <= worth[1] + 1.0
    assert detector.evidence >= 1


@pytest.mark.parametrize("tolerance", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("side", [0, 1])
def test_at_its_limit_nothing_is_won_and_nothing_lost(tolerance, side):
    detector = Detector(tolerance, 1e9)
    detector.push(0.5 + tolerance if side == 0 else 0.5 - tolerance, 2.0)
    half = Detector.SIZE // 2
    assert detector.capitals[side * half : (side + 1) * half] == pytest.approx([2.0] * half)


def test_a_small_change_is_found_in_time():
    ranks = np.random.default_rng(15).beta(2.0, 1.3, 3000)  # mean 0.606
    found = alarms(Detector(0.05, 2000.0), ranks, 0.1)
    assert 20 < found[0] < 900


def test_time_that_runs_backwards_counts_nothing():
    one, other = Detector(0.0, 10.0), Detector(0.0, 10.0)
    one.push(0.7, 1.0)
    other.push(0.7, 1.0)
    one.push(0.7, -5.0)
    other.push(0.7, 0.0)
    assert one.capitals == other.capitals


def test_capitals_go_on_where_they_were():
    ranks = np.random.default_rng(16).random(100)
    whole = Detector(0.02, 50.0)
    for rank in ranks:
        whole.push(float(rank), 0.1)
    first = Detector(0.02, 50.0)
    for rank in ranks[:40]:
        first.push(float(rank), 0.1)
    rest = Detector(0.02, 50.0, first.capitals)
    for rank in ranks[40:]:
        rest.push(float(rank), 0.1)
    assert rest.capitals == whole.capitals
    assert len(whole.capitals) == Detector.SIZE


@given(st.lists(st.floats(0, 1), max_size=200), st.floats(0, 0.4))
def test_nobody_is_ever_in_debt(ranks, tolerance):
    detector = Detector(tolerance, 1e9)
    for rank in ranks:
        detector.push(rank, 0.5)
    assert all(math.isfinite(capital) and capital >= 0 for capital in detector.capitals)

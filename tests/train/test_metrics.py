"""Figures of merit against worked values."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import DataError
from train.metrics import (
    cluster_interval,
    det_points,
    equal_error_rate,
    error_rates,
    paired_interval,
    poisson_upper,
    rate_interval,
    rocch_equal_error_rate,
)


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


# Two talkers heard from two loudspeakers, once each. A draw of two from two takes one of them never, once or twice with
# the odds 1 : 2 : 1, and an observation as often as its talker times its loudspeaker.
TALKERS, LOUDSPEAKERS = ["a", "a", "b", "b"], ["x", "y", "x", "y"]


def drawn(observation: int) -> Callable[[np.ndarray], float]:
    """Return how often an observation is in a resample."""
    return lambda chosen: float(np.count_nonzero(chosen == observation))


@pytest.mark.parametrize("observation", range(4))
def test_an_observation_is_drawn_as_often_as_its_talker_times_its_loudspeaker(observation: int) -> None:
    counts: list[float] = []

    def count(chosen: np.ndarray) -> float:
        assert chosen.size == 4, "each way draws as many as there are, and all of them meet"
        counts.append(drawn(observation)(chosen))
        return counts[-1]

    # Four times in 1 of 16: beyond 95 %, and within 90 %. One way alone never gets beyond two.
    assert cluster_interval(count, [TALKERS, LOUDSPEAKERS], rounds=4000, level=0.9) == (0.0, 4.0)
    shares = {times: counts.count(times) / 4000 for times in sorted(set(counts))}
    assert shares == pytest.approx({0: 7 / 16, 1: 4 / 16, 2: 4 / 16, 4: 1 / 16}, abs=0.03)
    for way in (TALKERS, LOUDSPEAKERS):
        assert cluster_interval(drawn(observation), [way], rounds=4000, level=0.9) == (0.0, 2.0)


@pytest.mark.parametrize("decides", [0, 1], ids=["talker", "loudspeaker"])
def test_each_way_of_clustering_counts_by_itself(decides: int) -> None:
    # The figure is that of one talker (loudspeaker) alone: the share of the other is 0, 1/2 or 1, with 1 : 2 : 1.
    ways = [TALKERS, LOUDSPEAKERS]
    values = np.array([float(name == ways[decides][0]) for name in ways[decides]])
    for order in (ways, ways[::-1]):
        assert cluster_interval(lambda c: float(values[c].mean()), order, level=0.9) == (0.0, 1.0)
        assert cluster_interval(lambda c: float(values[c].mean()), order, level=0.4) == (0.5, 0.5)
    # Resampled by the other way alone it does not move at all.
    assert cluster_interval(lambda c: float(values[c].mean()), [ways[1 - decides]], level=0.9) == (0.5, 0.5)


def test_a_resample_in_which_nothing_meets_is_left_out() -> None:
    sizes: list[int] = []

    def share(chosen: np.ndarray) -> float:
        sizes.append(chosen.size)
        return float(np.mean(chosen == 0))

    low, high = cluster_interval(share, [["a", "b"], ["x", "y"]], rounds=2000, level=0.9)
    assert (low, high) == (0.0, 1.0)
    assert set(sizes) == {2, 4}
    # Nothing meets where one way drew a (or x) twice and the other y (or b) twice: 2 of 16.
    assert len(sizes) / 2000 == pytest.approx(14 / 16, abs=0.03)


def test_a_difference_that_varies_has_the_interval_of_its_resamples() -> None:
    apart = np.random.default_rng(1).integers(-1, 2, 200).astype(float)
    talkers = [f"t{i % 10}" for i in range(200)]

    def mean(chosen: np.ndarray) -> float:
        return float(apart[chosen].mean())

    assert paired_interval(mean, [talkers], rounds=200) == cluster_interval(mean, [talkers], rounds=200)


@pytest.mark.parametrize(("always", "level", "tail"), [(0.0, 0.95, 0.025), (0.0, 0.9, 0.05), (1.0, 0.95, 0.025)])
def test_a_difference_that_never_varies_is_as_sure_as_its_clusters_allow(
    always: float, level: float, tail: float
) -> None:
    talkers, loudspeakers = [f"t{i % 12}" for i in range(600)], [f"l{i % 50}" for i in range(600)]
    low, high = paired_interval(lambda chosen: always, [talkers, loudspeakers], rounds=20, level=level)
    # If a share of all talkers departed, twelve would hold none of them with this probability.
    departs = 1 - tail ** (1 / 12)
    assert (1 - departs) ** 12 == pytest.approx(tail)
    assert (low, high) == pytest.approx((always - departs * (1 + always), always + departs * (1 - always)))
    assert -1 <= low <= high <= 1


def test_a_difference_that_is_no_number_has_no_interval() -> None:
    assert np.isnan(paired_interval(lambda chosen: float("nan"), [["a", "b"]], rounds=5)).all()


def test_wilson_interval_of_a_known_value() -> None:
    low, high = rate_interval(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-3), pytest.approx(0.9433, abs=1e-3))


def test_no_event_in_thirty_hours_bounds_the_rate_at_a_tenth_an_hour() -> None:
    assert poisson_upper(0, 30.0) == pytest.approx(0.0999, abs=1e-3)


WORKED_LIVE, WORKED_REPLAY = np.array([0.9, 0.8, 0.7, 0.4]), np.array([0.6, 0.3, 0.2, 0.1])


def test_det_points_of_the_worked_example() -> None:
    cutoffs, bpcer, apcer = det_points(WORKED_LIVE, WORKED_REPLAY)
    np.testing.assert_array_equal(cutoffs, [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9, np.inf])
    np.testing.assert_allclose(bpcer, [0, 0, 0, 0, 0.25, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(apcer, [1, 0.75, 0.5, 0.25, 0.25, 0, 0, 0, 0])


def test_equal_error_rate_on_the_hull_of_the_worked_example() -> None:
    # The hull goes from (0, 1/4) straight to (1/4, 0), and passes the diagonal half way.
    assert rocch_equal_error_rate(WORKED_LIVE, WORKED_REPLAY) == pytest.approx(0.125)
    assert rocch_equal_error_rate(WORKED_REPLAY, WORKED_LIVE) == pytest.approx(0.5)
    assert rocch_equal_error_rate(np.array([1.0]), np.array([0.0])) == 0.0


# Few different values, so that ties are the rule.
tied = st.lists(st.integers(-6, 6), min_size=1, max_size=25).map(lambda x: np.array(x, np.float64))


def _naive_points(live: np.ndarray, replay: np.ndarray) -> list[tuple[float, float]]:
    cutoffs = sorted({*live.tolist(), *replay.tolist(), float("inf")})
    return [
        (sum(x < c for x in live.tolist()) / live.size, sum(x >= c for x in replay.tolist()) / replay.size)
        for c in cutoffs
    ]


@given(tied, tied)
def test_det_points_are_those_of_counting(live: np.ndarray, replay: np.ndarray) -> None:
    _, bpcer, apcer = det_points(live, replay)
    np.testing.assert_allclose(np.stack((bpcer, apcer), axis=1), _naive_points(live, replay), atol=1e-12)


@given(tied, tied)
def test_the_hull_is_the_best_mixture_of_two_cutoffs(live: np.ndarray, replay: np.ndarray) -> None:
    best = 1.0
    points = _naive_points(live, replay)
    for x, y in points:
        for other_x, other_y in points:
            first, second = y - x, other_y - other_x
            if first >= 0 >= second:
                share = first / (first - second) if first > second else 0.0
                best = min(best, x + share * (other_x - x)) if first > second else min(best, x)
    assert rocch_equal_error_rate(live, replay) == pytest.approx(best, abs=1e-12)


@given(tied, tied)
def test_equal_error_rates_do_not_depend_on_the_scale(live: np.ndarray, replay: np.ndarray) -> None:
    for bend in (np.exp, lambda x: x**3 + 2 * x, lambda x: 1000 * x - 7):
        assert equal_error_rate(bend(live), bend(replay)) == equal_error_rate(live, replay)
        assert rocch_equal_error_rate(bend(live), bend(replay)) == rocch_equal_error_rate(live, replay)
    assert rocch_equal_error_rate(live, replay) <= 0.5


def test_a_score_that_says_nothing_is_at_fifty_percent() -> None:
    same = np.zeros(7)
    assert equal_error_rate(same, same[:3]) == 0.5
    assert rocch_equal_error_rate(same, same[:3]) == 0.5


@given(tied, tied)
def test_det_points_are_those_of_scikit_learn(live: np.ndarray, replay: np.ndarray) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn (the extra `train`)")
    labels = np.concatenate((np.ones(live.size), np.zeros(replay.size)))
    accepted, detected, _ = metrics.roc_curve(labels, np.concatenate((live, replay)), drop_intermediate=False)
    _, bpcer, apcer = det_points(live, replay)
    np.testing.assert_allclose(apcer[::-1], accepted, atol=1e-12)
    np.testing.assert_allclose(1 - bpcer[::-1], detected, atol=1e-12)


@pytest.mark.parametrize("figure", [det_points, equal_error_rate, rocch_equal_error_rate, error_rates])
def test_figures_want_numbers_of_both_classes(figure) -> None:
    more = (0.5,) if figure is error_rates else ()
    good = np.array([0.0, 1.0])
    for live, replay, told in (
        (good, good[:0], "2 live and 0 replay"),
        (np.array([0.0, np.nan]), good, "live scores: 1 of 2"),
        (good, np.array([np.nan, np.nan]), "replay scores: 2 of 2"),
        (good[None], good, "shape"),
    ):
        with pytest.raises(DataError, match=told):
            figure(live, replay, *more)

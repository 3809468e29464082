"""DET curves: the corners of the steps, on axes on which normal scores are straight."""

import numpy as np
import pytest

from edge.errors import DataError
from train.det_curve import TICKS, det_curve, probit
from train.metrics import det_points, equal_error_rate
from train.report.drawing import det_chart


def _scores(n: int = 4000, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(1.5, 1.0, n), rng.normal(0.0, 1.0, n)


def test_the_deviate_of_a_rate():
    assert probit(0.5) == 0
    assert probit([0.025, 0.975]) == pytest.approx([-1.959964, 1.959964], abs=1e-6)
    assert probit([0.0, 1.0]).tolist() == [-np.inf, np.inf]
    assert np.all(np.diff(probit(TICKS)) > 0)


def test_normal_scores_of_one_spread_give_a_straight_line_of_slope_minus_one():
    curve = det_curve(*_scores(40_000))
    inner = (curve.bpcer > 0.01) & (curve.bpcer < 0.6) & (curve.apcer > 0.01) & (curve.apcer < 0.6)
    slope, offset = np.polyfit(probit(curve.apcer[inner]), probit(curve.bpcer[inner]), 1)
    assert (slope, offset) == pytest.approx((-1.0, -1.5), abs=0.05)


def test_corners_of_a_few_scores():
    curve = det_curve(np.array([2.0, 3.0, 4.0]), np.array([0.0, 1.0, 2.5]))
    # From accepting all: two replays fall, one live clip, the last replay, the other live ones.
    assert curve.bpcer == pytest.approx([0, 0, 1 / 3, 1 / 3, 1])
    assert curve.apcer == pytest.approx([1, 1 / 3, 1 / 3, 0, 0])
    assert (curve.live, curve.replay) == (3, 3)
    assert curve.eer == pytest.approx(1 / 3)


def test_what_is_left_out_lies_on_the_line():
    live, replay = (np.round(scores, 1) for scores in _scores(500))
    curve = det_curve(live, replay)
    _, bpcer, apcer = det_points(live, replay)
    assert curve.bpcer.size < bpcer.size
    kept = set(zip(curve.bpcer.tolist(), curve.apcer.tolist(), strict=True))
    for at, point in enumerate(zip(bpcer.tolist(), apcer.tolist(), strict=True)):
        if point not in kept:
            before, after = (np.array([bpcer[n], apcer[n]]) for n in (at - 1, at + 1))
            assert np.any((before == point) & (after == point))
    assert curve.eer == equal_error_rate(live, replay)
    assert (curve.bpcer[0], curve.apcer[0], curve.bpcer[-1], curve.apcer[-1]) == (0, 1, 1, 0)


@pytest.mark.parametrize("live", [[], [np.nan, 1.0], [np.inf]])
def test_scores_of_which_no_curve_can_be_made(live):
    with pytest.raises(DataError):
        det_curve(np.array(live), np.array([0.0]))


def test_a_chart_names_its_curves_and_stays_within_its_axes():
    chart = det_chart({"a <b>": det_curve(*_scores(300))}, works_at=(0.07, 0.42))
    assert "a &lt;b&gt;" in chart
    assert "<b>" not in chart
    assert "7.0 % of people refused, 42.0 % of replays accepted" in chart
    line = chart.split('class="line c0"')[-1].split('d="M')[1].split('"')[0]
    places = np.array([[float(number) for number in point.split()] for point in line.split("L")])
    # Away from the frame: where a curve leaves it, it ends.
    assert places.min() > 0
    assert places.max() < 520
    assert np.all(np.diff(places[:, 0]) <= 0), "fewer replays are accepted as the cut-off rises"
    assert np.all(np.diff(places[:, 1]) <= 0), "and more people refused, which is up"


def test_the_same_place_is_the_same_on_both_axes():
    live, replay = _scores(300)
    chart = det_chart({"x": det_curve(live, replay)}, works_at=(0.2, 0.2))
    circle = chart.split('<circle class="works" cx="')[-1].split('"')
    left, top = float(circle[0]), float(circle[2])
    assert left - 62 == pytest.approx(10 + 520 - 62 - 22 - top, abs=0.2)


def test_classes_without_overlap_have_an_empty_line():
    chart = det_chart({"x": det_curve(np.array([2.0]), np.array([1.0]))}, works_at=None)
    assert "nan" not in chart
    assert 'd="M"' not in chart

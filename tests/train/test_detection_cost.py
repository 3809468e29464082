"""Detection cost against worked values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import DataError
from train.detection_cost import CostModel, act_dcf, min_dcf

tied = st.lists(st.integers(-6, 6), min_size=1, max_size=25).map(lambda x: np.array(x, np.float64))
models = st.builds(CostModel, st.floats(0.01, 0.99), st.floats(0.1, 20.0), st.floats(0.1, 20.0))


def test_cost_of_a_worked_example():
    # 0.95 * 1 * 0.1 + 0.05 * 10 * 0.2 = 0.195; whoever accepts everybody pays 0.5, whoever accepts nobody 0.95.
    assert float(CostModel().normalised(0.1, 0.2)) == pytest.approx(0.195 / 0.5)


def test_bayes_cutoff_of_a_worked_example():
    assert CostModel().bayes_cutoff == pytest.approx(-np.log(1.9))
    assert CostModel(0.5, 1.0, 1.0).bayes_cutoff == 0.0
    # A replay that is certain to come and expensive to accept must be clearly a mouth.
    assert CostModel(0.9, 1.0, 10.0).bayes_cutoff == pytest.approx(np.log(90))


def test_actual_cost_decides_at_the_bayes_cutoff():
    cutoff = CostModel().bayes_cutoff
    live, replay = np.array([cutoff - 0.01, cutoff, 5.0, 5.0]), np.array([cutoff - 0.01, cutoff])
    # One of four live users refused, one of two replays accepted: 0.95 / 4 + 0.5 / 2 = 0.4875.
    assert act_dcf(live, replay, CostModel()) == pytest.approx(0.4875 / 0.5)


def test_minimum_of_a_worked_example():
    live, replay = np.array([0.9, 0.8, 0.7, 0.4]), np.array([0.6, 0.3, 0.2, 0.1])
    # Of all cut-offs 0.4 is the cheapest: nobody refused, one replay of four accepted, 0.125; at 0.7 it is 0.2375.
    assert min_dcf(live, replay, CostModel()) == pytest.approx(0.25)
    assert min_dcf(live, replay, CostModel(0.5, 1.0, 3.0)) == pytest.approx(0.25)


@given(tied, tied, models)
def test_minimum_is_that_of_trying_every_cutoff(live, replay, model):
    refusing, accepting = model.refuse_cost * (1 - model.replay_prior), model.accept_cost * model.replay_prior
    best = min(
        (refusing * np.mean(live < c) + accepting * np.mean(replay >= c)) / min(refusing, accepting)
        for c in np.arange(-7, 8)
    )
    assert min_dcf(live, replay, model) == pytest.approx(best, abs=1e-12)


@given(tied, tied, models)
def test_the_minimum_is_at_most_the_actual_cost_and_at_most_one(live, replay, model):
    least = min_dcf(live, replay, model)
    assert least <= 1.0 + 1e-12
    assert least <= act_dcf(live, replay, model) + 1e-12
    assert min_dcf(np.exp(live), np.exp(replay), model) == pytest.approx(least, abs=1e-12)


def test_scores_that_say_nothing_cost_as_much_as_not_listening():
    assert min_dcf(np.zeros(4), np.zeros(4), CostModel()) == pytest.approx(1.0)
    assert act_dcf(np.zeros(4), np.zeros(4), CostModel()) == pytest.approx(1.0)


@pytest.mark.parametrize("figure", [act_dcf, min_dcf])
def test_both_classes_must_hold_numbers(figure):
    good = np.array([0.0, 1.0])
    with pytest.raises(DataError, match="2 live and 0 replay"):
        figure(good, good[:0], CostModel())
    with pytest.raises(DataError, match="live scores: 1 of 2"):
        figure(np.array([np.nan, 1.0]), good, CostModel())


@pytest.mark.parametrize(
    "values", [(0.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.5, 0.0, 1.0), (0.5, 1.0, np.inf), (np.nan, 1, 1)]
)
def test_what_is_no_cost_model_is_refused(values):
    with pytest.raises(DataError, match="cost model"):
        CostModel(*values)

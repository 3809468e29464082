"""The engine of studies: each training once, judged with an interval, ranked, and what diverges told."""

import numpy as np
import pytest

from edge.errors import DataError

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from tests.train.study_world import MadeUp, error_of, plan
from train.ablation import ablation_table, against_base, seed_difference, verdict
from train.seed_spread import seed_spread, seed_table
from train.studies import Outcome, Study, ranked
from train.study_file import AGAIN, BASE, LEAST_STEPS

pytestmark = pytest.mark.tf


def study(tmp_path, **learner):
    return Study(MadeUp(**learner), tmp_path, data_hash="0" * 64)


def test_what_is_done_is_not_done_again(tmp_path):
    base = plan().base
    first = study(tmp_path).train("base", base, 1)
    again = study(tmp_path)
    second = again.train("base", base, 1)
    assert again.learner.fitted == []
    assert second.to_dict() == first.to_dict()
    np.testing.assert_array_equal(second.scores, first.scores)
    assert first.error == pytest.approx(error_of(base), abs=1 / MadeUp.examples)
    assert first.interval[0] < first.error < first.interval[1]
    assert first.to_dict()["examples_wrong"] == round(first.error * MadeUp.examples)


@pytest.mark.parametrize("damage", ["outcome.json", "scores.npz"])
def test_what_was_cut_short_is_done_again(tmp_path, damage):
    base = plan().base
    study(tmp_path).train("base", base, 1)
    path = tmp_path / "base" / damage
    path.write_bytes(path.read_bytes()[:20])
    again = study(tmp_path)
    again.train("base", base, 1)
    assert again.learner.fitted == ["base"]


@pytest.mark.parametrize("other", ["seed", "settings", "data", "dev"])
def test_an_outcome_of_something_else_does_not_count(tmp_path, other):
    base = plan().base
    study(tmp_path).train("base", base, 1)
    again = study(tmp_path)
    if other == "data":
        again.data_hash = "1" * 64
    if other == "dev":
        again.learner.dev = {"examples": 7}
    again.train(
        "base", plan().changes["no_mixup"].settings if other == "settings" else base, 2 if other == "seed" else 1
    )
    assert again.learner.fitted == ["base"]


def test_what_diverges_is_told_kept_and_last(tmp_path):
    one = study(tmp_path, diverges=lambda settings: settings.dropout == 0.0)
    outcomes = [one.train("no_dropout", plan().changes["no_dropout"].settings, 1), one.train("base", plan().base, 1)]
    assert [found.name for found in ranked(outcomes)] == ["base", "no_dropout"]
    assert outcomes[0].to_dict()["fault"] == "training diverged: the loss is nan"
    assert outcomes[0].to_dict()["error"] is None
    again = study(tmp_path)
    assert again.train("no_dropout", plan().changes["no_dropout"].settings, 1).fault
    assert again.learner.fitted == []


def test_the_lowest_error_is_first(tmp_path):
    one = study(tmp_path)
    outcomes = [one.train(name, change.settings, 1) for name, change in plan().changes.items()]
    assert [found.name for found in ranked(outcomes)] == ["no_mixup", "no_dropout"]


def test_a_change_is_compared_on_the_same_examples(tmp_path):
    one = study(tmp_path, diverges=lambda settings: settings.mixup_share == 0.0)
    outcomes = {BASE: one.train(BASE, plan().base, 1), AGAIN: one.train(AGAIN, plan().base, 2)}
    outcomes |= {name: one.train(name, change.settings, 1) for name, change in plan().changes.items()}
    apart = against_base(one.learner, outcomes)
    assert set(apart) == {"no_dropout", AGAIN}
    assert apart["no_dropout"]["points"] == pytest.approx(19.75)
    assert verdict(outcomes["no_dropout"], apart) == "worse"
    told = {BASE: "base", AGAIN: "another seed", "no_dropout": "no dropout", "no_mixup": "no mixup"}
    table = ablation_table(list(outcomes.values()), told, apart, "Budget: little.").splitlines()
    assert table[2].startswith("| base | 30.25 %")
    assert table[2].endswith("| - |  |")
    assert table[3].endswith("|  |"), "the measure is not measured by itself"
    assert "+19.75" in table[4]
    assert table[4].endswith("worse |")
    assert table[5] == "| no mixup | - | - | diverged |"
    assert table[-1] == "Budget: little."


def outcome(name="no_dropout", *, fault="", steps=LEAST_STEPS):
    return Outcome(name, 1, 0.3, (0.2, 0.4), np.zeros(3), {"steps": steps}, 1.0, fault)


def difference(points, low, high):
    return {"points": points, "interval_95": [low, high]}


@pytest.mark.parametrize(
    ("found", "again", "said"),
    [
        (difference(1.0, 0.1, 2.0), difference(-0.9, -2.0, 1.0), "worse"),
        (difference(-1.0, -2.0, -0.1), difference(0.9, -2.0, 1.0), "better"),
        (difference(1.0, -0.1, 2.0), difference(0.0, -2.0, 1.0), "no difference"),
        (difference(1.0, 0.1, 2.0), difference(-1.0, -2.0, 1.0), "as another seed"),
        (difference(-1.0, -2.0, -0.1), difference(1.5, 1.0, 2.0), "as another seed"),
        (difference(1.0, 0.1, 2.0), None, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_a_verdict_needs_an_interval_without_zero_and_more_than_another_seed(found, again, said):
    apart = {"no_dropout": found, AGAIN: again}
    assert verdict(outcome(), {name: one for name, one in apart.items() if one}) == said


def test_a_verdict_needs_steps_and_a_training():
    apart = {"no_dropout": difference(1.0, 0.1, 2.0), AGAIN: difference(0.5, -1.0, 1.0)}
    assert verdict(outcome(steps=LEAST_STEPS - 1), apart) == "too few steps"
    assert verdict(outcome(fault="training diverged"), {AGAIN: apart[AGAIN]}) == "diverged"


def test_another_seed_is_as_far_either_way():
    for points in (-0.7, 0.7):
        assert seed_difference({AGAIN: difference(points, -2.0, 2.0)}) == 0.7
    assert seed_difference({"no_dropout": difference(0.7, 0.1, 1.0)}) is None


def test_mean_and_spread_of_seeds(tmp_path):
    one = study(tmp_path)
    outcomes = [one.train(f"seed-{seed}", plan().base, seed) for seed in (1, 2, 3)]
    for outcome, error in zip(outcomes, (0.1, 0.2, 0.6), strict=True):
        object.__setattr__(outcome, "error", error)
    spread = seed_spread(outcomes)
    assert spread["mean"] == pytest.approx(0.3)
    assert spread["standard_deviation"] == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1))
    assert (spread["lowest"], spread["highest"], spread["trainings"]) == (0.1, 0.6, 3)
    table = seed_table(outcomes, spread).splitlines()
    assert len(table) == 7
    assert table[-1] == "Mean 30.00 %, standard deviation 26.46 points."


def test_a_mean_without_the_seed_that_diverged_is_refused(tmp_path):
    one = study(tmp_path, diverges=lambda settings: True)
    with pytest.raises(DataError, match=r"seed-1: training diverged.*a mean of the others would flatter"):
        seed_spread([one.train("seed-1", plan().base, 1)])

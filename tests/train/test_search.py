"""A search goes on where it stopped, keeps to its budget, and finds what matters; nothing is trained here."""

import pytest

from edge.errors import DataError

pytest.importorskip("tensorflow", reason="training needs TensorFlow")
pytest.importorskip("optuna", reason="searching needs Optuna")

from tests.train.study_world import MadeUp, error_of, plan
from train import search as module
from train.search import Search
from train.studies import Study

pytestmark = pytest.mark.tf


def begun(folder, *, seed=1, tables=None, **learner):
    study = Study(MadeUp(**learner), folder, data_hash="0" * 64)
    return Search(study, plan(**(tables or {})), seed=seed), study.learner


def said(search):
    """Return what a search found, without how long it took."""
    return [{key: value for key, value in trial.items() if key != "minutes"} for trial in search.told()]


def test_the_first_trial_is_the_base_and_the_best_is_better(tmp_path):
    search, _ = begun(tmp_path)
    search.run(14)
    trials = search.told()
    base = plan().base
    assert trials[0]["settings"] == {name: getattr(base, name) for name in plan().space}
    assert [trial["number"] for trial in trials] == list(range(14))
    whole = [trial for trial in trials if trial["state"] == "complete"]
    best = min(whole, key=lambda trial: trial["error"])
    assert best["error"] < trials[0]["error"] - 0.05
    assert abs(best["settings"]["dropout"] - 0.4) < 0.1
    assert next(iter(search.importances())) == "dropout"


def test_an_interrupted_search_finds_what_another_would_have(tmp_path):
    whole, _ = begun(tmp_path / "whole")
    whole.run(8)
    broken, _ = begun(tmp_path / "broken", interrupt="trial-003")
    with pytest.raises(KeyboardInterrupt):
        broken.run(8)
    assert len(broken.finished()) == 3
    again, learner = begun(tmp_path / "broken")
    again.run(8)
    assert learner.fitted[0] == "trial-003"
    assert said(again) == said(whole)
    more, learner = begun(tmp_path / "broken")
    more.run(8)
    assert learner.fitted == []


def test_a_trial_that_was_done_and_not_told_of_is_not_done_again(tmp_path, monkeypatch):
    search, _ = begun(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(search._optuna, "tell", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            search.run(1)
    again, learner = begun(tmp_path)
    again.run(1)
    assert learner.fitted == []
    assert again.told()[0]["error"] == pytest.approx(error_of(plan().base), abs=0.003)


def test_what_is_bad_early_is_stopped(tmp_path):
    search, _ = begun(tmp_path)
    search.run(14)
    stopped = [trial for trial in search.told() if trial["state"] == "pruned"]
    assert stopped
    for trial in stopped:
        assert trial["number"] >= module._BEFORE_MODEL
        assert max(map(int, trial["error_by_epoch"])) >= plan().base.epochs // 2
        assert "error" not in trial


def test_the_budget_ends_a_training_between_epochs_and_more_goes_on(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])

    class Slow(MadeUp):
        def fit(self, settings, *, watch, **rest):
            def minute(epoch, error):
                clock[0] += 60.0
                watch(epoch, error)

            return super().fit(settings, watch=minute, **rest)

    def slow():
        study = Study(Slow(), tmp_path, data_hash="0" * 64)
        return Search(study, plan(), seed=1), study.learner

    search, learner = slow()
    notes = []
    search.run(10, budget_minutes=6, note=notes.append)
    assert len(search.finished()) == 1
    assert learner.fitted == ["trial-000", "trial-001"]
    assert notes[-1] == "trial 1: the budget is spent; it goes on where there is more"
    assert search.minutes() == pytest.approx(6)
    search, learner = slow()
    search.run(10, budget_minutes=6)
    assert learner.fitted == []
    search.run(2, budget_minutes=100)
    assert learner.fitted == ["trial-001"]
    assert len(search.finished()) == 2


def test_a_trial_that_diverges_is_told_and_the_search_goes_on(tmp_path):
    search, _ = begun(tmp_path, diverges=lambda settings: settings.dropout == 0.2)
    search.run(3)
    first, *others = search.told()
    assert (first["state"], first["fault"]) == ("fail", "training diverged: the loss is nan")
    assert all(trial["state"] == "complete" for trial in others)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"seed": 2}, "seed: 1, now 2"),
        ({"tables": {"budget": {"clips": 100, "epochs": 5, "dropout": 0.2}}}, "settings.epochs: 4, now 5"),
        ({"tables": {"space": {"dropout": {"low": 0.0, "high": 0.5}}}}, "space.dropout.high: 0.6, now 0.5"),
    ],
)
def test_another_search_needs_another_folder(tmp_path, other, told):
    begun(tmp_path)
    with pytest.raises(DataError, match=rf"search.db: holds another search \({told}.*; give another --out"):
        begun(tmp_path, **other)


def test_a_base_outside_the_space_is_not_tried(tmp_path):
    search, _ = begun(tmp_path, tables={"space": {"dropout": {"low": 0.3, "high": 0.6}}})
    search.run(1)
    assert search.told()[0]["settings"]["dropout"] >= 0.3


def test_a_damaged_storage_is_one_line(tmp_path):
    search, _ = begun(tmp_path)
    search.run(1)
    (tmp_path / "search.db").write_bytes(b"no database" * 100)
    with pytest.raises(DataError, match=r"search.db: the search cannot be read or written \(file is not a database\)"):
        begun(tmp_path)


def test_an_empty_space_is_refused(tmp_path):
    with pytest.raises(DataError, match="got an empty space"):
        begun(tmp_path, tables={"space": {}})

"""The learners of a study, on made-up clips and scenes: what was trained is judged, and nothing is rendered twice."""

import json
from dataclasses import replace

import numpy as np
import pytest

from edge.errors import DataError, UsageError

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from edge.cues import CueSettings
from edge.frontend_tables import FrontendSettings
from tests.train.wake_checkpoint import SHAPE, member
from train import liveness_scenes, liveness_training, study_learners, wake_material, wake_scenes
from train.compression_scores import mean_equal_error
from train.group_weights import GROUPS
from train.keras import tf_keras
from train.liveness_training import LivenessSettings, dev_figures
from train.resumption import read_history
from train.studies import Study
from train.study_file import plan_from
from train.study_learners import LivenessLearner, WakeLearner
from train.wake_settings import WakeSettings
from train.wake_teachers import WakeTeachers

pytestmark = pytest.mark.tf

LIVENESS = LivenessSettings.from_dict(
    {"shape": {"stem": 4, "blocks": [[4, 2]], "hidden": 4}, "clips": 64, "epochs": 2, "batch": 16, "rate": 0.02}
)
WAKE = WakeSettings.from_dict(
    {"width": 8, "kernels": [3], "epochs": 2, "batch": 8, "rate": 0.02, "sparsity": 0.0, "ema": 0.0, "synth": []}
)


@pytest.fixture
def corpus(tmp_path):
    """Make a folder with a manifest of one recording, of which nothing is read."""
    rows = ["path,corpus,speaker,split,role,label,seconds,native_hz,licence"]
    rows += ["a.flac,made,ann,train,speech,,1,16000,CC0-1.0"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "a.flac").write_bytes(b"")


@pytest.fixture
def clips(monkeypatch, corpus):
    """Make up clips whose class shows in one band; return the list of what was rendered."""
    rendered = []

    def render(settings, *, seed, splits, **rest):
        (split,) = splits
        rendered.append(split)
        n = settings.clips if split == "train" else 40
        rng = np.random.default_rng([seed, n])
        rows, bands = CueSettings().shape
        live = (np.arange(n) % 2 == 0).astype(np.int8)
        cues = rng.integers(0, 200, (n, rows, bands)).astype(np.uint8)
        cues[live == 1, :, :20] = 250
        names = {name: np.array([f"{name} {i // 8}" for i in range(n)]) for name in ("talker", "room", "loudspeaker")}
        return {
            split: {
                "cues": cues,
                "live": live,
                "kind": np.where(live == 1, "none", np.array(GROUPS[1:])[np.arange(n) // 2 % 4]),
                **names,
            }
        }

    monkeypatch.setattr(study_learners, "liveness_clips", render)
    return rendered


@pytest.fixture
def scenes(monkeypatch, corpus):
    """Make up scenes of two wake words and one other; return the list of what was rendered."""
    rendered = []

    def render(settings, words, *, seed, splits, **rest):
        (split,) = splits
        rendered.append((split, settings.mix().per_word_clip))
        n = 24
        rng = np.random.default_rng([seed, len(split)])
        word = (np.arange(n) % 4 - 1).astype(np.int8)
        features = rng.integers(-128, -100, (n, 120, 40)).astype(np.int8)
        for number in range(3):
            features[word == number, 40:60, 10 * number : 10 * number + 10] = 100
        talker = np.array([f"t{i // 4 % 3}" if word[i] >= 0 else "" for i in range(n)])
        return {
            split: {
                "features": features,
                "end_sample": np.where(word >= 0, 9_600, -1).astype(np.int32),
                "word": word,
                "talker": talker,
            }
        }

    monkeypatch.setattr(study_learners, "wake_scenes", render)
    monkeypatch.setattr(wake_material, "phrases", lambda data: {"one": "one", "two": "two"})
    monkeypatch.setattr(study_learners, "other_words", lambda data: ("zero",))
    return rendered


def test_liveness_is_judged_by_its_kinds_and_watched(tmp_path, clips):
    learner = LivenessLearner(tmp_path, tmp_path, LIVENESS, rendering_seed=1)
    watched = []
    study = Study(learner, tmp_path / "out", data_hash="0" * 64)
    found = study.train("base", LIVENESS, 1, watch=lambda epoch, error: watched.append((epoch, error)))
    assert found.scores.shape == (40,)
    assert [epoch for epoch, _ in watched] == [1, 2]
    expected = dev_figures(found.scores, learner._dev)
    assert found.error == pytest.approx(expected["simulated_dev_mean_eer_of_kinds"])
    assert found.figures["simulated_dev_eer_by_kind"] == expected["simulated_dev_eer_by_kind"]
    assert (found.figures["examples"], found.figures["epochs"], found.figures["steps"]) == (64, 2, 8)
    assert np.isnan(learner.error(found.scores, np.flatnonzero(learner._live)))


def test_what_is_rendered_alike_is_rendered_once(tmp_path, clips):
    learner = LivenessLearner(tmp_path, tmp_path, LIVENESS, rendering_seed=1)
    study = Study(learner, tmp_path / "out", data_hash="0" * 64)
    for name, changed in (("a", {}), ("b", {"dropout": 0.0}), ("c", {"raw_share": 0.0}), ("d", {"raw_share": 0.0})):
        study.train(name, LivenessSettings.from_dict({**LIVENESS.to_dict(), **changed, "epochs": 1}), 1)
    assert clips == ["dev", "train", "train"]


@pytest.fixture
def epochs(monkeypatch):
    """Return the list of the epochs that are trained, from 0 on, whoever asks for them."""
    trained = []

    class Seen(tf_keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            trained.append(epoch)

    fit = study_learners.fit_liveness
    monkeypatch.setattr(
        study_learners, "fit_liveness", lambda *a, watching, **rest: fit(*a, watching=(*watching, Seen()), **rest)
    )
    return trained


def test_an_interrupted_training_goes_on_from_its_epoch(tmp_path, clips, epochs):
    learner = LivenessLearner(tmp_path, tmp_path, LIVENESS, rendering_seed=1)
    study = Study(learner, tmp_path / "out", data_hash="0" * 64)
    errors = []

    def stop(epoch, error):
        errors.append(error)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.train("base", LIVENESS, 1, watch=stop)
    with pytest.raises(DataError, match=r"base/resume: holds the state of another run .settings.dropout: 0.15, now 0"):
        study.train("base", LivenessSettings.from_dict({**LIVENESS.to_dict(), "dropout": 0.0}), 1)
    watched = []
    study.train("base", LIVENESS, 1, watch=lambda epoch, error: watched.append((epoch, error)))
    assert epochs == [0, 1], "the epoch that was watched when it ended is not trained again"
    assert [epoch for epoch, _ in watched] == [1, 2], "it is told of once more: whether it was heard is not known"
    assert watched[0][1] == errors[0]


def test_a_spent_budget_loses_no_epoch(tmp_path, clips, epochs):
    pytest.importorskip("optuna", reason="searching needs Optuna")
    from train.search import Search

    tables = {
        "budget": {**LIVENESS.to_dict(), "epochs": 3},
        "space": {"dropout": {"low": 0.0, "high": 0.5}},
    }
    plan = plan_from(tables, "made up", LivenessSettings)

    def searched(minutes=None):
        learner = LivenessLearner(tmp_path, tmp_path, plan.dev, rendering_seed=1)
        search = Search(Study(learner, tmp_path / "out", data_hash="0" * 64), plan, seed=1)
        search.run(1, budget_minutes=minutes)
        return search

    assert searched(1e-6).finished() == []
    assert epochs == [0]
    history = tmp_path / "out" / "trial-000" / "resume" / "history.jsonl"
    assert [entry["epoch"] for entry in read_history(history)] == [1]
    (trial,) = searched().told()
    assert epochs == [0, 1, 2], "each epoch once: a budget, however small, brings a search on"
    assert list(trial["error_by_epoch"]) == ["1", "2"]
    assert trial["epochs"] == 3


@pytest.mark.parametrize("change", ["recipe", "cues", "dev_clips", "recordings"])
def test_an_outcome_of_another_dev_set_does_not_count(tmp_path, clips, monkeypatch, change):
    dev = LivenessLearner(tmp_path, tmp_path, LIVENESS, rendering_seed=1).dev
    settings = LIVENESS
    if change == "recipe":
        other = replace(liveness_scenes.shipped_recipe(), version=99)
        monkeypatch.setattr(liveness_scenes, "shipped_recipe", lambda: other)
    elif change == "cues":
        monkeypatch.setattr(liveness_training, "CueSettings", lambda: CueSettings(floor_db=-50.0))
    elif change == "dev_clips":
        settings = LivenessSettings.from_dict({**LIVENESS.to_dict(), "dev_clips": 40})
    else:
        (tmp_path / "a.flac").write_bytes(b"longer")
    other = LivenessLearner(tmp_path, tmp_path, settings, rendering_seed=1).dev
    assert json.dumps(dev) != json.dumps(other)


def test_scenes_of_another_frontend_or_recipe_are_another_dev_set(tmp_path, scenes, monkeypatch):
    learner = WakeLearner(tmp_path, tmp_path, WAKE, rendering_seed=1)
    assert learner.dev["frontend"] == FrontendSettings().to_dict()
    expected = wake_scenes.scene_settings(tmp_path, [], "dev", WAKE.mix(), 1, ("one", "two", "zero"))
    assert {**learner.dev, **expected} == learner.dev
    monkeypatch.setattr(wake_scenes, "RECIPE_VERSION", 99)
    assert WakeLearner(tmp_path, tmp_path, WAKE, rendering_seed=1).dev != learner.dev


def test_wake_words_are_judged_and_others_are_not(tmp_path, scenes):
    learner = WakeLearner(tmp_path, tmp_path, WAKE, rendering_seed=1)
    study = Study(learner, tmp_path / "out", data_hash="0" * 64)
    found = study.train("base", WAKE, 1)
    assert found.scores.shape == (24, 2)
    assert found.error == pytest.approx(mean_equal_error(found.scores, learner._dev["word"]))
    assert 0 <= found.figures["recall_at_1_percent_of_other_scenes"] <= 1
    assert len(set(learner.clusters[0])) == 3 + 6
    assert learner.dev["judged"] == ["one", "two"]
    # One scene is right for its word by construction: the score follows the word once there is something to learn.
    assert found.error <= 0.5


def test_more_scenes_are_another_rendering(tmp_path, scenes):
    learner = WakeLearner(tmp_path, tmp_path, WAKE, rendering_seed=1)
    study = Study(learner, tmp_path / "out", data_hash="0" * 64)
    for name, changed in (("a", {}), ("b", {"rate": 0.01}), ("c", {"scenes": 0.5})):
        study.train(name, WakeSettings.from_dict({**WAKE.to_dict(), **changed, "epochs": 1}), 1)
    assert scenes == [("dev", 16), ("train", 16), ("train", 8)]


def test_a_training_without_a_word_that_is_judged_is_refused(tmp_path, scenes):
    learner = WakeLearner(tmp_path, tmp_path, WAKE, rendering_seed=1)
    study = Study(learner, tmp_path / "out", data_hash="0" * 64)
    with pytest.raises(UsageError, match=r"without: got \['one'\] for a training and \[\] for the dev set"):
        study.train("a", WakeSettings.from_dict({**WAKE.to_dict(), "without": ["one"]}), 1)
    with pytest.raises(UsageError, match="without: got one, two, expected some, and not all"):
        WakeLearner(
            tmp_path,
            tmp_path,
            WakeSettings.from_dict({**WAKE.to_dict(), "without": ["one", "two"]}),
            rendering_seed=1,
        )


def test_seeds_are_taught_and_an_outcome_counts_for_its_teachers(tmp_path, scenes, monkeypatch):
    teacher = member(tmp_path / "teacher", replace(SHAPE, width=4), ("one", "two"))
    given = []

    def train(settings, *, out, teachers, speech_teacher, **rest):
        given.append((list(teachers), speech_teacher))
        member(out, replace(SHAPE, width=8, kernels=(3,)), ("one", "two"))
        return {"epochs": 2, "last": {}}

    monkeypatch.setattr(study_learners, "train_wake", train)

    def trained(**taught):
        learner = WakeLearner(tmp_path, tmp_path, WAKE, rendering_seed=1, checkpoints=True, **taught)
        Study(learner, tmp_path / "out", data_hash="0" * 64).train("seed-1", WAKE, 1)
        return learner.taught_by

    taught_by = trained(teachers=[teacher])
    assert taught_by == {"teachers": WakeTeachers([teacher], ("one", "two"), replace(SHAPE, words=3)).identities}
    assert trained(teachers=[teacher]) == taught_by
    assert given == [([teacher], None)]
    assert trained() == {}
    assert given == [([teacher], None), ([], None)]
    with pytest.raises(UsageError, match=r"--teacher .*: got a network for alexa, jarvis, expected one for one, two"):
        trained(teachers=[member(tmp_path / "stranger")])

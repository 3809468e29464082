"""A network that can learn by heart, and one that is shown what nobody can learn."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from edge.cues import CueSettings
from edge.errors import DataError
from train import overfitting
from train.liveness_training import LivenessSettings
from train.overfitting import LARGEST_ERROR, SMALL_LOSS, by_heart, few_scenes, overfit_liveness, overfit_wake
from train.wake_settings import WakeSettings

pytestmark = pytest.mark.tf

SETTINGS = LivenessSettings.from_dict({"shape": {"stem": 4, "blocks": [[4, 2]], "hidden": 4}, "batch": 8, "rate": 0.02})


WAKE = WakeSettings.from_dict({"width": 24, "kernels": [5, 5], "batch": 2, "rate": 0.02})


def scenes(n=16, *, alike):
    """Return scenes of two words and of none; where they are alike, nothing tells which is which."""
    rng = np.random.default_rng(3)
    word = (np.arange(n) % 4 % 3 - 1).astype(np.int8)
    features = np.repeat(rng.integers(-128, -100, (1, 120, 40)), n, axis=0).astype(np.int8)
    if not alike:
        for number in range(2):
            features[word == number, 40:60, 20 * number : 20 * number + 15] = 100
    return {"features": features, "end_sample": np.where(word >= 0, 9_600, -1).astype(np.int32), "word": word}


def clips(*, alike):
    rng = np.random.default_rng(3)
    rows, bands = CueSettings().shape
    live = (np.arange(16) % 2 == 0).astype(np.int8)
    cues = np.repeat(rng.integers(0, 200, (8, rows, bands)).astype(np.uint8), 2, axis=0)
    if not alike:
        cues[live == 1, :, :40] = 255
    return {"cues": cues, "live": live, "kind": np.where(live == 1, "none", "tv")}


def test_what_can_be_told_apart_is_learned():
    found = overfit_liveness(SETTINGS, clips(alike=False), epochs=40, seed=1)
    assert found["learned"]
    assert found["error"] == found["curve"][-1]["error"] == 0.0
    assert found["loss"] == found["curve"][-1]["loss"] < SMALL_LOSS
    assert found["steps"] == 2 * len(found["curve"])
    assert found["settings"] == by_heart(SETTINGS, 40).to_dict(), "what was trained with, and not what was given"


def test_the_same_clip_as_both_classes_is_not():
    found = overfit_liveness(SETTINGS, clips(alike=True), epochs=2, seed=1)
    assert not found["learned"]
    assert found["error"] == 0.5
    assert [entry["epoch"] for entry in found["curve"]] == [1, 2]


def test_nothing_is_left_that_regularises():
    left = by_heart(LivenessSettings(kind_weights={"tv": 2.0}, ema=0.9), 7)
    names = ("weight_decay", "mixup_share", "colour_db", "dropout", "label_smoothing", "sparsity", "ema", "group_dro")
    assert not any(getattr(left, name) for name in (*names, "kind_weights", "shift_frames"))
    assert left.epochs == 7
    left = by_heart(WakeSettings(), 9)
    names = ("mask_frames", "mask_channels", "channel_shift", "dropout", "weight_decay")
    assert not any(getattr(left.variety, name) for name in names)
    assert (left.sparsity, left.ema, left.epochs) == (0.0, 0.0, 9)
    assert left.variety.mix == WakeSettings().variety.mix


def test_words_are_learned_by_heart():
    # As many steps as the running statistics of batch normalisation need to follow.
    found = overfit_wake(WAKE, scenes(alike=False), 2, epochs=80, seed=1)
    assert found["learned"]
    assert found["examples"] == 16
    assert found["settings"] == by_heart(WAKE, 80).to_dict()
    assert found["curve"][-1]["loss"] < 0.1 * found["curve"][0]["loss"]
    assert [entry["epoch"] for entry in found["curve"]] == list(range(1, len(found["curve"]) + 1))


def test_learning_goes_on_until_next_to_no_loss_is_left(tmp_path):
    wrong, losses = iter((0.5, 0.0, 0.0, 0.0)), iter((0.5, 0.4, SMALL_LOSS / 2, 0.0))

    class Model:
        stop_training = False

    def fit(folder, watch):
        watch.set_model(Model)
        for epoch in range(4):
            if not Model.stop_training:
                watch.on_epoch_end(epoch, {"loss": next(losses)})

    found = overfitting._overfitted(fit, lambda model: next(wrong), 7, 4)
    assert len(found["curve"]) == 3
    assert (found["examples"], found["steps"], found["error"], found["learned"]) == (7, 6, 0.0, True)


@pytest.mark.parametrize(
    ("wrong", "loss", "learned"),
    [(0.0, 0.9 * SMALL_LOSS, True), (0.0, SMALL_LOSS, False), (LARGEST_ERROR, 0.0, False)],
)
def test_by_heart_is_without_errors_and_without_loss(wrong, loss, learned):
    class Model:
        stop_training = False

    def fit(folder, watch):
        watch.set_model(Model)
        watch.on_epoch_end(0, {"loss": loss})

    found = overfitting._overfitted(fit, lambda model: wrong, 7, 4)
    assert found["learned"] is learned


def test_words_that_nothing_tells_apart_are_not():
    found = overfit_wake(WAKE, scenes(alike=True), 2, epochs=3, seed=1)
    assert not found["learned"]
    assert found["error"] > 0.2
    assert [entry["epoch"] for entry in found["curve"]] == [1, 2, 3]


def test_half_of_a_few_scenes_have_a_word():
    few = few_scenes(scenes(40, alike=True), 9, seed=1)
    assert np.count_nonzero(few["word"] >= 0) == 4
    assert len(few["word"]) == len(few["features"]) == 9
    with pytest.raises(DataError, match="got 20 scenes with a word and 20 without, expected 25 and 25"):
        few_scenes(scenes(40, alike=True), 50, seed=1)

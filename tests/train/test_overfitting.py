"""A network that can learn by heart, and one that is shown what nobody can learn."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from edge.cues import CueSettings
from train.liveness_training import LivenessSettings
from train.overfitting import by_heart, overfit_liveness

pytestmark = pytest.mark.tf

SETTINGS = LivenessSettings.from_dict({"shape": {"stem": 4, "blocks": [[4, 2]], "hidden": 4}, "batch": 8, "rate": 0.02})


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

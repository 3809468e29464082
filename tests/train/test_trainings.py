"""Settings and runs of the two trainings, on made-up clips: averages, weights of groups, resumption, lost disks."""

import json

import numpy as np
import pytest

from edge.errors import DataError, UsageError

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from edge.cues import CueSettings
from train import fitting
from train.fitting import checked_out
from train.group_weights import GROUPS, RobustLoss, group_index, sample_weights
from train.keras import tf, tf_keras
from train.liveness_training import LivenessSettings, check_classes, fit_liveness
from train.wake_material import phrases
from train.wake_settings import WakeSettings
from train.wake_training import fit_wake, wake_shape

pytestmark = pytest.mark.tf

TINY = {
    "shape": {"stem": 4, "blocks": [[4, 2], [6, 2]], "hidden": 4},
    "epochs": 2,
    "batch": 16,
    "rate": 0.02,
}


def made_up_clips(n, seed=0):
    """Return clips whose class shows in one band."""
    rng = np.random.default_rng(seed)
    rows, bands = CueSettings().shape
    live = (np.arange(n) % 2 == 0).astype(np.int8)
    cues = rng.integers(0, 200, (n, rows, bands)).astype(np.uint8)
    cues[live == 1, :, :20] = 250
    kind = np.where(live == 1, "none", np.array(GROUPS[1:])[np.arange(n) // 2 % 4])
    return {"cues": cues, "live": live, "kind": kind}


def fitted(folder, watching=(), seed=1, **changed):
    settings = LivenessSettings.from_dict(TINY | changed)
    return fit_liveness(
        settings,
        made_up_clips(64),
        made_up_clips(32, 1),
        seed=seed,
        resume=folder,
        trained={"settings": settings.to_dict(), "seed": seed},
        watching=watching,
    )


@pytest.mark.parametrize("cls", [LivenessSettings, WakeSettings])
def test_settings_come_back_from_json_as_they_were(cls):
    assert cls.from_dict(json.loads(json.dumps(cls().to_dict()))) == cls()
    assert cls.from_dict(cls().to_dict()) == cls()
    with pytest.raises(UsageError, match=r"here: epocs is unknown; did you mean epochs\?"):
        cls.from_dict({"epocs": 3}, "here")
    with pytest.raises(UsageError, match=r"here: epochs: got 0, expected a whole number from 1"):
        cls.from_dict({"epochs": 0}, "here")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kind_weights": {"radio": 1.0}}, "got 'radio', expected kinds of phone, laptop, tv, standalone"),
        ({"kind_weights": {"tv": -1.0}}, "kind_weights.tv: got -1.0"),
        ({"kind_weights": {"tv": 2.0}, "group_dro": 0.1}, "leave one out"),
        ({"way_weight": 0.3, "group_dro": 0.1}, "way_weight and group_dro are both given"),
        ({"way_weight": -1.0}, "way_weight: got -1"),
    ],
)
def test_weights_that_mean_nothing_are_refused(given, told):
    with pytest.raises(UsageError, match=told):
        LivenessSettings.from_dict(given)


class _Interrupt(tf_keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize("changed", [{"ema": 0.9}, {"group_dro": 0.5}])
def test_an_interrupted_run_keeps_averages_and_group_weights(tmp_path, changed):
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path, (_Interrupt(),), **changed)
    saved = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(tmp_path / "backup" / "chief")))
    name = "weight_means" if "ema" in changed else "group_weights"
    kept = [saved.get_tensor(key) for key in saved.get_variable_to_shape_map() if f"/{name}/" in key]
    assert kept, sorted(saved.get_variable_to_shape_map())
    _, metrics = fitted(tmp_path, **changed)
    assert metrics["epochs"] == 2
    again, _ = fitted(tmp_path, **changed)  # nothing is left to train: the saved state alone decides
    once_more, _ = fitted(tmp_path, **changed)
    for one, other in zip(again.get_weights(), once_more.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_average_is_not_the_last_step_and_has_its_zeros(tmp_path):
    last, metrics = fitted(tmp_path / "last")
    mean, averaged = fitted(tmp_path / "mean", ema=0.9)
    for name, share in averaged["sparsity"].items():
        assert share == pytest.approx(metrics["sparsity"][name], abs=0.05), name
        assert share > 0.3
    moving = [w for w in mean.weights if "moving_mean" in w.name]
    assert moving
    for one in moving:
        other = next(w for w in last.weights if w.name == one.name)
        assert not np.allclose(one.numpy(), other.numpy(), atol=1e-6), one.name


def test_the_average_is_the_exponential_one():
    model = tf_keras.Sequential([tf_keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.build((None, 1))
    model.compile(tf_keras.optimizers.SGD(1.0), "mse")
    callback = fitting.averaging_callback(model, 0.3)
    callback.set_model(model)
    expected = 0.0
    for step, value in enumerate((1.0, 5.0, -2.0), 1):
        model.optimizer.iterations.assign(step)
        model.layers[0].kernel.assign([[value]])
        callback.on_train_batch_end(step)
        kept = min(0.3, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * value
    callback.on_train_end()
    assert float(model.layers[0].kernel[0, 0]) == pytest.approx(expected, rel=1e-5)


def test_kinds_count_as_asked_and_the_classes_as_before():
    groups = group_index(np.array([1, 0, 0, 0, 0], np.int8), np.array(["none", "tv", "phone", "laptop", "standalone"]))
    weights = sample_weights(groups, {"tv": 3.0})
    np.testing.assert_allclose(weights, [1, 2, 2 / 3, 2 / 3, 2 / 3], rtol=1e-6)
    with pytest.raises(DataError, match="kind 'radio'"):
        group_index(np.zeros(1, np.int8), np.array(["radio"]))


def test_the_group_that_is_worst_comes_to_count_most():
    loss = RobustLoss(1.0, 0.0)
    truth = tf.concat((tf.constant([[1.0], [0.0]]), tf.one_hot([0, 3], len(GROUPS))), axis=1)
    for _ in range(5):
        value = loss(truth, tf.constant([[4.0], [2.0]]))  # the replay by a tv is called live
    weights = dict(zip(GROUPS, loss.weights.numpy(), strict=True))
    assert max(weights, key=weights.get) == "tv"
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-5)
    expected = weights["live"] * np.log1p(np.exp(-4.0)) + weights["tv"] * np.log1p(np.exp(2.0))
    assert float(value) == pytest.approx(expected, rel=1e-4)
    loss(truth[:, :1], tf.constant([[4.0], [2.0]]))
    assert dict(zip(GROUPS, loss.weights.numpy(), strict=True)) == weights


def test_weights_and_group_weights_reach_the_network(tmp_path):
    plain, _ = fitted(tmp_path / "plain")
    _, robust = fitted(tmp_path / "robust", group_dro=0.5)
    weighted, _ = fitted(tmp_path / "weighted", kind_weights={"tv": 9.0})
    assert set(robust["group_weights"]) == set(GROUPS)
    assert len(set(robust["group_weights"].values())) > 1
    assert not np.allclose(plain.get_weights()[0], weighted.get_weights()[0])


def test_without_sparsity_nothing_is_pruned(tmp_path):
    _, metrics = fitted(tmp_path, sparsity=0.0)
    assert max(metrics["sparsity"].values()) < 0.1
    assert set(metrics["simulated_dev_eer_by_kind"]) == set(GROUPS[1:])


def test_a_diverging_run_keeps_the_last_whole_epoch(tmp_path):
    class Diverge(tf_keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                weight = self.model.trainable_variables[-1]
                weight.assign(weight * np.nan)

    with pytest.raises(DataError, match="training diverged: the loss is nan"):
        fitted(tmp_path, (Diverge(),))
    assert [entry["epoch"] for entry in fitting.read_history(tmp_path / "history.jsonl")] == [1]
    _, metrics = fitted(tmp_path)
    assert metrics["epochs"] == 2
    assert np.isfinite(metrics["last"]["loss"])


def test_a_full_disk_is_one_line_and_loses_no_epoch(tmp_path, monkeypatch):
    save = tf.train.CheckpointManager.save
    monkeypatch.setattr(
        tf.train.CheckpointManager,
        "save",
        lambda self, *a, **k: (_ for _ in ()).throw(tf.errors.ResourceExhaustedError(None, None, "No space left")),
    )
    with pytest.raises(DataError, match=r"cannot be written .*No space left.*; free some space"):
        fitted(tmp_path)
    monkeypatch.setattr(tf.train.CheckpointManager, "save", save)
    assert fitted(tmp_path)[1]["epochs"] == 2


def test_out_is_tried_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for name in ("file", "file/below"):
        with pytest.raises(DataError, match=f"--out {tmp_path / name}: cannot be written to"):
            checked_out(tmp_path / name)
    monkeypatch.setattr(fitting.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10_000_000}))
    with pytest.raises(DataError, match="got 10 MB free, expected 50 MB"):
        checked_out(tmp_path / "small")
    assert not list((tmp_path / "small").iterdir())


def test_one_class_is_nothing_to_learn_from():
    clips = made_up_clips(4)
    with pytest.raises(DataError, match="here: got 4 live clips and 0 replays"):
        check_classes(clips | {"live": np.ones(4, np.int8)}, "here")


@pytest.mark.parametrize(
    ("talkers", "told"),
    [(("a", "b"), "got 2 talkers in the split train, expected 3 or more"), ((), "no clip of the role 'wake'")],
)
def test_a_word_needs_several_talkers(tmp_path, talkers, told):
    lines = ["path,corpus,speaker,split,role,label,seconds,native_hz,licence"]
    lines += [f"{name}.flac,made,{name},train,wake,hey,1,16000,CC0-1.0" for name in talkers]
    lines += ["s.flac,made,s,dev,speech,,1,16000,CC0-1.0"]
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    for name in (*talkers, "s"):
        (tmp_path / f"{name}.flac").write_bytes(b"")
    with pytest.raises(DataError, match=told):
        phrases(tmp_path)


def test_a_wake_network_is_fitted_with_an_average(tmp_path):
    rng = np.random.default_rng(0)
    n = 24
    word = np.where(np.arange(n) % 3 == 0, 0, -1).astype(np.int8)
    scenes = {
        "features": rng.integers(-128, 0, (n, 120, 40)).astype(np.int8),
        "end_sample": np.where(word >= 0, 12_000, -1).astype(np.int32),
        "word": word,
    }
    settings = WakeSettings.from_dict({"width": 4, "kernels": [3], "epochs": 2, "batch": 8, "ema": 0.9})
    _, metrics = fit_wake(
        settings, scenes, scenes, wake_shape(settings, 1), seed=1, resume=tmp_path, trained={"seed": 1}
    )
    assert metrics["epochs"] == 2
    assert all(share > 0.3 for name, share in metrics["sparsity"].items() if name != "head")

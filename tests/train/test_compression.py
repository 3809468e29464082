"""Variants of small networks: zeros stay, the input means what it did, and nothing is done twice."""

import dataclasses
import json
import shutil
import warnings

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Return a small liveness checkpoint, half of its weights zero, and clips that it can learn from."""
    from edge.cues import CueSettings
    from train.fitting import RunRecord, save_checkpoint, set_seed
    from train.keras import tf_keras
    from train.liveness_network import LivenessShape, network
    from train.liveness_training import LivenessSettings

    set_seed(5)
    cues, shape = CueSettings(), LivenessShape(stem=4, blocks=((8, 2), (8, 2)), hidden=4)
    body = network(shape, cues)
    for layer in body.layers:
        if (
            layer.name.startswith(("mix", "stem", "pooled", "bands", "over_time", "summary", "logit"))
            and "norm" not in layer.name
        ):
            kernel, *rest = layer.get_weights()
            layer.set_weights([np.where(np.abs(kernel) < np.median(np.abs(kernel)), 0, kernel), *rest])
    given = tf_keras.Input(cues.shape, batch_size=1, name="cues")
    rng = np.random.default_rng(5)
    path = tmp_path_factory.mktemp("compression") / "liveness"
    settings = LivenessSettings(shape=shape, clips=128, devices=4).to_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save_checkpoint(
            path,
            tf_keras.Model(given, {"logit": body(given, training=False)}),
            {"cues": rng.random((40, *cues.shape)).astype(np.float32)},
            RunRecord(seed=5, data_hash="0" * 64, settings=settings, licences=[]),
            {"role": "liveness", "cues": cues.to_dict(), "ranges": {"cues": [0.0, 1.0]}},
        )
    return path


def _clips(data, split, cache, *, n, seed, cues, **rest):
    rng = np.random.default_rng([n, seed])
    live = np.arange(n) % 2 == 0
    made = rng.integers(0, 256, (n, *cues.shape)).astype(np.uint8)
    made[live, :, :40] //= 2
    kind = np.array(["phone", "tv"])[np.arange(n) // 2 % 2]
    talker = np.array([f"t{i // 4}" for i in range(n)])
    return {"cues": made, "live": live.astype(np.int8), "talker": talker, "kind": kind}


def _role(checkpoint, monkeypatch, tmp_path):
    from train import compression_roles

    monkeypatch.setattr(compression_roles, "build_liveness_clips", _clips)
    return compression_roles.LivenessRole(
        checkpoint, tmp_path, tmp_path, examples=128, dev_examples=32, seed=1, engine=None
    )


@pytest.fixture
def role(checkpoint, monkeypatch, tmp_path):
    """Return the role of the small network, its data made up."""
    return _role(checkpoint, monkeypatch, tmp_path)


def _trained_otherwise(checkpoint, tmp_path, **settings):
    """Return a copy of the checkpoint whose record has other settings."""
    path = tmp_path / "otherwise"
    shutil.copytree(checkpoint, path)
    record = json.loads((path / "record.json").read_text())
    record["settings"] |= settings
    (path / "record.json").write_text(json.dumps(record))
    return path


@pytest.mark.filterwarnings("ignore")
def test_fine_tuning_keeps_the_settings_of_the_training(checkpoint, monkeypatch, tmp_path):
    from train.keras import tf_keras

    path = _trained_otherwise(
        checkpoint,
        tmp_path,
        label_smoothing=0.2,
        batch=16,
        dropout=0.45,
        mixup_share=0.0,
        colour_db=0.0,
        shift_frames=0,
    )
    role = _role(path, monkeypatch, tmp_path)
    network = role.network(role.start.weights)
    role.compile(network, tf_keras.optimizers.AdamW())
    assert network.loss.get_config()["label_smoothing"] == 0.2
    assert {layer.rate for layer in network.layers if isinstance(layer, tf_keras.layers.Dropout)} == {0.45}
    assert len(role.training) == 128 // 16
    # Nothing was mixed, coloured or moved: the batches are the clips.
    cues, _ = next(iter(role.training))
    held = {clip.tobytes() for clip in _clips(None, None, None, n=128, seed=5, cues=role._cues)["cues"]}
    assert {clip.tobytes() for clip in np.rint(255 * cues.numpy()).astype(np.uint8)} <= held
    # What is kept is named in the run: variants of other settings are not taken for its own.
    from train.compression import run_of

    kept = run_of(role, epochs=1, rate=1e-3, seed=1, data_hash="x")["settings"]["kept"]
    assert (kept["label_smoothing"], kept["batch"], kept["dropout"]) == (0.2, 16, 0.45)


@pytest.mark.filterwarnings("ignore")
def test_groups_that_were_weighed_are_weighed_again(checkpoint, monkeypatch, tmp_path):
    from train.group_weights import RobustLoss
    from train.keras import tf_keras

    role = _role(_trained_otherwise(checkpoint, tmp_path, group_dro=0.1), monkeypatch, tmp_path)
    network, optimizer = role.network(role.start.weights), tf_keras.optimizers.AdamW()
    role.compile(network, optimizer)
    assert isinstance(network.loss, RobustLoss)
    network.fit(role.training.take(1), validation_data=role.validation, verbose=0)
    moved = optimizer.group_weights.numpy()
    assert moved.sum() == pytest.approx(1)
    assert np.ptp(moved) > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_variants_keep_what_they_promise_and_are_made_once(role, tmp_path):
    from edge.errors import DataError
    from edge.interpreter import load_model
    from train import compression
    from train.compression import compress, run_of
    from train.compression_variants import VARIANTS

    run = run_of(role, epochs=2, rate=1e-3, seed=1, data_hash="0" * 64)
    made = {name: compress(role, VARIANTS[name], tmp_path, run) for name in ("magnitude50", "two_of_four", "pqat")}
    figures = {name: found for name, (found, _) in made.items()}
    # Prune-preserving training keeps every zero that it began with.
    layers = figures["magnitude50"]["zeros_by_layer"], figures["pqat"]["zeros_by_layer"]
    assert sorted(map(len, layers)) == [len(layers[0])] * 2
    assert figures["pqat"]["zeros"] >= figures["magnitude50"]["zeros"] - 0.02 > 0.4
    assert figures["two_of_four"]["pattern_share"] == 1.0
    assert figures["magnitude50"]["pattern_share"] < 0.95
    for name, (found, logits) in made.items():
        model = load_model(tmp_path / name / "model_int8.tflite", runtime="litert")
        given = model.inputs["cues"]
        assert (given.dtype, given.zero_point) == (np.int8, -128)
        assert given.scale == pytest.approx(1 / 255, rel=1e-6)
        assert logits["int8"].shape == logits["float"].shape == (32, 1, 1)
        assert np.isfinite(logits["int8"]).all()
        assert found["epochs"] == 2

    # A second call reads what is there, whatever it would cost to make it again.
    conversions = []
    compression.convert, kept = lambda *paths: conversions.append(paths), compression.convert
    try:
        again, logits = compress(role, VARIANTS["pqat"], tmp_path, run)
    finally:
        compression.convert = kept
    assert not conversions
    assert again == json.loads(json.dumps(figures["pqat"]))
    assert np.array_equal(logits["int8"], made["pqat"][1]["int8"])
    # Another run is not mixed with this one.
    other = run_of(role, epochs=3, rate=1e-3, seed=1, data_hash="0" * 64)
    with pytest.raises(DataError, match=r"settings\.epochs: 2, now 3"):
        compress(role, VARIANTS["pqat"], tmp_path, other)


@pytest.mark.filterwarnings("ignore")
def test_ranges_begin_where_the_float_network_has_them(role):
    from train.compression_awareness import aware, begin_ranges, pin_inputs, weights_within

    network = role.network(role.start.weights)
    part = role.annotated(network)
    quantised = aware(part, keep_zeros=False)
    begin_ranges(quantised, part, role.calibration())
    pin_inputs(quantised, *role.input_range)
    ends = {
        v.name: float(v.numpy())
        for v in quantised.weights
        if v.name.endswith(("_min:0", "_max:0")) and v.shape.rank == 0
    }
    ends = {name: value for name, value in ends.items() if "kernel" not in name}
    # A ReLU has nothing below zero; the toolkit would begin at -6.
    relus = [value for name, value in ends.items() if name.startswith("quant_re_lu") and name.endswith("output_min:0")]
    assert relus == [0.0] * len(relus)
    assert relus
    inputs = [value for name, value in sorted(ends.items()) if name.startswith("quantize_layer")]
    assert inputs == [1.0, 0.0] * (len(inputs) // 2)
    assert len(inputs) == 4
    found = weights_within(quantised)
    for layer in network.layers:
        for one, other in zip(layer.get_weights(), found.get(layer.name, []), strict=True):
            assert np.array_equal(one, other), layer.name
    # Rounding moves the logit a little, and not at all beyond that.
    x = role.start.representative["cues"]
    plain = network.predict(x, verbose=0)
    rounded = role.around(quantised).predict(x, verbose=0)
    assert 0 < np.abs(rounded - plain).max() < 0.2 * plain.std() + 0.05


def test_examples_are_drawn_in_pairs(checkpoint, monkeypatch, tmp_path):
    from train import compression_roles

    seen = []
    monkeypatch.setattr(compression_roles, "build_liveness_clips", _clips)
    monkeypatch.setattr(
        compression_roles, "liveness_batches", lambda clips, cues, settings, **rest: seen.append(clips["live"]) or [0]
    )
    compression_roles.LivenessRole(checkpoint, tmp_path, tmp_path, examples=20, dev_examples=32, seed=1, engine=None)
    assert seen[0].size == 20
    assert np.array_equal(seen[0], np.tile([1, 0], 10))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: (p / "spec.json").write_text('{"role": "wake"}'), "role: got 'wake', expected 'liveness'"),
        (lambda p: (p / "spec.json").write_text("{"), "not JSON"),
        (lambda p: (p / "record.json").write_text('{"settings": {"members": []}}'), "joined, expected one"),
        (lambda p: (p / "record.json").write_text('{"settings": {}}'), "got no clips and no seed and no licences"),
        (lambda p: (p / "record.json").unlink(), "cannot be read"),
        (lambda p: (p / "representative.npz").write_bytes(b"PK"), "expected an .npz file"),
    ],
)
def test_a_broken_checkpoint_is_told_in_one_line(change, told, checkpoint, tmp_path):
    from edge.errors import DataError
    from train.compression_start import read_start

    path = tmp_path / "broken"
    shutil.copytree(checkpoint, path)
    change(path)
    with pytest.raises(DataError) as caught:
        read_start(path, "liveness", settings=("clips",))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_weights_of_another_shape_are_refused(role):
    from edge.errors import DataError

    role._settings = dataclasses.replace(role._settings, shape=dataclasses.replace(role._settings.shape, hidden=6))
    with pytest.raises(DataError, match="layer over_time: got weights of the shapes"):
        role.network(role.start.weights)

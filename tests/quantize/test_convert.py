"""A float network becomes one of integers that means the same, or is refused."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataError, ModelAbiError
from edge.interpreter import dequantise, load_model, quantise
from quantize.convert import convert, inspect_network

pytestmark = pytest.mark.tf


@pytest.fixture
def wake(converted):
    return load_model(converted["wake"] / "model_int8.tflite", runtime="litert")


def test_inputs_and_outputs_are_those_of_the_device(wake, wake_shape):
    features, state = wake.inputs["features"], wake.inputs["state"]
    assert (features.dtype, features.shape) == (np.int8, (1, 5, 40))
    assert (features.scale, features.zero_point) == (26 / 256, -128)
    assert (state.dtype, state.shape) == (np.int8, (1, *wake_shape.state_shape))
    assert state.scale == pytest.approx(6 / 255)
    (back,) = (spec for spec in wake.outputs if spec.shape == state.shape)
    assert back[1:] == state[1:]
    assert {spec.name for spec in wake.outputs} == {"logits", "state_out"}


def test_the_state_moves_through_the_rings_byte_for_byte(wake, wake_shape):
    """Slices and concatenations must not requantise: all rows but the newest are old ones, one place on."""
    rng = np.random.default_rng(4)
    state = rng.integers(-128, 128, (1, *wake_shape.state_shape)).astype(np.int8)
    features = rng.integers(-128, 128, (1, 5, 40)).astype(np.int8)
    after = next(value for name, value in wake.run({"features": features, "state": state}).items() if name != "logits")
    at = 0
    for kernel in wake_shape.kernels:
        np.testing.assert_array_equal(after[0, at : at + kernel - 2], state[0, at + 1 : at + kernel - 1])
        at += kernel - 1
    assert at == state.shape[1]


def test_no_drift_from_the_float_network_over_a_stream(converted, wake):
    """Fed with its own state, the int8 network stays with the float one: errors must not build up."""
    twin = load_model(converted["wake"] / "model_float.tflite", runtime="litert")
    rng = np.random.default_rng(5)
    coarse = np.full(wake.inputs["state"].shape, wake.inputs["state"].zero_point, np.int8)
    exact = np.zeros(coarse.shape, np.float32)
    logits = next(spec for spec in wake.outputs if spec.name == "logits")
    errors, said = [], []
    for _ in range(300):
        features = (np.clip(rng.normal(60, 50, (1, 5, 40)).round(), 0, 255) - 128).astype(np.int8)
        mine = wake.run({"features": features, "state": coarse})
        real = (features.astype(np.float32) + 128) * np.float32(26 / 256)
        other = twin.run({"features": real, "state": exact})
        coarse, exact = mine["state_out"], other["state_out"]
        errors.append(np.abs(dequantise(mine["logits"], logits) - other["logits"]).max())
        said.append(other["logits"])
    assert np.std(said) > 5 * np.mean(errors)
    assert np.mean(errors[200:]) < 1.5 * np.mean(errors[:100])


def test_the_report_describes_the_files(converted):
    for role, path in converted.items():
        report = json.loads((path / "convert.json").read_text())
        assert report["role"] == role
        for entry in report["models"].values():
            content = (path / entry["file"]).read_bytes()
            assert entry["bytes"] == len(content)
            assert len(gzip.decompress(gzip.compress(content))) == len(content) > entry["gzip_bytes"] > 0
        assert report["models"]["int8"]["bytes"] < report["models"]["float"]["bytes"]
        # Half of the weights of every kernel were zero; a few more are too small for a step of int8.
        assert 0.48 < report["sparsity"] < 0.6
        assert all(0.4 < weight["zeros"] < 0.75 for weight in report["weights"] if np.prod(weight["shape"]) > 60)
        assert (path / "spec.json").is_file()


def test_no_float_operator_is_left(converted):
    for path in converted.values():
        network = inspect_network((path / "model_int8.tflite").read_bytes())
        assert network["float_tensors"] == []
        assert not {"QUANTIZE", "DEQUANTIZE"} & set(network["operators"])
        assert network["operators"]["CONV_2D"] >= 3
        assert inspect_network((path / "model_float.tflite").read_bytes())["float_tensors"]


def test_the_same_checkpoint_gives_the_same_bytes(trained, converted, tmp_path):
    convert(trained["liveness"], tmp_path)
    for name in ("model_int8.tflite", "model_float.tflite", "convert.json"):
        assert (tmp_path / name).read_bytes() == (converted["liveness"] / name).read_bytes()


def test_the_command_writes_into_the_checkpoint(trained, tmp_path, capsys):
    from edge.cli import main

    path = Path(shutil.copytree(trained["liveness"], tmp_path / "liveness"))
    assert main(["quantize", "convert", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["event"] == "converted"
    assert told["outputs"]["logit"]["dtype"] == "int8"
    assert (path / told["models"]["int8"]["file"]).is_file()


# --------------------------------------------------------------------------------------------- refused


@pytest.fixture
def broken(trained, tmp_path):
    """Return a function that converts the wake checkpoint with other samples or settings."""

    def attempt(*, spec=None, **arrays):
        path = Path(shutil.copytree(trained["wake"], tmp_path / "wake"))
        if arrays:
            with np.load(path / "representative.npz") as file:
                held = dict(file)
            changed = {name: array for name, array in {**held, **arrays}.items() if array is not None}
            np.savez(path / "representative.npz", **changed)
        if spec:
            old = json.loads((path / "spec.json").read_text())
            (path / "spec.json").write_text(json.dumps({**old, **spec}))
        try:
            convert(path)
        finally:
            assert not (path / "model_int8.tflite").exists()

    return attempt


def test_features_that_do_not_reach_the_ends(broken):
    with pytest.raises(DataError, match=r"features: got values .* expected scale 0\.101562, zero point -128"):
        broken(features=np.full((60, 5, 40), 3.0, np.float32))


def test_a_fixed_range_needs_no_samples_at_its_ends(trained, converted, tmp_path):
    path = Path(shutil.copytree(trained["liveness"], tmp_path / "liveness"))
    with np.load(path / "representative.npz") as file:
        cues = file["cues"]
    np.savez(path / "representative.npz", cues=0.25 + cues / 4)
    spec = json.loads((path / "spec.json").read_text())
    (path / "spec.json").write_text(json.dumps({**spec, "ranges": {"cues": [0.0, 1.0]}}))
    convert(path)
    fixed = load_model(path / "model_int8.tflite", runtime="litert").inputs["cues"]
    assert fixed == load_model(converted["liveness"] / "model_int8.tflite", runtime="litert").inputs["cues"]
    assert fixed.scale == pytest.approx(1 / 255)


@pytest.mark.parametrize("ranges", [{"cue": [0.0, 1.0]}, {"features": [1.0, 1.0]}])
def test_a_range_that_cannot_be(broken, ranges):
    with pytest.raises(DataError, match=r"ranges\.(cue|features): got "):
        broken(spec={"ranges": ranges})


def test_a_state_that_falls_below_zero(broken, wake_shape):
    states = np.full((60, *wake_shape.state_shape), -1.0, np.float32)
    states[0] = 6.0
    with pytest.raises(DataError, match=r"state: got .* expected the same twice"):
        broken(state=states)


@pytest.mark.parametrize(
    ("arrays", "shown"),
    [
        ({"state": None}, "got features [5, 40], expected features [5, 40], state [5, 8]"),
        ({"more": np.zeros((60, 1), np.float32)}, "more [1]"),
        ({"features": np.zeros((60, 5, 41), np.float32)}, "got features [5, 41]"),
        ({"features": np.zeros((59, 5, 40), np.float32)}, "the same number of samples"),
        ({"features": np.full((60, 5, 40), np.nan, np.float32)}, "features: got NaN"),
    ],
    ids=["missing", "unknown", "shape", "count", "nan"],
)
def test_samples_of_other_inputs(broken, arrays, shown):
    with pytest.raises(DataError) as caught:
        broken(**arrays)
    assert shown in str(caught.value)
    assert "representative.npz" in str(caught.value)


def test_a_network_that_does_not_fit_its_role(broken):
    with pytest.raises(ModelAbiError, match="outputs: got int8"):
        broken(spec={"words": [{"id": "alexa", "phrase": "alexa"}]})


@pytest.mark.parametrize(
    ("file", "content", "shown"),
    [
        ("spec.json", None, "No such file"),
        ("spec.json", b"{", "not JSON"),
        ("spec.json", b"[]", "expected an object"),
        ("spec.json", b'{"role": "gate"}', "got 'gate', expected wake or liveness"),
        ("spec.json", b'{"role": "liveness"}', "cues: got no such entry"),
        ("spec.json", b'{"role": "verifier"}', "words: got no such entry"),
        ("record.json", None, "No such file"),
        ("representative.npz", None, "No such file"),
        ("representative.npz", b"text", "npz"),
        ("representative.npz", b"PK\x05\x06" + bytes(18), "got no array"),
        ("model/saved_model.pb", None, "got no SavedModel"),
        ("model/saved_model.pb", b"text", "got no SavedModel"),
    ],
)
def test_a_broken_checkpoint(trained, tmp_path, file, content, shown):
    path = Path(shutil.copytree(trained["liveness"], tmp_path / "liveness"))
    (path / file).unlink() if content is None else (path / file).write_bytes(content)
    with pytest.raises(DataError) as caught:
        convert(path)
    assert shown in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_a_device_installation_names_the_extra(trained, monkeypatch):
    import quantize.convert as module
    from edge.errors import MissingExtraError

    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"vivavoce\[train\]"):
        convert(trained["wake"])


def test_quantised_samples_are_close(converted, trained):
    """The input's step is what the range of the samples asks for, and not a wider one."""
    model = load_model(converted["liveness"] / "model_int8.tflite", runtime="litert")
    cues = model.inputs["cues"]
    with np.load(trained["liveness"] / "representative.npz") as file:
        x = file["cues"]
    assert np.abs(dequantise(quantise(x, cues), cues) - x).max() <= 0.5 / 255 + 1e-6


def test_a_full_disk_leaves_the_networks_that_were_there(trained, converted, tmp_path, monkeypatch):
    from edge import files

    there = Path(shutil.copytree(converted["liveness"], tmp_path / "liveness"))
    for name in ("model_int8.tflite", "convert.json"):
        (there / name).write_bytes(b"of an older one")
    before = {path.name: path.read_bytes() for path in there.iterdir() if path.is_file()}
    replace = Path.replace

    def full(path, target):
        if Path(target).name == "model_int8.tflite":
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(files.Path, "replace", full)
    with pytest.raises(DataError, match=r"liveness: .*\(No space left on device\).*convert again"):
        convert(trained["liveness"], there)
    assert {path.name: path.read_bytes() for path in there.iterdir() if path.is_file()} == before

"""A verifier is converted only into what the device looks with."""

import json

import numpy as np
import pytest

from edge.errors import DataError, ModelAbiError
from edge.interpreter import load_model
from quantize.checkpoint import INT8_NAME
from quantize.convert import convert

pytestmark = pytest.mark.tf

FRAMES, MOMENTS = 20, 3


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return the network of a checkpoint: a small one, saved once."""
    pytest.importorskip("tensorflow")
    from train.fitting import RunRecord, save_checkpoint
    from train.keras import tf_keras

    folder = tmp_path_factory.mktemp("saved")
    tf_keras.utils.set_random_seed(2)
    mel = tf_keras.Input((FRAMES, 32), batch_size=1, name="mel")
    x = tf_keras.layers.Conv2D(2, (FRAMES - MOMENTS + 1, 32))(tf_keras.layers.Reshape((FRAMES, 32, 1))(mel))
    logits = tf_keras.layers.Reshape((MOMENTS, 2), name="logits")(x)
    samples = np.random.default_rng(3).normal(5, 2, (20, FRAMES, 32)).astype(np.float32)
    record = RunRecord(seed=2, data_hash="0" * 64, settings={}, licences=[])
    spec = {
        "role": "verifier", "words": [{"id": one, "phrase": one} for one in ("one", "two")],
        "frames": FRAMES, "delay_ms": 100, "again_ms": 250, "ranges": {"mel": [-2.0, 14.0]},
    }  # fmt: skip
    save_checkpoint(folder, tf_keras.Model(mel, {"logits": logits}), {"mel": samples}, record, spec)
    return folder


@pytest.fixture
def with_spec(saved, tmp_path):
    """Return the checkpoint with entries of its specification changed."""

    def change(**changed):
        for path in saved.iterdir():
            (tmp_path / path.name).symlink_to(path)
        spec = json.loads((saved / "spec.json").read_text()) | changed
        (tmp_path / "spec.json").unlink()
        (tmp_path / "spec.json").write_text(json.dumps(spec))
        return tmp_path

    return change


def test_bytes_mean_what_the_specification_says(with_spec):
    folder = with_spec()
    report = convert(folder)
    model = load_model(folder / INT8_NAME)
    assert report["role"] == "verifier"
    assert model.inputs["mel"].scale == pytest.approx(16 / 255)
    assert [spec.shape for spec in model.outputs] == [(1, MOMENTS, 2)]


@pytest.mark.parametrize(
    ("changed", "error", "told"),
    [
        ({"frames": 172}, DataError, r"spec\.json: frames: got 172, expected those .* 20; train the network again"),
        ({"words": [{"id": "one", "phrase": "one"}]}, ModelAbiError, "expected"),
        ({"ranges": {"cues": [0, 1]}}, DataError, "ranges.cues"),
    ],
    ids=["frames", "words", "ranges"],
)
def test_a_specification_of_another_network_is_refused(with_spec, changed, error, told):
    folder = with_spec(**changed)
    with pytest.raises(error, match=told):
        convert(folder)
    assert not (folder / INT8_NAME).exists()

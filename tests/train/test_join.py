"""Networks that are joined: what their checkpoints hold counts, not what else they told while they were trained."""

import json

import numpy as np
import pytest
import soundfile

pytest.importorskip("tensorflow")

from edge.cli import main
from edge.frontend import FEATURE_SCALE
from edge.frontend_tables import FrontendSettings
from train.fitting import RunRecord, save_checkpoint
from train.wake_network import RELU_CEILING, WakeShape, device_form, saved_weights, training_form, weights_of

SHAPE = WakeShape(words=2, width=8, kernels=(3, 5))


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    rows = ["path,corpus,speaker,split,role,label,seconds,native_hz,licence"]
    rng = np.random.default_rng(1)
    for name, role, label in (("a", "wake", "alexa"), ("b", "wake", "jarvis"), ("c", "speech", "yes")):
        soundfile.write(folder / f"{name}.wav", rng.normal(0, 0.1, 16_000), 16_000)
        rows.append(f"{name}.wav,c,{name},train,{role},{label},1,16000,CC0-1.0")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


def member(folder):
    device = device_form(SHAPE, [weights_of(training_form(SHAPE))])
    rng = np.random.default_rng(1)
    inputs = {
        "features": rng.uniform(0, 26, (8, 5, 40)).astype(np.float32),
        "state": rng.uniform(0, 6, (8, *SHAPE.state_shape)).astype(np.float32),
    }
    spec = {
        "role": "wake", "words": [{"id": word, "phrase": word} for word in ("alexa", "jarvis")],
        "frontend": FrontendSettings().to_dict(), "stride_frames": 3, "context_frames": 5, "smoothing_steps": 3,
        "refractory_ms": 1000, "ranges": {"features": [0.0, 255 * FEATURE_SCALE], "state": [0.0, RELU_CEILING]},
    }  # fmt: skip
    # While it was trained the network told three words more.
    settings = {"shape": {**SHAPE.to_dict(), "words": 5}}
    save_checkpoint(
        folder, device, inputs, RunRecord(1, "x", settings, [{"material": "c", "licence": "CC0-1.0"}]), spec
    )
    return folder


def test_other_words_of_a_training_are_not_looked_for(data, tmp_path):
    one, other, out = member(tmp_path / "one"), member(tmp_path / "other"), tmp_path / "joined"
    assert main(["train", "join", "--data", str(data), str(one), str(other), "-o", str(out)]) == 0
    joined = saved_weights(out / "model")
    assert joined["member0_head"][1].size == 2
    np.testing.assert_allclose(joined["member1_head"][0], saved_weights(other / "model")["head"][0] / 2, rtol=1e-6)
    assert len(json.loads((out / "record.json").read_text())["settings"]["members"]) == 2


def test_what_was_joined_is_not_joined_again(data, tmp_path, capsys):
    one, out = member(tmp_path / "one"), tmp_path / "joined"
    assert main(["train", "join", "--data", str(data), str(one), str(one), "-o", str(out)]) == 0
    capsys.readouterr()
    assert main(["train", "join", "--data", str(data), str(out), str(one), "-o", str(tmp_path / "more")]) == 2
    assert "got a network that was joined" in capsys.readouterr().err
    assert not (tmp_path / "more").exists()

"""Networks that are joined: what their checkpoints hold counts, not what else they told while they were trained."""

import json

import numpy as np
import pytest
import soundfile

pytest.importorskip("tensorflow")

from edge.cli import main
from tests.train.wake_checkpoint import member
from train.wake_network import saved_weights


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

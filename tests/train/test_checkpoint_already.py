"""A run that is done is left alone, another one is refused, and what cannot be read or written loses nothing."""

import json
import subprocess

import numpy as np
import pytest

from edge.errors import DataError

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from train import fitting
from train.fitting import RunRecord, fit, made_already, refuse_another, save_checkpoint, set_seed, trained_already
from train.keras import tf, tf_keras

pytestmark = pytest.mark.tf

SETTINGS = {"epochs": 2, "shape": (3, 4)}


def record(**changed):
    return RunRecord(**{"seed": 1, "data_hash": "ab", "settings": dict(SETTINGS), "licences": [], **changed})


def network():
    given = tf_keras.Input((1,), batch_size=1, name="cues")
    return tf_keras.Model(given, {"logit": tf_keras.layers.Dense(1)(given)})


def save(out, of):
    save_checkpoint(out, network(), {"cues": np.zeros((2, 1), np.float32)}, of, {"role": "liveness"})


def epochs(resume, number=2):
    set_seed(1)
    model = tf_keras.Sequential([tf_keras.layers.Dense(1, input_shape=(1,))])
    model.compile("sgd", "mse")
    x = np.ones((8, 1), np.float32)
    data = tf.data.Dataset.from_tensor_slices((x, x)).batch(4)
    return fit(model, data, epochs=number, resume=resume, trained=record().trained())


def test_a_run_that_is_done_is_told_of_and_left_alone(tmp_path, capsys):
    of = record()
    of.metrics = epochs(tmp_path / "resume")
    of.settings["rendered"] = {"train": 8}  # counted on the way: nobody who asks knows it
    save(tmp_path, of)
    before = (tmp_path / "record.json").read_bytes()
    found = trained_already(tmp_path, record(), trained=record().trained(), epochs=2)
    assert found == json.loads(before)["metrics"]
    assert "is trained already" in capsys.readouterr().err
    assert (tmp_path / "record.json").read_bytes() == before


def test_what_is_counted_on_the_way_does_not_change_which_run_it_is(tmp_path):
    of = record()
    trained = of.trained()
    of.settings["rendered"] = {"train": 8}
    assert trained == record().trained()


@pytest.mark.parametrize("missing", ["record.json", "spec.json", "representative.npz", "model/saved_model.pb"])
def test_a_checkpoint_that_is_not_whole_is_made_again(tmp_path, missing):
    save(tmp_path, record())
    assert made_already(tmp_path, record()) is not None
    (tmp_path / missing).unlink()
    assert made_already(tmp_path, record()) is None


def test_a_run_that_has_epochs_left_goes_on(tmp_path):
    epochs(tmp_path / "resume", 1)
    save(tmp_path, record())
    assert trained_already(tmp_path, record(), trained=record().trained(), epochs=2) is None


@pytest.mark.parametrize("changed", [{"seed": 2}, {"data_hash": "cd"}, {"settings": {**SETTINGS, "epochs": 3}}])
def test_another_run_is_no_run_that_is_done(tmp_path, changed):
    save(tmp_path, record())
    assert made_already(tmp_path, record(**changed)) is None
    with pytest.raises(DataError, match=r"holds the checkpoint of another run \(.*, now .*give another --out"):
        refuse_another(tmp_path, record(**changed))
    refuse_another(tmp_path, record())
    refuse_another(tmp_path / "nothing", record())


def test_the_commit_is_that_of_the_training_and_not_of_the_last_call(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "commit_hash", lambda: "first")
    epochs(tmp_path, 1)
    monkeypatch.setattr(fitting, "commit_hash", lambda: "second")
    of = record(commit="third")
    of.metrics = epochs(tmp_path)
    assert of.to_dict()["commit"] == "first+second"
    monkeypatch.setattr(fitting, "commit_hash", lambda: "third")
    of.metrics = epochs(tmp_path)  # nothing is left to train
    assert of.to_dict()["commit"] == "first+second"
    assert "commit" not in of.metrics["last"]
    assert record(commit="third").to_dict()["commit"] == "third", "what knows no epochs has that of the call"


@pytest.mark.parametrize("left", [0, 3])
@pytest.mark.parametrize("file", ["checkpoint", "*.index", "*.data-*"])
def test_a_state_that_is_damaged_is_one_line_that_says_what_to_remove(tmp_path, file, left):
    epochs(tmp_path / "resume", 1)
    damaged = list((tmp_path / "resume" / "backup").rglob(file))
    assert damaged
    for path in damaged:
        path.write_bytes(path.read_bytes()[:left])
    told = r"backup: the state of the run cannot be read .*; remove .*resume to train anew"
    with pytest.raises(DataError, match=told):
        epochs(tmp_path / "resume")


def test_a_disk_that_fills_up_leaves_the_checkpoint_that_is_there(tmp_path, monkeypatch):
    save(tmp_path, record())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def full(*given, **named):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(fitting.np, "savez_compressed", full)
        with pytest.raises(DataError, match="No space left on device"):
            save(tmp_path, record(seed=2))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    save(tmp_path, record(seed=2))
    assert json.loads((tmp_path / "record.json").read_text())["seed"] == 2
    assert not list(tmp_path.glob(".*"))


def test_the_embedding_for_the_models_does_not_age_with_the_environment(tmp_path):
    """`make models` fetched it again into itself, whenever the environment was installed anew."""
    makefile = (fitting.Path(fitting.__file__).parents[1] / "Makefile").read_text()
    rule = makefile[makefile.index("$(WORK)/embedding:") :].split("\n\n")[0]
    (tmp_path / ".venv-train" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv-train" / "bin" / "python"
    python.write_text('#!/bin/sh\ncase "$2" in pip) touch "${9}/openwakeword-0.5.1-x.whl";; esac\n')
    python.chmod(0o755)
    (tmp_path / "Makefile").write_text("WORK = work\nLIMIT = :\n.venv-train/.installed:\n\ttouch $@\n" + rule + "\n")

    def make():
        done = subprocess.run(["make", "work/embedding"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    make()
    (tmp_path / "work" / "embedding.part").mkdir()  # as an interrupted one leaves it
    for _ in range(3):
        (tmp_path / ".venv-train" / ".installed").touch()
        make()
    assert not list((tmp_path / "work" / "embedding").iterdir())
    (tmp_path / "work" / "embedding").rmdir()
    make()
    assert not (tmp_path / "work" / "embedding.part").exists()

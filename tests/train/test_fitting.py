"""Interrupted runs: what is resumed, what is refused, and that no epoch counts twice."""

import json

import numpy as np
import pytest

from edge.errors import DataError
from train.resumption import claim, read_history

TRAINED = {"seed": 1, "data_hash": "ab", "settings": {"epochs": 3, "shape": {"width": 2}}}


def backed_up(resume):
    (resume / "backup").mkdir(parents=True, exist_ok=True)
    (resume / "backup" / "checkpoint").write_text("state")


def test_the_same_run_is_claimed_again(tmp_path):
    claim(tmp_path, TRAINED | {"settings": {"shape": {"width": 2}, "words": ("a",)}})
    backed_up(tmp_path)
    claim(tmp_path, {"settings": {"words": ["a"], "shape": {"width": 2}}} | {"seed": 1, "data_hash": "ab"})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 2}, "seed: 1, now 2"),
        ({"data_hash": "cd"}, "data_hash: ab, now cd"),
        ({"settings": {"epochs": 3, "shape": {"width": 4}}}, "settings.shape.width: 2, now 4"),
        ({"settings": {"epochs": 3, "shape": {"width": 2}, "recipe": 4}}, "settings.recipe: None, now 4"),
    ],
)
def test_another_run_is_refused(tmp_path, change, told):
    claim(tmp_path, TRAINED)
    backed_up(tmp_path)
    with pytest.raises(DataError, match=rf"{tmp_path}: .*\({told}\); remove this folder .* another --out"):
        claim(tmp_path, TRAINED | change)


def test_a_state_that_does_not_say_what_it_is_of_is_refused(tmp_path):
    backed_up(tmp_path)
    with pytest.raises(DataError, match="does not say of what"):
        claim(tmp_path, TRAINED)


def test_a_state_of_nested_lists_says_nothing_and_such_a_line_is_no_epoch(tmp_path):
    deep = "[" * 100_000
    backed_up(tmp_path)
    (tmp_path / "fingerprint.json").write_text(deep)
    with pytest.raises(DataError, match="does not say of what"):
        claim(tmp_path, TRAINED)
    (tmp_path / "history.jsonl").write_text(f'{deep}\n{{"epoch": 1, "loss": 3}}\n')
    assert read_history(tmp_path / "history.jsonl") == [{"epoch": 1, "loss": 3}]


def test_before_the_first_whole_epoch_anything_may_begin(tmp_path):
    claim(tmp_path, TRAINED)
    (tmp_path / "history.jsonl").write_text('{"epoch": 1}\n')
    claim(tmp_path, TRAINED | {"seed": 2})
    assert read_history(tmp_path / "history.jsonl") == []
    assert json.loads((tmp_path / "fingerprint.json").read_text())["trained"]["seed"] == 2


def test_an_epoch_counts_once_and_a_cut_line_not(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text('{"epoch": 1, "loss": 3}\n{"epoch": 2, "loss": 9}\n{"epoch": 2, "loss": 2}\n{"epoch": 3, "lo')
    assert read_history(path) == [{"epoch": 1, "loss": 3}, {"epoch": 2, "loss": 2}]


@pytest.mark.tf
def test_fit_resumes_after_an_interruption(tmp_path):
    pytest.importorskip("tensorflow")
    from train.fitting import fit, set_seed
    from train.keras import tf, tf_keras

    x = np.linspace(-1, 1, 16, dtype=np.float32)[:, None]
    data = tf.data.Dataset.from_tensor_slices((x, 2 * x)).batch(4)

    class Interrupt(tf_keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def run(*callbacks, trained=TRAINED, epochs=3):
        set_seed(1)
        model = tf_keras.Sequential([tf_keras.layers.Dense(1, use_bias=False, input_shape=(1,))])
        model.compile(tf_keras.optimizers.SGD(0.1), "mse")
        done = fit(model, data, epochs=epochs, resume=tmp_path, trained=trained, callbacks=callbacks)
        return done, model.get_weights()[0].item()

    with pytest.raises(KeyboardInterrupt):
        run(Interrupt())
    history = tmp_path / "history.jsonl"
    assert [entry["epoch"] for entry in read_history(history)] == [1, 2]
    # As if it had stopped between the line of an epoch and its backup.
    history.write_text(history.read_text() + '{"epoch": 3, "loss": 99.0}\n{"epo')
    done, resumed = run()
    assert done["epochs"] == 3
    assert done["last"]["loss"] < 1
    assert len(history.read_text().splitlines()) == 4  # the third twice in the file, once in what is read
    with pytest.raises(DataError, match="seed: 1, now 5"):
        run(trained=TRAINED | {"seed": 5})
    assert run()[0]["epochs"] == 3

    for file in sorted(tmp_path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    assert run()[1] == pytest.approx(resumed), "an interruption does not change what is learnt"

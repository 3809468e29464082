"""The moving average of the weights: what it is, that a run can be resumed with it, and that zeros stay zeros."""

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from train.averaging import AveragedWeights
from train.keras import tf_keras

X = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
Y = 3 * X + 1


def line(rate: float = 0.1):
    """Return a compiled model of a straight line, always the same at first."""
    given = tf_keras.Input((1,))
    out = tf_keras.layers.Dense(1, kernel_initializer="zeros", name="line")(given)
    model = tf_keras.Model(given, out)
    model.compile(tf_keras.optimizers.SGD(rate), "mse")
    return model


class Seen(tf_keras.callbacks.Callback):
    """Remember the weights after every step."""

    def __init__(self):
        super().__init__()
        self.kernels = []

    def on_train_batch_end(self, batch, logs=None):
        """Note the weight of the line."""
        self.kernels.append(float(self.model.get_layer("line").kernel.numpy()[0, 0]))


def fit(model, *callbacks, epochs=2, initial=0):
    """Fit without shuffling, four steps an epoch."""
    model.fit(X, Y, batch_size=16, epochs=epochs, initial_epoch=initial, shuffle=False, verbose=0, callbacks=callbacks)


def test_it_is_the_exponential_mean_of_the_weights_of_all_steps(tmp_path):
    """Computed again by hand, from the weights before the first step on."""
    model, seen, average = line(), Seen(), AveragedWeights(0.3, tmp_path)
    fit(model, average, seen)
    expected = 0.0
    for step, kernel in enumerate(seen.kernels, start=1):
        decay = min(0.3, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * kernel
    average.apply(model)
    assert model.get_layer("line").kernel.numpy()[0, 0] == pytest.approx(expected, rel=1e-5)
    assert seen.kernels[-1] != pytest.approx(expected, rel=1e-2)


def test_a_short_run_is_not_averaged_with_its_beginning(tmp_path):
    """With a decay for thousands of steps, eight steps would leave the weights where they were at first."""
    model, average = line(), AveragedWeights(0.9999, tmp_path)
    fit(model, average)
    trained = float(model.get_layer("line").kernel.numpy()[0, 0])
    average.apply(model)
    assert model.get_layer("line").kernel.numpy()[0, 0] > 0.6 * trained


def test_an_interrupted_run_ends_with_the_same_mean(tmp_path):
    """The second half begins with the state that the first one left on disk."""
    whole = line()
    one = AveragedWeights(0.7, tmp_path / "whole")
    fit(whole, one, epochs=2)
    one.apply(whole)
    halves = line()
    fit(halves, AveragedWeights(0.7, tmp_path / "halves"), epochs=1)
    other = AveragedWeights(0.7, tmp_path / "halves")
    fit(halves, other, epochs=2, initial=1)
    other.apply(halves)
    np.testing.assert_allclose(halves.get_weights()[0], whole.get_weights()[0], rtol=1e-6)


def test_a_finished_run_is_averaged_from_disk(tmp_path):
    """A run whose epochs were all done before has no step that could take in anything."""
    model = line()
    first = AveragedWeights(0.7, tmp_path)
    fit(model, first)
    last = model.get_weights()
    first.apply(model)
    expected = model.get_weights()[0]
    model.set_weights(last)
    AveragedWeights(0.7, tmp_path).apply(model)
    np.testing.assert_array_equal(model.get_weights()[0], expected)


def test_pruned_weights_stay_zero(tmp_path):
    """Their mean is not zero: they were something before they were pruned."""
    model, average = line(), AveragedWeights(0.7, tmp_path)
    fit(model, average)
    model.get_layer("line").kernel.assign([[0.0]])
    average.apply(model)
    assert model.get_layer("line").kernel.numpy()[0, 0] == 0.0
    assert model.get_layer("line").bias.numpy()[0] != 0.0


def test_only_the_last_two_states_are_kept(tmp_path):
    """They would fill the disk."""
    fit(line(), AveragedWeights(0.7, tmp_path), epochs=4)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["average-0003.npz", "average-0004.npz"]

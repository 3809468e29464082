"""The running mean of the weights: what it is, also of a short run, and that pruned weights stay zero."""

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from train.keras import tf_keras
from train.weight_averaging import averaging_callback

X = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
Y = 3 * X + 1


def line():
    """Return a compiled model of a straight line, always the same at first."""
    given = tf_keras.Input((1,))
    out = tf_keras.layers.Dense(1, kernel_initializer="zeros", name="line")(given)
    model = tf_keras.Model(given, out)
    model.compile(tf_keras.optimizers.SGD(0.1), "mse")
    return model


class Seen(tf_keras.callbacks.Callback):
    """Remember the weights after every step."""

    def __init__(self):
        super().__init__()
        self.kernels = []

    def on_train_batch_end(self, batch, logs=None):
        """Note the weight of the line."""
        self.kernels.append(float(self.model.get_layer("line").kernel.numpy()[0, 0]))


def fitted(decay):
    """Fit without shuffling, eight steps in all; return the weight in the end, and after every step."""
    model, seen = line(), Seen()
    model.fit(
        X, Y, batch_size=16, epochs=2, shuffle=False, verbose=0, callbacks=[averaging_callback(model, decay), seen]
    )
    return float(model.get_layer("line").kernel.numpy()[0, 0]), seen.kernels


def test_it_is_the_exponential_mean_of_the_weights_of_all_steps():
    """Computed again by hand, from the weights before the first step on."""
    end, kernels = fitted(0.3)
    expected = 0.0
    for step, kernel in enumerate(kernels, start=1):
        decay = min(0.3, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * kernel
    assert end == pytest.approx(expected, rel=1e-5)
    assert kernels[-1] != pytest.approx(expected, rel=1e-2)


def test_a_short_run_is_not_averaged_with_its_beginning():
    """With a decay for thousands of steps, eight steps would leave the weights where they were at first."""
    end, kernels = fitted(0.9999)
    assert end > 0.6 * kernels[-1]

"""Pruning reaches its share where it should, and leaves the rest alone."""

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tf


def test_a_small_model_reaches_its_sparsity():
    from train.fitting import set_seed
    from train.keras import tf_keras
    from train.pruning import prunable, pruning_callback, sparsity, strip

    set_seed(3)
    layers = tf_keras.layers
    given = tf_keras.Input((8, 8, 4))
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(given)
    x = layers.Conv2D(16, 1, activation="relu", name="pointwise")(x)
    x = layers.Dense(1, name="dense")(layers.GlobalAveragePooling2D()(x))
    steps = 40
    model = prunable(tf_keras.Model(given, x), final_sparsity=0.5, begin_step=4, end_step=30)
    assert [layer.name for layer in model.layers if layer.name.startswith("prune_")] == [
        "prune_low_magnitude_pointwise",
        "prune_low_magnitude_dense",
    ]
    model.compile("adam", "mse")
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(4 * steps, 8, 8, 4)).astype(np.float32), rng.normal(size=(4 * steps, 1))
    model.fit(x, y, batch_size=4, epochs=1, verbose=0, callbacks=[pruning_callback()])
    pruned = strip(model)
    shares = sparsity(pruned)
    assert shares.keys() == {"pointwise", "dense"}
    assert list(shares.values()) == pytest.approx([0.5, 0.5], abs=0.03)
    assert np.all(pruned.get_layer("depthwise").get_weights()[0] != 0)
    assert pruned.predict(x[:4], verbose=0) == pytest.approx(model.predict(x[:4], verbose=0))


def test_a_pattern_leaves_two_zeros_in_four_input_channels():
    from train.fitting import set_seed
    from train.keras import tf_keras
    from train.pruning import pattern_share, prunable, pruning_callback, sparsity, strip

    set_seed(3)
    given = tf_keras.Input((8, 8, 4))
    x = tf_keras.layers.Conv2D(16, 1, activation="relu", name="pointwise")(given)
    x = tf_keras.layers.Dense(1, name="dense")(tf_keras.layers.GlobalAveragePooling2D()(x))
    plain = tf_keras.Model(given, x)
    assert pattern_share(plain) == 0
    model = prunable(plain, final_sparsity=0.5, begin_step=0, end_step=8, pattern=(2, 4))
    model.compile("adam", "mse")
    rng = np.random.default_rng(3)
    model.fit(
        rng.normal(size=(40, 8, 8, 4)),
        rng.normal(size=(40, 1)),
        batch_size=4,
        verbose=0,
        callbacks=[pruning_callback()],
    )
    pruned = strip(model)
    assert pattern_share(pruned) == 1
    assert pattern_share(pruned, (3, 4)) == 0
    assert sparsity(pruned) == {"pointwise": 0.5, "dense": 0.5}

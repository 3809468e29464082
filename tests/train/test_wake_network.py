"""The two forms of the wake network compute the same numbers, and the labels lie where the word ends."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the networks are made with TensorFlow")
pytestmark = pytest.mark.tf

from edge.frontend_tables import FrontendSettings  # noqa: E402
from train.keras import tf  # noqa: E402
from train.wake_labels import LabelTimes, targets  # noqa: E402
from train.wake_network import WakeShape, device_form, output_frames, training_form, weights_of  # noqa: E402


def test_the_device_form_computes_what_the_training_form_does() -> None:
    shape = WakeShape(words=3, width=8, kernels=(3, 5))
    trained = training_form(shape)
    rng = np.random.default_rng(1)
    # Weights as after training: norms that have seen something, and no bias of zero.
    trained.set_weights([w + rng.normal(0, 0.3, w.shape) ** (2 if w.ndim == 1 else 1) for w in trained.get_weights()])
    device = device_form(shape, [weights_of(trained)])
    x = rng.uniform(0, 26, (1, 60, 40)).astype(np.float32)
    expected = trained(x, training=False).numpy()[0]
    assert expected.std() > 0.01
    state = np.zeros((1, *shape.state_shape), np.float32)
    for row, newest in zip(expected, output_frames(shape, len(expected)), strict=True):
        out = device([x[:, newest - shape.context_frames + 1 : newest + 1], state], training=False)
        state = out["state_out"].numpy()
        np.testing.assert_allclose(out["logits"].numpy()[0], row, rtol=1e-4, atol=1e-4)


def test_a_word_is_asked_for_when_it_has_ended_and_not_before() -> None:
    shape, frontend, times = WakeShape(words=2), FrontendSettings(), LabelTimes()
    end = 24_000
    label = targets(tf.constant(end), tf.constant(1), tf.constant(0), 98, shape, frontend, times, 4.0).numpy()
    heard_s = (output_frames(shape, 98) * frontend.step_samples + frontend.window_samples - end) / 16_000
    said = label[:, 1, 0] == 1
    assert np.array_equal(said, (heard_s >= 0) & (heard_s < times.hold))
    assert (label[said, 1, 1] == 4.0).all()
    assert (label[(heard_s > -times.unsure_before + 0.01) & (heard_s < -0.01), 1, 1] == 0).all()
    assert (label[heard_s < -times.unsure_before - 0.01, 1] == (0, 1)).all()
    assert (label[:, 0] == (0, 1)).all()


def test_a_scene_without_a_word_asks_for_none() -> None:
    label = targets(
        tf.constant(-1), tf.constant(-1), tf.constant(0), 98, WakeShape(words=2), FrontendSettings(), LabelTimes(), 4.0
    ).numpy()
    assert (label[..., 0] == 0).all()
    assert (label[..., 1] == 1).all()

"""What a wake network learns from embeddings, moment by moment; and that what it learned by stays out of the device."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow")

from edge.frontend_tables import FrontendSettings
from train.embedding_lessons import EmbeddingLessons, lesson_loss
from train.keras import tf
from train.speech_embedding import DIMENSIONS, heard_samples
from train.wake_batches import wake_batches
from train.wake_labels import weighted_loss
from train.wake_network import device_form, output_frames, weights_of
from train.wake_settings import WakeSettings
from train.wake_training import fit_wake, wake_shape

pytestmark = pytest.mark.tf

N, M = 12, 56
SETTINGS = WakeSettings(width=8, kernels=(3,), epochs=2, batch=4, sparsity=0.5, ema=0.0, rate=0.01)
SHAPE = wake_shape(SETTINGS, 2)
FRONTEND = FrontendSettings()


class Hears:
    """A classifier that hears the first word up to the middle of a scene, and from there on the second."""

    def logits(self, embeddings):
        late = np.arange(len(embeddings)) >= len(embeddings) // 2
        return np.stack([np.where(late, -20.0, 20.0), np.where(late, 20.0, -20.0)], axis=1).astype(np.float32)


def scenes():
    rng = np.random.default_rng(0)
    return {
        "features": rng.integers(-128, 127, (N, 298, 40)).astype(np.int8),
        "end_sample": np.where(np.arange(N) % 2, 30_000, -1).astype(np.int32),
        "word": np.where(np.arange(N) % 2, 0, -1).astype(np.int8),
    }


def rising():
    """Return embeddings that rise by one step in time, each scene from another value on."""
    values = np.arange(M)[None, :, None] + 3 * np.arange(N)[:, None, None]
    return np.broadcast_to(values, (N, M, DIMENSIONS)).astype(np.int8)


@pytest.fixture(scope="module")
def lessons():
    return EmbeddingLessons(rising(), Hears())


def taught(lessons, share, index=2):
    plain = next(iter(wake_batches(scenes(), SHAPE, SETTINGS, None, seed=1).unbatch().skip(index)))[1]
    heard = FRONTEND.heard_samples(tf.constant(output_frames(SHAPE, plain.shape[0]), tf.int32))
    return (
        heard.numpy(),
        plain.numpy(),
        lessons.teach(tf.constant(index), heard, plain, share=share, positive_weight=4.0).numpy(),
    )


def test_the_embedding_is_that_of_the_same_moment(lessons):
    heard, _, truth = taught(lessons, 0.0)
    at = heard_samples(M, 4)
    known = (heard >= at[0]) & (heard <= at[-1])
    assert 0 < known.sum() < known.size
    np.testing.assert_array_equal(truth[:, 2:, 1], np.repeat(known[:, None], DIMENSIONS, axis=1))
    some = rising().reshape(-1, DIMENSIONS)[::7, 0].astype(float)
    expected = (np.interp(heard, at, np.arange(M) + 6) - some.mean()) / some.std()
    np.testing.assert_allclose(truth[known, 2:, 0], np.repeat(expected[known, None], DIMENSIONS, axis=1), atol=1e-4)


def test_without_a_share_the_labels_are_as_they_were(lessons):
    _, plain, truth = taught(lessons, 0.0)
    np.testing.assert_allclose(truth[:, :2], plain, atol=1e-6)


def test_what_the_classifier_hears_is_mixed_in_where_it_hears(lessons):
    heard, plain, truth = taught(lessons, 0.5)
    at = heard_samples(M, 4)
    before, late = heard < at[0], (heard >= at[M // 2]) & (heard <= at[-1])
    np.testing.assert_allclose(truth[before, :2], plain[before], atol=1e-6)
    # Labels: no word, weight 1; classifier: the second word, weight 4; half of each.
    np.testing.assert_allclose(truth[late, 1], np.broadcast_to([4 / 5, 2.5], (late.sum(), 2)), atol=1e-3)
    np.testing.assert_allclose(truth[late, 0, 0], 0, atol=1e-3)


def test_the_loss_is_that_of_words_and_of_the_embedding():
    rng = np.random.default_rng(4)
    truth = tf.constant(rng.uniform(0, 1, (2, 5, 2 + DIMENSIONS, 2)).astype(np.float32))
    given = tf.constant(rng.normal(size=(2, 5, 2 + DIMENSIONS)).astype(np.float32))
    of_words = weighted_loss(truth[..., :2, :], given[..., :2]).numpy()
    apart = (truth[..., 2:, 0] - given[..., 2:]) ** 2 * truth[..., 2:, 1]
    np.testing.assert_allclose(lesson_loss(2, 0.3)(truth, given), of_words + 0.3 * np.mean(apart), rtol=1e-5)
    np.testing.assert_allclose(lesson_loss(2, 0.3)(truth[..., :2, :], given), of_words, rtol=1e-6)


def test_a_network_that_was_taught_is_a_network_as_any(tmp_path, lessons):
    found = {}
    for name, given in (("plain", None), ("taught", lessons)):
        model, metrics = fit_wake(
            SETTINGS, scenes(), scenes(), SHAPE, seed=1, resume=tmp_path / name, trained={"is": name}, lessons=given
        )
        found[name] = weights_of(model)
        assert np.isfinite(metrics["last"]["val_loss"])
    assert found["taught"].keys() - found["plain"].keys() == {"beside"}
    assert not np.allclose(found["taught"]["stem"][0], found["plain"]["stem"][0])
    device = device_form(SHAPE, [found["taught"]])
    assert device.count_params() == device_form(SHAPE, [found["plain"]]).count_params()

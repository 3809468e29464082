"""What a wake network learns from the speech embedding: the words that a classifier hears in it, and itself.

To say what the embedding is, from its own last block, a network has to hear what the embedding hears: which sounds are
said, whoever says them, and of all speech in a scene, not of the words alone. The layer that says so is dropped in the
end, as other words are. What the classifier hears is mixed into the labels as other teachers' answers are.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from train.embedding_words import EmbeddingWords
from train.keras import tf
from train.speech_embedding import DIMENSIONS, HOP_FRAMES, heard_samples
from train.wake_embeddings import SCENE_HOP_FRAMES
from train.wake_labels import weighted_loss
from train.wake_teachers import mixed_targets

__all__ = ["EmbeddingLessons", "lesson_loss"]

_FIRST, _SECOND = (int(heard) for heard in heard_samples(2, SCENE_HOP_FRAMES))
_LEAST_DEVIATION = 1e-3


class EmbeddingLessons:
    """Embeddings of scenes, and what is heard in them, at the moments at which a network gives its outputs.

    Parameters
    ----------
    embeddings : (n, m, DIMENSIONS) int8
        As :func:`train.wake_embeddings.build_wake_embeddings` returns them.
    classifier : EmbeddingWords
        For the words that the network has outputs for, in the same order.
    """

    def __init__(self, embeddings: npt.NDArray[np.int8], classifier: EmbeddingWords) -> None:
        # A seventh is plenty to know 96 means by.
        some = embeddings.reshape(-1, DIMENSIONS)[:: HOP_FRAMES - 1].astype(np.float32)
        self._mean = some.mean(axis=0)
        self._deviation = np.maximum(some.std(axis=0), _LEAST_DEVIATION)
        self._embeddings = tf.constant(embeddings)
        # Half precision: of 14 words it takes 100 MB less for all scenes.
        self._logits = tf.constant(np.stack([classifier.logits(scene).astype(np.float16) for scene in embeddings]))

    def teach(self, index: Any, heard: Any, truth: Any, *, share: float, positive_weight: float) -> Any:
        """Mix what the classifier hears into the targets of a scene, and put the embedding behind them.

        Parameters
        ----------
        index : scalar int tensor
            Of the scene.
        heard : (outputs,) int tensor
            Up to which sample the network has heard at each output.
        truth : (outputs, words, 2) float32 tensor
            As :func:`train.wake_labels.targets` returns it.
        share, positive_weight : float
            See :func:`train.wake_teachers.mixed_targets`.

        Returns
        -------
        (outputs, words + DIMENSIONS, 2) float32 tensor
            Targets and weights; those of the embedding, its values with a mean of 0 and a deviation of 1, have weight 0
            where there is none yet.
        """
        place = tf.cast(heard - _FIRST, tf.float32) / (_SECOND - _FIRST)
        last = self._embeddings.shape[1] - 1
        known = tf.cast((place >= 0) & (place <= last), tf.float32)
        before = tf.clip_by_value(tf.cast(tf.floor(place), tf.int32), 0, last - 1)
        part = tf.clip_by_value(place - tf.cast(before, tf.float32), 0.0, 1.0)[:, None]

        def between(values: Any) -> Any:
            one = tf.cast(tf.gather(values, before), tf.float32)
            return one + part * (tf.cast(tf.gather(values, before + 1), tf.float32) - one)

        said = tf.sigmoid(between(self._logits[index]))
        taught = mixed_targets(truth, said, share=share * known[:, None], positive_weight=positive_weight)
        embedding = (between(self._embeddings[index]) - self._mean) / self._deviation
        behind = tf.stack([embedding, tf.repeat(known[:, None], DIMENSIONS, axis=1)], axis=-1)
        return tf.concat([taught, behind], axis=1)


def lesson_loss(n_words: int, weight: float) -> Callable[[Any, Any], Any]:
    """Return a loss: that of the words, and `weight` times the mean squared error of the embedding.

    Where the truth has no embedding (on dev), only the words count.
    """

    def loss(truth: Any, given: Any) -> Any:
        of_words = weighted_loss(truth[..., :n_words, :], given[..., :n_words])
        if truth.shape[-2] == n_words:
            return of_words
        apart = tf.square(truth[..., n_words:, 0] - given[..., n_words:])
        return of_words + weight * tf.reduce_mean(apart * truth[..., n_words:, 1])

    return loss

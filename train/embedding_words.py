"""A classifier that hears the words in speech embeddings: the teacher of the wake network.

It is a perceptron over the last embeddings, and too large a thing for a device with what is below it; but the embedding
was trained to tell thousands of keywords apart, and a classifier behind it needs few talkers of a word [1]_.

References
----------
.. [1] J. Lin, K. Kilgour, D. Roblek, M. Sharifi, "Training keyword spotters with limited and synthesized speech data",
   ICASSP 2020, https://arxiv.org/abs/2002.01322.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from edge.sample_time import SAMPLE_RATE_HZ
from edge.strict_toml import Within
from train.speech_embedding import DIMENSIONS, HOP_FRAMES, heard_samples
from train.training_settings import Batch, PlainSettings
from train.wake_embeddings import EMBEDDING_STEP, SCENE_HOP_FRAMES
from train.wake_labels import LabelTimes

__all__ = [
    "EMBEDDING_SCALE",
    "N_WEIGHTS",
    "EmbeddingWords",
    "EmbeddingWordsSettings",
    "chosen_moments",
    "fit_embedding_words",
    "fits",
]

N_WEIGHTS = 8
"""Arrays that a normalised classifier is made of."""

EMBEDDING_SCALE = 15.0
"""Deviation of the values of an embedding, by which they are divided before the first layer."""

_NORM_EPSILON = 1e-3
_APART = HOP_FRAMES // SCENE_HOP_FRAMES  # between two embeddings that one moment is judged by

Embeddings = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EmbeddingWordsSettings(PlainSettings):
    """All that decides what the classifier becomes, but data and seed."""

    embeddings: Annotated[int, Within(1, 40)] = 10
    """How many embeddings, 80 ms apart, a moment is judged by."""
    hidden: Annotated[int, Within(1, 4096)] = 128
    """Units of the first layer; the second has half of them."""
    dropout: Annotated[float, Within(0, 0.9)] = 0.4
    moments: Annotated[int, Within(1, 100)] = 8
    """Moments without a word that are taken of each scene."""
    epochs: Annotated[int, Within(1, 1000)] = 8
    rate: Annotated[float, Within(1e-7, 1.0)] = 2e-3
    batch: Batch = 256
    positive_weight: Annotated[float, Within(0.01, 1000)] = 4.0
    """What a moment counts at which a word was just said."""
    normalised: bool = True
    """Whether the first layer is normalised. What is to run in 8-bit integers had better do without."""


@dataclass(frozen=True, slots=True)
class EmbeddingWords:
    """The classifier, trained."""

    weights: tuple[Floats, ...]
    """Kernel and bias of the first layer, gain and offset of its normalisation if it has one, kernels and biases of
    the others."""

    @property
    def sha256(self) -> str:
        """Hash of the weights, in hexadecimal."""
        return hashlib.sha256(b"".join(array.tobytes() for array in self.weights)).hexdigest()

    def logits(self, embeddings: Embeddings) -> Floats:
        """Return what is heard at each embedding of a recording, ``(m, words) float32``.

        Parameters
        ----------
        embeddings : (m, DIMENSIONS) int8
            As :func:`train.wake_embeddings.quantised_embeddings` returns them.
        """
        first, bias, *normalisation, second, second_bias, head, head_bias = self.weights
        taps = first.reshape(-1, DIMENSIONS, first.shape[1])
        given, at = _scaled(embeddings), np.arange(len(embeddings))
        # One product a tap over the whole recording: no copy of it for every moment.
        x = np.tile(bias, (len(embeddings), 1))
        for number, tap in enumerate(taps):
            x += (given @ tap)[np.maximum(at - _APART * (len(taps) - 1 - number), 0)]
        if normalisation:
            gain, offset = normalisation
            x -= x.mean(axis=1, keepdims=True)
            x = x / np.sqrt(np.mean(x**2, axis=1, keepdims=True) + _NORM_EPSILON) * gain + offset
        x = np.maximum(np.maximum(x, 0) @ second + second_bias, 0)
        found: Floats = (x @ head + head_bias).astype(np.float32)
        return found


def fits(shapes: Sequence[tuple[int, ...]]) -> bool:
    """Tell whether arrays of these shapes are the weights of a classifier, in their order."""
    if len(shapes) != N_WEIGHTS or any(0 in shape for shape in shapes) or any(len(shapes[i]) != 2 for i in (0, 4, 6)):
        return False
    (inputs, hidden), (_, second), (_, words) = shapes[0], shapes[4], shapes[6]
    vector, matrix, head = (hidden,), (hidden, second), (second, words)
    wanted = [(inputs, hidden), vector, vector, vector, matrix, (second,), head, (words,)]
    return inputs % DIMENSIONS == 0 and list(shapes) == wanted


def chosen_moments(
    embeddings: Embeddings,
    end_sample: npt.NDArray[np.int32],
    word: npt.NDArray[np.int8],
    *,
    settings: EmbeddingWordsSettings,
    n_words: int,
    rng: np.random.Generator,
) -> tuple[Embeddings, Floats]:
    """Return moments of scenes to learn from: all at which a word was just said, and some of the others.

    Parameters
    ----------
    embeddings : (n, m, DIMENSIONS) int8
    end_sample, word : (n,)
        As :func:`train.wake_scenes.build_wake_scenes` returns them.

    Returns
    -------
    embeddings : (k, settings.embeddings, DIMENSIONS) int8
    said : (k, n_words) float32
        1 for a word that was just said. Moments at which either answer is right are left out.
    """
    times, steps = LabelTimes(), np.arange(settings.embeddings)[::-1] * _APART
    heard = heard_samples(embeddings.shape[1], SCENE_HOP_FRAMES)
    chosen, said = [], []
    for scene, end, index in zip(embeddings, end_sample, word, strict=True):
        after = (heard - end) / SAMPLE_RATE_HZ - times.begin if end >= 0 else np.full(heard.size, np.inf)
        is_said = (after >= 0) & (after < times.hold)
        open_ = (after >= -times.unsure_before) & (after < times.hold + times.unsure_after)
        others = np.flatnonzero(~open_)
        at = np.concatenate(
            [np.flatnonzero(is_said), rng.choice(others, min(settings.moments, others.size), replace=False)]
        )
        chosen.append(scene[np.maximum(at[:, None] - steps, 0)])
        target = np.zeros((at.size, n_words), np.float32)
        if index >= 0:
            target[is_said[at], index] = 1
        said.append(target)
    return np.concatenate(chosen), np.concatenate(said)


def fit_embedding_words(
    embeddings: Embeddings, said: Floats, settings: EmbeddingWordsSettings, *, seed: int
) -> EmbeddingWords:
    """Fit a classifier to moments that :func:`chosen_moments` chose.

    Raises
    ------
    DivergedError
        If the loss is no number any more.
    """
    from train.fitting import StopOnNan
    from train.keras import tf, tf_keras

    tf_keras.utils.set_random_seed(seed)
    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [
            tf_keras.Input(embeddings.shape[1:]),
            layers.Flatten(),
            layers.Dropout(settings.dropout / 2),
            layers.Dense(settings.hidden),
            *([layers.LayerNormalization(epsilon=_NORM_EPSILON)] if settings.normalised else []),
            layers.ReLU(),
            layers.Dropout(settings.dropout),
            layers.Dense(max(1, settings.hidden // 2), activation="relu"),
            layers.Dropout(settings.dropout),
            layers.Dense(said.shape[1]),
        ]
    )

    def loss(truth: Any, logits: Any) -> Any:
        losses = tf.nn.weighted_cross_entropy_with_logits(truth, logits, settings.positive_weight)
        return tf.reduce_mean(tf.reduce_sum(losses, axis=-1))

    given, answers = tf.constant(embeddings), tf.constant(said)

    def batch(chosen: Any) -> tuple[Any, Any]:
        x = tf.cast(tf.gather(given, chosen), tf.float32) * (EMBEDDING_STEP / EMBEDDING_SCALE)
        return tf.ensure_shape(x, (None, *embeddings.shape[1:])), tf.gather(answers, chosen)

    # Indices are shuffled, and not the half million moments themselves.
    batches = tf.data.Dataset.range(len(said)).shuffle(len(said), seed=seed).batch(settings.batch).map(batch)
    rate = tf_keras.optimizers.schedules.CosineDecay(settings.rate, settings.epochs * len(batches))
    model.compile(tf_keras.optimizers.AdamW(rate, weight_decay=0.02), loss)
    stop = StopOnNan("use another --seed, or look at the recordings (vivavoce train explore); nothing was written")
    model.fit(batches, epochs=settings.epochs, verbose=2, callbacks=[stop])
    return EmbeddingWords(tuple(np.asarray(array, np.float32) for array in model.get_weights()))


def _scaled(embeddings: Embeddings) -> Floats:
    found: Floats = embeddings.astype(np.float32) * np.float32(EMBEDDING_STEP / EMBEDDING_SCALE)
    return found

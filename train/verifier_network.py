"""The verifier: speech embedding and classifier of the words as one network, in the form for the device.

It hears a stretch of sound at once, and says for each of several moments before its end, oldest first, which word was
just said. A classifier that looks at moments :data:`train.speech_embedding.HOP_FRAMES` apart is a convolution over
the embeddings of the stretch.
"""

from pathlib import Path
from typing import Any

import numpy as np

from edge.log_mel import MEL_BANDS
from train.embedding_words import EMBEDDING_SCALE, EmbeddingWords
from train.keras import tf_keras
from train.speech_embedding import DIMENSIONS, FRAMES, HOP_FRAMES
from train.speech_network import speech_network

__all__ = ["MOMENTS", "verifier_frames", "verifier_network"]

MOMENTS = 4
"""How many moments are told of, :data:`train.speech_embedding.HOP_FRAMES` frames apart."""


def verifier_frames(embeddings: int) -> int:
    """Return how many frames are heard at once, for a classifier that judges a moment by so many embeddings."""
    return FRAMES + HOP_FRAMES * (embeddings + MOMENTS - 2)


def verifier_network(folder: Path, classifier: EmbeddingWords, words: int) -> Any:
    """Build the network.

    Parameters
    ----------
    folder : Path
        Of the speech embedding.
    classifier : EmbeddingWords
        Without normalisation.
    words : int
        How many of its outputs the network has: the first ones.

    Returns
    -------
    tf_keras.Model
        Input ``mel`` ``(1, verifier_frames, MEL_BANDS)``, as :func:`edge.log_mel.log_mel` gives it; output ``logits``
        ``(1, MOMENTS, words)``.

    Raises
    ------
    DataError
        If the folder does not hold the embedding.
    """
    first, bias, second, second_bias, head, head_bias = classifier.weights
    embeddings = first.shape[0] // DIMENSIONS
    frames, layers = verifier_frames(embeddings), tf_keras.layers
    mel = tf_keras.Input((frames, MEL_BANDS), batch_size=1, name="mel")
    x = speech_network(folder, layers.Reshape((frames, MEL_BANDS, 1))(mel))
    taps = first.reshape(embeddings, 1, DIMENSIONS, -1) / np.float32(EMBEDDING_SCALE)
    x = layers.ReLU()(_convolution("words_first", taps, bias)(x))
    x = layers.ReLU()(_convolution("words_second", second[None, None], second_bias)(x))
    x = _convolution("words_head", head[None, None, :, :words], head_bias[:words])(x)
    logits = layers.Reshape((MOMENTS, words), name="logits")(x)
    return tf_keras.Model(mel, {"logits": logits})


def _convolution(name: str, kernel: np.ndarray, bias: np.ndarray) -> Any:
    height, width, channels, filters = kernel.shape
    layer = tf_keras.layers.Conv2D(filters, (height, width), name=name)
    layer.build((None, None, None, channels))
    layer.set_weights([kernel, bias])
    return layer

"""Networks of the form of the speech embedding: they know no speech, but their times are right."""

from pathlib import Path

import numpy as np

from train.keras import tf, tf_keras
from train.speech_embedding import DIMENSIONS, FILES


def write_fake_embedding(folder: Path, *, bands: int = 32, dimensions: int = DIMENSIONS) -> Path:
    """Write both networks: random filters of 512 samples every 160, then of 76 frames every 8."""
    folder.mkdir(parents=True, exist_ok=True)
    tf_keras.utils.set_random_seed(1)
    mel = tf_keras.layers.Conv1D(bands, 512, strides=160)
    embedding = tf_keras.layers.Conv2D(dimensions, (76, 32), strides=(8, 1))
    mel.build((1, None, 1))
    embedding.build((1, None, 32, 1))

    @tf.function(input_signature=[tf.TensorSpec((1, None), tf.float32)])
    def spectrogram(samples):
        return 10 * tf.nn.relu(mel(samples[..., None] / 32768.0))[None]

    @tf.function(input_signature=[tf.TensorSpec((1, None, 32, 1), tf.float32)])
    def embed(frames):
        return 10 * embedding(frames)

    for name, made in zip(FILES, (spectrogram, embed), strict=True):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([made.get_concrete_function()])
        (folder / name).write_bytes(converter.convert())
    return folder


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Return noise, int16."""
    return np.random.default_rng(seed).integers(-8000, 8000, round(seconds * 16_000)).astype(np.int16)

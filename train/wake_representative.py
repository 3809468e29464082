"""Inputs of the device form as they arise in use: what calibrates the ranges of its quantisation."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.frontend import quantise_features
from edge.frontend_tables import FrontendSettings
from edge.offline import features_of_clips
from train.corpus import Clip
from train.keras import tf
from train.wake_network import WakeShape, to_feature_units
from train.wake_scenes import Scenes
from train.wake_traces import in_noise_floor

__all__ = ["chosen_scenes", "quantised_features_of_clips", "representative_inputs"]

_REPRESENTATIVE_SCENES = 24


def quantised_features_of_clips(clips: Iterable[Clip], frontend: FrontendSettings) -> list[npt.NDArray[np.int8]]:
    """Compute the features of clips in their noise floor, each ``(frames, 40) int8``."""
    return [quantise_features(one) for one in features_of_clips(map(in_noise_floor, clips), frontend)]


def representative_inputs(
    device: Any, shape: WakeShape, features: Iterable[npt.NDArray[np.int8]]
) -> dict[str, npt.NDArray[np.float32]]:
    """Run the device form over sounds, and collect every second of its inputs.

    Parameters
    ----------
    device : tf_keras.Model
        From :func:`train.wake_network.device_form`.
    shape : WakeShape
    features : iterable of (frames, 40) int8
        Sounds with words and without: the range of the logits comes from both.

    Returns
    -------
    dict
        ``features`` ``(n, context_frames, 40)`` and ``state`` ``(n, S, width)``.
    """
    step = tf.function(lambda features, state: device([features, state], training=False)["state_out"])
    state_shape = tuple(device.get_layer("state").input_shape[0])
    inputs: dict[str, list[npt.NDArray[np.float32]]] = {"features": [], "state": []}
    for sound in features:
        x = to_feature_units(sound).numpy()
        state = np.zeros(state_shape, np.float32)
        for at in range(0, x.shape[0] - shape.context_frames + 1, shape.stride_frames):
            chunk = x[None, at : at + shape.context_frames]
            if at % (2 * shape.stride_frames) == 0:
                inputs["features"].append(chunk[0])
                inputs["state"].append(state[0])
            state = step(tf.constant(chunk), tf.constant(state)).numpy()
    return {name: np.stack(values) for name, values in inputs.items()}


def chosen_scenes(scenes: Scenes, seed: int) -> npt.NDArray[np.int8]:
    """Draw scenes to calibrate with, half of them with a word."""
    rng = np.random.default_rng([seed, 3])
    with_word = rng.permutation(np.flatnonzero(scenes["word"] >= 0))[: _REPRESENTATIVE_SCENES // 2]
    without = rng.permutation(np.flatnonzero(scenes["word"] < 0))[: _REPRESENTATIVE_SCENES // 2]
    return scenes["features"][np.concatenate((with_word, without))]

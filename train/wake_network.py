"""The wake network: one set of weights, in a form for training and in a form for the device.

A stack of depthwise-separable temporal convolutions, as in microWakeWord's networks [1]_ and in the streaming
models of Rybakov et al. [2]_. The training form runs over a whole scene at once, padded in the past only; the device
form takes the newest frames and one explicit state tensor, and gives one logit a word and the next state.
Both compute the same numbers (``tests/train/test_wake_network.py``).

All rings of the device form hold outputs of a ReLU6: one tensor with one quantisation serves them all, and the
bytes that come out can be fed back unchanged.

References
----------
.. [1] K. Ahrendt, "microWakeWord", 2023, https://github.com/kahrendt/microWakeWord.
.. [2] O. Rybakov et al., "Streaming keyword spotting on mobile devices", Interspeech 2020.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import DataError
from edge.frontend import FEATURE_SCALE
from train.keras import tf, tf_keras

__all__ = [
    "RELU_CEILING",
    "WakeShape",
    "Weights",
    "device_form",
    "output_frames",
    "saved_weights",
    "to_feature_units",
    "training_form",
    "weights_of",
]

RELU_CEILING = 6.0
"""Upper bound of every activation, and so of every value of the state."""


@dataclass(frozen=True, slots=True)
class WakeShape:
    """Size of the network."""

    words: int
    channels: int = 40
    """Feature channels."""
    context_frames: int = 5
    """Frames that the first layer sees."""
    stride_frames: int = 3
    """Frames between two outputs."""
    width: int = 64
    """Channels of every hidden layer."""
    kernels: tuple[int, ...] = field(default=(5, 9, 13, 21))
    """Lengths of the temporal convolutions, in outputs of the first layer (30 ms)."""

    @property
    def state_shape(self) -> tuple[int, int]:
        """Shape of the state: all rings one after the other."""
        return sum(k - 1 for k in self.kernels), self.width

    @property
    def receptive_frames(self) -> int:
        """Frames that one output depends on."""
        return self.context_frames + self.stride_frames * self.state_shape[0]

    def to_dict(self) -> dict[str, Any]:
        """Return the size as plain data."""
        return asdict(self)


def output_frames(shape: WakeShape, n_outputs: int) -> np.ndarray:
    """Return the index of the newest frame that each output of the training form has seen, ``(n_outputs,) int64``."""
    return np.arange(n_outputs) * shape.stride_frames + shape.context_frames - 1


def _layers(shape: WakeShape, prefix: str = "") -> dict[str, Any]:
    keras_layers = tf_keras.layers
    made: dict[str, Any] = {
        "stem": keras_layers.Conv2D(
            shape.width,
            (shape.context_frames, 1),
            strides=(shape.stride_frames, 1),
            use_bias=False,
            name=prefix + "stem",
        ),
        "stem_norm": keras_layers.BatchNormalization(name=prefix + "stem_norm"),
        "head": keras_layers.Conv2D(shape.words, 1, name=prefix + "head"),
    }
    for i, k in enumerate(shape.kernels):
        made[f"time{i}"] = keras_layers.DepthwiseConv2D((k, 1), use_bias=False, name=prefix + f"time{i}")
        made[f"mix{i}"] = keras_layers.Conv2D(shape.width, 1, use_bias=False, name=prefix + f"mix{i}")
        made[f"norm{i}"] = keras_layers.BatchNormalization(name=prefix + f"norm{i}")
    return made


def _relu6(x: Any) -> Any:
    return tf_keras.layers.ReLU(RELU_CEILING)(x)


def training_form(shape: WakeShape, *, dropout: float = 0.1) -> Any:
    """Build the form that runs over whole scenes.

    Returns
    -------
    tf_keras.Model
        Input ``features`` ``(batch, frames, 40) float32`` in feature units (0 to 26); output ``logits``
        ``(batch, outputs, words) float32``; output *i* has seen the frames up to :func:`output_frames`.
    """
    made = _layers(shape)
    features = tf_keras.Input((None, shape.channels), name="features")
    x = tf_keras.layers.Reshape((-1, 1, shape.channels))(features)
    x = _relu6(made["stem_norm"](made["stem"](x)))
    for i, k in enumerate(shape.kernels):
        # Zeros before the first frame are what the rings of the device hold after a reset: the network
        # learns to hear a word that stands at the very start of a stream.
        x = tf_keras.layers.ZeroPadding2D(((k - 1, 0), (0, 0)))(x)
        x = made[f"mix{i}"](made[f"time{i}"](x))
        x = _relu6(made[f"norm{i}"](x))
        if dropout:
            x = tf_keras.layers.SpatialDropout2D(dropout)(x)
    x = made["head"](x)
    logits = tf_keras.layers.Reshape((-1, shape.words), name="logits")(x)
    return tf_keras.Model(features, logits, name="wake_training")


Weights = dict[str, list[np.ndarray]]
"""Weights of a trained network, by the name of the layer, in the order of Keras."""


def weights_of(trained: Any) -> Weights:
    """Take the weights of a training form, pruning wrappers stripped."""
    return {layer.name: layer.get_weights() for layer in trained.layers if layer.get_weights()}


def saved_weights(folder: Path) -> Weights:
    """Read the weights of a device form of one member, as a checkpoint holds it.

    Raises
    ------
    DataError
        If there is no such model.
    """
    try:
        variables = tf.saved_model.load(str(folder)).variables
    except OSError as error:
        raise DataError(f"{folder}: got no saved network, expected that of a checkpoint; train it first") from error
    weights: Weights = {}
    for variable in variables:
        weights.setdefault(variable.name.split("/")[0], []).append(variable.numpy())
    return weights


def device_form(shape: WakeShape, members: Sequence[Weights]) -> Any:
    """Build the form that the device runs, of one or several trained networks whose logits are averaged.

    Members that were trained apart err apart: their mean makes fewer false accepts than either. On the device they are
    one network with one state.

    Parameters
    ----------
    shape : WakeShape
        Of each member.
    members : sequence of Weights
        At least one.

    Returns
    -------
    tf_keras.Model
        Inputs ``features`` ``(1, context_frames, 40)`` and ``state`` ``(1, S, width)``, outputs ``logits``
        ``(1, words)`` and ``state_out`` ``(1, S, width)``, all float32; S counts the rings of all members.
    """
    length, width = shape.state_shape
    features = tf_keras.Input((shape.context_frames, shape.channels), batch_size=1, name="features")
    state = tf_keras.Input((length * len(members), width), batch_size=1, name="state")
    given = tf_keras.layers.Reshape((shape.context_frames, 1, shape.channels))(features)
    rings, heads, filled = [], [], []
    at = 0
    for number, weights in enumerate(members):
        made = _layers(shape, f"member{number}_" if len(members) > 1 else "")
        x = _relu6(made["stem_norm"](made["stem"](given)))
        for i, k in enumerate(shape.kernels):
            newest = tf_keras.layers.Reshape((1, width))(x)
            ring = tf_keras.layers.Concatenate(axis=1)([state[:, at : at + k - 1, :], newest])
            rings.append(ring[:, 1:, :])
            at += k - 1
            x = tf_keras.layers.Reshape((k, 1, width))(ring)
            x = made[f"mix{i}"](made[f"time{i}"](x))
            x = _relu6(made[f"norm{i}"](x))
        heads.append(made["head"](x))
        # The mean of the logits: each head gives its share, and they are added.
        share = {**weights, "head": [w / len(members) for w in weights["head"]]}
        filled.append((made, share))
    total = tf_keras.layers.Add()(heads) if len(heads) > 1 else heads[0]
    logits = tf_keras.layers.Reshape((shape.words,), name="logits")(total)
    state_out = tf_keras.layers.Concatenate(axis=1, name="state_out")(rings)
    model = tf_keras.Model([features, state], {"logits": logits, "state_out": state_out}, name="wake_device")
    for made, weights in filled:
        for name, layer in made.items():
            layer.set_weights(weights[name])
    return model


def to_feature_units(quantised: Any) -> Any:
    """Map int8 features to the unit that the network sees, as the device's input tensor does."""
    return (tf.cast(quantised, tf.float32) + 128.0) * FEATURE_SCALE

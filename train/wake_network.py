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
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import DataError
from edge.frontend import FEATURE_SCALE
from train.keras import tf, tf_keras

__all__ = [
    "RELU_CEILING",
    "Branch",
    "WakeShape",
    "Weights",
    "branch_form",
    "branch_weights",
    "device_form",
    "fill_branch",
    "output_frames",
    "saved_weights",
    "to_feature_units",
    "training_form",
    "trunk_form",
    "weights_of",
    "with_words",
]

Weights = dict[str, list[np.ndarray]]
"""Weights of a trained network, by the name of the layer, in the order of Keras."""

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


def _block_over_scene(made: dict[str, Any], shape: WakeShape, i: int, x: Any, dropout: float) -> Any:
    # Zeros before the first frame are what the rings of the device hold after a reset: the network
    # learns to hear a word that stands at the very start of a stream.
    x = tf_keras.layers.ZeroPadding2D(((shape.kernels[i] - 1, 0), (0, 0)))(x)
    x = made[f"mix{i}"](made[f"time{i}"](x))
    x = _relu6(made[f"norm{i}"](x))
    return tf_keras.layers.SpatialDropout2D(dropout)(x) if dropout else x


def training_form(shape: WakeShape, *, dropout: float = 0.1, weights: Weights | None = None, beside: int = 0) -> Any:
    """Build the form that runs over whole scenes, with fresh weights or with those that are given.

    Parameters
    ----------
    shape : WakeShape
    dropout : float
        Share of the channels that is left out between layers.
    weights : Weights, optional
    beside : int
        How many more outputs there are behind those of the words, by a layer ``beside`` that no device has: what else
        the last block shall know. It begins with fresh weights in any case.

    Returns
    -------
    tf_keras.Model
        Input ``features`` ``(batch, frames, 40) float32`` in feature units (0 to 26); output ``logits``
        ``(batch, outputs, words + beside) float32``; output *i* has seen the frames up to :func:`output_frames`.
    """
    made = _layers(shape)
    features = tf_keras.Input((None, shape.channels), name="features")
    x = tf_keras.layers.Reshape((-1, 1, shape.channels))(features)
    x = _relu6(made["stem_norm"](made["stem"](x)))
    for i in range(len(shape.kernels)):
        x = _block_over_scene(made, shape, i, x, dropout)
    given = made["head"](x)
    if beside:
        more = tf_keras.layers.Conv2D(beside, 1, name="beside")(x)
        given = tf_keras.layers.Concatenate(axis=-1)([given, more])
    logits = tf_keras.layers.Reshape((-1, shape.words + beside), name="logits")(given)
    if weights is not None:
        _fill(made, weights)
    return tf_keras.Model(features, logits, name="wake_training")


def weights_of(trained: Any) -> Weights:
    """Take the weights of a training form, pruning wrappers stripped."""
    return {layer.name: layer.get_weights() for layer in trained.layers if layer.get_weights()}


def with_words(weights: Weights, words: int) -> Weights:
    """Keep the first words of a head: others were there to be told apart while the network was trained."""
    return {**weights, "head": [w[..., :words] for w in weights["head"]]}


def saved_weights(folder: Path) -> Weights:
    """Read the weights of a device form of one member, as a checkpoint holds it.

    Raises
    ------
    DataError
        If there is no such model, or it is damaged.
    """
    try:
        variables = tf.saved_model.load(str(folder)).variables
    except OSError as error:
        raise DataError(f"{folder}: got no saved network, expected that of a checkpoint; train it first") from error
    except (
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        tf.errors.OpError,
    ) as error:  # files that were cut short
        said = " ".join(str(error).split())[:120]
        raise DataError(
            f"{folder}: got a damaged network ({said}), expected that of a checkpoint; train it again"
        ) from error
    weights: Weights = {}
    for variable in variables:
        weights.setdefault(variable.name.split("/")[0], []).append(variable.numpy())
    return weights


@dataclass(frozen=True, slots=True)
class Branch:
    """A word that was added to a trained network: its own copy of the last blocks, and a head of its own."""

    first: int
    """Block from which on the copy differs; as many as there are blocks: the head alone does."""
    members: tuple[Weights, ...]
    """For each member of the network, the weights of these blocks and of the head, by the name of the layer."""


def trunk_form(shape: WakeShape, weights: Weights, first: int) -> Any:
    """Build the part of a trained network that a branch begins behind; it runs over whole scenes.

    Returns
    -------
    tf_keras.Model
        Input ``features`` as :func:`training_form`; output ``(batch, outputs, 1, width) float32``, what enters block
        `first`.
    """
    made = _layers(shape)
    features = tf_keras.Input((None, shape.channels), name="features")
    x = tf_keras.layers.Reshape((-1, 1, shape.channels))(features)
    x = _relu6(made["stem_norm"](made["stem"](x)))
    for i in range(first):
        x = _block_over_scene(made, shape, i, x, 0.0)
    _fill(made, weights)
    return tf_keras.Model(features, x, name="wake_trunk")


def branch_form(shape: WakeShape, members: Sequence[Weights], first: int, *, dropout: float = 0.1) -> Any:
    """Build the branch of a new word, to be trained over whole scenes: blocks as the trunk has them, a fresh head.

    Returns
    -------
    tf_keras.Model
        Input ``(batch, outputs, 1, width * len(members)) float32``, what :func:`trunk_form` gives for each member;
        output ``(batch, outputs, 1) float32``, the mean of the members' logits.
    """
    given = tf_keras.Input((None, 1, shape.width * len(members)), name="trunk")
    logits = []
    for number, weights in enumerate(members):
        made = _layers(replace(shape, words=1), _member_prefix(number, len(members)))
        x = given[..., number * shape.width : (number + 1) * shape.width]
        for i in range(first, len(shape.kernels)):
            x = _block_over_scene(made, shape, i, x, dropout)
        logits.append(made["head"](x))
        _fill(made, {**weights, "head": made["head"].get_weights()})
    mean = tf_keras.layers.Average()(logits) if len(logits) > 1 else logits[0]
    return tf_keras.Model(given, tf_keras.layers.Reshape((-1, 1), name="logits")(mean), name="wake_branch")


def branch_weights(trained: Any, n_members: int) -> tuple[Weights, ...]:
    """Take the weights of a branch form, for each member."""
    weights = weights_of(trained)
    prefixes = [_member_prefix(number, n_members) for number in range(n_members)]
    return tuple({name.removeprefix(p): w for name, w in weights.items() if name.startswith(p)} for p in prefixes)


def fill_branch(form: Any, branch: Branch) -> None:
    """Put the weights of a branch into a branch form."""
    for number, weights in enumerate(branch.members):
        for name, values in weights.items():
            form.get_layer(_member_prefix(number, len(branch.members)) + name).set_weights(values)


def _member_prefix(number: int, n_members: int) -> str:
    return f"member{number}_" if n_members > 1 else ""


def _fill(made: dict[str, Any], weights: Weights) -> None:
    for name, layer in made.items():
        if layer.built:
            layer.set_weights(weights[name])


def device_form(shape: WakeShape, members: Sequence[Weights], branches: Sequence[Branch] = ()) -> Any:
    """Build the form that the device runs, of one or several trained networks whose logits are averaged.

    Members that were trained apart err apart: their mean makes fewer false accepts than either. On the device they are
    one network with one state.

    Parameters
    ----------
    shape : WakeShape
        Of each member; its words are those of the members, without branches.
    members : sequence of Weights
        At least one.
    branches : sequence of Branch
        Words that were added, in the order of their logits.

    Returns
    -------
    tf_keras.Model
        Inputs ``features`` ``(1, context_frames, 40)`` and ``state`` ``(1, S, width)``, outputs ``logits``
        ``(1, words + branches)`` and ``state_out`` ``(1, S, width)``, all float32; S counts the rings of all members,
        and behind them those of the branches.
    """
    width = shape.width
    behind = [sum(k - 1 for k in shape.kernels[first:]) for first in (0, *(branch.first for branch in branches))]
    features = tf_keras.Input((shape.context_frames, shape.channels), batch_size=1, name="features")
    state = tf_keras.Input((sum(behind) * len(members), width), batch_size=1, name="state")
    given = tf_keras.layers.Reshape((shape.context_frames, 1, shape.channels))(features)
    rings: list[Any] = []
    filled = []
    at = 0

    def block(made: dict[str, Any], i: int, x: Any) -> Any:
        nonlocal at
        k = shape.kernels[i]
        newest = tf_keras.layers.Reshape((1, width))(x)
        ring = tf_keras.layers.Concatenate(axis=1)([state[:, at : at + k - 1, :], newest])
        rings.append(ring[:, 1:, :])
        at += k - 1
        x = tf_keras.layers.Reshape((k, 1, width))(ring)
        x = made[f"mix{i}"](made[f"time{i}"](x))
        return _relu6(made[f"norm{i}"](x))

    def mean(heads: list[Any]) -> Any:
        return tf_keras.layers.Add()(heads) if len(heads) > 1 else heads[0]

    def share(weights: Weights) -> Weights:
        # The mean of the logits: each head gives its share, and they are added.
        return {**weights, "head": [w / len(members) for w in weights["head"]]}

    heads = []
    entering: list[list[Any]] = []
    for number, weights in enumerate(members):
        made = _layers(shape, _member_prefix(number, len(members)))
        x = _relu6(made["stem_norm"](made["stem"](given)))
        entering.append([x])
        for i in range(len(shape.kernels)):
            x = block(made, i, x)
            entering[-1].append(x)
        heads.append(made["head"](x))
        filled.append((made, share(weights)))
    logits = [mean(heads)]
    for added, branch in enumerate(branches):
        heads = []
        for number, weights in enumerate(branch.members):
            made = _layers(replace(shape, words=1), f"added{added}_{_member_prefix(number, len(members))}")
            x = entering[number][branch.first]
            for i in range(branch.first, len(shape.kernels)):
                x = block(made, i, x)
            heads.append(made["head"](x))
            filled.append((made, share(weights)))
        logits.append(mean(heads))
    total = tf_keras.layers.Concatenate(axis=-1)(logits) if branches else logits[0]
    total = tf_keras.layers.Reshape((shape.words + len(branches),), name="logits")(total)
    state_out = tf_keras.layers.Concatenate(axis=1, name="state_out")(rings)
    model = tf_keras.Model([features, state], {"logits": total, "state_out": state_out}, name="wake_device")
    for made, weights in filled:
        _fill(made, weights)
    return model


def to_feature_units(quantised: Any) -> Any:
    """Map int8 features to the unit that the network sees, as the device's input tensor does."""
    return (tf.cast(quantised, tf.float32) + 128.0) * FEATURE_SCALE

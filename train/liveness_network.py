"""The liveness network: a small convolutional network over the cues of one second.

Convolutions over time and frequency, depthwise-separable as in the lightest published countermeasures [1]_; pooling
is over time only, because *where* on the frequency axis power is missing is the evidence. The three summary rows
of the cues have convolutions along the bands of their own, and meet the others in the last layer, as Void's features do
beside deeper networks.

References
----------
.. [1] I.-Y. Kwak et al., "ResMax: Detecting Voice Spoofing Attacks with Residual Network and Max Feature Map",
   ICPR 2020 (its depthwise-separable form has 45 k parameters).
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from edge.cues import CueSettings
from train.keras import tf_keras

__all__ = ["LivenessShape", "network", "without_way"]


@dataclass(frozen=True, slots=True)
class LivenessShape:
    """Size of the network."""

    stem: int = 24
    """Channels of the first convolution."""
    blocks: tuple[tuple[int, int], ...] = field(default=((48, 2), (64, 1), (64, 2), (96, 1), (80, 2)))
    """Channels and stride of each depthwise-separable block."""
    pooled: int = 32
    """Channels that are kept of the mean and the maximum over time."""
    summary: tuple[tuple[int, int, int], ...] = field(default=((24, 7, 1), (24, 5, 2), (24, 5, 3)))
    """Channels, length and stride of each convolution over the bands of the summary rows."""
    hidden: int = 32
    """Units of each dense layer."""

    def to_dict(self) -> dict[str, Any]:
        """Return the size as plain data."""
        return asdict(self)


def network(shape: LivenessShape, cues: CueSettings, *, dropout: float = 0.3, tells_way: bool = False) -> Any:
    """Build the network.

    Parameters
    ----------
    shape : LivenessShape
    cues : CueSettings
    dropout : float
    tells_way : bool
        Whether it also tells the way of the sound, which it is only taught by: see :func:`without_way`.

    Returns
    -------
    tf_keras.Model
        Input ``cues`` ``(batch, rows, bands) float32`` as :func:`edge.cues.liveness_cues` gives them, output
        ``logit`` ``(batch, 1) float32``, positive for live; behind it the gain in each band, in units of 10 dB
        (:func:`train.sound_way.ways_to_learn`), if it tells them.
    """
    layers = tf_keras.layers
    rows, bands = cues.shape
    given = tf_keras.Input((rows, bands), name="cues")
    x = layers.Reshape((rows - cues.summary_rows, bands, 1))(given[:, cues.summary_rows :, :])
    x = layers.Conv2D(shape.stem, 5, strides=2, padding="same", use_bias=False, name="stem")(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization(name="stem_norm")(x))
    for i, (width, stride) in enumerate(shape.blocks):
        x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=f"depth{i}")(x)
        x = layers.Conv2D(width, 1, use_bias=False, name=f"mix{i}")(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization(name=f"norm{i}")(x))
    mean, most = layers.AveragePooling2D((x.shape[1], 1))(x), layers.MaxPooling2D((x.shape[1], 1))(x)
    x = layers.Conv2D(shape.pooled, 1, use_bias=False, name="pooled")(layers.Concatenate()([mean, most]))
    x = layers.Flatten()(layers.ReLU(6.0)(layers.BatchNormalization(name="pooled_norm")(x)))
    features = [x]
    x = layers.Dropout(dropout)(x)
    x = layers.Dense(shape.hidden, name="over_time")(x)
    # A resonance is a bump wherever it lies: it is looked for along the bands.
    summary = layers.Permute((2, 1))(given[:, : cues.summary_rows, :])
    summary = layers.Reshape((bands, 1, cues.summary_rows))(summary)
    for i, (width, length, stride) in enumerate(shape.summary):
        summary = layers.Conv2D(
            width, (length, 1), strides=(stride, 1), padding="same", use_bias=False, name=f"bands{i}"
        )(summary)
        summary = layers.ReLU(6.0)(layers.BatchNormalization(name=f"bands{i}_norm")(summary))
    summary = layers.Flatten()(summary)
    features.append(summary)
    summary = layers.Dropout(dropout)(summary)
    summary = layers.Dense(shape.hidden, name="summary")(summary)
    # Before they are joined: so the converter fuses both into the layers in front. On its own behind the join, the
    # ReLU of TensorFlow Lite for Microcontrollers takes the scale of its input for that of its output.
    joined = layers.Concatenate()([layers.ReLU(6.0)(x), layers.ReLU(6.0)(summary)])
    joined = layers.Dropout(dropout)(joined)
    logit = layers.Dense(1, name="logit")(joined)
    if not tells_way:
        return tf_keras.Model(given, logit, name="liveness")
    gains = layers.Dense(bands, name="way")(layers.Concatenate()(features))
    return tf_keras.Model(given, layers.Concatenate()([logit, gains]), name="liveness")


def without_way(model: Any, shape: LivenessShape, cues: CueSettings) -> Any:
    """Return a network that says no more than how live a clip is, as a device runs it, with the weights of another."""
    plain = network(shape, cues)
    for layer in plain.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return plain

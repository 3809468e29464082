"""The liveness network: a small convolutional network over the cues of one second.

Convolutions over time and frequency, depthwise-separable as in the lightest published countermeasures [1]_; pooling
is over time only, because *where* on the frequency axis power is missing is the evidence. The three summary rows
of the cues go past the convolutions to the last layer, as Void's features do beside deeper networks.

References
----------
.. [1] I.-Y. Kwak et al., "ResMax: Detecting Voice Spoofing Attacks with Residual Network and Max Feature Map",
   ICPR 2020 (its depthwise-separable form has 45 k parameters).
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from edge.cues import CueSettings
from train.keras import tf_keras

__all__ = ["LivenessShape", "network"]


@dataclass(frozen=True, slots=True)
class LivenessShape:
    """Size of the network."""

    stem: int = 24
    """Channels of the first convolution."""
    blocks: tuple[tuple[int, int], ...] = field(default=((48, 2), (64, 1), (64, 2), (96, 1), (96, 2)))
    """Channels and stride of each depthwise-separable block."""
    hidden: int = 32
    """Units of each dense layer."""

    def to_dict(self) -> dict[str, Any]:
        """Return the size as plain data."""
        return asdict(self)


def network(shape: LivenessShape, cues: CueSettings, *, dropout: float = 0.3) -> Any:
    """Build the network.

    Returns
    -------
    tf_keras.Model
        Input ``cues`` ``(batch, rows, bands) float32`` as :func:`edge.cues.liveness_cues` gives them, output
        ``logit`` ``(batch, 1) float32``, positive for live.
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
    x = layers.AveragePooling2D((x.shape[1], 1))(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Dense(shape.hidden, name="over_time")(x)
    summary = layers.Flatten()(given[:, : cues.summary_rows, :])
    summary = layers.Dropout(dropout)(summary)
    summary = layers.Dense(shape.hidden, name="summary")(summary)
    joined = layers.ReLU(6.0)(layers.Concatenate()([x, summary]))
    joined = layers.Dropout(dropout)(joined)
    return tf_keras.Model(given, layers.Dense(1, name="logit")(joined), name="liveness")

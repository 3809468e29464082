"""A network that is taught the way of the sound beside the answer: what it need not know on a device.

Whether a clip is live is one bit, and what talkers and rooms do to the spectrum is much of what stands in its way. The
gain from the recording to what is heard is known of every rendered clip, in every band; a network that learns to tell
it learns to hear past the talker (learning using privileged information [1]_).

References
----------
.. [1] V. Vapnik and A. Vashist, "A new learning paradigm: Learning using privileged information", Neural Networks 22,
   2009.
"""

from typing import Any

from train.keras import tf, tf_keras

__all__ = ["WayLoss"]

_LEAST_KNOWN = 1e-3


class WayLoss(tf_keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy, and the squared error of the gains, each as far as it can be known.

    Parameters
    ----------
    weight : float
        Of the squared error, in units of (10 dB)^2.
    label_smoothing : float

    Notes
    -----
    ``truth`` is ``(batch, 1 + 2 bands)``: the label, gains and how far they are known
    (:func:`train.sound_way.ways_to_learn`); ``told`` ``(batch, 1 + bands)``. The level of a gain is no part of it: what
    is told may lie above all of them by any number. With the label alone, ``(batch, 1)``, it is plain cross-entropy:
    validation.
    """

    def __init__(self, weight: float, label_smoothing: float) -> None:
        super().__init__(name="way")
        self._weight = weight
        self._plain = tf_keras.losses.BinaryCrossentropy(
            from_logits=True, label_smoothing=label_smoothing, reduction=tf_keras.losses.Reduction.NONE
        )

    def call(self, truth: Any, told: Any) -> Any:
        """Return the loss of each clip, ``(batch,)``."""
        losses = self._plain(truth[:, :1], told[:, :1])
        if truth.shape[-1] == 1:
            return losses
        gains, known = tf.split(truth[:, 1:], 2, axis=1)
        total = tf.reduce_sum(known, axis=1, keepdims=True) + _LEAST_KNOWN
        apart = told[:, 1:] - gains
        apart -= tf.reduce_sum(known * apart, axis=1, keepdims=True) / total
        return losses + self._weight * tf.reduce_sum(known * apart**2, axis=1) / total[:, 0]

"""What each kind of loudspeaker counts in the liveness loss: fixed weights, or as much as the network errs on it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from edge.errors import DataError
from train.keras import tf, tf_keras

__all__ = ["GROUPS", "RobustLoss", "group_index", "sample_weights"]

GROUPS = ("live", "phone", "laptop", "tv", "standalone")
"""Live talkers, and replays by kind of loudspeaker."""


def group_index(live: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Return the group of every clip, an index into :data:`GROUPS`: ``(n,) int32``.

    Parameters
    ----------
    live : (n,) int8
    kind : (n,) str
        Kind of the loudspeaker; of no account where `live` is 1.

    Raises
    ------
    DataError
        If a replay is of no known kind.
    """
    names = np.where(live.astype(bool), "live", kind)
    unknown = sorted(set(names.tolist()) - set(GROUPS))
    if unknown:
        raise DataError(f"got replays of the kind {unknown[0]!r}, expected one of {', '.join(GROUPS[1:])}")
    return np.array([GROUPS.index(name) for name in names.tolist()], np.int32)


def sample_weights(groups: np.ndarray, kind_weights: Mapping[str, float]) -> np.ndarray:
    """Return what every clip counts, ``(n,) float32``.

    Replays count on average 1, as live clips do, so that the balance of the classes stays; kinds that are not named
    count 1 beside the others.
    """
    given = np.array([float(kind_weights.get(name, 1.0)) for name in GROUPS], np.float64)
    weights = given[groups]
    replays = groups > 0
    if replays.any():
        mean = weights[replays].mean()
        weights[replays] /= mean if mean > 0 else 1.0
    return weights.astype(np.float32)


class RobustLoss(tf_keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy in which a group counts the more the worse it is: group DRO [1]_, algorithm 1.

    The weights of the groups rise by the exponential of their loss, batch by batch (exponentiated gradient), and
    always sum to 1. A group that is not in a batch keeps its share but for the common scale.

    Parameters
    ----------
    step_size : float
        Of the exponentiated gradient; 0.01 in the paper.
    label_smoothing : float

    Notes
    -----
    ``truth`` is ``(batch, 1 + groups)``: the label, and the share of each group in the clip (a mixture of two clips is
    of two groups). With the label alone, ``(batch, 1)``, it is plain cross-entropy and no weight moves: validation.

    References
    ----------
    .. [1] S. Sagawa, P. W. Koh, T. Hashimoto and P. Liang, "Distributionally Robust Neural Networks for Group Shifts",
       ICLR 2020.
    """

    def __init__(self, step_size: float, label_smoothing: float) -> None:
        super().__init__(reduction=tf_keras.losses.Reduction.NONE, name="robust")
        self._step_size = step_size
        self._plain = tf_keras.losses.BinaryCrossentropy(
            from_logits=True, label_smoothing=label_smoothing, reduction=tf_keras.losses.Reduction.NONE
        )
        self.weights = tf.Variable([1.0 / len(GROUPS)] * len(GROUPS), trainable=False, name="group_weights")
        """Share of each group, in the order of :data:`GROUPS`."""

    def call(self, truth: Any, logits: Any) -> Any:
        """Return the loss of the batch, scalar."""
        losses = self._plain(truth[:, :1], logits)
        if truth.shape[-1] == 1:
            return tf.reduce_mean(losses)
        shares = truth[:, 1:]
        sizes = tf.reduce_sum(shares, axis=0)
        by_group = tf.math.divide_no_nan(tf.reduce_sum(shares * losses[:, None], axis=0), sizes)
        risen = self.weights * tf.exp(self._step_size * tf.stop_gradient(by_group))
        self.weights.assign(risen / tf.reduce_sum(risen))
        return tf.reduce_sum(self.weights * by_group)

"""What the wake network is asked to say at each moment of a scene."""

from dataclasses import dataclass
from typing import Any

from edge.frontend_tables import FrontendSettings
from edge.sample_time import SAMPLE_RATE_HZ
from train.keras import tf
from train.wake_network import WakeShape, output_frames

__all__ = ["LabelTimes", "targets", "weighted_loss"]


@dataclass(frozen=True, slots=True)
class LabelTimes:
    """Times relative to the energy endpoint of the word, s."""

    begin: float = 0.0
    """From here on the word counts as said."""
    hold: float = 0.2
    """For this long the score shall stay high."""
    unsure_before: float = 0.15
    """This long before ``begin`` either answer is right: the end of a word cannot be known to the frame."""
    unsure_after: float = 0.15
    """The same after the hold."""


def targets(end_sample: Any, word: Any, first_frame: Any, n_outputs: int, shape: WakeShape, frontend: FrontendSettings,
            times: LabelTimes, positive_weight: float) -> Any:  # fmt: skip
    """Compute targets and weights of one scene.

    Parameters
    ----------
    end_sample, word : scalar int32 tensors
        Where the word ends (-1: none) and which it is (-1: none).
    first_frame : scalar int32 tensor
        Index in the scene of the first frame that the network is shown.
    n_outputs : int

    Returns
    -------
    (n_outputs, words, 2) float32 tensor
        Target and weight of every output.
    """
    newest = tf.constant(output_frames(shape, n_outputs), tf.int32) + first_frame
    heard = frontend.heard_samples(newest)
    after = tf.cast(heard - end_sample, tf.float32) / SAMPLE_RATE_HZ - times.begin
    said = (after >= 0) & (after < times.hold)
    either = (after >= -times.unsure_before) & (after < times.hold + times.unsure_after) & ~said
    is_word = tf.one_hot(word, shape.words)[None, :] * tf.cast(end_sample >= 0, tf.float32)
    target = tf.cast(said, tf.float32)[:, None] * is_word
    weight = 1.0 + (positive_weight - 1.0) * target - tf.cast(either, tf.float32)[:, None] * is_word
    return tf.stack([target, weight], axis=-1)


def weighted_loss(truth: Any, logits: Any) -> Any:
    """Weighted cross-entropy of one logit a word; ``truth`` is what :func:`targets` returns, batched."""
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=truth[..., 0], logits=logits)
    return tf.reduce_mean(tf.reduce_sum(losses * truth[..., 1], axis=-1))

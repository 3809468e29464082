"""A wake network learns from others, too: from what they say of each moment, which is more than yes or no.

Networks that were trained apart err apart, so that the mean of several is better than each; but on the device it costs
as much as all of them. One network that is taught by the mean keeps part of what was won [1]_. Teachers are shown what
the pupil is shown, augmentation included [2]_.

References
----------
.. [1] G. Hinton, O. Vinyals, J. Dean, "Distilling the knowledge in a neural network", 2015, https://arxiv.org/abs/1503.02531.
.. [2] L. Beyer et al., "Knowledge distillation: a good teacher is patient and consistent", CVPR 2022.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.errors import UsageError
from train.keras import tf
from train.new_word_checkpoint import WakeCheckpoint, read_wake_checkpoint
from train.wake_network import WakeShape, training_form

__all__ = ["WakeTeachers", "mixed_targets"]


class WakeTeachers:
    """Checkpoints whose mean logit teaches.

    Parameters
    ----------
    paths : sequence of Path
        Folders that ``vivavoce train wake`` or ``train join`` wrote.
    words : sequence of str
        Ids of the words that the pupil is to hear, in the order of its outputs; it may have more outputs behind them.
    shape : WakeShape
        Of the pupil.

    Raises
    ------
    DataError
        If one cannot be read.
    UsageError
        If one hears other words, or gives its outputs at other moments.
    """

    def __init__(self, paths: Sequence[Path], words: Sequence[str], shape: WakeShape) -> None:
        self._n_words = len(words)
        self._forms: list[Any] = []
        self.identities: list[dict[str, Any]] = []
        """Of each: hash of its weights, seed, commit; for the record of the pupil."""
        self.licences: list[dict[str, str]] = []
        """Of the material that they learnt from, each once: the pupil has it from them."""
        for path in paths:
            found = read_wake_checkpoint(path)
            _check(found, tuple(words), shape)
            members = [
                training_form(replace(found.shape, words=len(words)), dropout=0.0, weights=weights)
                for weights in found.members
            ]
            self._forms.append(members)
            self.licences += [one for one in found.record.get("licences", []) if one not in self.licences]
            self.identities.append(
                {
                    "sha256": found.sha256,
                    "seed": found.record.get("seed"),
                    "commit": found.record.get("commit"),
                    "members": len(members),
                    "width": found.shape.width,
                }
            )

    def logits(self, features: Any) -> Any:
        """Return the mean of the teachers' logits, each the mean of its members.

        Parameters
        ----------
        features : (batch, frames, channels) float32 tensor
            As the pupil is shown them.

        Returns
        -------
        (batch, outputs, words) float32 tensor
        """
        of_each = [
            tf.add_n([member(features, training=False) for member in members]) / len(members) for members in self._forms
        ]
        return tf.add_n(of_each) / len(of_each)

    def teach(self, features: Any, truth: Any, *, share: float, positive_weight: float) -> Any:
        """Mix what the teachers say into targets and weights, as :func:`mixed_targets` does.

        The loss that comes of it is the weighted sum of the cross-entropy with the labels and of that with the
        teachers' probabilities: cross-entropy is linear in its target. What the labels leave open (weight 0) the
        teachers tell alone.

        Parameters
        ----------
        features : (batch, frames, channels) float32 tensor
        truth : (batch, outputs, words, 2) float32 tensor
            As :func:`train.wake_labels.targets` returns it; words behind those of the teachers are left as they are.
        share : float
            Of the loss that the teachers have.
        positive_weight : float
            What a moment counts of which the teachers are sure that a word was said.

        Returns
        -------
        (batch, outputs, words, 2) float32 tensor
        """
        said = tf.sigmoid(self.logits(features))
        return mixed_targets(truth, said, share=share, positive_weight=positive_weight)


def mixed_targets(truth: Any, said: Any, *, share: Any, positive_weight: float) -> Any:
    """Mix what a teacher says into targets and weights.

    Parameters
    ----------
    truth : (..., words, 2) float32 tensor
        As :func:`train.wake_labels.targets` returns it; words behind those of the teacher are left as they are.
    said : (..., taught words) float32 tensor
        Probabilities.
    share : float, or float32 tensor that broadcasts to `said`
        Of the loss that the teacher has.
    positive_weight : float
        What a moment counts of which the teacher is sure that a word was said.

    Returns
    -------
    (..., words, 2) float32 tensor
    """
    n_words = said.shape[-1]
    target, weight = truth[..., :n_words, 0], truth[..., :n_words, 1]
    of_labels = (1.0 - share) * weight
    of_teachers = share * (1.0 + (positive_weight - 1.0) * said)
    total = of_labels + of_teachers
    mixed = tf.math.divide_no_nan(of_labels * target + of_teachers * said, total)
    return tf.concat([tf.stack([mixed, total], axis=-1), truth[..., n_words:, :]], axis=-2)


def _check(found: WakeCheckpoint, words: tuple[str, ...], shape: WakeShape) -> None:
    if found.branches:
        raise UsageError(
            f"--teacher {found.path}: got a network to which words were added, expected one of 'vivavoce train wake' "
            "or 'train join'; give the one that they were added to"
        )
    if found.words != words:
        raise UsageError(
            f"--teacher {found.path}: got a network for {', '.join(found.words)}, expected one for {', '.join(words)}; "
            "train it with the same words"
        )
    for name in ("channels", "context_frames", "stride_frames"):
        got, expected = getattr(found.shape, name), getattr(shape, name)
        if got != expected:
            raise UsageError(
                f"--teacher {found.path}: got {name} {got}, expected {expected}, as the network to be taught has; give "
                "another teacher"
            )

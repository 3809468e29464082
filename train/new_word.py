"""A new word on a trained wake network: its trunk stays as it is, and a copy of its last blocks learns the word.

What the trunk computes for a scene never changes, so that it is computed once; only the branch
(:class:`train.wake_network.Branch`) is trained. The words that were there before keep their logits.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.frontend import Frontend, quantise_features
from edge.frontend_tables import FrontendSettings
from train.clip import Clip
from train.corpus import read_clip
from train.fitting import cosine_rate, fit, set_seed
from train.keras import tf, tf_keras
from train.progress import with_progress
from train.simulator.levels import to_int16
from train.wake_labels import LabelTimes, targets, weighted_loss
from train.wake_network import (
    Branch,
    WakeShape,
    Weights,
    branch_form,
    branch_weights,
    fill_branch,
    to_feature_units,
    trunk_form,
)

__all__ = ["WordSettings", "scorer", "stream_windows", "train_branch", "trunk_outputs"]

_BATCH_OF_TRUNK = 128
_FIRST_BIAS = -3.0
"""Of a fresh head: words are rare."""


@dataclass(frozen=True, slots=True)
class WordSettings:
    """How the branch of a word is trained."""

    first_block: int = 1
    """Block of the trunk from which on the word has its own; as many as there are blocks: a head alone."""
    epochs: int = 30
    rate: float = 2e-3
    """Peak learning rate."""
    batch: int = 64
    dropout: float = 0.15
    """Share of the channels that is left out behind each block."""
    weight_decay: float = 0.02
    positive_weight: float = 4.0
    """Of the moments at which the word was just said, beside all others."""

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return asdict(self)


def stream_windows(clips: Sequence[Clip], frames: int, frontend: FrontendSettings) -> npt.NDArray[np.int8]:
    """Cut long-form streams as they are, without noise or rooms, into windows as long as scenes.

    Returns
    -------
    int8 array, shape (n, frames, 40)
    """
    windows = [np.zeros((0, frames, frontend.channels), np.int8)]
    for clip in with_progress(clips, "long-form"):
        features = quantise_features(Frontend(frontend).push(to_int16(read_clip(clip))))
        whole = features.shape[0] // frames
        windows.append(features[: whole * frames].reshape(whole, frames, frontend.channels))
    return np.concatenate(windows)


def trunk_outputs(
    shape: WakeShape,
    members: Sequence[Weights],
    first_block: int,
    features: npt.NDArray[np.int8],
    first_frame: npt.NDArray[np.integer],
    shown: int,
) -> npt.NDArray[np.float16]:
    """Run the trunks over scenes of one length.

    Parameters
    ----------
    shape, members
        See :func:`train.wake_network.device_form`.
    first_block : int
        See :func:`train.wake_network.trunk_form`.
    features : (n, frames, 40) int8
    first_frame : (n,) int
        Frame of each scene with which it begins.
    shown : int
        Frames from there on that are shown.

    Returns
    -------
    float16 array, shape (n, outputs, width * len(members))
    """
    trunks = [trunk_form(shape, weights, first_block) for weights in members]
    run = tf.function(lambda x: tf.concat([trunk(x, training=False) for trunk in trunks], -1)[:, :, 0, :])
    n_outputs = (shown - shape.context_frames) // shape.stride_frames + 1
    made = np.empty((len(features), n_outputs, shape.width * len(members)), np.float16)
    for at in range(0, len(features), _BATCH_OF_TRUNK):
        scenes = zip(features[at : at + _BATCH_OF_TRUNK], first_frame[at : at + _BATCH_OF_TRUNK], strict=True)
        shifted = np.stack([scene[first : first + shown] for scene, first in scenes])
        made[at : at + _BATCH_OF_TRUNK] = run(to_feature_units(tf.constant(shifted))).numpy()
    return made


def train_branch(
    shape: WakeShape,
    members: Sequence[Weights],
    features: npt.NDArray[np.int8],
    end_sample: npt.NDArray[np.integer],
    settings: WordSettings,
    frontend: FrontendSettings,
    *,
    resume: Path,
    trained: dict[str, Any],
    seed: int,
) -> tuple[Branch, dict[str, Any]]:
    """Train the branch of one word.

    Parameters
    ----------
    shape, members
        The trained network.
    features : (n, frames, 40) int8
        Scenes, see :func:`train.new_word_scenes.build_word_scenes`.
    end_sample : (n,) int
        Where the word ends in them, -1: nowhere.
    settings : WordSettings
    frontend : FrontendSettings
    resume, trained
        See :func:`train.fitting.fit`.
    seed : int

    Returns
    -------
    branch : Branch
    history : dict

    Raises
    ------
    DataError
        As :func:`train.fitting.fit` does.
    """
    set_seed(seed)
    rng = np.random.default_rng([seed, 4])
    shown = features.shape[1] - (shape.stride_frames - 1)
    # The device may meet a word at any of the phases of the stride.
    first_frame = rng.integers(0, shape.stride_frames, len(features)).astype(np.int32)
    outputs = trunk_outputs(shape, members, settings.first_block, features, first_frame, shown)
    dataset = _dataset(outputs, end_sample, first_frame, shape, settings, frontend, seed)
    model = branch_form(shape, members, settings.first_block, dropout=settings.dropout)
    for layer in model.layers:
        if layer.name.endswith("head"):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, np.full_like(bias, _FIRST_BIAS)])
    optimizer = tf_keras.optimizers.AdamW(
        cosine_rate(settings.rate, settings.epochs * len(dataset)), weight_decay=settings.weight_decay
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    model.compile(optimizer, weighted_loss)
    history = fit(model, dataset, epochs=settings.epochs, resume=resume, trained=trained)
    return Branch(settings.first_block, branch_weights(model, len(members))), history


def _dataset(
    outputs: npt.NDArray[np.float16],
    end_sample: npt.NDArray[np.integer],
    first_frame: npt.NDArray[np.int32],
    shape: WakeShape,
    settings: WordSettings,
    frontend: FrontendSettings,
    seed: int,
) -> Any:
    n, n_outputs, _ = outputs.shape
    one_word = WakeShape(words=1, context_frames=shape.context_frames, stride_frames=shape.stride_frames)
    given = tf.constant(outputs)
    ends = tf.constant(end_sample, tf.int32)
    firsts = tf.constant(first_frame)

    def example(index: Any) -> tuple[Any, Any]:
        word = tf.where(ends[index] >= 0, 0, -1)
        y = targets(
            ends[index], word, firsts[index], n_outputs, one_word, frontend, LabelTimes(), settings.positive_weight
        )
        return tf.cast(given[index], tf.float32)[:, None, :], y

    indices = tf.data.Dataset.range(n).shuffle(n, seed=seed)
    return indices.map(example, num_parallel_calls=2, deterministic=True).batch(settings.batch).prefetch(2)


def scorer(
    shape: WakeShape, members: Sequence[Weights], branch: Branch
) -> Callable[[npt.NDArray[np.int8]], npt.NDArray[np.float32]]:
    """Return what computes the logits of a branch over a recording, as the float network on a device would.

    Returns
    -------
    callable
        Takes features ``(frames, 40) int8``, returns ``(outputs,) float32``.
    """
    trunks = [trunk_form(shape, weights, branch.first) for weights in members]
    form = branch_form(shape, branch.members, branch.first, dropout=0.0)
    fill_branch(form, branch)

    def logits(features: npt.NDArray[np.int8]) -> npt.NDArray[np.float32]:
        x = to_feature_units(tf.constant(features[None]))
        entering = tf.concat([trunk(x, training=False) for trunk in trunks], -1)
        result: npt.NDArray[np.float32] = form(entering, training=False).numpy()[0, :, 0]
        return result

    return logits
